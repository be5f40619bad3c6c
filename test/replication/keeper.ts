import type { ReplicatedStore, ReplicatedStores } from '../../replication/replicated-stores.ts';
import { type ChangeFeed, Store } from '../../session/store.ts';

/** Stores that only keep: what a node of another version has for names that it does not know. */
export class Keeper implements ReplicatedStores {
  readonly #stores = new Map<string, Store<object>>();
  /** May be set later: a standby's stores get theirs when it takes over. */
  feed: ChangeFeed | undefined;
  constructor(feed?: ChangeFeed) {
    this.feed = feed;
  }
  *all(): Generator<ReplicatedStore> {
    for (const name of this.#stores.keys()) yield this.store(name);
  }
  of(name: string): Store<object> {
    let store = this.#stores.get(name);
    if (store === undefined) {
      store = new Store(name, { changed: (change) => this.feed?.changed(change) });
      this.#stores.set(name, store);
    }
    return store;
  }
  store(name: string): ReplicatedStore {
    const store = this.of(name);
    return {
      name,
      size: () => store.size,
      entries: () => store.entries(),
      apply: (key, record) => {
        if (record === undefined) store.delete(key);
        else store.put(key, record);
      },
    };
  }
  contents(): Record<string, Record<string, object>> {
    const all: Record<string, Record<string, object>> = {};
    for (const [name, store] of this.#stores)
      if (store.size > 0) all[name] = Object.fromEntries(store.entries());
    return all;
  }
}
