/**
 * The changes of all stores, numbered, as octets. A turn's changes are sealed into one batch, a record that was put
 * several times in it once: a batch is taken as a whole or not at all. The last batches are kept, so that a standby
 * that was away for a moment goes on from where it was.
 */
import type { Change, ChangeFeed } from '../session/store.ts';
import { RecordDecoder, RecordEncoder, type RecordFault } from './record-codec.ts';
import { StateDigest } from './state-digest.ts';

/** Changes `first` to `last`, both included. */
export interface Batch {
  readonly first: number;
  readonly last: number;
  readonly octets: Uint8Array;
}

export class ChangeLog implements ChangeFeed {
  readonly #encoder = new RecordEncoder();
  /** Of the records as the log has made them. To be read between turns. */
  readonly state: StateDigest;
  readonly #kept: Batch[] = [];
  readonly #keepOctets: number;
  readonly #digests: boolean;
  /** The turn's changes. Records are written when it ends: most are put more than once in a turn. */
  #pending: Change[] = [];
  #keptOctets = 0;
  #first = 1;
  #next = 1;

  /**
   * `keepOctets`: how much of the past is kept for a standby that comes back. `state` is of records that were
   * there before the log; `none` where nobody compares digests, and `state` is then never brought up to date.
   */
  constructor(keepOctets: number, state: StateDigest | 'none' = new StateDigest()) {
    this.#keepOctets = keepOctets;
    this.#digests = state !== 'none';
    this.state = state === 'none' ? new StateDigest() : state;
  }

  /** Number of the last change; 0 before the first. */
  get last(): number {
    return this.#next - 1;
  }

  changed(change: Change): void {
    const place = this.#placeOf(change);
    if (place !== undefined) {
      this.#pending[place] = change;
      return;
    }
    this.#pending.push(change);
    this.#next++;
  }

  /** The changes since the last seal as one batch; undefined where there were none. */
  seal(): Batch | undefined {
    if (this.#first === this.#next) return undefined;
    for (const change of this.#pending) this.#write(change);
    this.#pending = [];
    const batch: Batch = { first: this.#first, last: this.#next - 1, octets: this.#encoder.take() };
    this.#first = this.#next;
    this.#kept.push(batch);
    this.#keptOctets += batch.octets.length;
    while (this.#keptOctets > this.#keepOctets && this.#kept.length > 1) {
      this.#keptOctets -= this.#kept.shift()?.octets.length ?? 0;
    }
    return batch;
  }

  /**
   * Where an earlier change of the turn stands that this one takes the place of. Not that of a removal: a record that
   * comes again afterwards stands behind the others of its store, and must do so wherever the log is read.
   */
  #placeOf({ store, key }: Change): number | undefined {
    const pending = this.#pending;
    for (let at = pending.length - 1, end = Math.max(0, at - LOOK_BACK); at >= end; at--) {
      const earlier = pending[at];
      if (earlier?.key === key && earlier.store === store)
        return earlier.record === undefined ? undefined : at;
    }
    return undefined;
  }

  #write({ store, key, record }: Change): void {
    const encoder = this.#encoder;
    encoder.text(store);
    encoder.text(key);
    const start = encoder.length;
    encoder.value(record);
    if (this.#digests) {
      this.state.update(store, key, record === undefined ? undefined : encoder.since(start));
    }
  }

  /** The sealed batches behind change `have`; undefined where they are not all kept, or it never was. */
  since(have: number): readonly Batch[] | undefined {
    if (have >= this.#first) return undefined;
    if (have === this.#first - 1) return [];
    const index = this.#kept.findIndex((batch) => batch.first === have + 1);
    return index < 0 ? undefined : this.#kept.slice(index);
  }
}

/** A change as it was read. */
export interface ReadChange {
  readonly store: string;
  readonly key: string;
  readonly record: object | undefined;
  /** The record's octets, for the digest. */
  readonly octets: Uint8Array;
}

/** Reads the changes of a batch, or the records of a snapshot's slice, which have the same form. */
export function readChanges(octets: Uint8Array): ReadChange[] | RecordFault {
  const decoder = new RecordDecoder(octets);
  const changes: ReadChange[] = [];
  while (decoder.remaining > 0 && decoder.fault === undefined) {
    const store = decoder.text();
    const key = decoder.text();
    const start = decoder.at;
    const record = decoder.value();
    if (decoder.fault !== undefined) break;
    if (record !== undefined && (typeof record !== 'object' || record === null)) return 'record-unknown-tag';
    changes.push({ store, key, record, octets: octets.subarray(start, decoder.at) });
  }
  return decoder.fault ?? changes;
}

/** Changes of a turn among which an earlier one of the record is looked for: one subscriber's are together. */
const LOOK_BACK = 24;
