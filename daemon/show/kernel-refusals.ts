/**
 * What castgate's nftables table refused, for `castgate show` and for the log. The counters are the
 * kernel's, for all ports together; they begin anew when the table is loaded again.
 */
import type { Counter } from '../../switch/switch.ts';
import type { Logger } from '../log/log.ts';
import type { RefusalRow } from './show-rows.ts';

/** Reads the counters by their names. */
export type RefusalReading = () => ReadonlyMap<string, Counter>;

/** One row a counter, also of those that are zero. */
export function refusalRows(read: RefusalReading): RefusalRow[] {
  return [...read()].map(([what, { packets, octets }]) => ({ what, packets, octets }));
}

/** Says in the log, at most once each time it is asked to look, which counters grew since, and by how much. */
export class RefusalLog {
  readonly #read: RefusalReading;
  readonly #log: Logger;
  #told: ReadonlyMap<string, Counter> = new Map();

  constructor(read: RefusalReading, log: Logger) {
    this.#read = read;
    this.#log = log;
  }

  /** Begins: what was refused before is not news. */
  begin(): void {
    this.#told = this.#read();
  }

  look(): void {
    const now = this.#read();
    const packets: Record<string, number> = {};
    for (const [name, counter] of now) {
      const before = this.#told.get(name)?.packets ?? 0;
      const grown = counter.packets < before ? counter.packets : counter.packets - before;
      if (grown > 0) packets[name] = grown;
    }
    this.#told = now;
    if (Object.keys(packets).length > 0) this.#log.info('kernel-refused', { packets });
  }
}
