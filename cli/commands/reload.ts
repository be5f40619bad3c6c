/** `castgate reload`. */
import type { Command } from 'commander';
import type { Reloaded } from '../../daemon/reload.ts';
import { askDaemon } from '../control-client.ts';
import { type SocketOptions, socketPath, withSocket } from '../daemon-socket.ts';
import { type Context, EXIT_FAILED, EXIT_USAGE } from '../output.ts';
import { whileWaiting } from '../progress.ts';
import { table } from '../table.ts';

export function addReload(program: Command, { output, done }: Context): void {
  withSocket(
    program
      .command('reload')
      .summary('apply the configuration file to the running daemon')
      .description(RELOAD)
      .option('--check', 'say what would change, and change nothing', false)
      .option('--json', 'JSON for programs', false),
  )
    .addHelpText('after', RELOAD_HELP)
    .action(async (options: SocketOptions & { check: boolean; json: boolean }) => {
      const path = socketPath(options, output);
      if (path === undefined) return done(EXIT_USAGE);
      const asked = askDaemon(path, 'reload', { check: options.check }, PATIENCE_MS);
      const answer = await whileWaiting(output, 'the daemon takes its records up again', asked);
      if ('failed' in answer) {
        output.err(`castgate: ${answer.failed}\n`);
        return done(EXIT_FAILED);
      }
      const { changed, warnings } = answer.result as Reloaded;
      if (options.json) return output.out(`${JSON.stringify(answer.result)}\n`);
      for (const warning of warnings) output.err(`warning: ${warning}\n`);
      if (changed.length === 0) return output.out('no key has changed\n');
      output.out(
        table(
          [
            { title: 'KEY', cell: ({ at }) => at },
            {
              title: options.check ? 'NEEDS' : 'NOW',
              cell: ({ needs }) => (options.check ? needs : 'applied'),
            },
          ],
          changed,
        ),
      );
    });
}

/** A large daemon takes its records up again. */
const PATIENCE_MS = 60_000;

const RELOAD = `The running daemon reads its configuration file again and applies what has changed,
while it serves: nobody has to log in again. All or nothing: where the file has a
mistake, or a changed key needs more than this (castgate upgrade, or a restart),
nothing is changed, and the answer says why. SIGHUP does the same.`;
const RELOAD_HELP = `
Exit codes: 0 applied · 1 nothing was changed, and why · 2 wrong usage

Examples:
  castgate reload --check
  castgate reload`;
