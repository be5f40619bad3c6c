/**
 * The stores of a simulated node: their changes can be followed from a later moment on, when the node takes
 * over. An older node has no use for some of the stores, and keeps them for whoever has.
 */
import { Stores } from '../../../daemon/core/stores.ts';
import type { ReplicatedStore } from '../../../replication/replicated-stores.ts';
import { type Change, type ChangeFeed, Store } from '../../../session/store.ts';
import { wasPut } from '../checks/state-image.ts';

/** A feed that may be given its follower later. */
export class LateFeed implements ChangeFeed {
  follower: ChangeFeed | undefined;

  changed(change: Change): void {
    if (change.record !== undefined) wasPut(change.record);
    this.follower?.changed(change);
  }
}

export class NodeStores extends Stores {
  readonly feed: LateFeed;

  constructor(decisions: number, filtered: (feed: ChangeFeed) => ChangeFeed = (feed) => feed) {
    const feed = new LateFeed();
    super(decisions, filtered(feed));
    this.feed = feed;
  }
}

/** As a version that has no such stores: their records are kept as they come, and nothing uses them. */
export class OlderStores extends NodeStores {
  readonly #kept = new Map<string, Store<object>>();

  constructor(decisions: number) {
    super(decisions, (feed) => ({
      // What this version does in its own way has no name in its log.
      changed: (change) => {
        if (!UNKNOWN_TO_OLDER.has(change.store)) feed.changed(change);
      },
    }));
  }

  override *all(): Generator<ReplicatedStore> {
    for (const store of super.all()) if (!UNKNOWN_TO_OLDER.has(store.name)) yield store;
    for (const name of this.#kept.keys()) yield this.store(name);
  }

  override store(name: string): ReplicatedStore {
    if (!UNKNOWN_TO_OLDER.has(name)) return super.store(name);
    const store = this.#kept.get(name) ?? new Store<object>(name, this.feed);
    this.#kept.set(name, store);
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
}

/** Whether an older node has no use for the store. */
export function isKeptOnly(store: string): boolean {
  return UNKNOWN_TO_OLDER.has(store);
}

/** Health, caches and compatibility states: a core does its work without what is in them. */
const UNKNOWN_TO_OLDER: ReadonlySet<string> = new Set(['decisions', 'radius-servers', 'upstream-queriers']);
