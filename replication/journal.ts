/**
 * The stores on the local disk, for a lone node that starts again: the same octets as on the replication
 * link, a snapshot first and then every turn's changes. A file that does not end where a frame ends was cut
 * off by a crash: everything up to the last whole frame counts, as that is what the effects followed from.
 * A few stores are left out: another node or process gets them, a disk does not.
 */

import type { Change } from '../session/store.ts';
import { type Batch, ChangeLog, readChanges } from './change-log.ts';
import { encodeFrame, FrameReader, FrameType } from './frame.ts';
import { RecordDecoder, RecordEncoder } from './record-codec.ts';
import { OWN_RECORDS, type RecordsOf, UNTOLD_RECORDS, unreadable } from './record-version.ts';
import type { ReplicatedStores } from './replicated-stores.ts';

/** What a journal is of; it is used again only where all of it is the same. */
export interface JournalHead {
  /** Tells one start of the machine from the next: after it no link is what it was. */
  readonly bootId: string;
  readonly bridge: string;
}

/** How a journal ends. */
export interface JournalEnd {
  /** What the last turn changed, where nothing is known to have come after it: its effects may not have left. */
  readonly lastTurn: readonly Change[];
}

/** Why a journal is not gone on with. */
export type JournalFault = 'no-journal' | 'other-boot' | 'other-bridge' | 'other-version' | 'damaged';

/** The beginning of a journal: its head and all records as they are, in slices. `of`: which records these are. */
export function* journalSnapshot(
  head: JournalHead,
  stores: ReplicatedStores,
  { records, leastReader }: RecordsOf = OWN_RECORDS,
): Generator<Uint8Array> {
  const encoder = new RecordEncoder();
  encoder.value({ v: 1, ...head, records, leastReader });
  yield encodeFrame(FrameType.Message, encoder.take());
  for (const store of stores.all()) {
    if (SECRET.has(store.name)) continue;
    for (const [key, record] of store.entries()) {
      encoder.text(store.name);
      encoder.text(key);
      encoder.value(record);
      if (encoder.length >= SLICE_OCTETS) yield encodeFrame(FrameType.Records, encoder.take());
    }
  }
  if (encoder.length > 0) yield encodeFrame(FrameType.Records, encoder.take());
}

/** The changes that a journal is told of. */
export class JournalLog extends ChangeLog {
  constructor() {
    super(0, 'none');
  }

  override changed(change: Change): void {
    if (!SECRET.has(change.store)) super.changed(change);
  }
}

/** One turn's changes, to be appended; in `room` where that is long enough. */
export function journalEntry(batch: Batch, room?: Buffer): Uint8Array {
  return encodeFrame(FrameType.Changes, batch.octets, undefined, room);
}

/** Puts a journal's records into empty stores, as they were at its end. */
export function readJournal(
  octets: Uint8Array,
  head: JournalHead,
  stores: ReplicatedStores,
): JournalFault | JournalEnd {
  const reader = new FrameReader();
  const [first, ...frames] = reader.push(octets);
  if (first === undefined) return octets.length === 0 ? 'no-journal' : 'damaged';
  if (first.type !== FrameType.Message) return 'damaged';
  const fault = compareHead(first.payload, head);
  if (fault !== undefined) return fault;
  let lastTurn: readonly Change[] = [];
  for (const { type, payload } of frames) {
    if (type !== FrameType.Records && type !== FrameType.Changes) continue;
    const changes = readChanges(payload);
    if (typeof changes === 'string') return 'damaged';
    lastTurn = type === FrameType.Changes ? changes : [];
    for (const { store, key, record } of changes)
      if (!SECRET.has(store)) stores.store(store).apply(key, record);
  }
  // A checksum that is wrong, unlike an end that is missing, means that what was read cannot be trusted.
  return reader.fault === undefined ? { lastTurn } : 'damaged';
}

function compareHead(payload: Uint8Array, head: JournalHead): JournalFault | undefined {
  const decoder = new RecordDecoder(payload);
  const value = decoder.value();
  if (decoder.fault !== undefined || typeof value !== 'object' || value === null) return 'damaged';
  const { bootId, bridge, records, leastReader } = value as Readonly<Record<string, unknown>>;
  if (bootId !== head.bootId) return 'other-boot';
  if (bridge !== head.bridge) return 'other-bridge';
  const of =
    typeof records === 'number' && typeof leastReader === 'number'
      ? { records, leastReader }
      : UNTOLD_RECORDS;
  return unreadable(of) === undefined ? undefined : 'other-version';
}

/** Stores that no disk sees: by a ticket somebody else can pose as this switch (radius/stream/tickets.ts). */
const SECRET: ReadonlySet<string> = new Set(['tls-tickets']);
const SLICE_OCTETS = 1 << 16;
