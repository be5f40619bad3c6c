/**
 * Queries after a leave (RFC 9776 §6.4.2, RFC 9777 §7.4.2): for a group, or for sources of it, sent so many times
 * at an interval. Who still wants it says so before the last one's answer time is over.
 */
import type { IpAddress } from '../../wire/address.ts';
import { DeadlineHeap } from '../../wire/deadline-heap.ts';
import type { RecordMap } from '../../wire/records.ts';

export interface SpecificQueryRecord {
  readonly v: 1;
  /** port / VLAN / group. */
  readonly key: string;
  readonly port: string;
  readonly vlan: number;
  readonly group: IpAddress;
  /** Empty: any source. */
  readonly sources: readonly IpAddress[];
  /** How often it is still to be sent. */
  readonly left: number;
  readonly nextAt: number;
}

/** RFC 9776 §8.8, §8.9. */
export interface LastMemberTimers {
  readonly lastMemberQueryIntervalMs: number;
  readonly lastMemberQueryCount: number;
}

export class SpecificQueries {
  readonly #timers: LastMemberTimers;
  readonly #records: RecordMap<SpecificQueryRecord>;
  readonly #deadlines = new DeadlineHeap();

  /** Takes up the records that the store holds already. */
  constructor(timers: LastMemberTimers, records: RecordMap<SpecificQueryRecord>) {
    this.#timers = timers;
    this.#records = records;
    for (const { key, nextAt } of records.values()) this.#deadlines.set(key, nextAt);
    records.follow((key, _, after) => this.#deadlines.set(key, after?.nextAt));
  }

  /** Begins to ask, or begins anew with these sources too. */
  begin(now: number, port: string, vlan: number, group: IpAddress, sources: readonly IpAddress[]): void {
    const key = `${port}/${vlan}/${group}`;
    const before = this.#records.get(key);
    const wide = sources.length === 0 || before?.sources.length === 0;
    const all = wide ? [] : [...new Set([...(before?.sources ?? []), ...sources])].sort();
    const left = this.#timers.lastMemberQueryCount;
    this.#put({ ...before, v: 1, key, port, vlan, group, sources: all, left, nextAt: now });
  }

  /** What is to be asked now; the next time is scheduled. */
  takeDue(now: number): SpecificQueryRecord[] {
    const due: SpecificQueryRecord[] = [];
    for (let key = this.#deadlines.takeDue(now); key !== undefined; key = this.#deadlines.takeDue(now)) {
      const record = this.#records.get(key);
      if (record === undefined) continue;
      due.push(record);
      const left = record.left - 1;
      if (left <= 0) this.#records.delete(key);
      else this.#put({ ...record, left, nextAt: now + this.#timers.lastMemberQueryIntervalMs });
    }
    return due;
  }

  /** The port's link is gone. */
  forget(port: string): void {
    for (const record of [...this.#records.values()]) {
      if (record.port !== port) continue;
      this.#records.delete(record.key);
      this.#deadlines.set(record.key, undefined);
    }
  }

  nextTimeout(): number | undefined {
    return this.#deadlines.next();
  }

  #put(record: SpecificQueryRecord): void {
    this.#records.put(record.key, record);
    this.#deadlines.set(record.key, record.nextAt);
  }
}
