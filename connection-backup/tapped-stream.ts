/**
 * What a peer sends, as a standby sees it on its way to the active: segments in whatever order, put together again
 * behind the position up to which the active's records say that everything was received (US7957269B2: the
 * reassembly queue, and the demarcation at which the standby joins).
 *
 * Invariants: what is contiguous was seen octet for octet; no octet that was seen is replaced by another one: where
 * two copies differ, neither is believed, and all from there on is left to the records. Memory is a ring of `room`
 * octets at most and 64 pieces behind gaps; the work for a segment goes with its octets and these pieces, not with
 * what came before.
 */
import { distance, plus } from './sequence.ts';

/** Positions of the first octet, and behind the last one. */
interface Piece {
  readonly begin: number;
  readonly end: number;
}

export class TappedStream {
  readonly #receivedFrom: number;
  readonly #room: number;
  #begin: number;
  /** What is kept, in order; no piece touches the next. */
  #pieces: Piece[] = [];
  /** The octet of a position is at its remainder by the ring's length. */
  #ring: Uint8Array = NOTHING;
  /** Position at which two copies differed; the records have not passed it. */
  #differsAt = Infinity;
  #differences = 0;

  /**
   * `receivedFrom`: sequence number of position 0 of what the peer sends. `begin`: position up to which the records
   * have it. `room` in octets.
   */
  constructor(receivedFrom: number, begin: number, room: number) {
    this.#receivedFrom = receivedFrom;
    this.#begin = begin;
    this.#room = room;
  }

  /** Position up to which the records have everything. */
  get begin(): number {
    return this.#begin;
  }

  /** Position behind the last octet that is contiguous from `begin` on. */
  get end(): number {
    const first = this.#pieces[0];
    return first?.begin === this.#begin ? first.end : this.#begin;
  }

  /** Sequence number of that position. */
  get awaited(): number {
    return plus(this.#receivedFrom, this.end);
  }

  /** Octets that are kept, those behind a gap too. */
  get kept(): number {
    return this.#pieces.reduce((sum, { begin, end }) => sum + end - begin, 0);
  }

  /** How often two copies of octets differed. */
  get differences(): number {
    return this.#differences;
  }

  /** Data of a segment, by the sequence number of its first octet. How many of its octets had no room. */
  see(sequence: number, octets: Uint8Array): number {
    const first = this.end + distance(this.awaited, sequence);
    const limit = this.#begin + this.#room;
    const without = Math.max(0, first + octets.length - Math.max(limit, first));
    const begin = Math.max(first, this.#begin);
    let end = Math.min(first + octets.length, limit, this.#differsAt);
    if (begin >= end) return without;
    const data = octets.subarray(begin - first, end - first);
    const difference = this.#differenceIn(begin, data);
    if (difference !== undefined) {
      this.#forgetFrom(difference);
      end = difference;
      if (begin >= end) return without;
    }
    return this.#put(begin, data.subarray(0, end - begin)) ? without : without + end - begin;
  }

  /**
   * The records have everything before `position`. How many octets of these had not been seen here: they came
   * another way, or were missed.
   */
  trim(position: number): number {
    if (position <= this.#begin) return 0;
    const unseen = Math.max(0, position - this.end);
    this.#begin = position;
    this.#pieces = this.#pieces
      .filter(({ end }) => end > position)
      .map(({ begin, end }) => ({ begin: Math.max(begin, position), end }));
    if (position > this.#differsAt) this.#differsAt = Infinity;
    if (this.#pieces.length === 0 && this.#ring.length > KEPT_RING) this.#ring = NOTHING;
    return unseen;
  }

  /** The octets that are contiguous from `position` on, which lies between `begin` and `end`; none elsewhere. */
  from(position: number): Uint8Array {
    const { end } = this;
    return position < this.#begin || position >= end ? NOTHING : this.#read(position, end);
  }

  /** The first position at which these octets are not those that are kept. */
  #differenceIn(begin: number, octets: Uint8Array): number | undefined {
    for (const piece of this.#pieces) {
      const end = Math.min(piece.end, begin + octets.length);
      for (let at = Math.max(piece.begin, begin); at < end; at++)
        if (this.#ring[at % this.#ring.length] !== octets[at - begin]) return at;
    }
    return undefined;
  }

  #forgetFrom(position: number): void {
    this.#differences++;
    this.#differsAt = position;
    this.#pieces = this.#pieces
      .filter(({ begin }) => begin < position)
      .map(({ begin, end }) => ({ begin, end: Math.min(end, position) }));
  }

  /** Takes octets that differ from nothing that is kept. False: there are too many pieces. */
  #put(begin: number, octets: Uint8Array): boolean {
    const end = begin + octets.length;
    const before = this.#pieces.filter((piece) => piece.end < begin);
    const behind = this.#pieces.filter((piece) => piece.begin > end);
    const touched = this.#pieces.slice(before.length, this.#pieces.length - behind.length);
    const gaps = this.#pieces.length - (this.end > this.#begin ? 1 : 0);
    if (touched.length === 0 && begin > this.#begin && gaps >= PIECES) return false;
    this.#grow(end - this.#begin);
    this.#write(begin, octets);
    const whole = {
      begin: Math.min(begin, touched[0]?.begin ?? begin),
      end: Math.max(end, touched.at(-1)?.end ?? end),
    };
    this.#pieces = [...before, whole, ...behind];
    return true;
  }

  /** Makes the ring long enough for so many octets from `begin` on. */
  #grow(octets: number): void {
    if (octets <= this.#ring.length) return;
    const kept = this.#pieces.map(({ begin, end }) => ({ begin, octets: this.#read(begin, end) }));
    this.#ring = new Uint8Array(Math.min(this.#room, Math.max(LEAST_RING, 2 * octets)));
    for (const piece of kept) this.#write(piece.begin, piece.octets);
  }

  #write(begin: number, octets: Uint8Array): void {
    const at = begin % this.#ring.length;
    const straight = this.#ring.length - at;
    this.#ring.set(octets.subarray(0, straight), at);
    this.#ring.set(octets.subarray(straight), 0);
  }

  #read(begin: number, end: number): Uint8Array {
    const out = new Uint8Array(end - begin);
    if (out.length === 0) return out;
    const at = begin % this.#ring.length;
    const head = this.#ring.subarray(at, at + out.length);
    out.set(head);
    out.set(this.#ring.subarray(0, out.length - head.length), head.length);
    return out;
  }
}

/** A peer's segments that were lost or overtaken leave a few gaps in a window. */
const PIECES = 64;
const LEAST_RING = 4096;
/** A ring that is no longer than this is kept while it is empty. */
const KEPT_RING = 65_536;
const NOTHING = new Uint8Array(0);
