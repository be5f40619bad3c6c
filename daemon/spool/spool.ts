/**
 * The durable accounting queue: what is being accounted for and what no server has acknowledged yet, on the
 * disk. It follows the stores: at the end of a turn all that changed in them goes to the end of the newest
 * segment as one frame with a checksum, and one sync covers all turns that ended while the last one ran.
 *
 * Invariants: what a sync has covered is lost by no kill and no power cut. A frame is there as a whole or not
 * at all. Segments go from the oldest on, and only when a later one has all that was still needed of them on
 * the disk. Where the disk refuses, nothing that it holds is touched: changes wait in memory, the newest of
 * each record, and go there as soon as it takes them again.
 */
import { type ReadChange, readChanges } from '../../replication/change-log.ts';
import { encodeFrame, FrameReader, FrameType, MAX_FRAME_OCTETS } from '../../replication/frame.ts';
import { RecordEncoder } from '../../replication/record-codec.ts';
import type { Change, ChangeFeed, Store } from '../../session/store.ts';
import { SegmentIndex } from './segment-index.ts';
import type { Segments } from './segments.ts';

export interface SpoolOptions {
  /** Store whose records are of no use once they are removed, whether or not the disk knows of it. */
  readonly expendable: string;
  /** Octets on the disk at most. */
  readonly limitOctets: number;
  /** Octets of a segment, about. */
  readonly segmentOctets?: number;
}

/** Why the disk does not take anything now. */
export type SpoolFault = 'disk-limit' | 'disk-refused';

/** Whoever is to hear of it; called at the end of turns and between them. */
export interface SpoolWatcher {
  /** All turns up to this one survive a power cut. */
  synced(turn: number): void;
  /** The disk refuses, or (undefined) takes everything again. */
  stateChanged(fault: SpoolFault | undefined, why: string): void;
  /** A part of what an earlier run left could not be read. */
  damaged(segment: number, why: string): void;
}

export class Spool implements ChangeFeed {
  readonly #segments: Segments;
  readonly #options: Required<SpoolOptions>;
  readonly #watcher: SpoolWatcher;
  readonly #index = new SegmentIndex();
  readonly #encoder = new RecordEncoder();
  /** By name; empty: none is followed. */
  #stores = new Map<string, Store<object>>();
  /** What is not on the disk yet: the newest change of each record. */
  #pending = new Map<string, Change>();
  /** What is written and not safe yet. */
  #unsafe: { readonly turn: number; readonly changes: readonly Change[] }[] = [];
  /** The segment that grows; 0: the next write makes one. */
  #segment = 0;
  #turn = 0;
  #synced = 0;
  #syncing = false;
  #retryAt: number | undefined;
  #fault: SpoolFault | undefined;
  #aliveAt = 0;
  #closed = false;

  constructor(segments: Segments, options: SpoolOptions, watcher: SpoolWatcher) {
    this.#segments = segments;
    this.#options = { segmentOctets: SEGMENT_OCTETS, ...options };
    this.#watcher = watcher;
  }

  /** Number of the last turn that was written. */
  get turn(): number {
    return this.#turn;
  }

  /** Number of the last turn that survives a power cut. */
  get synced(): number {
    return this.#synced;
  }

  /** Why the disk takes nothing now; undefined: it does. */
  get fault(): SpoolFault | undefined {
    return this.#fault;
  }

  /** Octets on the disk. */
  get octets(): number {
    return this.#index.octets;
  }

  /** Changes that wait for the disk. */
  get unwritten(): number {
    return this.#pending.size;
  }

  /** When the last run was last known to be alive; 0: there was none. */
  get aliveAt(): number {
    return this.#aliveAt;
  }

  /**
   * Puts what the disk holds into stores that are empty, and follows them from then on. What is torn or damaged
   * is left out up to the end of its segment, and said.
   */
  load(stores: readonly Store<object>[]): void {
    const byName = new Map(stores.map((store) => [store.name, store]));
    for (const { store: name, key, record } of this.#read(byName)) {
      const store = byName.get(name);
      if (record === undefined) store?.delete(key);
      else store?.put(key, record);
    }
    this.#stores = byName;
  }

  /**
   * Follows stores that have records already, those of a journal or of another node: where the disk differs
   * from them it is brought up to them.
   */
  follow(stores: readonly Store<object>[]): void {
    const byName = new Map(stores.map((store) => [store.name, store]));
    const there = new Map<string, ReadChange>();
    for (const change of this.#read(byName)) {
      const name = nameOf(change);
      if (change.record === undefined) there.delete(name);
      else there.set(name, change);
    }
    this.#stores = byName;
    for (const store of stores) {
      for (const [key, record] of store.entries()) {
        const change = { store: store.name, key, record };
        this.#encoder.clear();
        this.#encoder.value(record);
        const before = there.get(nameOf(change))?.octets;
        if (before === undefined || Buffer.compare(before, this.#encoder.since(0)) !== 0)
          this.changed(change);
        there.delete(nameOf(change));
      }
    }
    this.#encoder.clear();
    for (const { store, key } of there.values()) this.changed({ store, key, record: undefined });
  }

  changed(change: Change): void {
    if (!this.#stores.has(change.store)) return;
    const name = nameOf(change);
    // In the order of the last change, so that a record's end stays beside the message about it.
    this.#pending.delete(name);
    this.#pending.set(name, change);
    // A disk that takes nothing can still be made empty.
    const { store, key, record } = change;
    if (this.#fault !== undefined && record === undefined && this.#options.expendable === store) {
      this.#index.note(store, key, undefined);
    }
  }

  /** Writes what changed, and lets the disk make it safe. */
  endTurn(now: number): void {
    if (this.#pending.size === 0 || this.#closed) return;
    if (this.#retryAt !== undefined && now < this.#retryAt) {
      this.#removeOldest();
      return;
    }
    this.#clean();
    const refused = this.#write(now);
    if (refused === undefined) this.#retryAt = undefined;
    else this.#failed(now, ...refused);
    this.#sync(now);
  }

  /** Now and then: notes that castgate lives, so that a power cut has a time, and tries a disk that refused. */
  alive(now: number): void {
    if (this.#index.size > 0 && this.#pending.size === 0 && now - this.#aliveAt >= ALIVE_MS) this.#touch();
    this.endTurn(now);
  }

  /**
   * Goes on where another process has written until now, whose records it followed all the time since `follow`:
   * what changed since then is pending here, and goes into a segment of its own. What that process moved to its
   * newer segments is written once more, since where it is now was not told.
   */
  succeed(): void {
    const there = new Set(this.#segments.list());
    for (
      let known = this.#index.oldest;
      known !== undefined && !there.has(known);
      known = this.#index.oldest
    ) {
      for (const [store, key] of [...this.#index.liveIn(known, Number.POSITIVE_INFINITY)]) {
        const record = this.#stores.get(store)?.get(key);
        if (!this.#pending.has(nameOf({ store, key }))) this.changed({ store, key, record });
        this.#index.note(store, key, undefined);
      }
      this.#index.remove(known);
    }
    for (const segment of there) if (segment > this.#index.newest) this.#index.begin(segment, this.#turn + 1);
    this.#segment = 0;
  }

  /** Writes, and waits until all of it is safe. */
  flush(now: number): void {
    this.#retryAt = undefined;
    this.endTurn(now);
    if (this.#synced === this.#turn || this.#index.newest === 0) return;
    try {
      this.#segments.settle(this.#index.newest);
    } catch (cause) {
      this.#failed(now, 'disk-refused', messageOf(cause));
      return;
    }
    this.#synced = this.#turn;
    this.#unsafe = [];
    this.#watcher.synced(this.#turn);
  }

  /** Writes and waits for the disk. */
  close(now: number): void {
    this.#retryAt = undefined;
    this.#touch();
    this.endTurn(now);
    this.#closed = true;
    try {
      this.#segments.close();
    } catch (cause) {
      this.#watcher.stateChanged('disk-refused', messageOf(cause));
    }
  }

  /** A change that says nothing but that it is later now. */
  #touch(): void {
    const change = { store: ALIVE, key: ALIVE, record: undefined };
    this.#pending.set(nameOf(change), change);
  }

  /** All changes of these stores on the disk; nothing is followed meanwhile. */
  *#read(stores: ReadonlyMap<string, unknown>): Generator<ReadChange> {
    this.#stores = new Map();
    this.#pending.clear();
    this.#unsafe = [];
    this.#segment = 0;
    this.#index.clear();
    for (const segment of this.#segments.list()) {
      const octets = this.#segments.read(segment);
      this.#index.begin(segment);
      const reader = new FrameReader();
      for (const { type, payload } of reader.push(octets)) {
        if (type !== FrameType.Changes) continue;
        const changes = readChanges(payload);
        if (typeof changes === 'string') {
          this.#watcher.damaged(segment, changes);
          break;
        }
        for (const change of changes) {
          if (change.store === ALIVE) this.#aliveAt = (change.record as { readonly at: number }).at;
          if (!stores.has(change.store)) continue;
          this.#index.note(change.store, change.key, change.record && change.octets.length);
          yield change;
        }
      }
      if (reader.fault !== undefined) this.#watcher.damaged(segment, reader.fault);
      this.#index.grow(octets.length);
    }
    // A process that was killed may have written what no sync has covered.
    const { newest } = this.#index;
    if (newest === 0) return;
    try {
      this.#segments.settle(newest);
    } catch (cause) {
      this.#watcher.damaged(newest, messageOf(cause));
    }
  }

  /** Undefined: all that was pending is written. Else why not; what got in before is there. */
  #write(now: number): [SpoolFault, string] | undefined {
    const encoder = this.#encoder;
    let frame: Change[] = [];
    const alive = { store: ALIVE, key: ALIVE, record: { v: 1, at: now } };
    encoder.clear();
    for (const change of this.#pending.values()) {
      if (change.store === ALIVE) continue;
      put(encoder, change);
      frame.push(change);
      // A record's end comes behind the message about it: no frame should end between the two.
      const full = encoder.length > (change.record === undefined ? FRAME_OCTETS : MOST_FRAME_OCTETS);
      if (full) {
        const refused = this.#append(frame, encoder.take());
        if (refused !== undefined) return refused;
        frame = [];
      }
    }
    put(encoder, alive);
    const refused = this.#append(frame, encoder.take());
    if (refused === undefined) this.#aliveAt = now;
    return refused;
  }

  #append(changes: readonly Change[], payload: Uint8Array): [SpoolFault, string] | undefined {
    const octets = encodeFrame(FrameType.Changes, payload);
    const { limitOctets, segmentOctets } = this.#options;
    if (this.#index.octets + octets.length > limitOctets) {
      return ['disk-limit', `${this.#index.octets} octets of ${limitOctets} are in use`];
    }
    try {
      if (this.#isFull(segmentOctets)) this.#beginSegment();
      this.#segments.append(this.#segment, octets);
    } catch (cause) {
      this.#segment = 0;
      return ['disk-refused', messageOf(cause)];
    }
    this.#turn++;
    this.#index.grow(octets.length);
    const share = changes.length === 0 ? 0 : Math.ceil(octets.length / changes.length);
    for (const change of changes) {
      this.#index.note(change.store, change.key, change.record && share, this.#turn);
      const name = nameOf(change);
      if (this.#pending.get(name) === change) this.#pending.delete(name);
    }
    this.#pending.delete(nameOf({ store: ALIVE, key: ALIVE }));
    this.#unsafe.push({ turn: this.#turn, changes });
    return undefined;
  }

  /** A segment ends where nothing waits for the disk, or else when it has grown twice as long as it should be. */
  #isFull(segmentOctets: number): boolean {
    const { newestOctets } = this.#index;
    if (this.#segment === 0) return true;
    return newestOctets > (this.#synced === this.#turn ? segmentOctets : 2 * segmentOctets);
  }

  /** Only the newest segment may have octets that are not safe: so what survives has no gaps. */
  #beginSegment(): void {
    const before = this.#index.newest;
    if (before !== 0 && (this.#segment === 0 || this.#synced !== this.#turn)) this.#segments.settle(before);
    this.#segment = before + 1;
    this.#index.begin(this.#segment);
  }

  /** Takes what is still needed of the oldest segment to the end again, a little with each turn. */
  #clean(): void {
    const { octets, liveOctets, newest } = this.#index;
    const oldest = this.#index.oldest;
    if (oldest === undefined || oldest === newest) return;
    if (octets < 2 * liveOctets + 2 * this.#options.segmentOctets) return;
    for (const [store, key] of this.#index.liveIn(oldest, CLEAN_RECORDS)) {
      const record = this.#stores.get(store)?.get(key);
      const change = { store, key, record };
      if (!this.#pending.has(nameOf(change))) this.#pending.set(nameOf(change), change);
    }
  }

  #failed(now: number, fault: SpoolFault, why: string): void {
    this.#retryAt = now + RETRY_MS;
    if (this.#fault === fault) return;
    this.#fault = fault;
    this.#watcher.stateChanged(fault, why);
  }

  #recovered(): void {
    if (this.#fault === undefined || this.#retryAt !== undefined) return;
    this.#fault = undefined;
    this.#watcher.stateChanged(undefined, '');
  }

  /** One sync at a time: what is written meanwhile waits for the next one. */
  #sync(now: number): void {
    if (this.#syncing || this.#synced === this.#turn) return;
    this.#syncing = true;
    const turn = this.#turn;
    this.#segments.sync((error) => {
      this.#syncing = false;
      if (this.#closed) return;
      if (error !== undefined) {
        // What the kernel could not write it may have dropped: all of it is written once more, elsewhere.
        this.#segment = 0;
        this.#again();
        this.#failed(now, 'disk-refused', error.message);
        return;
      }
      this.#synced = Math.max(this.#synced, turn);
      this.#unsafe = this.#unsafe.filter((written) => written.turn > turn);
      this.#recovered();
      this.#removeOldest();
      this.#watcher.synced(turn);
      this.#sync(now);
    });
  }

  /** What is not safe is pending again, behind what came later. */
  #again(): void {
    const later = [...this.#pending.values()];
    this.#pending.clear();
    for (const { changes } of this.#unsafe) for (const change of changes) this.changed(change);
    for (const change of later) this.changed(change);
    this.#unsafe = [];
  }

  /** One at a time, each with its own sync, so that they are gone in their order. */
  #removeOldest(): void {
    const oldest = this.#index.removable(this.#synced);
    if (oldest === undefined) return;
    try {
      this.#segments.remove(oldest);
      this.#index.remove(oldest);
    } catch (cause) {
      this.#watcher.damaged(oldest, messageOf(cause));
    }
  }
}

function put(encoder: RecordEncoder, { store, key, record }: Change): void {
  encoder.text(store);
  encoder.text(key);
  encoder.value(record);
}

function nameOf({ store, key }: { readonly store: string; readonly key: string }): string {
  return `${store} ${key}`;
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/** The store and key of the note that tells when castgate last lived. */
const ALIVE = 'alive';
/** How exact the time of a power cut is known. */
const ALIVE_MS = 10_000;
const RETRY_MS = 5_000;
const SEGMENT_OCTETS = 4 << 20;
const FRAME_OCTETS = MAX_FRAME_OCTETS / 4;
const MOST_FRAME_OCTETS = MAX_FRAME_OCTETS / 2;
const CLEAN_RECORDS = 256;
