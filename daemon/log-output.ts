/**
 * Writes log lines to a file descriptor without ever waiting for it: what cannot be written yet is kept up to
 * a limit, then dropped and counted, and a reader that has gone ends the output and nothing else. (pino's own
 * destination tries for ever to write its last lines to a closed pipe, and so keeps a process from ending.)
 */
import { constants, fstatSync, openSync, write } from 'node:fs';

/** Lines on their way to a descriptor. */
export class LogOutput {
  readonly #descriptor: number;
  readonly #maxBacklog: number;
  #waiting: string[] = [];
  #waitingLength = 0;
  #writing = false;
  #gone = false;
  #dropped = 0;
  #idle: (() => void)[] = [];

  /** `maxBacklog`: characters that wait at most. */
  constructor(descriptor: number, maxBacklog = 4 << 20) {
    this.#descriptor = withoutBlocking(descriptor);
    this.#maxBacklog = maxBacklog;
  }

  /** Takes a line with its line end. */
  write(line: string): void {
    if (this.#gone) return;
    if (this.#waitingLength + line.length > this.#maxBacklog) {
      this.#dropped++;
      return;
    }
    this.#waiting.push(line);
    this.#waitingLength += line.length;
    if (!this.#writing) this.#writeNext();
  }

  /** Resolves when all is written, or when it is clear or likely (after `patienceMs`) that it cannot be. */
  close(patienceMs = 1000): Promise<void> {
    if (!this.#writing) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, patienceMs);
      this.#idle.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #writeNext(): void {
    if (this.#dropped > 0) {
      const lost = {
        level: 'warn',
        time: new Date().toISOString(),
        event: 'log-lines-dropped',
        lines: this.#dropped,
      };
      this.#waiting.push(`${JSON.stringify(lost)}\n`);
      this.#dropped = 0;
    }
    this.#writing = this.#waiting.length > 0;
    if (!this.#writing) {
      for (const tell of this.#idle.splice(0)) tell();
      return;
    }
    const octets = Buffer.from(this.#waiting.join(''));
    this.#waiting = [];
    this.#waitingLength = 0;
    this.#writeAll(octets);
  }

  #writeAll(octets: Buffer): void {
    write(this.#descriptor, octets, (cause, written) => {
      if (cause?.code === 'EAGAIN') {
        setTimeout(() => this.#writeAll(octets), RETRY_MS).unref();
      } else if (cause !== null) {
        this.#gone = true;
        this.#waiting = [];
        this.#dropped = 0;
        this.#writeNext();
      } else if (written < octets.length) {
        this.#writeAll(octets.subarray(written));
      } else {
        this.#writeNext();
      }
    });
  }
}

/**
 * The same pipe, opened once more so that a full one refuses instead of holding the writer up: a thread that
 * waits in write() would also keep the process from ending. The flag must not be set on the descriptor
 * itself, which others may share. What is no pipe stays as it is.
 */
function withoutBlocking(descriptor: number): number {
  try {
    if (!fstatSync(descriptor).isFIFO()) return descriptor;
    return openSync(`/proc/self/fd/${descriptor}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return descriptor;
  }
}

const RETRY_MS = 20;
