/**
 * The head-end: a thread of the players' process that sends the channels which are asked for, one datagram
 * after the other, at a steady pace. A thread, so that sending does not wait for the players and the players
 * do not wait for it; in the same process, so that both are on one clock.
 */
import { Worker } from 'node:worker_threads';

/** What the thread is given, and its places in the shared array. */
export interface HeadEndData {
  readonly shared: Int32Array;
  readonly namespace: string;
  readonly interfaces: readonly string[];
}

/** `Never` stays 0: the thread waits on it to pause. From `Slots` on: a group's number plus one, or 0. */
export const Place = { Never: 0, Interface: 1, PauseUs: 2, Burst: 3, Sent: 4, Slots: 5 } as const;

/** How many channels can be on the air at a time. */
export const SLOTS = 256;

export class HeadEnd {
  readonly #worker: Worker;
  readonly #shared = new Int32Array(new SharedArrayBuffer(4 * (Place.Slots + SLOTS)));

  private constructor(namespace: string, interfaces: readonly string[]) {
    const workerData: HeadEndData = { shared: this.#shared, namespace, interfaces };
    this.#worker = new Worker(new URL('./head-end-thread.js', import.meta.url), { workerData });
  }

  /** Starts the thread, silent; resolves when it is in its namespace. */
  static start(namespace: string, interfaces: readonly string[]): Promise<HeadEnd> {
    const headEnd = new HeadEnd(namespace, interfaces);
    return new Promise((resolve, reject) => {
      headEnd.#worker.once('message', () => resolve(headEnd));
      headEnd.#worker.on('error', reject);
    });
  }

  /** From now on, out of the interface with this index: `burst` datagrams, then a pause of `pauseMs` at least. */
  pace(interfaceNumber: number, pauseMs: number, burst: number): void {
    this.#shared[Place.Interface] = interfaceNumber;
    this.#shared[Place.PauseUs] = Math.round(1000 * pauseMs);
    this.#shared[Place.Burst] = burst;
  }

  /** Puts a group on the air in a slot, or with undefined takes the slot's group off. */
  set(slot: number, group: number | undefined): void {
    Atomics.store(this.#shared, Place.Slots + slot, group === undefined ? 0 : group + 1);
  }

  /** Takes everything off the air. */
  silence(): void {
    for (let slot = 0; slot < SLOTS; slot++) this.set(slot, undefined);
  }

  /** Datagrams sent so far; wraps at 2^32. */
  get sent(): number {
    return Atomics.load(this.#shared, Place.Sent) >>> 0;
  }
}
