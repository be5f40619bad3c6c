/** `castgate completion` and `castgate man`: what shells and `man` know of the commands, made from the commands. */
import { Argument, type Command } from 'commander';
import { completion, SHELLS, type Shell } from '../completion.ts';
import { manPage } from '../man-page.ts';
import type { Context } from '../output.ts';

export function addCompletion(program: Command, { output }: Context): void {
  program
    .command('completion')
    .summary('print a completion script for a shell')
    .description('Prints a script with which a shell completes commands, options and their words.')
    .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS))
    .addHelpText('after', COMPLETION_HELP)
    .action((shell: Shell) => output.out(completion(program, shell)));
  program
    .command('man')
    .summary('print the manual page')
    .description('Prints the manual page castgate(1), in the language of man.')
    .addHelpText('after', MAN_HELP)
    .action(() => output.out(manPage(program)));
}

const COMPLETION_HELP = `
Examples:
  castgate completion bash > /etc/bash_completion.d/castgate
  castgate completion zsh > /usr/share/zsh/vendor-completions/_castgate
  castgate completion fish > ~/.config/fish/completions/castgate.fish`;
const MAN_HELP = `
Examples:
  castgate man | man -l -
  castgate man > /usr/local/share/man/man1/castgate.1`;
