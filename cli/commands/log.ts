/** `castgate log`. */
import { Argument, type Command } from 'commander';
import { FACILITIES, LOG_LEVELS } from '../../daemon/log/log.ts';
import { askDaemon } from '../control-client.ts';
import { type SocketOptions, socketPath, withSocket } from '../daemon-socket.ts';
import { type Context, EXIT_FAILED, EXIT_USAGE } from '../output.ts';
import { table } from '../table.ts';

export function addLog(program: Command, { output, done }: Context): void {
  withSocket(
    program
      .command('log')
      .summary('show or change how much the daemon logs')
      .description(LOG)
      .addArgument(new Argument('[facility]', 'which part of the daemon').choices([...FACILITIES, 'all']))
      .addArgument(new Argument('[level]', 'from which level on').choices(LOG_LEVELS)),
  )
    .option('--json', 'JSON for programs', false)
    .addHelpText('after', LOG_HELP)
    .action(
      async (
        facility: string | undefined,
        level: string | undefined,
        options: SocketOptions & { json: boolean },
      ) => {
        if (facility !== undefined && level === undefined) {
          output.err(`castgate: say a level too: ${LOG_LEVELS.join(', ')}\n`);
          return done(EXIT_USAGE);
        }
        const path = socketPath(options, output);
        if (path === undefined) return done(EXIT_USAGE);
        const answer = await askDaemon(path, 'log', facility === undefined ? {} : { facility, level });
        if ('failed' in answer) {
          output.err(`castgate: ${answer.failed}\n`);
          return done(EXIT_FAILED);
        }
        if (options.json) return output.out(`${JSON.stringify(answer.result)}\n`);
        const rows = Object.entries({ ...(answer.result as object) });
        output.out(
          table(
            [
              { title: 'FACILITY', cell: ([name]: [string, unknown]) => name },
              { title: 'LEVEL', cell: ([, value]: [string, unknown]) => String(value) },
            ],
            rows,
          ),
        );
      },
    );
}

const LOG = `Shows how much each part of the running daemon logs, or changes it until the
daemon ends. log.level of the configuration is what it begins with.`;
const LOG_HELP = `
Examples:
  castgate log
  castgate log subscribers debug
  castgate log all info`;
