/** The manual page castgate(1), made from the commands and their help. */
import type { Command } from 'commander';
import { DEFAULT_SOCKET } from './daemon-socket.ts';

export function manPage(program: Command): string {
  const parts = [
    '.\\" Made by `castgate man` from the commands.',
    `.TH CASTGATE 1 "" "castgate" "User Commands"`,
    '.SH NAME',
    `castgate \\- ${text(program.description())}`,
    '.SH SYNOPSIS',
    ...program.commands.map(
      (command) => `.B castgate ${text(command.name())}\n${text(usageOf(command))}\n.br`,
    ),
    '.SH COMMANDS',
    ...program.commands.flatMap(commandPart),
    '.SH EXIT STATUS',
    '0: done. 1: failed at run time. 2: wrong usage or wrong configuration.',
    '.SH FILES',
    `.TP\n.I ${text(DEFAULT_SOCKET)}\nThe control socket of the daemon, where nothing else is configured.`,
    '.SH SEE ALSO',
    '.BR bridge (8),\n.BR nft (8),\n.BR keepalived (8)',
  ];
  return `${parts.join('\n')}\n`;
}

function commandPart(command: Command): string[] {
  const help = command.createHelp();
  const options = help
    .visibleOptions(command)
    .map((option) => `.TP\n.B ${text(option.flags)}\n${text(option.description)}`);
  const given = command.registeredArguments.map(
    (argument) =>
      `.TP\n.I ${text(argument.name())}\n${text(argument.description || (argument.argChoices ?? []).join(' | '))}`,
  );
  return [
    `.SS castgate ${text(command.name())} ${text(usageOf(command))}`,
    literal(command.description()),
    ...given,
    ...options,
    '.PP',
    literal(afterHelp(command)),
  ];
}

function usageOf(command: Command): string {
  return command.usage();
}

/** What `addHelpText('after')` adds is only said when the help is printed. */
function afterHelp(command: Command): string {
  let said = '';
  const before = command.configureOutput();
  command.configureOutput({
    writeOut: (part) => {
      said += part;
    },
    getOutHasColors: () => false,
  });
  command.outputHelp();
  command.configureOutput(before);
  const whole = command.createHelp().formatHelp(command, command.createHelp());
  return said.startsWith(whole) ? said.slice(whole.length).trim() : '';
}

/** Lines as they are. */
function literal(lines: string): string {
  return `.nf\n${lines.split('\n').map(text).join('\n')}\n.fi`;
}

/** A dot or quote at the beginning of a line would be a request, a backslash an escape. */
function text(line: string): string {
  return line
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/, '\\&');
}
