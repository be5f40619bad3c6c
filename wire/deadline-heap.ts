/**
 * Deadlines of many machines behind one timer: a binary heap ordered by time, one deadline a key.
 * Ten thousand idle sessions cost one wake-up at the next deadline, not one a second each.
 */

/** The earliest deadline of each key. Times are milliseconds on the caller's clock. */
export class DeadlineHeap {
  readonly #heap: { at: number; readonly key: string }[] = [];
  readonly #index = new Map<string, number>();

  /** How many keys have a deadline. */
  get size(): number {
    return this.#heap.length;
  }

  /** Sets, moves or (with undefined) removes the deadline of `key`. */
  set(key: string, at: number | undefined): void {
    const index = this.#index.get(key);
    if (at === undefined) {
      if (index !== undefined) this.#removeAt(index);
      return;
    }
    if (index === undefined) {
      this.#heap.push({ at, key });
      this.#index.set(key, this.#heap.length - 1);
      this.#up(this.#heap.length - 1);
      return;
    }
    const entry = this.#heap[index];
    if (entry === undefined || entry.at === at) return;
    const earlier = at < entry.at;
    entry.at = at;
    if (earlier) this.#up(index);
    else this.#down(index);
  }

  /** The deadline of `key`, if it has one. */
  at(key: string): number | undefined {
    const index = this.#index.get(key);
    return index === undefined ? undefined : this.#heap[index]?.at;
  }

  /** The earliest deadline of all. */
  next(): number | undefined {
    return this.#heap[0]?.at;
  }

  /** Takes out the earliest key whose deadline is not after `now`. */
  takeDue(now: number): string | undefined {
    const first = this.#heap[0];
    if (first === undefined || first.at > now) return undefined;
    this.#removeAt(0);
    return first.key;
  }

  #removeAt(index: number): void {
    const removed = this.#heap[index];
    const last = this.#heap.pop();
    if (removed === undefined || last === undefined) return;
    this.#index.delete(removed.key);
    if (removed === last) return;
    this.#heap[index] = last;
    this.#index.set(last.key, index);
    this.#up(index);
    this.#down(index);
  }

  #up(start: number): void {
    let index = start;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#swapIfEarlier(index, parent)) return;
      index = parent;
    }
  }

  #down(start: number): void {
    let index = start;
    for (;;) {
      const left = 2 * index + 1;
      const leftAt = this.#heap[left]?.at;
      if (leftAt === undefined) return;
      const rightAt = this.#heap[left + 1]?.at;
      const child = rightAt !== undefined && rightAt < leftAt ? left + 1 : left;
      if (!this.#swapIfEarlier(child, index)) return;
      index = child;
    }
  }

  #swapIfEarlier(child: number, parent: number): boolean {
    const a = this.#heap[child];
    const b = this.#heap[parent];
    if (a === undefined || b === undefined || a.at >= b.at) return false;
    this.#heap[child] = b;
    this.#heap[parent] = a;
    this.#index.set(b.key, child);
    this.#index.set(a.key, parent);
    return true;
  }
}
