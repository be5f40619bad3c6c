#!/usr/bin/env node
/** The `castgate` program: hands the command line over and ends with its exit code. */
import { EXIT_FAILED, EXIT_OK } from './output.ts';
import { runCommand } from './program.ts';

// Each write is told of its own failure; for the daemon's log a reader that has gone is no reason to stop.
process.stdout.on('error', () => {});

/** `castgate show groups | head` closes the pipe early: that is an end and no failure. */
function endIfGone(cause: Error | null | undefined): void {
  if (cause) process.exit('code' in cause && cause.code === 'EPIPE' ? EXIT_OK : EXIT_FAILED);
}

try {
  process.exitCode = await runCommand(process.argv.slice(2), {
    out: (text) => process.stdout.write(text, endIfGone),
    err: (text) => process.stderr.write(text),
    isTerminal: process.stdout.isTTY === true,
    errIsTerminal: process.stderr.isTTY === true,
  });
} catch (cause) {
  // Everything that is expected was said in words before: this is a bug, and its trace is what is wanted.
  process.stderr.write(`castgate: internal error: ${cause instanceof Error ? cause.stack : String(cause)}\n`);
  process.exitCode = EXIT_FAILED;
}
