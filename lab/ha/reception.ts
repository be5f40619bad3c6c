/**
 * What one viewer received of one channel, by the numbers in the datagrams: lost, doubled, and the longest
 * gap. A gap is measured by the head-end's times of sending, so that it does not matter how late a busy
 * machine reads what has arrived.
 */

/** Since the last mark. */
export interface ReceptionReport {
  readonly packets: number;
  readonly missing: number;
  readonly doubled: number;
  /** The longest time between two neighbouring datagrams that arrived, less the usual one. */
  readonly gapMs: number;
  /** When the first datagram after that gap was read. */
  readonly gapEndAtMs: number;
}

export class Reception {
  /** Numbers seen lately, at their remainder: tells a doubled datagram from a late one. */
  readonly #seen = new Float64Array(SEEN).fill(-1);
  #highest = -1;
  #highestSentAtMs = 0;
  #lowest = -1;
  #distinct = 0;
  #packets = 0;
  #doubled = 0;
  #gapMs = 0;
  #gapEndAtMs = 0;

  take(sequence: number, sentAtMs: number, now: number): void {
    this.#packets++;
    const place = sequence % SEEN;
    if (this.#seen[place] === sequence) {
      this.#doubled++;
      return;
    }
    this.#seen[place] = sequence;
    if (this.#lowest < 0) this.#lowest = sequence;
    if (sequence >= this.#lowest) this.#distinct++;
    if (sequence <= this.#highest) return;
    if (this.#highest >= 0 && sequence > this.#highest + 1) {
      const gapMs = sentAtMs - this.#highestSentAtMs;
      if (gapMs > this.#gapMs) {
        this.#gapMs = gapMs;
        this.#gapEndAtMs = now;
      }
    }
    this.#highest = sequence;
    this.#highestSentAtMs = sentAtMs;
  }

  report(): ReceptionReport {
    const expected = this.#highest < this.#lowest || this.#lowest < 0 ? 0 : this.#highest - this.#lowest + 1;
    return {
      packets: this.#packets,
      missing: expected - this.#distinct,
      doubled: this.#doubled,
      gapMs: this.#gapMs,
      gapEndAtMs: this.#gapEndAtMs,
    };
  }

  /** Counts anew from the next datagram on; what is missing between is missing then. */
  mark(): void {
    this.#lowest = this.#highest < 0 ? -1 : this.#highest + 1;
    this.#distinct = 0;
    this.#packets = 0;
    this.#doubled = 0;
    this.#gapMs = 0;
    this.#gapEndAtMs = 0;
  }

  /** Forgets everything: the channel was left. */
  reset(): void {
    this.#highest = -1;
    this.mark();
  }
}

const SEEN = 16_384;
