/**
 * What RADIUS said about (account, group[, source]), for as long as it holds. A cache, not a table: the
 * least recently used decision goes when it is full, and is asked again. What goes and comes is told to
 * the change feed like any record.
 */
import { LRUCache } from 'lru-cache';
import type { DecisionRecord } from '../../session/records.ts';
import type { ChangeFeed } from '../../session/store.ts';

export class DecisionCache {
  readonly name = 'decisions';
  readonly #cache: LRUCache<string, DecisionRecord>;
  #keepsOld = false;

  /** `size` is the greatest number of decisions kept. */
  constructor(size: number, feed?: ChangeFeed) {
    const store = this.name;
    this.#cache = new LRUCache<string, DecisionRecord>({
      max: size,
      dispose: (_record, key, reason) => {
        if (reason !== 'set') feed?.changed({ store, key, record: undefined });
      },
      onInsert: (record, key) => feed?.changed({ store, key, record }),
    });
  }

  size(): number {
    return this.#cache.size;
  }

  /** The decision, where there is one that still holds. */
  get(now: number, key: string): DecisionRecord | undefined {
    const record = this.#cache.get(key);
    if (record === undefined) return undefined;
    if (record.expiresAt > now) return record;
    if (!this.#keepsOld) this.#cache.delete(key);
    return undefined;
  }

  /** What was last known, whether it holds or not; only where old decisions are kept. */
  last(key: string): DecisionRecord | undefined {
    return this.#cache.peek(key);
  }

  /** From now on decisions stay after their end, as long as there is room. */
  keepOld(): void {
    this.#keepsOld = true;
  }

  put(record: DecisionRecord): void {
    this.#cache.set(record.key, record);
  }

  delete(key: string): void {
    this.#cache.delete(key);
  }

  /** The questions that have a decision, in no order. */
  keys(): IterableIterator<string> {
    return this.#cache.keys();
  }

  /** From the least to the most recently used, so that a copy made in this order forgets the same ones. */
  *entries(): IterableIterator<[string, DecisionRecord]> {
    // By their keys: a walk along the order itself would end where the record that it is at is used meanwhile.
    for (const key of [...this.#cache.rkeys()]) {
      const record = this.#cache.peek(key);
      if (record !== undefined) yield [key, record];
    }
  }

  /** Takes a record as another node has it; undefined: it has none. */
  apply(key: string, record: object | undefined): void {
    if (record === undefined) this.delete(key);
    else this.#cache.set(key, record as DecisionRecord);
  }
}
