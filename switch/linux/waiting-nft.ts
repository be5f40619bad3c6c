/**
 * An `nft` that was started ahead and waits for its text: to start a program takes a process of some hundred megabytes
 * longer than that program takes for a table.
 */
import { spawn } from 'node:child_process';
import { writeSync } from 'node:fs';

export class WaitingNft {
  #descriptor: number | undefined;
  readonly #end: () => void;

  /** Where it cannot be started, `say` does nothing. */
  constructor() {
    const nft = spawn('nft', ['-f', '-'], { stdio: ['pipe', 'ignore', 'ignore'] });
    nft.on('error', () => {});
    nft.stdin.on('error', () => {});
    nft.unref();
    // The event loop has no turn while its text is due: it is written without one.
    const { _handle: handle } = nft.stdin as unknown as { _handle?: { fd?: number } };
    this.#descriptor = nft.pid === undefined ? undefined : handle?.fd;
    this.#end = () => nft.stdin.destroy();
  }

  /** Gives it its text, and waits until `isDone`; not longer than `patienceMs`. True where that came. A second time it does nothing. */
  say(text: string, isDone: () => boolean, patienceMs: number): boolean {
    const descriptor = this.#descriptor;
    // More than a pipe holds would be written in part, and a part must not be carried out.
    if (descriptor === undefined || Buffer.byteLength(text) > MOST_OCTETS) return false;
    this.#descriptor = undefined;
    try {
      writeSync(descriptor, text);
    } catch {
      // It has ended.
      return false;
    } finally {
      this.#end();
    }
    const until = performance.now() + patienceMs;
    while (performance.now() < until) if (isDone()) return true;
    return false;
  }
}

/** What a pipe or socket takes at once on any kernel's defaults. */
const MOST_OCTETS = 48 << 10;
