/** `castgate explain`: why a host may have a channel or not. */
import { type Command, InvalidArgumentError } from 'commander';
import { type SocketOptions, socketPath, withSocket } from '../daemon-socket.ts';
import { type Context, EXIT_FAILED, EXIT_USAGE } from '../output.ts';
import { type ExplainQuestion, explain } from '../show/explain.ts';

export function addExplain(program: Command, { output, done }: Context): void {
  withSocket(
    program
      .command('explain')
      .summary('why a host may have a channel or not')
      .description(EXPLAIN)
      .requiredOption('--port <port>', 'subscriber port')
      .requiredOption('--mac <address>', 'MAC address of the host')
      .requiredOption('--group <group>', 'multicast group')
      .option('--source <address>', 'source, for (S,G)')
      .option('--vlan <id>', 'VLAN; 0: untagged', wholeNumber, 0),
  )
    .option('--ask', 'put the question to RADIUS where that would decide', false)
    .option('--json', 'JSON for programs', false)
    .addHelpText('after', EXPLAIN_HELP)
    .action(async (options: ExplainQuestion & SocketOptions & { readonly json: boolean }) => {
      const path = socketPath(options, output);
      if (path === undefined) return done(EXIT_USAGE);
      const { port, mac, vlan, group, source, ask } = options;
      const shown = await explain({ port, mac, vlan, group, source, ask }, path, options.json);
      if ('text' in shown) return output.out(shown.text);
      output.err(`castgate: ${shown.failed}\n`);
      done(EXIT_FAILED);
    });
}

function wholeNumber(text: string): number {
  if (!/^\d{1,4}$/.test(text)) throw new InvalidArgumentError('expected a whole number.');
  return Number(text);
}

const EXPLAIN = `Goes the way of a join for one host and channel in the running daemon, and
prints each step with its answer: membership, session, lists and rights, what
RADIUS said before, previews, limits. Changes nothing and asks nobody, but
with --ask.`;
const EXPLAIN_HELP = `
Exit codes: 0 explained · 1 the daemon does not answer · 2 wrong usage

Examples:
  castgate explain --port swp3 --mac 02:00:00:00:00:0a --group 239.1.1.1
  castgate explain --port swp3 --mac 02:00:00:00:00:0a --group 239.1.1.2 --ask`;
