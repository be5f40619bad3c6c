/**
 * What a peer sends, as a standby sees it on its way to the active: segments in whatever order, put together again
 * behind the position up to which the active's records say that everything was received (US7957269B2: the
 * reassembly queue, and the demarcation at which the standby joins).
 *
 * Invariants: what is contiguous was seen octet for octet; no octet that was seen is replaced by another one; no
 * more than `room` octets are kept.
 */
import { distance, plus } from './sequence.ts';

/** Octets of the stream from a position on. */
interface Piece {
  readonly begin: number;
  readonly octets: Uint8Array;
}

export class TappedStream {
  readonly #receivedFrom: number;
  readonly #room: number;
  #begin: number;
  /** In order, none touching the next but those that are contiguous from `#begin` on. */
  #pieces: Piece[] = [];
  #end: number;

  /**
   * `receivedFrom`: sequence number of position 0 of what the peer sends. `begin`: position up to which the records
   * have it. `room` in octets.
   */
  constructor(receivedFrom: number, begin: number, room: number) {
    this.#receivedFrom = receivedFrom;
    this.#begin = begin;
    this.#end = begin;
    this.#room = room;
  }

  /** Position up to which the records have everything. */
  get begin(): number {
    return this.#begin;
  }

  /** Position behind the last octet that is contiguous from `begin` on. */
  get end(): number {
    return this.#end;
  }

  /** Sequence number of that position. */
  get awaited(): number {
    return plus(this.#receivedFrom, this.#end);
  }

  /** Octets that are kept, those behind a gap too. */
  get kept(): number {
    return this.#pieces.reduce((sum, { octets }) => sum + octets.length, 0);
  }

  /** Data of a segment, by the sequence number of its first octet. How many of its octets had no room. */
  see(sequence: number, octets: Uint8Array): number {
    const first = this.#end + distance(this.awaited, sequence);
    const limit = this.#begin + this.#room;
    const last = Math.min(first + octets.length, limit);
    const begin = Math.max(first, this.#end);
    if (begin < last) this.#put(begin, octets.subarray(begin - first, last - first));
    return Math.max(0, first + octets.length - Math.max(limit, first));
  }

  /**
   * The records have everything before `position`. How many octets of these had not been seen here: they came
   * another way, or were missed.
   */
  trim(position: number): number {
    if (position <= this.#begin) return 0;
    const unseen = Math.max(0, position - this.#end);
    this.#begin = position;
    this.#end = Math.max(this.#end, position);
    this.#pieces = this.#pieces.flatMap(({ begin, octets }) => {
      if (begin >= position) return [{ begin, octets }];
      if (begin + octets.length <= position) return [];
      // A copy: a view would keep all of it.
      return [{ begin: position, octets: octets.slice(position - begin) }];
    });
    this.#join();
    return unseen;
  }

  /** The octets that are contiguous from `position` on, which lies between `begin` and `end`; none elsewhere. */
  from(position: number): Uint8Array {
    if (position < this.#begin || position >= this.#end) return NOTHING;
    const out = new Uint8Array(this.#end - position);
    for (const { begin, octets } of this.#pieces) {
      if (begin >= this.#end) break;
      const skipped = Math.max(0, position - begin);
      if (skipped < octets.length) out.set(octets.subarray(skipped), begin + skipped - position);
    }
    return out;
  }

  /** Takes what is not there yet; what was seen first stays. */
  #put(begin: number, octets: Uint8Array): void {
    const last = begin + octets.length;
    const pieces: Piece[] = [];
    let at = begin;
    const fill = (until: number) => {
      if (at < until) pieces.push({ begin: at, octets: octets.slice(at - begin, until - begin) });
      at = Math.max(at, until);
    };
    for (const piece of this.#pieces) {
      const pieceEnd = piece.begin + piece.octets.length;
      if (pieceEnd > begin && at < last) fill(Math.min(piece.begin, last));
      pieces.push(piece);
      if (pieceEnd > begin) at = Math.max(at, pieceEnd);
    }
    fill(last);
    this.#pieces = pieces.sort((a, b) => a.begin - b.begin);
    this.#join();
  }

  #join(): void {
    for (const { begin, octets } of this.#pieces) {
      if (begin > this.#end) return;
      this.#end = Math.max(this.#end, begin + octets.length);
    }
  }
}

const NOTHING = new Uint8Array(0);
