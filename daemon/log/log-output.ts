/**
 * Writes log lines to a stream without ever waiting for it: what its reader has not taken is kept up to a
 * limit, then dropped and counted, and a reader that has gone ends the output and nothing else. (pino's own
 * destination tries for ever to write its last lines to a closed pipe, and so keeps a process from ending.)
 * Lines are made and go out together once the events at hand are dealt with: making a line, a system call for
 * it and a reader woken by it would stand between a join and its channel.
 */
import type { Writable } from 'node:stream';

/** Lines on their way to a stream. */
export class LogOutput {
  readonly #stream: Writable;
  readonly #maxBacklog: number;
  #gone = false;
  #dropped = 0;
  #waiting: (() => void)[] = [];
  /** Lines since the last write to the stream. */
  #lines = '';
  readonly #flush = () => {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const say of waiting) say();
    const lines = this.#lines;
    this.#lines = '';
    if (lines !== '' && !this.#gone) this.#stream.write(lines);
  };

  /** `maxBacklog`: octets that wait for the reader at most. */
  constructor(stream: Writable, maxBacklog = 4 << 20) {
    this.#stream = stream;
    this.#maxBacklog = maxBacklog;
    stream.on('error', () => {
      this.#gone = true;
    });
    // A bug that ends the process at once must not take along what was said about it.
    process.once('exit', this.#flush);
  }

  /** Has `say` write its lines when the events at hand are dealt with; before the process ends in any case. */
  later(say: () => void): void {
    if (this.#gone) return;
    if (this.#waiting.length === 0) setImmediate(this.#flush);
    this.#waiting.push(say);
  }

  /** Takes a line with its line end. */
  write(line: string): void {
    if (this.#gone) return;
    if (this.#stream.writableLength + this.#lines.length + line.length > this.#maxBacklog) {
      this.#dropped++;
      return;
    }
    if (this.#lines === '') setImmediate(this.#flush);
    if (this.#dropped > 0) this.#tellDropped();
    this.#lines += line;
  }

  /** Resolves when all is written, or when it is clear or likely (after `patienceMs`) that it cannot be. */
  close(patienceMs = 1000): Promise<void> {
    this.#flush();
    process.off('exit', this.#flush);
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
    this.#lines += `${JSON.stringify(lost)}\n`;
  }
}
