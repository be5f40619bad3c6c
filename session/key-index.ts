/**
 * Which record keys belong to something (a host, a port, a question). Derived from the records alone, so
 * that it can be built again from them at any time: it is never replicated.
 */

/** Sets of keys by owner. */
export class KeyIndex {
  /** Most owners have one key: it stands here without a set of its own. */
  readonly #keys = new Map<string, string | Set<string>>();

  add(owner: string, key: string): void {
    const there = this.#keys.get(owner);
    if (there === undefined) this.#keys.set(owner, key);
    else if (typeof there !== 'string') there.add(key);
    else if (there !== key) this.#keys.set(owner, new Set([there, key]));
  }

  remove(owner: string, key: string): void {
    const there = this.#keys.get(owner);
    if (there === undefined) return;
    const left = typeof there === 'string' ? Number(there !== key) : there.delete(key) ? there.size : 1;
    if (left === 0) this.#keys.delete(owner);
  }

  /** The key belongs to another owner now; undefined: to none. */
  move(key: string, from: string | undefined, to: string | undefined): void {
    if (from === to) return;
    if (from !== undefined) this.remove(from, key);
    if (to !== undefined) this.add(to, key);
  }

  /** The keys of the owner, in the order in which they came. A copy: safe to change the index meanwhile. */
  keys(owner: string): readonly string[] {
    const there = this.#keys.get(owner);
    if (there === undefined) return NONE;
    return typeof there === 'string' ? [there] : [...there];
  }

  /** The key of the owner that came first. */
  first(owner: string): string | undefined {
    const there = this.#keys.get(owner);
    if (there === undefined || typeof there === 'string') return there;
    const [first] = there;
    return first;
  }

  count(owner: string): number {
    const there = this.#keys.get(owner);
    if (there === undefined) return 0;
    return typeof there === 'string' ? 1 : there.size;
  }
}

const NONE: readonly string[] = [];
