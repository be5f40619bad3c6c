/**
 * Which segment has the newest form of each record, and how much of each segment is still needed. Keys are
 * kept in the order in which they were written, so that those of the oldest segment come first.
 */
interface Segment {
  readonly number: number;
  octets: number;
  /** Records whose newest form is here. */
  live: number;
  liveOctets: number;
  /** Turn that took away the last of them. */
  deadSince: number;
}

export class SegmentIndex {
  #segments: Segment[] = [];
  readonly #byNumber = new Map<number, Segment>();
  /** By store, by key: number of the segment and octets of the record, in one number. */
  readonly #places = new Map<string, Map<string, number>>();
  #octets = 0;
  #liveOctets = 0;
  #size = 0;

  /** Octets of all segments. */
  get octets(): number {
    return this.#octets;
  }

  /** Octets of them that are needed, about. */
  get liveOctets(): number {
    return this.#liveOctets;
  }

  /** Records on the disk. */
  get size(): number {
    return this.#size;
  }

  get oldest(): number | undefined {
    return this.#segments[0]?.number;
  }

  /** 0: there is none. */
  get newest(): number {
    return this.#segments.at(-1)?.number ?? 0;
  }

  get newestOctets(): number {
    return this.#segments.at(-1)?.octets ?? 0;
  }

  clear(): void {
    this.#segments = [];
    this.#byNumber.clear();
    this.#places.clear();
    this.#octets = 0;
    this.#liveOctets = 0;
    this.#size = 0;
  }

  /** A new segment, with a higher number than all others; not to be removed before that turn is safe. */
  begin(number: number, deadSince = 0): void {
    const segment: Segment = { number, octets: 0, live: 0, liveOctets: 0, deadSince };
    this.#segments.push(segment);
    this.#byNumber.set(number, segment);
  }

  /** The newest segment has become longer. */
  grow(octets: number): void {
    const newest = this.#segments.at(-1);
    if (newest === undefined) return;
    newest.octets += octets;
    this.#octets += octets;
  }

  /** The newest segment has the record now, in so many octets; undefined: nothing has it any more. */
  note(store: string, key: string, octets: number | undefined, turn = 0): void {
    const places = this.#places.get(store) ?? new Map<string, number>();
    this.#places.set(store, places);
    const before = places.get(key);
    if (before !== undefined) {
      places.delete(key);
      this.#size--;
      this.#add(Math.floor(before / PLACE), -1, -(before % PLACE), turn);
    }
    const newest = this.#segments.at(-1);
    if (octets === undefined || newest === undefined) return;
    const kept = Math.min(octets, PLACE - 1);
    places.set(key, newest.number * PLACE + kept);
    this.#size++;
    this.#add(newest.number, 1, kept, turn);
  }

  /** Some of the records whose newest form is in the oldest segment. */
  *liveIn(segment: number, most: number): Generator<[store: string, key: string]> {
    let left = most;
    for (const [store, places] of this.#places) {
      for (const [key, place] of places) {
        if (Math.floor(place / PLACE) !== segment) break;
        if (left-- <= 0) return;
        yield [store, key];
      }
    }
  }

  /** The oldest segment, where nothing of it is needed since a turn that is safe; never the newest one. */
  removable(synced: number): number | undefined {
    const [oldest] = this.#segments;
    if (oldest === undefined || this.#segments.length < 2) return undefined;
    return oldest.live === 0 && oldest.deadSince <= synced ? oldest.number : undefined;
  }

  /** The oldest segment is gone. */
  remove(segment: number): void {
    const oldest = this.#segments.shift();
    if (oldest?.number !== segment) throw new Error(`segment ${segment} is not the oldest`);
    this.#byNumber.delete(segment);
    this.#octets -= oldest.octets;
  }

  #add(number: number, records: number, octets: number, turn: number): void {
    const segment = this.#byNumber.get(number);
    if (segment === undefined) return;
    segment.live += records;
    segment.liveOctets += octets;
    this.#liveOctets += octets;
    segment.deadSince = Math.max(segment.deadSince, turn);
  }
}

const PLACE = 2 ** 24;
