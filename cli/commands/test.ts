/** `castgate test`: asks RADIUS whether an account may receive a group, and lets nobody in. */
import { Argument, type Command } from 'commander';
import { askDaemon } from '../control-client.ts';
import { type SocketOptions, socketPath, withSocket } from '../daemon-socket.ts';
import { type Context, EXIT_FAILED, EXIT_USAGE } from '../output.ts';
import { parseGroup } from '../selection.ts';
import { printable, span } from '../table.ts';

interface TestOptions extends SocketOptions {
  readonly json: boolean;
}

export function addTest(program: Command, { output, done }: Context): void {
  withSocket(
    program
      .command('test')
      .summary('ask RADIUS about an account and a group; lets nobody in')
      .description(TEST)
      .addArgument(new Argument('<account>', 'the word account').choices(['account']))
      .argument('<name>', 'account')
      .addArgument(new Argument('<group>', 'the word group').choices(['group']))
      .argument('<address>', 'multicast group', parseGroup),
  )
    .option('--json', 'JSON for programs', false)
    .addHelpText('after', TEST_HELP)
    .action(
      async (_account: string, account: string, _group: string, group: string, options: TestOptions) => {
        const path = socketPath(options, output);
        if (path === undefined) return done(EXIT_USAGE);
        const answer = await askDaemon(path, 'test', { account, group }, PATIENCE_MS);
        if ('failed' in answer) {
          output.err(`castgate: ${answer.failed}\n`);
          return done(EXIT_FAILED);
        }
        const result = { ...(answer.result as object) } as Readonly<Record<string, unknown>>;
        if (options.json) output.out(`${JSON.stringify(result)}\n`);
        else output.out(printable(describe(result)).concat('\n'));
        if (result['permit'] !== true) done(EXIT_FAILED);
      },
    );
}

function describe({
  permit,
  reason,
  holdsMs,
  server,
  tookMs,
  session,
}: Readonly<Record<string, unknown>>): string {
  const verdict =
    permit === true
      ? `permitted for ${typeof holdsMs === 'number' ? span(holdsMs) : '?'}`
      : `refused: ${String(reason)}`;
  const by = typeof server === 'string' ? `by ${server}` : 'no server answered';
  const asked =
    typeof session === 'string' ? `as session ${session}` : 'without a session: nobody of this account is in';
  const took = typeof tookMs === 'number' ? ` in ${tookMs.toFixed(1)} ms` : '';
  return `${verdict} (${by}${took}, ${asked})`;
}

/** Longer than `groups.patience` usually is. */
const PATIENCE_MS = 310_000;

const TEST = `Puts to RADIUS the same question as a join of this account would, and prints the
answer. Nothing is opened, remembered or accounted for.`;
const TEST_HELP = `
Where the account is in, the question is asked as its session: State and Class
are those of its login. Where it is not, they are missing, and a policy that
wants them may answer otherwise.

Exit codes: 0 permitted · 1 refused, or not answered · 2 wrong usage

Example:
  castgate test account alice group 239.1.1.1`;
