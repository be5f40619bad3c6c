/**
 * Deadlines of many machines behind one timer: a binary heap ordered by time, one deadline a key.
 * Ten thousand idle sessions cost one wake-up at the next deadline, not one a second each.
 */

/** The earliest deadline of each key. Times are milliseconds on the caller's clock. */
export class DeadlineHeap {
  readonly #heap: Entry[] = [];
  readonly #entries = new Map<string, Entry>();

  /** How many keys have a deadline. */
  get size(): number {
    return this.#heap.length;
  }

  /** Sets, moves or (with undefined) removes the deadline of `key`. */
  set(key: string, at: number | undefined): void {
    const entry = this.#entries.get(key);
    if (at === undefined) {
      if (entry !== undefined) this.#remove(entry);
    } else if (entry === undefined) {
      const added: Entry = { at, key, index: this.#heap.length };
      this.#heap.push(added);
      this.#entries.set(key, added);
      this.#up(added);
    } else if (at !== entry.at) {
      const earlier = at < entry.at;
      entry.at = at;
      if (earlier) this.#up(entry);
      else this.#down(entry);
    }
  }

  /** The deadline of `key`, if it has one. */
  at(key: string): number | undefined {
    return this.#entries.get(key)?.at;
  }

  /** The earliest deadline of all. */
  next(): number | undefined {
    return this.#heap[0]?.at;
  }

  /** Takes out the earliest key whose deadline is not after `now`. */
  takeDue(now: number): string | undefined {
    const first = this.#heap[0];
    if (first === undefined || first.at > now) return undefined;
    this.#remove(first);
    return first.key;
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry.key);
    const last = this.#heap.pop();
    if (last === undefined || last === entry) return;
    this.#place(last, entry.index);
    this.#up(last);
    this.#down(last);
  }

  #up(entry: Entry): void {
    while (entry.index > 0) {
      const parent = this.#heap[(entry.index - 1) >> 1];
      if (parent === undefined || entry.at >= parent.at) return;
      this.#swap(entry, parent);
    }
  }

  #down(entry: Entry): void {
    for (;;) {
      const left = this.#heap[2 * entry.index + 1];
      if (left === undefined) return;
      const right = this.#heap[2 * entry.index + 2];
      const child = right !== undefined && right.at < left.at ? right : left;
      if (child.at >= entry.at) return;
      this.#swap(child, entry);
    }
  }

  #swap(a: Entry, b: Entry): void {
    const { index } = a;
    this.#place(a, b.index);
    this.#place(b, index);
  }

  #place(entry: Entry, index: number): void {
    entry.index = index;
    this.#heap[index] = entry;
  }
}

interface Entry {
  at: number;
  readonly key: string;
  /** Its place in the heap. */
  index: number;
}
