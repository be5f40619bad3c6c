/**
 * The querier on subscriber ports, RFC 9776 §6.1 and §8, RFC 9777 §7.1: general queries, quick ones at the
 * start, so that hosts repeat their wishes and lost leaves end. Queries from subscribers are dropped, so that
 * nobody there is a rival; who queries upstream is (querier-election.ts).
 */
import type { RecordMap } from '../../wire/records.ts';

/** One port on which castgate is the querier. */
export interface QuerierRecord {
  readonly v: 1;
  readonly key: string;
  readonly port: string;
  /** Startup queries still to send (RFC 9776 §8.7). */
  readonly startupLeft: number;
  readonly nextAt: number;
}

/** RFC 9776 §8.1, §8.2, §8.6, §8.7; milliseconds and counts. */
export interface QuerierTimers {
  readonly robustness: number;
  readonly queryIntervalMs: number;
  readonly startupQueryIntervalMs: number;
  readonly startupQueryCount: number;
}

/** Says when each port is due for a general query. The caller encodes and sends it, and keeps the time. */
export class Querier {
  readonly #timers: QuerierTimers;
  readonly #records: RecordMap<QuerierRecord>;

  constructor(timers: QuerierTimers, records: RecordMap<QuerierRecord>) {
    this.#timers = timers;
    this.#records = records;
  }

  /** The port came up, or somebody new is behind it: the startup queries begin at once. */
  startPort(now: number, port: string): void {
    const startupLeft = this.#timers.startupQueryCount;
    this.#records.put(port, { v: 1, key: port, port, startupLeft, nextAt: now });
  }

  /** The port went down: no more queries. */
  stopPort(port: string): void {
    this.#records.delete(port);
  }

  /** Every port is asked at once; its schedule begins anew from there. */
  askNow(now: number): void {
    for (const record of [...this.#records.values()])
      this.#records.put(record.key, { ...record, nextAt: now });
  }

  /** Ports whose query is due now; their next one is scheduled. */
  takeDue(now: number): string[] {
    const due = [...this.#records.values()].filter((record) => record.nextAt <= now);
    for (const record of due) {
      const startupLeft = Math.max(0, record.startupLeft - 1);
      const { startupQueryIntervalMs, queryIntervalMs } = this.#timers;
      const interval = startupLeft > 0 ? startupQueryIntervalMs : queryIntervalMs;
      this.#records.put(record.key, { ...record, startupLeft, nextAt: now + interval });
    }
    return due.map((record) => record.port);
  }

  /** When the next port is due; undefined without ports. */
  nextTimeout(): number | undefined {
    let next: number | undefined;
    for (const record of this.#records.values()) {
      if (next === undefined || record.nextAt < next) next = record.nextAt;
    }
    return next;
  }
}
