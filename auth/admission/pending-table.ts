/** Who waits for which answer of RADIUS: the records, and how they are found by host, wish and question. */
import { membershipKey } from '../../igmp/membership.ts';
import { KeyIndex } from '../../session/key-index.ts';
import type { PendingRecord } from '../../session/records.ts';
import type { RecordMap } from '../../wire/records.ts';

export class PendingTable {
  readonly #records: RecordMap<PendingRecord>;
  readonly #ofHost = new KeyIndex();
  readonly #ofMembership = new KeyIndex();
  readonly #ofQuestion = new KeyIndex();

  /** Takes up the records that the store holds already. */
  constructor(records: RecordMap<PendingRecord>) {
    this.#records = records;
    for (const record of records.values()) this.#index(record);
    records.follow((key, before, after) => {
      this.#ofHost.move(key, before?.host, after?.host);
      this.#ofMembership.move(key, before && wishOf(before), after && wishOf(after));
      this.#ofQuestion.move(key, before?.question, after?.question);
    });
  }

  has(key: string): boolean {
    return this.#records.has(key);
  }

  countOfHost(host: string): number {
    return this.#ofHost.count(host);
  }

  /** Those who wait for the question's answer. */
  ofQuestion(question: string): PendingRecord[] {
    return this.#resolve(this.#ofQuestion.keys(question));
  }

  /** What one host's wish for a group (membershipKey) waits for. */
  ofMembership(key: string): PendingRecord[] {
    return this.#resolve(this.#ofMembership.keys(key));
  }

  ofHost(host: string): PendingRecord[] {
    return this.#resolve(this.#ofHost.keys(host));
  }

  add(record: PendingRecord): void {
    this.#records.put(record.key, record);
    this.#index(record);
  }

  remove(record: PendingRecord): void {
    const { key, host, question } = record;
    if (!this.#records.delete(key)) return;
    this.#ofHost.remove(host, key);
    this.#ofMembership.remove(wishOf(record), key);
    this.#ofQuestion.remove(question, key);
  }

  #index(record: PendingRecord): void {
    const { key, host, question } = record;
    this.#ofHost.add(host, key);
    this.#ofMembership.add(wishOf(record), key);
    this.#ofQuestion.add(question, key);
  }

  #resolve(keys: readonly string[]): PendingRecord[] {
    const found: PendingRecord[] = [];
    for (const key of keys) {
      const record = this.#records.get(key);
      if (record !== undefined) found.push(record);
    }
    return found;
  }
}

function wishOf({ host, group }: PendingRecord): string {
  return membershipKey(host, group);
}
