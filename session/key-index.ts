/**
 * Which record keys belong to something (a host, a port, a question). Derived from the records alone, so
 * that it can be built again from them at any time: it is never replicated.
 */

/** Sets of keys by owner. */
export class KeyIndex {
  readonly #sets = new Map<string, Set<string>>();

  add(owner: string, key: string): void {
    const set = this.#sets.get(owner);
    if (set === undefined) this.#sets.set(owner, new Set([key]));
    else set.add(key);
  }

  remove(owner: string, key: string): void {
    const set = this.#sets.get(owner);
    if (set?.delete(key) === true && set.size === 0) this.#sets.delete(owner);
  }

  /** The keys of the owner, in the order in which they came. A copy: safe to change the index meanwhile. */
  keys(owner: string): readonly string[] {
    const set = this.#sets.get(owner);
    return set === undefined ? NONE : [...set];
  }

  count(owner: string): number {
    return this.#sets.get(owner)?.size ?? 0;
  }
}

const NONE: readonly string[] = [];
