/**
 * The number of the last time that a node of this pair began to serve, as far as this one knows: on the disk,
 * so that a node that was away for long does not begin with a number that was used.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Logger } from '../log/log.ts';

export class EpochFile {
  readonly #path: string;
  readonly #log: Logger;
  #epoch: number;

  constructor(path: string, log: Logger) {
    this.#path = path;
    this.#log = log;
    this.#epoch = read(path);
  }

  /** The greatest number known; 0 before the first. */
  get epoch(): number {
    return this.#epoch;
  }

  /** A number was seen or is used from here on; a smaller one changes nothing. */
  raise(epoch: number): void {
    if (!Number.isSafeInteger(epoch) || epoch <= this.#epoch) return;
    this.#epoch = epoch;
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o755 });
      writeFileSync(`${this.#path}.new`, `${epoch}\n`, { mode: 0o600 });
      renameSync(`${this.#path}.new`, this.#path);
    } catch (cause) {
      // The other node knows it too; only a pair that loses both at once could use it again.
      const error = cause instanceof Error ? cause.message : String(cause);
      this.#log.error('epoch-not-kept', { path: this.#path, error });
    }
  }
}

function read(path: string): number {
  try {
    const epoch = Number(readFileSync(path, 'utf8').trim());
    return Number.isSafeInteger(epoch) && epoch > 0 ? epoch : 0;
  } catch {
    return 0;
  }
}
