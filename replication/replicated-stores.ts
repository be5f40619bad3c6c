/** The stores as replication sees them: named, walked through, and changed record by record. */

/** One store. `apply` with undefined removes the record. */
export interface ReplicatedStore {
  readonly name: string;
  size(): number;
  entries(): IterableIterator<[string, object]>;
  apply(key: string, record: object | undefined): void;
}

/** All stores of a node. A name that this version does not know gets a store that only keeps what it is given. */
export interface ReplicatedStores {
  all(): Iterable<ReplicatedStore>;
  store(name: string): ReplicatedStore;
}
