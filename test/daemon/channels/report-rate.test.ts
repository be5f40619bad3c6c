import { describe, expect, it } from 'vitest';
import { ReportRate } from '../../../daemon/channels/report-rate.ts';
import { vendorSpecific } from '../../../radius/attributes.ts';
import { World, wish } from '../world.ts';

describe('token buckets', () => {
  it('hear a second’s worth at once, and then so many a second', () => {
    const rate = new ReportRate({ perHost: 10, perPort: 0 });
    const heard = (now: number, tries: number) => {
      let count = 0;
      for (let i = 0; i < tries; i++) if (rate.take(now, 'swp1', 'a') === undefined) count++;
      return count;
    };
    expect(heard(0, 100)).toBe(10);
    expect(heard(100, 100)).toBe(1);
    expect(heard(1100, 100)).toBe(10);
    expect(heard(9000, 100)).toBe(10);
    // A clock that goes back gives nothing.
    expect(heard(5000, 100)).toBe(0);
  });

  it('charge a packet for each of its records', () => {
    const rate = new ReportRate({ perHost: 10, perPort: 0 });
    expect(rate.take(0, 'swp1', 'a')).toBeUndefined();
    rate.charge(0, 'swp1', 'a', 29);
    expect(rate.take(2000, 'swp1', 'a')).toBe('host-report-rate');
    expect(rate.take(2100, 'swp1', 'a')).toBeUndefined();
  });

  it('keep ports and hosts apart; a port’s is for all of its hosts, whatever their addresses', () => {
    const rate = new ReportRate({ perHost: 3, perPort: 5 });
    const from = (port: string, host: string) => rate.take(0, port, host) ?? 'heard';
    expect(['a', 'a', 'a', 'a'].map((host) => from('swp1', host))).toEqual([
      'heard',
      'heard',
      'heard',
      'host-report-rate',
    ]);
    expect(from('swp1', 'b')).toBe('heard');
    expect(from('swp1', 'c')).toBe('heard');
    expect(from('swp1', 'e')).toBe('port-report-rate');
    expect(from('swp2', 'd')).toBe('heard');
  });

  it('0 is no limit', () => {
    const rate = new ReportRate({ perHost: 0, perPort: 0 });
    for (let i = 0; i < 100_000; i++) expect(rate.take(0, 'swp1', 'a')).toBeUndefined();
  });
});

describe('a flood', () => {
  it('conformance 60: of distinct groups is dropped and counted, and takes nothing from another port', () => {
    const w = new World({ multicast: { reports_per_host: 50, reports_per_port: 80 } });
    const right = vendorSpecific(32473, 5, new TextEncoder().encode('watch 239.0.0.0/8'));
    w.server.users.set('mallory', [right]).set('alice', [right]);
    const [mallory, alice] = [w.host('mallory', 'swp1'), w.host('alice', 'swp2')];
    for (const host of [mallory, alice]) host.login();
    w.pass(1000);
    for (let i = 0; i < 5000; i++) mallory.report(wish(`239.2.${i >> 8}.${i & 0xff}`));
    expect(w.core.tally.of('swp1', 'drop/host-report-rate')).toBe(4950);
    // From addresses that nobody logged in with a few are heard.
    for (let i = 0; i < 1000; i++) w.host(`stranger-${i}`, 'swp1').join('239.3.1.1');
    expect(w.core.tally.of('swp1', 'drop/stranger-report-rate')).toBe(980);
    expect(w.core.tally.of('swp1', 'refused/no-session')).toBe(20);
    // Another host of the port has what is left of the port's share.
    w.server.users.set('eve', [right]);
    const eve = w.host('eve', 'swp1');
    eve.login();
    for (let i = 0; i < 50; i++) eve.report(wish(`239.4.0.${i}`));
    expect(w.core.tally.of('swp1', 'drop/port-report-rate')).toBeGreaterThan(0);
    alice.join('239.1.1.1');
    expect(w.switch.deliver('239.1.1.1', '198.51.100.7', 100)).toEqual(['swp2']);
    expect(w.core.tally.of('swp2', 'drop/port-report-rate')).toBe(0);
  });
});
