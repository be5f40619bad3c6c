/**
 * A node's records at one moment, each as its octets, to be compared with another node's. Octets are kept for
 * a record until it is put again; a fresh image reads every record anew, so that one which was changed
 * without being put shows too.
 */
import { RecordEncoder } from '../../../replication/record-codec.ts';
import type { ReplicatedStores } from '../../../replication/replicated-stores.ts';

/** By store and key: the record's octets, one for each character. Stores without records are left out. */
export type StateImage = ReadonlyMap<string, ReadonlyMap<string, string>>;

export function imageOf(stores: ReplicatedStores): StateImage {
  return image(stores, keptOctets);
}

/** As `imageOf`, from nothing but the records themselves. */
export function freshImageOf(stores: ReplicatedStores): StateImage {
  return image(stores, octetsOf);
}

/** The record was put: it may say something else than before. */
export function wasPut(record: object): void {
  kept.delete(record);
}

/** The first record in which two images differ; undefined: they are the same, octet for octet. */
export function differenceOf(a: StateImage, b: StateImage): string | undefined {
  for (const [name, records] of a) {
    const others = b.get(name);
    for (const [key, octets] of records) if (others?.get(key) !== octets) return `${name} ${key}`;
  }
  for (const [name, records] of b) {
    const others = a.get(name);
    if (others?.size === records.size) continue;
    for (const key of records.keys()) if (others?.has(key) !== true) return `${name} ${key}`;
  }
  return undefined;
}

function image(stores: ReplicatedStores, of: (record: object) => string): StateImage {
  const all = new Map<string, ReadonlyMap<string, string>>();
  for (const store of stores.all()) {
    if (store.size() === 0) continue;
    const records = new Map<string, string>();
    for (const [key, record] of store.entries()) records.set(key, of(record));
    all.set(store.name, records);
  }
  return all;
}

function keptOctets(record: object): string {
  let octets = kept.get(record);
  if (octets === undefined) {
    octets = octetsOf(record);
    kept.set(record, octets);
  }
  return octets;
}

function octetsOf(record: object): string {
  encoder.value(record);
  const { buffer, byteOffset, length } = encoder.since(0);
  encoder.clear();
  return Buffer.from(buffer, byteOffset, length).toString('latin1');
}

const kept = new WeakMap<object, string>();
/** One for all calls: a new one begins with a large buffer. */
const encoder = new RecordEncoder();
