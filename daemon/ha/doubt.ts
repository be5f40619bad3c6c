/** What a node that was frozen has not heard yet, it must not take for silence. */ import { TICKS_IN_LEASE } from './weighing.ts';

export class Doubt {
  readonly #now: () => number;
  readonly #leaseMs: number;
  #tickedAt: number;
  #until = 0;
  #busyUntil = 0;

  /** `leaseMs`: who was away for longer may have been replaced meanwhile. */
  constructor(now: () => number, leaseMs: number) {
    this.#now = now;
    this.#leaseMs = leaseMs;
    this.#tickedAt = now();
  }

  /** Called several times in each lease. */
  tick(): void {
    const at = this.#now();
    if (at - this.#tickedAt > this.#leaseMs) this.#until = at + DOUBT_MS;
    // What came in meanwhile is read before the next tick.
    if (at - this.#tickedAt > this.#leaseMs / 2) this.#busyUntil = at + this.#leaseMs / TICKS_IN_LEASE / 2;
    this.#tickedAt = at;
  }

  /** Nothing is to be concluded from what was not heard. */
  get isThere(): boolean {
    const at = this.#now();
    return at - this.#tickedAt > this.#leaseMs || at < this.#until;
  }

  /** It was so busy itself that it has not heard all there is: what it takes for silence may be its own. */
  get isBusy(): boolean {
    const at = this.#now();
    return this.isThere || at - this.#tickedAt > this.#leaseMs / 2 || at < this.#busyUntil;
  }

  /** Resolves when there is none. */
  async over(): Promise<void> {
    while (this.isThere) await new Promise((resolve) => setTimeout(resolve, DOUBT_MS / 4));
  }
}

/** As long as it takes to hear what came while the daemon was frozen, and the next claim of the other node. */
const DOUBT_MS = 150;
