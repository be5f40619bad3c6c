/**
 * Messages on their way to the kernel, in the order of the stream: each leaves when the standby has it and what it
 * follows from has been let go; one that has to wait keeps those behind it (US7957269B2, claim 2).
 */

interface Waiting {
  readonly begin: number;
  readonly octets: Uint8Array;
  /** Number of the change that put it into the standby's hands; undefined: its turn is not over. */
  change: number | undefined;
  released: boolean;
}

export class Outbox {
  readonly #waiting: Waiting[] = [];
  #unsealed = 0;

  /** How many wait. */
  get size(): number {
    return this.#waiting.length;
  }

  /** `released`: nothing else is to happen before it leaves. */
  add(begin: number, octets: Uint8Array, released: boolean): void {
    this.#waiting.push({ begin, octets, change: undefined, released });
    this.#unsealed++;
  }

  /** What was added since the last time is part of this change. */
  sealed(change: number): void {
    for (let at = this.#waiting.length - this.#unsealed; at < this.#waiting.length; at++) {
      const waiting = this.#waiting[at];
      if (waiting !== undefined) waiting.change = change;
    }
    this.#unsealed = 0;
  }

  /** Nothing else is to happen before this message leaves. False: it is not here. */
  release(octets: Uint8Array): boolean {
    const waiting = this.#waiting.find((one) => one.octets === octets && !one.released);
    if (waiting === undefined) return false;
    waiting.released = true;
    return true;
  }

  /** The messages that may leave now that the standby has everything up to this change; each is given once. */
  take(committed: number): Uint8Array[] {
    let ready = 0;
    for (let next = this.#waiting[ready]; next !== undefined; next = this.#waiting[ready]) {
      if (!next.released || next.change === undefined || next.change > committed) break;
      ready++;
    }
    return this.#waiting.splice(0, ready).map(({ octets }) => octets);
  }

  /** The messages that will never leave. */
  drain(): Uint8Array[] {
    this.#unsealed = 0;
    return this.#waiting.splice(0).map(({ octets }) => octets);
  }
}
