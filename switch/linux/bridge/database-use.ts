/**
 * How many entries of the bridge's multicast database the channels of all ports take: one for each group of a VLAN
 * and one for each source that a filter names, however many ports have them. A kernel whose database is full
 * switches snooping off, so castgate stays below its size by what the kernel itself may put there.
 */
import type { Channel } from '../port/port-state.ts';

export class DatabaseUse {
  readonly #entries = new Map<string, number>();

  get size(): number {
    return this.#entries.size;
  }

  /** How many entries the channel would add. */
  needs(channel: Channel): number {
    return keysOf(channel).filter((key) => !this.#entries.has(key)).length;
  }

  add(channel: Channel): void {
    for (const key of keysOf(channel)) this.#entries.set(key, (this.#entries.get(key) ?? 0) + 1);
  }

  remove(channel: Channel): void {
    for (const key of keysOf(channel)) {
      const left = (this.#entries.get(key) ?? 0) - 1;
      if (left > 0) this.#entries.set(key, left);
      else this.#entries.delete(key);
    }
  }
}

function keysOf({ vlan, group, filter }: Channel): string[] {
  const key = `${vlan}/${group}`;
  const { sources } = filter;
  return sources.length === 0 ? [key] : [key, ...sources.map((source) => `${key}/${source}`)];
}

/** Entries that are left to the kernel: groups of its own, and what is heard on uplinks. */
export const RESERVED_ENTRIES = 64;
