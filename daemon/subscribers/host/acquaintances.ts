/** Hosts that were in before: records, so that a flood keeps none of them out after a takeover either. */
import type { AcquaintanceRecord } from '../../../session/records.ts';
import type { Store } from '../../../session/store.ts';

export class Acquaintances {
  readonly #store: Store<AcquaintanceRecord>;
  readonly #most: number;

  /** `most`: who was in longest ago is forgotten above it. */
  constructor(store: Store<AcquaintanceRecord>, most: number) {
    this.#store = store;
    this.#most = most;
  }

  has(host: string): boolean {
    return this.#store.has(host);
  }

  /** The host is in. */
  meet(host: string): void {
    if (this.#store.has(host)) return;
    const [oldest] = this.#store.keys();
    if (this.#store.size >= this.#most && oldest !== undefined) this.#store.delete(oldest);
    this.#store.put(host, { v: 1, key: host });
  }
}
