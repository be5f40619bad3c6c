/** `castgate upgrade`. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { HandedOver } from '../../daemon/upgrade/hand-over.ts';
import { askDaemon } from '../control-client.ts';
import { type SocketOptions, socketPath, withSocket } from '../daemon-socket.ts';
import { type Context, EXIT_FAILED, EXIT_USAGE } from '../output.ts';
import { whileWaiting } from '../progress.ts';

export function addUpgrade(program: Command, { output, done }: Context): void {
  withSocket(
    program
      .command('upgrade')
      .summary('let another version go on in place of the running daemon')
      .description(UPGRADE)
      .argument('[path]', 'the new version: its folder, or its dist/cli/main.js; the same file by default')
      .option('--json', 'JSON for programs', false),
  )
    .addHelpText('after', UPGRADE_HELP)
    .action(async (path: string | undefined, options: SocketOptions & { json: boolean }) => {
      const socket = socketPath(options, output);
      if (socket === undefined) return done(EXIT_USAGE);
      const params = path === undefined ? {} : { program: resolve(path) };
      const asked = askDaemon(socket, 'upgrade', params, PATIENCE_MS);
      const answer = await whileWaiting(output, 'the new process prepares itself', asked);
      if ('failed' in answer) {
        output.err(`castgate: ${answer.failed}\n`);
        return done(EXIT_FAILED);
      }
      if (options.json) return output.out(`${JSON.stringify(answer.result)}\n`);
      const { pid, program: version, pauseMs, serves } = answer.result as HandedOver;
      if (serves !== undefined) return output.out(ofPair(pid, version, serves));
      output.out(`castgate ${version} serves as process ${pid}; the pause was ${pauseMs.toFixed(1)} ms\n`);
    });
}

function ofPair(pid: number, version: string, serves: string): string {
  return `castgate ${version} stands by as process ${pid}, in step as before; node ${serves} serves
next: castgate upgrade on node ${serves}, or castgate promote here where this node is to serve
`;
}

/** Longer than the new process may take to start and to prepare itself. */
const PATIENCE_MS = 240_000;

const UPGRADE = `The running daemon starts another process beside itself, copies its state to it, and
hands its sockets over between two events: nobody logs in again, and no frame, join
or answer is lost. The new process reads the configuration file as it is now. Where
it fails at any step, the running one goes on as if nothing had been, and says why.
SIGUSR2 does the same with the file that is running. On a node of a pair the other
node serves first, by order, and the new process stands by; it stays so.`;
const UPGRADE_HELP = `
Exit codes: 0 the new process serves, or stands by · 1 the old one goes on, and
why · 2 wrong usage

Examples:
  castgate upgrade
  castgate upgrade /opt/castgate-0.2.0`;
