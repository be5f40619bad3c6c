/**
 * A digest of all records that is kept up to date record by record, whatever their order: per store a count
 * and two sums over the CRC-32 of each record's octets. Two nodes at the same place of the log must have
 * equal digests; where they have not, the standby is taken for wrong and begins again from a snapshot.
 */
import { crc32 } from 'node:zlib';
import { RecordEncoder } from './record-codec.ts';
import type { ReplicatedStores } from './replicated-stores.ts';

/** Digest of one store. */
export interface StoreDigest {
  readonly count: number;
  readonly sum: number;
  readonly mix: number;
}

/** By store name; stores without records are left out. */
export type Digest = Readonly<Record<string, StoreDigest>>;

interface Sums {
  readonly hashes: Map<string, number>;
  sum: number;
  mix: number;
}

export class StateDigest {
  readonly #stores = new Map<string, Sums>();

  /** A record's octets after a change; undefined: removed. */
  update(store: string, key: string, octets: Uint8Array | undefined): void {
    let sums = this.#stores.get(store);
    if (sums === undefined) {
      sums = { hashes: new Map(), sum: 0, mix: 0 };
      this.#stores.set(store, sums);
    }
    const before = sums.hashes.get(key);
    if (before !== undefined) add(sums, before, -1);
    if (octets === undefined) {
      sums.hashes.delete(key);
      return;
    }
    const hash = hashOf(key, octets);
    sums.hashes.set(key, hash);
    add(sums, hash, 1);
  }

  /** Whether the record was last said to have these octets. */
  holds(store: string, key: string, octets: Uint8Array): boolean {
    return this.#stores.get(store)?.hashes.get(key) === hashOf(key, octets);
  }

  /** The digest now. */
  digest(): Digest {
    const digest: Record<string, StoreDigest> = {};
    for (const [name, { hashes, sum, mix }] of this.#stores) {
      if (hashes.size > 0) digest[name] = { count: hashes.size, sum, mix };
    }
    return digest;
  }
}

/** The digest of records as they are. */
export function digestOf(stores: ReplicatedStores): StateDigest {
  const digest = new StateDigest();
  const encoder = new RecordEncoder();
  for (const store of stores.all()) {
    for (const [key, record] of store.entries()) {
      encoder.value(record);
      digest.update(store.name, key, encoder.since(0));
      encoder.clear();
    }
  }
  return digest;
}

/** The names of the stores in which two digests differ. */
export function differences(a: Digest, b: Digest): string[] {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].filter((name) => {
    const x = a[name];
    const y = b[name];
    return x === undefined || y === undefined || x.count !== y.count || x.sum !== y.sum || x.mix !== y.mix;
  });
}

function hashOf(key: string, octets: Uint8Array): number {
  return crc32(octets, crc32(key));
}

function add(sums: Sums, hash: number, sign: 1 | -1): void {
  sums.sum = modulo(sums.sum + sign * hash);
  sums.mix = (sums.mix ^ Math.imul(hash, 0x9e3779b1)) >>> 0;
}

function modulo(value: number): number {
  return ((value % SUM_MODULUS) + SUM_MODULUS) % SUM_MODULUS;
}

const SUM_MODULUS = 2 ** 48;
