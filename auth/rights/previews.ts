/**
 * Previews: a channel for a short time, not again before a pause, and so many times in a period. They belong
 * to the account: two of its hosts share them. Leaving and coming back within the time goes on with the same
 * preview. All of it follows from one record per account and group.
 */
import type { PreviewRecord, PreviewTerms } from '../../session/records.ts';
import type { IpAddress } from '../../wire/address.ts';
import { DeadlineHeap } from '../../wire/deadline-heap.ts';
import type { RecordMap } from '../../wire/records.ts';

/** Whether an account may look at a group now. */
export type PreviewRuling =
  | { readonly kind: 'permit'; readonly until: number; readonly isNew: boolean }
  | {
      readonly kind: 'refuse';
      readonly reason: 'preview-interval' | 'preview-count';
      readonly detail: string;
    };

export class Previews {
  readonly #records: RecordMap<PreviewRecord>;
  readonly #deadlines = new DeadlineHeap();

  /** Takes up the records that the store holds already. */
  constructor(records: RecordMap<PreviewRecord>) {
    this.#records = records;
    for (const record of records.values()) this.#arm(record);
    records.follow((key, _, after) => this.#deadlines.set(key, after?.forgetAt));
  }

  /** What stands now; nothing is counted yet. */
  rule(now: number, account: string, group: IpAddress, terms: PreviewTerms): PreviewRuling {
    const record = this.#records.get(keyOf(account, group));
    if (record === undefined) {
      if (terms.count === 0) return refused('preview-count', '0 of 0 previews');
      return { kind: 'permit', until: now + terms.lengthMs, isNew: true };
    }
    if (now < record.endsAt) return { kind: 'permit', until: record.endsAt, isNew: false };
    const again = record.endsAt + terms.intervalMs;
    if (now < again) return refused('preview-interval', `again in ${seconds(again - now)} s`);
    const used = now < record.resetAt ? record.used : 0;
    if (used < terms.count) return { kind: 'permit', until: now + terms.lengthMs, isNew: true };
    return refused(
      'preview-count',
      `${used} of ${terms.count} previews, again in ${seconds(record.resetAt - now)} s`,
    );
  }

  /** Counts a preview that begins. */
  begin(now: number, account: string, group: IpAddress, terms: PreviewTerms): void {
    const key = keyOf(account, group);
    const before = this.#records.get(key);
    const fresh = before === undefined || now >= before.resetAt;
    const record: PreviewRecord = {
      ...before,
      v: 1,
      key,
      account,
      group,
      used: fresh ? 1 : before.used + 1,
      endsAt: now + terms.lengthMs,
      resetAt: fresh ? now + terms.resetMs : before.resetAt,
      forgetAt: Math.max(
        fresh ? now + terms.resetMs : before.resetAt,
        now + terms.lengthMs + terms.intervalMs,
      ),
    };
    this.#records.put(key, record);
    this.#arm(record);
  }

  handleTimeout(now: number): void {
    for (let key = this.#deadlines.takeDue(now); key !== undefined; key = this.#deadlines.takeDue(now))
      this.#records.delete(key);
  }

  nextTimeout(): number | undefined {
    return this.#deadlines.next();
  }

  #arm({ key, forgetAt }: PreviewRecord): void {
    this.#deadlines.set(key, forgetAt);
  }
}

function keyOf(account: string, group: IpAddress): string {
  return `${group}/${account}`;
}

function refused(reason: 'preview-interval' | 'preview-count', detail: string): PreviewRuling {
  return { kind: 'refuse', reason, detail };
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1000);
}
