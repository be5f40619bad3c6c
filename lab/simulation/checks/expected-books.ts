/**
 * What the ledger must say at the end: every accounting record that was ever believed, with its end and what
 * it can have counted. What an active began and nobody could believe, since it died with its effects still
 * held, is forgotten with it.
 */
import type { AccountingRecord } from '../../../session/records.ts';
import type { Change } from '../../../session/store.ts';
import type { IpAddress } from '../../../wire/address.ts';
import type { Ledger } from './ledger.ts';
import { must, Violation } from './violation.ts';

interface Expected {
  readonly record: AccountingRecord;
  /** Number of the change that holds the beginning, in the log that is current; 0: before that log. */
  begunAt: number;
  endedAt: number | undefined;
  cause: string | undefined;
  /** Octets that passed while it ran. */
  input: number;
  output: number;
  /** Those of them that must have been counted: since the node took over, and with no effect held. */
  surelyInput: number;
  surelyOutput: number;
}

export class ExpectedBooks {
  readonly #all: Expected[] = [];
  /** By key of the record. */
  readonly #running = new Map<string, Expected>();
  /** Ids that may be in the ledger, or not. */
  readonly #orphans = new Set<string>();
  #begun: Expected[] = [];
  #ended: Expected[] = [];
  #causes: { readonly key: string; readonly cause: string }[] = [];

  /** A change of the active's stores. */
  changed({ store, key, record }: Change): void {
    if (store !== 'accounting-records') return;
    const running = this.#running.get(key);
    if (record === undefined) {
      if (running === undefined) throw new Violation(`accounting of ${key} ends without having begun`);
      this.#running.delete(key);
      this.#ended.push(running);
      return;
    }
    const accounting = record as AccountingRecord;
    if (running !== undefined) {
      must(running.record.acctSessionId === accounting.acctSessionId, () => `${key} has changed its id`);
      return;
    }
    const expected: Expected = {
      record: accounting,
      begunAt: 0,
      endedAt: undefined,
      cause: undefined,
      input: 0,
      output: 0,
      surelyInput: 0,
      surelyOutput: 0,
    };
    this.#all.push(expected);
    this.#begun.push(expected);
    this.#running.set(key, expected);
  }

  /** The core's own word on why something ended; `key` is the record's. */
  said(key: string, cause: string): void {
    this.#causes.push({ key, cause });
  }

  /** A turn is over; its last change has this number. */
  sealed(change: number): void {
    for (const expected of this.#begun) expected.begunAt = change;
    for (const expected of this.#ended) {
      const index = this.#causes.findIndex(({ key }) => key === expected.record.key);
      const [found] = index < 0 ? [] : this.#causes.splice(index, 1);
      must(found !== undefined, () => `accounting of ${expected.record.key} ended without a cause`);
      expected.endedAt = change;
      expected.cause = found.cause;
    }
    this.#begun = [];
    this.#ended = [];
    this.#causes = [];
  }

  /**
   * The active died; who goes on has everything up to this change. `counters`: whether the switch, and with
   * it what it had counted, is still there.
   */
  tookOver(have: number, counters: 'kept' | 'new'): void {
    this.#running.clear();
    for (let i = this.#all.length - 1; i >= 0; i--) {
      const expected = this.#all[i];
      if (expected === undefined) continue;
      if (expected.begunAt > have) {
        this.#all.splice(i, 1);
        continue;
      }
      expected.begunAt = 0;
      if (expected.endedAt !== undefined && expected.endedAt > have) {
        expected.endedAt = undefined;
        expected.cause = undefined;
      }
      if (expected.endedAt === undefined) {
        this.#running.set(expected.record.key, expected);
        if (counters === 'kept') continue;
        // The counters of the node that died are gone with it, but for what it had said of them.
        expected.surelyInput = 0;
        expected.surelyOutput = 0;
      } else expected.endedAt = 0;
    }
  }

  /**
   * The active died, and others may believe what the node that goes on from this change does not know: what
   * began since then may be in the ledger, with an end or without; what ran or ended since then may end again.
   */
  lost(have: number, ledger: Ledger): void {
    for (const { begunAt, endedAt, record } of this.#all) {
      if (begunAt > have) this.#orphans.add(record.acctSessionId);
      if (endedAt === undefined || endedAt > have) ledger.loose.add(record.acctSessionId);
    }
    this.tookOver(have, 'new');
  }

  /** castgate begins with nothing: of all that had not arrived to its end, nothing more is heard. */
  forgotten(ledger: Ledger): void {
    for (let i = this.#all.length - 1; i >= 0; i--) {
      const id = this.#all[i]?.record.acctSessionId ?? '';
      if (this.#all[i]?.endedAt !== undefined && ledger.bookings.get(id)?.stop !== undefined) continue;
      this.#orphans.add(id);
      ledger.loose.add(id);
      this.#all.splice(i, 1);
    }
    this.tookOver(Number.POSITIVE_INFINITY, 'new');
  }

  /** Octets passed for a host (`session/…`). `sure`: the switch and the records are of one mind. */
  passed(key: string, input: number, output: number, sure: boolean): void {
    const expected = this.#running.get(key);
    if (expected !== undefined) add(expected, input, output, sure);
  }

  /** Octets of a channel were delivered to a port. */
  delivered(port: string, vlan: number, group: IpAddress, octets: number, sure: boolean): void {
    for (const expected of this.#running.values()) {
      const { record } = expected;
      if (record.port === port && record.vlan === vlan && record.group === group)
        add(expected, 0, octets, sure);
    }
  }

  /** How many records there were. */
  get size(): number {
    return this.#all.length;
  }

  /** At the end of the run, when everything was taken in: the ledger says the same, no more and no less. */
  compare(ledger: Ledger): void {
    must(this.#running.size === 0, () => `still accounted for: ${[...this.#running.keys()].join(', ')}`);
    const left = new Set(ledger.bookings.keys());
    for (const expected of this.#all) {
      const { record, cause } = expected;
      const { acctSessionId: id, key, account } = record;
      const booking = ledger.bookings.get(id);
      must(left.delete(id) && booking !== undefined, () => `${key} (${id}) was never accounted for`);
      must(booking.account === account, () => `${key} was booked on ${booking.account}, not ${account}`);
      const { stop } = booking;
      must(stop !== undefined, () => `accounting of ${key} (${id}) has no end`);
      if (ledger.loose.has(id)) continue;
      must(
        stop.cause === TERMINATE_CAUSES[cause ?? ''],
        () => `${key} ended with cause ${stop.cause}, not by ${cause}`,
      );
      const within = (said: number, least: number, most: number) => said >= least && said <= most;
      must(
        within(booking.input, expected.surelyInput, expected.input) &&
          within(booking.output, expected.surelyOutput, expected.output),
        () =>
          `${key} (${id}) was booked ${booking.input}/${booking.output} octets, not ${expected.surelyInput} to ${expected.input} / ${expected.surelyOutput} to ${expected.output}`,
      );
    }
    for (const id of this.#orphans) left.delete(id);
    must(left.size === 0, () => `the ledger has what nobody could believe: ${[...left].join(', ')}`);
  }
}

function add(expected: Expected, input: number, output: number, sure: boolean): void {
  expected.input += input;
  expected.output += output;
  if (!sure) return;
  expected.surelyInput += input;
  expected.surelyOutput += output;
}

/** RFC 2866 §5.10 and RFC 3580 §2.1, written down once more on purpose. */
const TERMINATE_CAUSES: Readonly<Record<string, number>> = {
  logoff: 1,
  leave: 1,
  'lost-carrier': 2,
  'membership-timeout': 4,
  'session-timeout': 5,
  'port-disabled': 22,
  'permission-ended': 5,
  'preview-ended': 5,
  'permission-withdrawn': 6,
  'admin-reset': 6,
  'switch-failed': 9,
  'account-changed': 15,
  'authorization-changed': 15,
  'reauthentication-failed': 20,
};
