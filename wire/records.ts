/**
 * The form of all state that outlives a frame: plain records by key. Floors 0-3 keep their state in a
 * RecordMap that is handed to them; session/store.ts implements it with a change feed, which is what
 * replication, warm restart and upgrade read.
 */

/** Hears of a change of one record: what it was and what it is; undefined: it was not there, or is not any more. */
export type RecordFollower<R> = Follower<R>['told'];

/** A method, so that a store of some record can be taken for one of any. */
interface Follower<R> {
  told(key: string, before: R | undefined, after: R | undefined): void;
}

/** Where a machine keeps its records. `put` is called after every change of a record. */
export interface RecordMap<R> {
  get(key: string): R | undefined;
  /** Stores the record under `key`, and tells the change feed. */
  put(key: string, record: R): void;
  /** Removes it; false where there was none. */
  delete(key: string): boolean;
  has(key: string): boolean;
  values(): IterableIterator<R>;
  entries(): IterableIterator<[string, R]>;
  readonly size: number;
  /**
   * For what is derived from records (an index, a heap of deadlines): told of every change while the records are
   * those of another node or process, and of none afterwards.
   */
  follow(follower: RecordFollower<R>): void;
}
