/**
 * The daemon's clock and its one timer. The time is milliseconds since 1970, taken from the wall clock
 * once when the process starts and from then on from the monotonic clock: it never goes back or jumps.
 */

/** Milliseconds since 1970, fractional, never decreasing. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

/** One timer for a machine with many deadlines: set it to nextTimeout() after every turn. */
export class Alarm {
  readonly #ring: () => void;
  #timer: NodeJS.Timeout | undefined;
  /** What the owner wants. */
  #at: number | undefined;
  /** What the timer is set to; at or before `#at`. */
  #armedFor = 0;

  /** `ring` is called at or after the time set, never before, and once for each setting. */
  constructor(ring: () => void) {
    this.#ring = ring;
  }

  /** Sets or moves the alarm (on the clock of `now()`), or with undefined takes it back. */
  set(at: number | undefined): void {
    this.#at = at;
    if (at === undefined) {
      this.#disarm();
      return;
    }
    // A timer that fires too early only looks again: cheaper than a new timer for each frame.
    if (this.#timer !== undefined && this.#armedFor <= at) return;
    this.#disarm();
    this.#arm(at);
  }

  #arm(at: number): void {
    this.#armedFor = at;
    const wait = Math.min(Math.max(Math.ceil(at - now()), 0), MAX_WAIT);
    this.#timer = setTimeout(() => this.#fired(), wait);
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #fired(): void {
    this.#timer = undefined;
    const at = this.#at;
    if (at === undefined) return;
    if (at > now()) {
      this.#arm(at);
      return;
    }
    this.#at = undefined;
    this.#ring();
  }
}

/** The longest wait that setTimeout keeps (2^31 - 1 ms, 24 days). */
const MAX_WAIT = 0x7fffffff;
