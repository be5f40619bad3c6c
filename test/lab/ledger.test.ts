/** A few hours of `npm run ledger`, and that it would notice. */
import { describe, expect, it } from 'vitest';
import { NO_COUNTS } from '../../accounting/counts.ts';
import { runLedger } from '../../lab/ledger/run.ts';
import { Truth } from '../../lab/ledger/truth.ts';
import type { Booking } from '../../lab/simulation/checks/ledger.ts';
import type { AccountingRecord } from '../../session/records.ts';

describe('the ledger', () => {
  it('conformance 39, 40, 42: servers are told what was true, wherever nodes die and servers fall silent', () => {
    const hours = [1, 2, 3, 4, 5, 18, 44].map((seed) => runLedger(seed));
    for (const { seed, failure } of hours)
      expect(failure, `npm run ledger -- --seed ${seed}`).toBeUndefined();
    const sum = (of: (hour: (typeof hours)[number]) => number) =>
      hours.reduce((all, hour) => all + of(hour), 0);
    expect(sum(({ deaths }) => deaths)).toBeGreaterThan(20);
    expect(sum(({ powerCuts }) => powerCuts)).toBeGreaterThan(3);
    expect(sum(({ outages }) => outages)).toBeGreaterThan(20);
  }, 300_000);

  it('finds out books that lie', () => {
    const record = {
      acctSessionId: 'A',
      account: 'alice',
      port: 'swp1',
      vlan: 0,
      counts: NO_COUNTS,
    } as AccountingRecord;
    const truth = new Truth();
    truth.changed({ store: 'accounting-records', key: 'session/x', record });
    truth.passed('session/x', 100, 0, true);
    truth.said('session/x', 'logoff');
    truth.changed({ store: 'accounting-records', key: 'session/x', record: undefined });
    const right: Booking = {
      id: 'A',
      account: 'alice',
      station: '',
      startedAt: 0,
      heardAt: 0,
      stop: { cause: 1, at: 1 },
      input: 100,
      output: 0,
    };
    const compare = (...bookings: Booking[]) => truth.compare(new Map(bookings.map((one) => [one.id, one])));
    expect(() => compare(right)).not.toThrow();
    expect(() => compare()).toThrow('never accounted for');
    expect(() => compare({ ...right, input: 99 })).toThrow('octets');
    expect(() => compare({ ...right, stop: undefined })).toThrow('no end');
    expect(() => compare({ ...right, stop: { cause: 11, at: 1 } })).toThrow('ended with 11');
    expect(() => compare(right, { ...right, id: 'B' })).toThrow('what never was');
    expect(() => compare({ ...right, account: 'bob' })).toThrow('booked on bob');
  });
});
