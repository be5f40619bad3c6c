/**
 * Stores of plain records with a change feed. Every record that must outlive a crash, a takeover or an
 * upgrade is in one of these, and whoever follows the feed from the beginning holds the same records:
 * that is the whole contract that replication, warm restart and upgrade build on.
 */
import type { RecordFollower, RecordMap } from '../wire/records.ts';

/** One change of one store. `record` is undefined where the record was removed. */
export interface Change {
  readonly store: string;
  readonly key: string;
  readonly record: object | undefined;
}

/** Follows the changes of all stores of a node, in the order in which they happened. */
export interface ChangeFeed {
  changed(change: Change): void;
}

/** A named map of records. A record belongs to the store once put: change it only through `put`. */
export class Store<R extends object> implements RecordMap<R> {
  readonly name: string;
  readonly #feed: ChangeFeed | undefined;
  readonly #records = new Map<string, R>();
  /** Undefined: whoever derives something from the records changes them itself. */
  #followers: RecordFollower<object>[] | undefined;

  constructor(name: string, feed?: ChangeFeed) {
    this.name = name;
    this.#feed = feed;
  }

  get size(): number {
    return this.#records.size;
  }

  get(key: string): R | undefined {
    return this.#records.get(key);
  }

  has(key: string): boolean {
    return this.#records.has(key);
  }

  put(key: string, record: R): void {
    const before = this.#followers && this.#records.get(key);
    this.#records.set(key, record);
    if (this.#followers !== undefined) for (const follower of this.#followers) follower(key, before, record);
    this.#feed?.changed({ store: this.name, key, record });
  }

  delete(key: string): boolean {
    const before = this.#followers && this.#records.get(key);
    if (!this.#records.delete(key)) return false;
    if (this.#followers !== undefined)
      for (const follower of this.#followers) follower(key, before, undefined);
    this.#feed?.changed({ store: this.name, key, record: undefined });
    return true;
  }

  keys(): IterableIterator<string> {
    return this.#records.keys();
  }

  values(): IterableIterator<R> {
    return this.#records.values();
  }

  entries(): IterableIterator<[string, R]> {
    return this.#records.entries();
  }

  follow(follower: RecordFollower<R>): void {
    this.#followers?.push(follower);
  }

  /** `another`: the records are those of another node or process from here on, and followers are told. Else: not. */
  ledBy(leader: 'another' | 'own'): void {
    this.#followers = leader === 'another' ? [] : undefined;
  }
}
