/**
 * A disk in memory for the accounting queue, that can be killed at any moment: a process that dies leaves
 * all it has written, a power cut only what a sync has covered, and of the rest as much as chance wants, torn
 * anywhere, or zeros in its place. It can be full, refuse, and be slow.
 */
import type { Segments } from '../../daemon/spool/segments.ts';
import type { Random } from '../random.ts';

interface Segment {
  octets: Buffer;
  /** So many of them survive a power cut. */
  safe: number;
  /** Whether the folder is known to have the segment. */
  entered: boolean;
}

export class MemorySegments implements Segments {
  /** Octets that it takes at most; less than there are: it is full. */
  capacity = Number.POSITIVE_INFINITY;
  /** The next syncs fail. */
  failSyncs = 0;
  syncs = 0;
  /** Of the newest segment: how much of it outlived the last power cut. */
  survived = { segment: 0, octets: 0 };
  readonly #later: (run: () => void) => void;
  #segments = new Map<number, Segment>();
  /** Removed ones that a power cut may bring back. */
  #removed = new Map<number, Segment>();
  /** Counts deaths: what an earlier process waited for never comes. */
  #life = 0;

  /** `later` lets something happen after the disk has done its work. */
  constructor(later: (run: () => void) => void) {
    this.#later = later;
  }

  get octets(): number {
    let sum = 0;
    for (const { octets } of this.#segments.values()) sum += octets.length;
    return sum;
  }

  /** The end of what was appended. */
  get end(): { readonly segment: number; readonly octets: number } {
    const segment = this.list().at(-1) ?? 0;
    return { segment, octets: this.#segments.get(segment)?.octets.length ?? 0 };
  }

  list(): readonly number[] {
    return [...this.#segments.keys()].sort((a, b) => a - b);
  }

  read(segment: number): Uint8Array {
    return Uint8Array.from(this.#segments.get(segment)?.octets ?? []);
  }

  append(segment: number, octets: Uint8Array): void {
    if (this.octets + octets.length > this.capacity) throw new Error('ENOSPC: no space left on device');
    const open = this.#segments.get(segment) ?? { octets: Buffer.alloc(0), safe: 0, entered: false };
    open.octets = Buffer.concat([open.octets, octets]);
    this.#segments.set(segment, open);
  }

  sync(done: (error: Error | undefined) => void): void {
    const covered = [...this.#segments.values()].map((segment) => ({ segment, to: segment.octets.length }));
    const removed = [...this.#removed.keys()];
    const life = this.#life;
    this.#later(() => {
      if (life !== this.#life) return;
      this.syncs++;
      if (this.failSyncs > 0) {
        this.failSyncs--;
        done(new Error('EIO: i/o error'));
        return;
      }
      for (const { segment, to } of covered) {
        segment.safe = Math.max(segment.safe, to);
        segment.entered = true;
      }
      for (const number of removed) this.#removed.delete(number);
      done(undefined);
    });
  }

  settle(segment: number): void {
    const settled = this.#segments.get(segment);
    if (settled === undefined) return;
    settled.safe = settled.octets.length;
    settled.entered = true;
  }

  remove(segment: number): void {
    const removed = this.#segments.get(segment);
    if (removed !== undefined) this.#removed.set(segment, removed);
    this.#segments.delete(segment);
  }

  close(): void {
    this.#life++;
    for (const segment of this.#segments.values()) segment.safe = segment.octets.length;
  }

  /** The process dies. */
  kill(): void {
    this.#life++;
  }

  /** So many octets of the last write did not get in. */
  tear(octets: number): void {
    const last = this.#segments.get(this.end.segment);
    if (last !== undefined) last.octets = last.octets.subarray(0, last.octets.length - octets);
  }

  /** The machine dies. */
  cutPower(random: Random): void {
    this.#life++;
    for (const [number, segment] of this.#removed)
      if (random.chance(0.5)) this.#segments.set(number, segment);
    this.#removed.clear();
    const newest = this.list().at(-1) ?? 0;
    this.survived = { segment: newest, octets: 0 };
    for (const [number, segment] of this.#segments) {
      if (!segment.entered && random.chance(0.5)) {
        this.#segments.delete(number);
        continue;
      }
      const end = random.whole(segment.safe, segment.octets.length);
      if (number === newest) this.survived = { segment: newest, octets: end };
      const rest = random.chance(0.3) ? random.whole(0, segment.octets.length - end) : 0;
      segment.octets = Buffer.concat([segment.octets.subarray(0, end), Buffer.alloc(rest)]);
      segment.safe = segment.octets.length;
      segment.entered = true;
    }
  }
}
