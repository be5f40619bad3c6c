/** `castgate trace`: follows what happens to one subscriber, step by step. */
import type { Command } from 'commander';
import { askDaemon } from '../control-client.ts';
import { type SocketOptions, socketPath, withSocket } from '../daemon-socket.ts';
import { live } from '../live.ts';
import { type Context, EXIT_FAILED, EXIT_USAGE } from '../output.ts';
import { type SelectionOptions, selectionOf, withSelection } from '../selection.ts';
import { describeHappening } from '../show/trace-line.ts';

interface TraceOptions extends SelectionOptions, SocketOptions {
  readonly json: boolean;
}

export function addTrace(program: Command, { output, done }: Context): void {
  const command = program
    .command('trace')
    .summary('follow one subscriber live, every step with its reason')
    .description(TRACE);
  withSelection(command, ['mac', 'account', 'port']);
  withSocket(command)
    .option('--json', 'one JSON object a step', false)
    .addHelpText('after', TRACE_HELP)
    .action(async (options: TraceOptions) => {
      const path = socketPath(options, output);
      if (path === undefined) return done(EXIT_USAGE);
      const selection = selectionOf(options);
      const going = live(output);
      const failed = (why: string) => {
        output.err(`castgate: ${why}\n`);
        done(EXIT_FAILED);
      };
      const begun = await askDaemon(path, 'trace', selection);
      if ('failed' in begun) return failed(begun.failed);
      const { id } = begun.result as { id: string };
      output.err('castgate: following; Ctrl-C ends it\n');
      while (going.goesOn) {
        const answer = await askDaemon(path, 'trace', { id }, PATIENCE_MS, going.ending);
        if (!going.goesOn) return;
        if ('failed' in answer) return failed(answer.failed);
        const { events, lost } = answer.result as {
          events: readonly Record<string, unknown>[];
          lost: number;
        };
        if (lost > 0) output.err(`castgate: ${lost} steps were too many to follow\n`);
        for (const event of events)
          output.out(`${options.json ? JSON.stringify(event) : describeHappening(event)}\n`);
      }
    });
}

/** Longer than the daemon waits for something to happen. */
const PATIENCE_MS = 20_000;

const TRACE = `Follows what happens to a subscriber until Ctrl-C: states of its authenticator,
questions to RADIUS and answers, joins and leaves as they came, what was granted,
refused and ended, each with its reason. Follows an account from port to port.`;
const TRACE_HELP = `
Without --mac, --account or --port everything is followed. What was said before
is in the log.

Examples:
  castgate trace --mac 02:00:00:00:0a:01
  castgate trace --account alice --json | jq .event`;
