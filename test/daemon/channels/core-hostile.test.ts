/** Hosts that lie or make noise, over the whole core: each kind is dropped and counted by its own name, and changes nothing. */
import { describe, expect, it } from 'vitest';
import { encodeIgmpPacket, encodeMldPacket } from '../../../igmp/group-packet.ts';
import { RecordType } from '../../../igmp/group-record.ts';
import type { IgmpMessage } from '../../../igmp/igmp.ts';
import { encodeIgmp } from '../../../igmp/igmp.ts';
import { vendorSpecific } from '../../../radius/attributes.ts';
import type { IpAddress } from '../../../wire/address.ts';
import { concatBytes } from '../../../wire/bytes.ts';
import { EtherType, groupMac } from '../../../wire/ethernet.ts';
import { encodeIpv4, IpProtocol } from '../../../wire/ipv4.ts';
import { encodeIpv6 } from '../../../wire/ipv6.ts';
import { type Host, noWish, World, wish } from '../world.ts';

const NEWS = '239.1.1.1';
const NEWS6 = 'ff15::101';
const EVERYTHING = ['watch 224.0.0.0/4', 'watch ff00::/8'].map((words) =>
  vendorSpecific(32473, 5, new TextEncoder().encode(words)),
);

/** alice and bob are in on swp1, carol on swp2; each may have everything. */
function world(more: Readonly<Record<string, unknown>> = {}) {
  const w = new World(more);
  const host = (name: string, port: string) => {
    w.server.users.set(name, EVERYTHING);
    const made = w.host(name, port);
    made.login();
    expect(w.session(made)).toBeDefined();
    return made;
  };
  const [alice, bob, carol] = [host('alice', 'swp1'), host('bob', 'swp1'), host('carol', 'swp2')];
  w.takeDone();
  return { w, alice, bob, carol };
}

const join = (group: IpAddress): IgmpMessage => ({
  kind: 'record-report',
  version: 3,
  records: [wish(group)],
});
const reportFrom = (host: Host, src: IpAddress, message = join(NEWS)) =>
  host.send(EtherType.Ipv4, encodeIgmpPacket({ src, dst: '224.0.0.22', message }), groupMac('224.0.0.22'));
const report6From = (host: Host, src: IpAddress) => {
  const message = { kind: 'record-report', version: 2, records: [wish(NEWS6)] } as const;
  host.send(EtherType.Ipv6, encodeMldPacket({ src, dst: 'ff02::16', message }), groupMac('ff02::16'));
};
const count = (w: World, what: string, port = 'swp1') => w.core.tally.of(port, what);
const reached = (w: World, group: string) => w.switch.deliver(group, '198.51.100.7', 100);

describe('spoofed source MAC addresses', () => {
  it('conformance 60: one of nobody, one of another port, one of another VLAN: each refused by its name', () => {
    const { w, alice, carol } = world();
    const stranger = w.host('stranger', 'swp1');
    stranger.join(NEWS);
    const asCarol = w.host('carol', 'swp1');
    expect(asCarol.mac).toBe(carol.mac);
    asCarol.join(NEWS);
    const tagged = w.host('alice', 'swp1', 7);
    expect(tagged.mac).toBe(alice.mac);
    tagged.join(NEWS);
    expect([
      count(w, 'refused/no-session'),
      count(w, 'refused/other-port'),
      count(w, 'refused/other-vlan'),
    ]).toEqual([1, 1, 1]);
    expect(w.logged('join-refused').map(({ reason }) => reason)).toEqual([
      'no-session',
      'other-port',
      'other-vlan',
    ]);
    expect(reached(w, NEWS)).toEqual([]);
    expect(w.core.stores.memberships.size).toBe(0);
    expect(w.takeDone()).toEqual([]);
    // Nor does one that is in elsewhere end what is received there by its leave.
    carol.join(NEWS);
    asCarol.report(noWish(NEWS));
    expect(reached(w, NEWS)).toEqual(['swp2']);
  });

  it('a group address as source is dropped before anything is read', () => {
    const { w, alice } = world();
    const payload = encodeIgmpPacket({ src: alice.address, dst: '224.0.0.22', message: join(NEWS) });
    const frame = new Uint8Array(14 + payload.length);
    frame.set([1, 0, 0x5e, 0, 0, 22, 1, 0, 0x5e, 1, 1, 1, 8, 0]);
    frame.set(payload, 14);
    w.turn(() => w.core.switchEvent(w.now, { kind: 'frame', port: 'swp1', vlan: 0, frame }));
    expect(count(w, 'drop/source-is-group-address')).toBe(1);
  });
});

describe('spoofed source IP addresses', () => {
  it('conformance 60: one that another host of the port reports from is dropped, while that one is in', () => {
    const { w, alice, bob, carol } = world();
    alice.join(NEWS);
    reportFrom(bob, alice.address, join('239.1.1.2'));
    expect(count(w, 'drop/source-of-another-host')).toBe(1);
    expect(reached(w, '239.1.1.2')).toEqual([]);
    // On another port it is another host's business; and bob's own address is his.
    reportFrom(carol, alice.address, join('239.1.1.2'));
    bob.join('239.1.1.2');
    expect(reached(w, '239.1.1.2').sort()).toEqual(['swp1', 'swp2']);
    w.switch.setLink('swp2', false);
    alice.logoff();
    reportFrom(bob, alice.address, join('239.1.1.3'));
    expect(reached(w, '239.1.1.3')).toEqual(['swp1']);
    expect(count(w, 'drop/source-of-another-host')).toBe(1);
  });

  it('a host that is silent for a membership interval keeps no address; one claims a few at most', () => {
    const { w, alice, bob } = world({ multicast: { membership_interval: '20s' } });
    alice.join(NEWS);
    w.pass(21_000);
    reportFrom(bob, alice.address, join('239.1.1.3'));
    expect(count(w, 'drop/source-of-another-host')).toBe(0);
    for (let i = 1; i <= 100; i++) reportFrom(bob, `10.200.0.${i}`, join('239.1.1.4'));
    expect(w.core.stores.reportSources.size).toBe(4);
    // Who is not in claims none at all.
    reportFrom(w.host('stranger', 'swp1'), '10.200.1.1');
    expect(w.core.stores.reportSources.size).toBe(4);
  });

  it('is in the records: a node that takes over drops the same', () => {
    const { w, alice, bob } = world();
    alice.join(NEWS);
    w.takeOver();
    reportFrom(bob, alice.address, join('239.1.1.2'));
    expect(count(w, 'drop/source-of-another-host')).toBe(1);
  });

  it('several hosts may report from one address where the configuration says so', () => {
    const { w, alice, bob } = world({ multicast: { bind_sources: false } });
    for (const host of [alice, bob]) reportFrom(host, '10.1.1.1', join(`239.1.1.${host === bob ? 2 : 1}`));
    expect([reached(w, '239.1.1.1'), reached(w, '239.1.1.2')]).toEqual([['swp1'], ['swp1']]);
    expect(w.core.stores.reportSources.size).toBe(0);
  });

  it('conformance 53: an IGMPv3 report from 0.0.0.0 is heard, of two hosts too', () => {
    const { w, alice, carol } = world();
    for (const host of [alice, carol]) reportFrom(host, '0.0.0.0');
    expect(reached(w, NEWS)).toEqual(['swp1', 'swp2']);
  });

  it('conformance 60: no group, no broadcast, no loopback, and not the switch’s own', () => {
    const { w, alice } = world({ multicast: { querier: { address: '10.0.0.1', address6: 'fe80::1' } } });
    for (const src of ['239.1.1.1', '255.255.255.255', '127.0.0.1', '240.0.0.1']) reportFrom(alice, src);
    expect(count(w, 'drop/source-not-unicast')).toBe(4);
    reportFrom(alice, '10.0.0.1');
    report6From(alice, 'fe80::1');
    expect(count(w, 'drop/source-of-the-switch')).toBe(2);
    expect(w.core.stores.memberships.size).toBe(0);
  });

  it('conformance 53: MLD from :: or a global address is dropped', () => {
    const { w, alice } = world();
    for (const src of ['::', '2001:db8::1']) report6From(alice, src);
    expect(count(w, 'drop/mld-source-not-link-local')).toBe(2);
    expect(reached(w, NEWS6)).toEqual([]);
  });
});

describe('what only switches and routers say', () => {
  it('conformance 60: queries of all versions and PIM, by IPv4 and IPv6, move neither the querier nor a timer', () => {
    const { w, alice } = world();
    const before = w.core.nextTimeout();
    const query = {
      kind: 'query',
      group: '0.0.0.0',
      maxRespCode: 1,
      maxRespMs: 100,
      suppress: false,
    } as const;
    const rest = { qrv: 7, qqicCode: 0, qqicSeconds: 0, sources: [] } as const;
    for (const version of [1, 2, 3] as const)
      reportFrom(alice, '10.0.0.1', { ...query, ...rest, version, maxRespCode: version === 1 ? 0 : 1 });
    for (const version of [1, 2] as const) {
      const message = { ...query, ...rest, version, group: '::' } as const;
      const payload = encodeMldPacket({ src: 'fe80::1', dst: 'ff02::1', message });
      alice.send(EtherType.Ipv6, payload, groupMac('ff02::1'));
    }
    expect(count(w, 'drop/query-from-subscriber')).toBe(5);
    const hello = Uint8Array.of(0x20, 0, 0xdf, 0xff, 0, 1, 0, 2, 0, 105);
    const pim = encodeIpv4({ src: alice.address, dst: '224.0.0.13', ttl: 1, protocol: 103, payload: hello });
    alice.send(EtherType.Ipv4, pim, groupMac('224.0.0.13'));
    const pim6 = { src: 'fe80::9', dst: 'ff02::d', hopLimit: 1, nextHeader: 103, payload: hello };
    alice.send(EtherType.Ipv6, encodeIpv6(pim6), groupMac('ff02::d'));
    expect(count(w, 'drop/pim-from-subscriber')).toBe(2);
    expect([w.core.stores.otherQueriers.size, w.core.stores.routerPorts.size]).toEqual([0, 0]);
    expect(w.core.nextTimeout()).toBe(before);
    expect(w.takeDone()).toEqual([]);
  });

  it('conformance 60: groups of the link are never asked for, forwarded or reported', () => {
    const { w, alice } = world();
    const groups = ['224.0.0.1', '224.0.0.251', '224.0.0.255'];
    alice.report(...groups.map((group) => wish(group)));
    alice.igmp({ kind: 'report', version: 2, group: '224.0.0.5' }, '224.0.0.5');
    alice.report(wish('ff02::fb'), wish('ff01::1'));
    expect(count(w, 'ignored/link-local-group')).toBe(6);
    expect(w.core.stores.memberships.size).toBe(0);
    expect(w.takeDone()).toEqual([]);
    // Beside them in one report another group counts for itself.
    alice.report(wish('224.0.0.9'), wish(NEWS));
    expect(reached(w, NEWS)).toEqual(['swp1']);
  });
});

describe('malformed reports', () => {
  it('conformance 52: are dropped whole, each by what is wrong with it', () => {
    const { w, alice } = world();
    const send = (igmp: Uint8Array) => {
      const packet = {
        src: alice.address,
        dst: '224.0.0.22',
        ttl: 1,
        protocol: IpProtocol.Igmp,
        payload: igmp,
      };
      alice.send(EtherType.Ipv4, encodeIpv4(packet), groupMac('224.0.0.22'));
    };
    const good = encodeIgmp(join(NEWS));
    const unicast = encodeIgmp({
      kind: 'record-report',
      version: 3,
      records: [wish(NEWS), { type: RecordType.ToExclude, group: '10.1.1.1', sources: [], auxWords: 0 }],
    });
    send(good.subarray(0, 7));
    send(Uint8Array.from(good, (octet, i) => (i === 9 ? octet ^ 1 : octet)));
    send(summed(Uint8Array.from(good, (octet, i) => (i === 7 ? 9 : octet))));
    send(unicast);
    for (const [reason, times] of [
      ['igmp-short', 1],
      ['igmp-bad-checksum', 1],
      ['igmp-record-overruns-report', 1],
      ['igmp-group-not-multicast', 1],
    ] as const)
      expect([reason, count(w, `drop/${reason}`)]).toEqual([reason, times]);
    expect(w.core.stores.memberships.size).toBe(0);
    // What stands behind the last record is nobody's business but the checksum's.
    send(summed(concatBytes(good, Uint8Array.of(1, 2, 3, 4))));
    expect(reached(w, NEWS)).toEqual(['swp1']);
  });
});

/** With the right checksum. */
function summed(igmp: Uint8Array): Uint8Array {
  igmp.set([0, 0], 2);
  let sum = 0;
  for (let i = 0; i < igmp.length; i += 2) sum += ((igmp[i] ?? 0) << 8) | (igmp[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  igmp.set([(~sum >>> 8) & 0xff, ~sum & 0xff], 2);
  return igmp;
}
