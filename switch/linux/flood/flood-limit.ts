/**
 * How many frames of a port are read, EAPOL apart: a second's worth at once, and so many a second. What is above
 * that the kernel keeps away for a moment (capture-filter.ts), so a flood costs castgate no more than what it
 * would hear of the port anyway. Pure bookkeeping.
 */

interface Bucket {
  tokens: number;
  at: number;
  /** The port is not read before that time. */
  until: number;
}

export class FloodLimit {
  readonly #perSecond: number;
  readonly #ports = new Map<string, Bucket>();

  /** `perSecond` 0: no limit; a limit below 500 is 500, since not every frame is a report. */
  constructor(perSecond: number) {
    this.#perSecond = perSecond === 0 ? 0 : Math.max(perSecond, LEAST_PER_SECOND);
  }

  /** So many were read of the port; true: it is to be held back for FLOOD_PAUSE_MS. `now` in milliseconds. */
  take(now: number, port: string, count: number): boolean {
    if (this.#perSecond === 0) return false;
    let bucket = this.#ports.get(port);
    if (bucket === undefined) {
      bucket = { tokens: this.#perSecond, at: now, until: 0 };
      this.#ports.set(port, bucket);
    }
    // What had come before the kernel was told is in nobody's debt.
    if (now < bucket.until) return false;
    const filled = (this.#perSecond * Math.max(0, now - bucket.at)) / 1000;
    bucket.tokens = Math.min(this.#perSecond, bucket.tokens + filled) - count;
    bucket.at = now;
    if (bucket.tokens >= 0) return false;
    bucket.tokens = 0;
    bucket.until = now + FLOOD_PAUSE_MS;
    return true;
  }
}

/** How long the kernel keeps the frames of a port away, EAPOL apart. */
export const FLOOD_PAUSE_MS = 250;
const LEAST_PER_SECOND = 500;
