/**
 * Writes log lines to a stream without ever waiting for it: what its reader has not taken is kept up to a
 * limit, then dropped and counted, and a reader that has gone ends the output and nothing else. (pino's own
 * destination tries for ever to write its last lines to a closed pipe, and so keeps a process from ending.)
 */
import type { Writable } from 'node:stream';

/** Lines on their way to a stream. */
export class LogOutput {
  readonly #stream: Writable;
  readonly #maxBacklog: number;
  #gone = false;
  #dropped = 0;

  /** `maxBacklog`: octets that wait for the reader at most. */
  constructor(stream: Writable, maxBacklog = 4 << 20) {
    this.#stream = stream;
    this.#maxBacklog = maxBacklog;
    stream.on('error', () => {
      this.#gone = true;
    });
  }

  /** Takes a line with its line end. */
  write(line: string): void {
    if (this.#gone) return;
    if (this.#stream.writableLength + line.length > this.#maxBacklog) {
      this.#dropped++;
      return;
    }
    if (this.#dropped > 0) this.#tellDropped();
    this.#stream.write(line);
  }

  /** Resolves when all is written, or when it is clear or likely (after `patienceMs`) that it cannot be. */
  close(patienceMs = 1000): Promise<void> {
    if (this.#gone) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, patienceMs);
      // Writes are answered in order, so this one is answered last.
      this.#stream.write('', () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #tellDropped(): void {
    const time = new Date().toISOString();
    const lost = { level: 'warn', time, event: 'log-lines-dropped', lines: this.#dropped };
    this.#dropped = 0;
    this.#stream.write(`${JSON.stringify(lost)}\n`);
  }
}
