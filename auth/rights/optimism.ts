/**
 * Joins that are opened before RADIUS has answered: of which channels, for how long, and for whom. Not for an account
 * that was refused a channel lately, and so many times in a period. All of it follows from one record per account.
 */
import type { ChannelRange, OptimismRecord } from '../../session/records.ts';
import type { IpAddress } from '../../wire/address.ts';
import { DeadlineHeap } from '../../wire/deadline-heap.ts';
import type { RecordMap } from '../../wire/records.ts';
import { RangeTable } from './channel-range.ts';

export interface OptimismOptions {
  /** None: no join is opened so. */
  readonly channels: readonly ChannelRange[];
  /** How long a join is open without an answer: the most that may leak. */
  readonly waitMs: number;
  /** Of one account, within `resetMs` of the first. */
  readonly count: number;
  readonly resetMs: number;
  /** None within so long of a refusal. */
  readonly pauseMs: number;
}

export class Optimism {
  readonly #options: OptimismOptions;
  readonly #channels: RangeTable<ChannelRange>;
  readonly #records: RecordMap<OptimismRecord>;
  readonly #deadlines = new DeadlineHeap();

  /** Takes up the records that the store holds already. */
  constructor(options: OptimismOptions, records: RecordMap<OptimismRecord>) {
    this.#options = options;
    this.#channels = new RangeTable(options.channels);
    this.#records = records;
    for (const { key, forgetAt } of records.values()) this.#deadlines.set(key, forgetAt);
    records.follow((key, _, after) => this.#deadlines.set(key, after?.forgetAt));
  }

  /** Until when a join that is being asked for may be open; undefined: it may not. Nothing is counted yet. */
  until(now: number, account: string, group: IpAddress, source: IpAddress | undefined): number | undefined {
    if (this.#channels.find(group, source) === undefined) return undefined;
    const record = this.#records.get(account);
    if (record !== undefined && now < record.notBefore) return undefined;
    const used = record !== undefined && now < record.resetAt ? record.used : 0;
    return used < this.#options.count ? now + this.#options.waitMs : undefined;
  }

  /** One was opened. */
  opened(now: number, account: string): void {
    const before = this.#records.get(account);
    const isNew = before === undefined || now >= before.resetAt;
    const resetAt = isNew ? now + this.#options.resetMs : before.resetAt;
    this.#keep(account, before?.notBefore ?? 0, isNew ? 1 : before.used + 1, resetAt);
  }

  /** The account was refused a channel. */
  refused(now: number, account: string): void {
    if (this.#options.channels.length === 0) return;
    const before = this.#records.get(account);
    this.#keep(account, now + this.#options.pauseMs, before?.used ?? 0, before?.resetAt ?? now);
  }

  handleTimeout(now: number): void {
    for (let key = this.#deadlines.takeDue(now); key !== undefined; key = this.#deadlines.takeDue(now))
      this.#records.delete(key);
  }

  nextTimeout(): number | undefined {
    return this.#deadlines.next();
  }

  #keep(key: string, notBefore: number, used: number, resetAt: number): void {
    const forgetAt = Math.max(notBefore, resetAt);
    this.#records.put(key, { ...this.#records.get(key), v: 1, key, used, resetAt, notBefore, forgetAt });
    this.#deadlines.set(key, forgetAt);
  }
}
