/**
 * Where a node dies: a list of fault points drawn from the seed before the run. Between any two things that a
 * node does to the world outside of its memory there is a point; the n-th one that is passed kills it.
 */
import type { Random } from '../random.ts';

/** `kill`: the process, by SIGKILL. `cold`: the same, and its journal is lost. `power`: the machine. */
export type Death = 'kill' | 'cold' | 'power';

/** Thrown where the node dies; nothing of castgate catches it. */
export class Died extends Error {
  readonly point: string;

  constructor(point: string) {
    super(`died ${point}`);
    this.point = point;
  }
}

export class FaultPoints {
  readonly #random: Random;
  /** Points to be passed until the next death, and how it will be. */
  readonly #list: { readonly after: number; readonly how: Death }[];
  #passed = 0;
  #armed = true;

  constructor(random: Random, deaths: number, spread: number) {
    this.#random = random;
    this.#list = Array.from({ length: deaths }, () => ({
      after: random.whole(1, spread),
      how: random.pick(['kill', 'kill', 'kill', 'cold', 'power', 'power'] as const),
    }));
  }

  /** No more deaths. */
  disarm(): void {
    this.#armed = false;
  }

  /** The node is about to do something, or has just done it. Throws Died where this is its end. */
  pass(point: string): void {
    if (this.isDue()) throw new Died(point);
  }

  /** As `pass`, where the node dies in the middle of what it does. */
  isDue(): boolean {
    const [next] = this.#list;
    return this.#armed && next !== undefined && ++this.#passed >= next.after;
  }

  /** How the node that just died has died. */
  take(): Death {
    this.#passed = 0;
    return this.#list.shift()?.how ?? 'kill';
  }

  get left(): number {
    return this.#list.length;
  }

  get random(): Random {
    return this.#random;
  }
}
