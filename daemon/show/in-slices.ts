/**
 * Long answers a slice at a time, with the daemon's other work between two slices: whoever is busy for a quarter of a second
 * renews no lease, and a node of a pair that does not is replaced.
 */

/** `isThere` false: it is of no use any more, and the rest is left out. */
export async function inSlices<T>(
  items: Iterable<T>,
  take: (item: T) => void,
  isThere: () => boolean,
  sliceMs = SLICE_MS,
): Promise<boolean> {
  let until = performance.now() + sliceMs;
  for (const item of items) {
    take(item);
    if (performance.now() < until) continue;
    await new Promise((resolve) => setImmediate(resolve));
    if (!isThere()) return false;
    until = performance.now() + sliceMs;
  }
  return true;
}

/** Long answers one after the other: the slices of many at once would be as long together as one that has none. */
export class OneAtATime {
  #last: Promise<unknown> = Promise.resolve();

  /** Makes it once those before it are made, whatever became of them. */
  run<T>(make: () => Promise<T>): Promise<T> {
    const made = this.#last.then(make, make);
    this.#last = made;
    return made;
  }
}

const SLICE_MS = 5;
