/**
 * Looks, a few records at a time, whether the stores still hold what the digest says they were given. A
 * record that was changed without being put, or behind the log's back, is found in one round of all.
 */
import { RecordEncoder } from './record-codec.ts';
import type { ReplicatedStores } from './replicated-stores.ts';
import type { StateDigest } from './state-digest.ts';

/** A record that is not what was said of it. */
export interface Strayed {
  readonly store: string;
  readonly key: string;
  readonly record: object;
}

export class Scrub {
  readonly #stores: ReplicatedStores;
  readonly #digest: StateDigest;
  readonly #encoder = new RecordEncoder();
  #walk: Iterator<Strayed> | undefined;

  constructor(stores: ReplicatedStores, digest: StateDigest) {
    this.#stores = stores;
    this.#digest = digest;
  }

  /** Looks at up to `records` more of them; between turns, when all changes are in the digest. */
  step(records: number): Strayed[] {
    const strayed: Strayed[] = [];
    for (let i = 0; i < records; i++) {
      this.#walk ??= all(this.#stores);
      const next = this.#walk.next();
      if (next.done === true) {
        this.#walk = undefined;
        return strayed;
      }
      const { store, key, record } = next.value;
      this.#encoder.value(record);
      if (!this.#digest.holds(store, key, this.#encoder.since(0))) strayed.push(next.value);
      this.#encoder.clear();
    }
    return strayed;
  }
}

function* all(stores: ReplicatedStores): Generator<Strayed> {
  for (const store of stores.all()) {
    for (const [key, record] of store.entries()) yield { store: store.name, key, record };
  }
}
