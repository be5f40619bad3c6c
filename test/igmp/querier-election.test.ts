import { describe, expect, it } from 'vitest';
import { type OtherQuerierRecord, QuerierElection } from '../../igmp/querier/querier-election.ts';
import { Store } from '../../session/store.ts';

const timers = {
  robustness: 2,
  queryIntervalMs: 125_000,
  queryResponseIntervalMs: 10_000,
  otherQuerierPresentMs: undefined,
};

function election() {
  const records = new Store<OtherQuerierRecord>('other-queriers');
  const made = new QuerierElection(timers, records);
  const heard = (now: number, source: string, own: string, qrv = 0, qqicMs = 0, vlan = 0) =>
    made.heard(now, { vlan, family: source.includes(':') ? 6 : 4, source, qrv, qqicMs }, own);
  return { made, heard, records };
}

describe('querier election', () => {
  it('conformance 57, 59: the lowest address is querier; a query from 0.0.0.0 wins nothing', () => {
    const { made, heard } = election();
    expect(heard(0, '0.0.0.0', '10.0.0.9')).toBe(false);
    expect(heard(0, '10.0.0.10', '10.0.0.9')).toBe(false);
    expect(made.querier(0, 0, 4)).toBeUndefined();
    expect(heard(0, '10.0.0.8', '10.0.0.9')).toBe(true);
    expect(heard(1, '9.255.255.255', '10.0.0.9')).toBe(true);
    expect(heard(2, '10.0.0.8', '10.0.0.9')).toBe(false);
    expect(made.querier(2, 0, 4)?.address).toBe('9.255.255.255');
  });

  it('whoever asks from 0.0.0.0 gives way to any querier that has an address', () => {
    const { made, heard } = election();
    expect(heard(0, '223.0.0.1', '0.0.0.0')).toBe(true);
    expect(made.querier(0, 0, 4)?.address).toBe('223.0.0.1');
  });

  it('tells VLANs and families apart', () => {
    const { made, heard } = election();
    heard(0, '10.0.0.1', '10.0.0.9');
    heard(0, 'fe80::1', 'fe80::9', 0, 0, 7);
    expect(made.querier(0, 0, 6)).toBeUndefined();
    expect(made.querier(0, 7, 4)).toBeUndefined();
    expect(made.querier(0, 7, 6)?.address).toBe('fe80::1');
  });

  it('ends with the silence of the querier, by its own robustness and interval', () => {
    const { made, heard } = election();
    heard(0, '10.0.0.1', '10.0.0.9', 3, 20_000);
    heard(0, '10.0.0.1', '0.0.0.0', 3, 20_000, 7);
    expect(made.nextTimeout()).toBe(65_000);
    expect(made.takeSilent(64_999)).toEqual([]);
    expect(made.querier(65_000, 0, 4)).toBeUndefined();
    expect(made.takeSilent(65_000).map(({ vlan }) => vlan)).toEqual([0, 7]);
    expect(made.nextTimeout()).toBeUndefined();
    // Without a word of its own (IGMPv2), castgate's values hold.
    heard(100_000, '10.0.0.1', '10.0.0.9');
    expect(made.nextTimeout()).toBe(100_000 + 255_000);
  });
});
