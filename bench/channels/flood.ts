/**
 * A flood: a thread of the players' process that sends frames of one kind out of one of the hosts' interfaces,
 * so many a second, whatever becomes of them.
 */
import { Worker } from 'node:worker_threads';

/**
 * What is sent: reports of ever other MAC addresses, of ever other groups by one host, or with a wrong checksum;
 * EAPOL-Starts of ever other MAC addresses.
 */
export const FLOODS = ['strangers', 'groups', 'damaged', 'starts'] as const;

export interface FloodPlan {
  readonly kind: (typeof FLOODS)[number];
  readonly port: string;
  readonly perSecond: number;
  /** Whose MAC address it is, of `groups` and `damaged`. */
  readonly viewer: number;
}

export interface FloodData {
  readonly shared: Int32Array;
  readonly namespace: string;
  readonly interfaces: readonly string[];
}

/** Places in the shared array. `Never` stays 0: the thread waits on it to pause. `PerSecond` 0: silence. */
export const FloodPlace = { Never: 0, Kind: 1, Interface: 2, PerSecond: 3, Viewer: 4, Sent: 5 } as const;

export class Flood {
  readonly #shared = new Int32Array(new SharedArrayBuffer(4 * 6));
  readonly #interfaces: readonly string[];

  private constructor(interfaces: readonly string[]) {
    this.#interfaces = interfaces;
  }

  /** Starts the thread, silent; resolves when it is in its namespace. */
  static start(namespace: string, interfaces: readonly string[]): Promise<Flood> {
    const flood = new Flood(interfaces);
    const workerData: FloodData = { shared: flood.#shared, namespace, interfaces };
    const worker = new Worker(new URL('./flood-thread.js', import.meta.url), { workerData });
    return new Promise((resolve, reject) => {
      worker.once('message', () => resolve(flood));
      worker.on('error', reject);
    });
  }

  /** Begins, or without a kind ends; the frames that were sent until now. */
  set({ kind, port = '', perSecond = 0, viewer = 0 }: Partial<FloodPlan>): number {
    const shared = this.#shared;
    shared[FloodPlace.Kind] = kind === undefined ? 0 : FLOODS.indexOf(kind);
    shared[FloodPlace.Interface] = Math.max(0, this.#interfaces.indexOf(port));
    shared[FloodPlace.Viewer] = viewer;
    Atomics.store(shared, FloodPlace.PerSecond, kind === undefined ? 0 : perSecond);
    return Atomics.load(shared, FloodPlace.Sent);
  }
}
