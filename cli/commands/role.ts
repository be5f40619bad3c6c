/** `castgate promote` and `castgate demote`. */
import type { Command } from 'commander';
import { askDaemon } from '../control-client.ts';
import { type SocketOptions, socketPath, withSocket } from '../daemon-socket.ts';
import { type Context, EXIT_FAILED, EXIT_USAGE } from '../output.ts';

export function addRoles(program: Command, { output, done }: Context): void {
  for (const [verb, summary, description] of [
    ['promote', 'let this node of two serve', PROMOTE],
    ['demote', 'let this node of two stand by', DEMOTE],
  ] as const) {
    withSocket(program.command(verb).summary(summary).description(description))
      .addHelpText('after', ROLE_HELP)
      .action(async (options: SocketOptions) => {
        const path = socketPath(options, output);
        if (path === undefined) return done(EXIT_USAGE);
        const answer = await askDaemon(path, verb, {}, ROLE_PATIENCE_MS);
        if (!('failed' in answer)) return;
        output.err(`castgate: ${answer.failed}\n`);
        done(EXIT_FAILED);
      });
  }
}

/** Longer than an active may take to give its last records, or a lease to run out. */
const ROLE_PATIENCE_MS = 20_000;

const PROMOTE = `Tells the daemon of this node to serve: it asks the other node to hand over, or
waits until that one cannot serve any more, and goes on with its records. For
keepalived's notify_master script where there is no notify FIFO, and for people.`;
const DEMOTE = `Tells the daemon of this node to stand by: it brings what it has begun to an end,
gives the other node the last of its records, and lets its ports go silent.`;
const ROLE_HELP = `
Returns when it is done. The node that keepalived has made master should be the
one that serves: castgate obeys whoever spoke last.

Exit codes: 0 done · 1 it could not be done, and why · 2 wrong usage

Examples:
  castgate promote
  castgate demote --socket /run/castgate/control.sock`;
