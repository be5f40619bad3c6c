/**
 * Where multicast routers are (RFC 4541 §2.1.1 (1)): ports on which a query that is no proxy's, or a PIM
 * Hello, was heard. Reports go there and nowhere else.
 */
import type { RecordMap } from '../../wire/records.ts';

export interface RouterPortRecord {
  readonly v: 1;
  /** port / VLAN. */
  readonly key: string;
  readonly port: string;
  readonly vlan: number;
  /** When it counts no longer unless a router is heard again. */
  readonly until: number;
}

export class RouterPorts {
  readonly #records: RecordMap<RouterPortRecord>;

  constructor(records: RecordMap<RouterPortRecord>) {
    this.#records = records;
  }

  /** A router was heard; true where none was known on the port. */
  heard(port: string, vlan: number, now: number, holdMs: number): boolean {
    const key = `${port}/${vlan}`;
    const before = this.#records.get(key);
    const until = Math.max(now + holdMs, before?.until ?? 0);
    this.#records.put(key, { ...before, v: 1, key, port, vlan, until });
    return before === undefined || before.until <= now;
  }

  isRouterPort(now: number, port: string, vlan: number): boolean {
    return (this.#records.get(`${port}/${vlan}`)?.until ?? 0) > now;
  }

  /** Forgets those that fell silent. */
  forgetSilent(now: number): void {
    for (const record of [...this.#records.values()])
      if (record.until <= now) this.#records.delete(record.key);
  }

  nextTimeout(): number | undefined {
    let next: number | undefined;
    for (const { until } of this.#records.values()) if (next === undefined || until < next) next = until;
    return next;
  }

  /** The port's link is gone. */
  forget(port: string): void {
    for (const record of [...this.#records.values()])
      if (record.port === port) this.#records.delete(record.key);
  }
}
