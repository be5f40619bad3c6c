/** Counters by port and name: drops by reason, frames by kind, MIB counters of the machines. They only grow. */

export class Tally {
  readonly #counts = new Map<string, Map<string, number>>();

  /** Adds one (or `by`) to a counter of `owner`, which is a port or a server. */
  count(owner: string, name: string, by = 1): void {
    let names = this.#counts.get(owner);
    if (names === undefined) {
      names = new Map();
      this.#counts.set(owner, names);
    }
    names.set(name, (names.get(name) ?? 0) + by);
  }

  /** All counters, for another process. */
  all(): Record<string, Record<string, number>> {
    return Object.fromEntries([...this.#counts].map(([owner, names]) => [owner, Object.fromEntries(names)]));
  }

  /** Goes on with the counters of another process. */
  goOn(counts: Readonly<Record<string, Readonly<Record<string, number>>>>): void {
    for (const [owner, names] of Object.entries(counts)) {
      for (const [name, count] of Object.entries(names)) this.count(owner, name, count);
    }
  }

  of(owner: string, name: string): number {
    return this.#counts.get(owner)?.get(name) ?? 0;
  }

  /** All counters of `owner` whose name begins so, without that beginning. */
  withPrefix(owner: string, prefix: string): Record<string, number> {
    const found: Record<string, number> = {};
    for (const [name, count] of this.#counts.get(owner) ?? []) {
      if (name.startsWith(prefix)) found[name.slice(prefix.length)] = count;
    }
    return found;
  }
}
