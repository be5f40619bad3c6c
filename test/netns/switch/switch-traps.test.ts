/**
 * Each trap of the kernel's bridge, shown first on a bridge without castgate and then closed by castgate's
 * settings: where the kernel one day behaves otherwise, the first half says so.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { concatBytes } from '../../../wire/bytes.ts';
import { pause, until, whyNoNamespaces } from '../namespaces.ts';
import { HOST1, SOURCE, SwitchRig } from './switch-rig.ts';
import { ethernet, igmp, ip, mld, udp } from './tap.ts';

const reason = whyNoNamespaces();
const ANY = { mode: 'exclude', sources: [] } as const;
const host1 = { port: 'swp1', vlan: 0, mac: HOST1 };
const EAPOL_START = ethernet('01:80:c2:00:00:03', HOST1, 0x888e, Uint8Array.of(1, 1, 0, 0));

describe.skipIf(reason !== undefined)(`traps of the bridge ${reason ?? ''}`, () => {
  let rig: SwitchRig;

  beforeEach(async () => {
    rig = await SwitchRig.create('cgt-tr');
  });
  afterEach(() => rig.dispose());

  const fromHost1 = (text: string) =>
    rig.taps.h1.send('eth0', udp('10.0.0.1', HOST1, '10.0.0.9', text, SOURCE));
  const channel = (group: string, text: string, source = '10.0.0.9') =>
    rig.taps.up.send('eth0', udp(source, SOURCE, group, text));
  const arrivedUp = (text: string) => rig.taps.up.withText(text).length;
  const arrived1 = (text: string) => rig.taps.h1.withText(text).length;

  it('a locked port that learns opens itself; castgate turns learning off', async () => {
    await rig.sw(
      'bridge link set dev swp1 locked on learning on; ip link set swp1 type bridge_slave fdb_flush',
    );
    fromHost1('one');
    rig.taps.h1.send('eth0', EAPOL_START);
    await pause(20);
    fromHost1('two');
    await until('the trap: the second frame passes', () => arrivedUp('two') === 1);
    expect(arrivedUp('one')).toBe(0);

    // It takes the entry away that the port has learned, and no further one comes.
    rig.start();
    rig.taps.h1.send('eth0', EAPOL_START);
    await until('EAPOL is reported', () => rig.kinds().includes('frame'));
    fromHost1('three');
    await pause(50);
    expect(arrivedUp('three')).toBe(0);
    expect(await rig.sw(`bridge fdb show dev swp1 | grep ${HOST1} || true`)).toBe('');
  });

  it('a bridge that just became querier ignores its database for ten seconds; castgate shortens that', async () => {
    await rig.sw('bridge link set dev swp1 mcast_flood off; ip link set br0 type bridge mcast_querier 1');
    await rig.sw('bridge mdb add dev br0 port swp1 grp 239.1.1.1 permanent');
    await pause(500);
    channel('239.1.1.1', 'ignored');
    await pause(50);
    expect(arrived1('ignored')).toBe(0);

    const started = performance.now();
    const sw = rig.start();
    // A filter by source works only where the database is looked into.
    sw.setForwarding('swp1', 0, '232.1.1.1', { mode: 'include', sources: ['10.0.0.9'] });
    await until('the source passes', () => {
      channel('232.1.1.1', 'listed');
      return arrived1('listed') > 0;
    });
    await until(
      'the other source does not',
      async () => {
        rig.clear();
        channel('232.1.1.1', 'unwanted', '10.0.0.8');
        await pause(10);
        return arrived1('unwanted') === 0;
      },
      900,
    );
    expect(performance.now() - started).toBeLessThan(1000);
    expect(await rig.sw('ip -d link show br0')).toContain('mcast_query_response_interval 1000 ');
  });

  it("another querier's query makes the bridge ignore its database; castgate keeps such queries out", async () => {
    await rig.sw('ip link set br0 type bridge mcast_igmp_version 3 mcast_query_response_interval 1');
    await rig.sw('ip link set br0 type bridge mcast_querier 1');
    await pause(100);
    await rig.sw(
      'bridge mdb add dev br0 port swp1 grp 239.1.1.1 permanent; bridge link set dev swp1 mcast_flood off',
    );
    channel('239.1.1.1', 'seen');
    await until('the database is in use', () => arrived1('seen') === 1);
    const query = ip('10.0.0.254', SOURCE, '224.0.0.1', 2, igmp('query', '0.0.0.0', 100), 1);
    rig.taps.up.send('eth0', query);
    await pause(20);
    channel('239.1.1.1', 'blind');
    await pause(50);
    expect(arrived1('blind')).toBe(0);

    const sw = rig.start();
    sw.setForwarding('swp1', 0, '232.1.1.1', { mode: 'include', sources: ['10.0.0.9'] });
    await pause(50);
    rig.clear();
    rig.taps.up.send('eth0', query);
    await until('castgate is told of the query', () => rig.kinds().includes('frame'));
    expect(rig.events[0]).toMatchObject({ kind: 'frame', port: 'up0' });
    channel('232.1.1.1', 'listed');
    channel('232.1.1.1', 'unwanted', '10.0.0.8');
    await until('the source passes', () => arrived1('listed') === 1);
    await pause(30);
    expect(arrived1('unwanted')).toBe(0);
    expect(sw.refusals().get('upstream_queries')?.packets).toBe(1);
  });

  it("a querier behind a port that is not castgate's is displaced", async () => {
    await rig.lab.veth({ namespace: 'sw', interface: 'other0' }, { namespace: 'up', interface: 'other' });
    await rig.sw('ip link set other0 master br0');
    const sw = rig.start();
    sw.setForwarding('swp1', 0, '232.1.1.1', { mode: 'include', sources: ['10.0.0.9'] });
    for (const query of [
      ip('10.0.0.254', SOURCE, '224.0.0.1', 2, igmp('query', '0.0.0.0', 100), 1),
      ip('fe80::254', SOURCE, 'ff02::1', 58, mld('query', '::'), 1),
    ]) {
      rig.taps.up.send('other', query);
    }
    // In the same turn: the next look at the bridge may come at any time.
    channel('232.1.1.1', 'blind', '10.0.0.8');
    await until('the trap: sources are not told apart', () => arrived1('blind') === 1);
    await until('displaced', () => rig.kinds().includes('repaired'), 3000);
    expect(rig.events).toContainEqual({ kind: 'repaired', what: 'bridge br0: McastQuerier' });
    await pause(50);
    rig.clear();
    channel('232.1.1.1', 'unwanted', '10.0.0.8');
    channel('232.1.1.1', 'listed');
    await until('the source passes', () => arrived1('listed') === 1);
    await pause(30);
    expect(arrived1('unwanted')).toBe(0);
    expect(sw.audit()).toEqual([]);
    const options = await rig.sw('ip -d link show br0');
    expect(options).toContain('mcast_querier_interval 25500 ');
    expect(options).toContain('mcast_query_response_interval 1000 ');
  });

  it('one group over the limit switches snooping off; castgate raises the limit and puts it right', async () => {
    const snooping = async () => / mcast_snooping (\d)/.exec(await rig.sw('ip -d link show br0'))?.[1];
    await rig.sw('ip link set br0 type bridge mcast_hash_max 8');
    const join = (n: number) =>
      rig.taps.h1.send('eth0', ip('10.0.0.1', HOST1, `239.7.7.${n}`, 2, igmp('v2', `239.7.7.${n}`), 1));
    for (let n = 1; n <= 12; n++) join(n);
    await until('the trap: snooping is off', async () => (await snooping()) === '0');

    const sw = rig.start({ hashMax: 5000 });
    expect(await snooping()).toBe('1');
    expect(await rig.sw('ip -d link show br0')).toContain('mcast_hash_max 5000 ');
    sw.openHost(host1);
    sw.setForwarding('swp1', 0, '239.1.1.1', ANY);
    // 12 joins more than the limit, if they counted; they end at castgate's table.
    for (let n = 1; n <= 12; n++) join(n);
    await until('the joins are reported', () => rig.kinds().filter((kind) => kind === 'frame').length >= 12);
    expect(await rig.sw('bridge mdb show dev br0')).not.toContain('239.7.7.');

    // Overflow by someone else: the kernel tells nobody.
    await rig.sw(
      'for n in $(seq 1 40); do echo mdb add dev br0 port up0 grp 239.8.8.$n permanent; done | bridge -batch -',
    );
    await rig.sw('ip link set br0 type bridge mcast_hash_max 16');
    await rig.sw('bridge mdb add dev br0 port up0 grp 239.9.9.9 permanent || true');
    await until('castgate puts it right', async () => (await snooping()) === '1', 3000);
    expect(rig.events).toContainEqual({ kind: 'repaired', what: expect.stringContaining('McastHashMax') });
    expect(await rig.sw('ip -d link show br0')).toContain('mcast_hash_max 5000 ');
    channel('239.1.1.1', 'still there');
    await until('the channel goes on', () => arrived1('still there') === 1);
  });

  it('without snooping everything is flooded; castgate lets no more out meanwhile and switches it on again', async () => {
    await rig.sw('ip link set br0 type bridge mcast_snooping 0');
    channel('239.1.1.1', 'flooded');
    await until('the trap: flooded', () => arrived1('flooded') === 1);

    const sw = rig.start();
    sw.openHost(host1);
    sw.setForwarding('swp1', 0, '239.1.1.1', ANY);
    rig.clear();
    await rig.sw('ip link set br0 type bridge mcast_snooping 0');
    for (let i = 0; i < 20; i++) {
      channel('239.1.1.1', 'granted');
      channel('239.2.2.2', 'not granted');
    }
    await until('repaired', () => rig.kinds().includes('repaired'), 500);
    await until('all of the channel', () => arrived1('granted') === 20);
    expect(arrived1('not granted')).toBe(0);
    expect(await rig.sw('ip -d link show br0')).toContain(' mcast_snooping 1 ');
  });

  it('the bridge learns joins behind a fragment header too; castgate lets none of any form into it', async () => {
    const learned = async (): Promise<string[]> =>
      (await rig.sw('bridge mdb show dev br0')).match(/port swp1 grp (?:239|ff15)[^ ]*/g) ?? [];
    const hopByHop = [0, Uint8Array.of(0, 0, 5, 2, 0, 0, 1, 0)] as const;
    const options = [60, Uint8Array.of(0, 0, 1, 4, 0, 0, 0, 0)] as const;
    const routing = [43, Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0)] as const;
    const fragment = (offset: number, more: 0 | 1) =>
      [44, Uint8Array.of(0, 0, offset >>> 5, ((offset << 3) & 0xff) | more, 0, 0, 0, 7)] as const;
    const authentication = [51, Uint8Array.of(0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1)] as const;
    const report = (chain: readonly Header[], group = 'ff15::33', to = 'ff02::16') =>
      withHeaders(ip('fe80::1', HOST1, to, 58, mld('report', group), 1), chain);
    const plain = ip('10.0.0.1', HOST1, '224.0.0.22', 2, igmp('v3', '239.3.3.3'), 1);
    const inFragments = (protocol: number, offset: number, more: 0 | 1) => {
      const frame = Uint8Array.from(plain);
      frame.set([(more << 5) | (offset >>> 8), offset & 0xff], 20);
      frame[23] = protocol;
      frame.set([0, 0], 24);
      let sum = 0;
      for (let at = 14; at < 38; at += 2) sum += ((frame[at] ?? 0) << 8) | (frame[at + 1] ?? 0);
      sum = ~((sum & 0xffff) + (sum >>> 16));
      frame.set([(sum >>> 8) & 0xff, sum & 0xff], 24);
      return frame;
    };
    const toRouter = (frame: Uint8Array) => {
      const copy = Uint8Array.from(frame);
      copy.set([2, 0, 0, 0, 9, 1]);
      return copy;
    };
    const frames: Record<string, Uint8Array> = {
      'fragment header alone': report([fragment(0, 0)]),
      'first fragment': report([hopByHop, fragment(0, 1)]),
      'the whole in one fragment': report([hopByHop, fragment(0, 0)], 'ff15::34'),
      'later fragment': report([hopByHop, fragment(3, 0)]),
      'options, then a fragment': report([hopByHop, options, fragment(0, 0)], 'ff15::35'),
      'behind options': report([hopByHop, options], 'ff15::36'),
      'behind a routing header': report([hopByHop, routing], 'ff15::37'),
      authenticated: report([hopByHop, authentication], 'ff15::38'),
      'authenticated, to all routers': report([hopByHop, authentication], 'ff15::42', 'ff02::2'),
      'ESP to ff02::16': ip('fe80::1', HOST1, 'ff02::16', 50, new Uint8Array(32), 1),
      'UDP to ff02::16': udp('fe80::1', HOST1, 'ff02::16', 'odd'),
      'a fragment to another group of the link': report([hopByHop, fragment(3, 0)], 'ff15::39', 'ff02::2'),
      'in fragments to the router alone': toRouter(report([hopByHop, fragment(3, 0)], 'ff15::40', 'ff02::2')),
      'to the router alone': toRouter(report([fragment(3, 0)], 'ff15::41')),
      'IGMP, first fragment': inFragments(2, 0, 1),
      'IGMP, later fragment': inFragments(2, 3, 0),
      'ESP to 224.0.0.22': inFragments(50, 0, 0),
      'AH to 224.0.0.22, to the router alone': toRouter(inFragments(51, 0, 0)),
    };
    const sendAll = () => {
      for (const frame of Object.values(frames)) rig.taps.h1.send('eth0', frame);
    };
    const arrived = () =>
      Object.entries(frames)
        .filter(([, frame]) => rig.taps.up.frames.some((seen) => Buffer.compare(seen.frame, frame) === 0))
        .map(([name]) => name);
    sendAll();
    await until('the trap: learned', async () => {
      const known = await learned();
      return ['34', '35', '36', '38', '42'].every((n) => known.includes(`port swp1 grp ff15::${n}`));
    });
    await until('the trap: seen on the uplink', () => arrived().length > 10);

    const sw = rig.start();
    sw.openHost(host1);
    rig.clear();
    const refused = () =>
      (['membership_reports', 'fragments', 'senders'] as const)
        .map((name) => sw.refusals().get(name)?.packets ?? 0)
        .reduce((a, b) => a + b);
    const before = refused();
    sendAll();
    fromHost1('behind them');
    await until('what came after them passes', () => arrivedUp('behind them') === 1);
    await pause(30);
    expect(arrived()).toEqual([]);
    expect(await learned()).toEqual([]);
    expect(refused() - before).toBeGreaterThanOrEqual(Object.keys(frames).length);

    // Fragments for one host, and multicast of the link in one piece, pass as before.
    const single = withHeaders(ip('fe80::1', HOST1, 'fe80::9', 58, mld('report', 'ff15::50'), 64, SOURCE), [
      fragment(3, 0),
    ]);
    rig.taps.h1.send('eth0', single);
    rig.taps.h1.send('eth0', udp('fe80::1', HOST1, 'ff02::fb', 'a name'));
    await until('both', () => arrivedUp('a name') === 1);
    expect(rig.taps.up.frames.some((seen) => Buffer.compare(seen.frame, single) === 0)).toBe(true);
  });

  it('the bridge learns joins by itself; castgate keeps reports, PIM and queries of subscribers from it', async () => {
    const report = ip('10.0.0.1', HOST1, '224.0.0.22', 2, igmp('v3', '239.3.3.3'), 1);
    const report6 = ip('fe80::1', HOST1, 'ff02::16', 58, mld('report', 'ff15::33'), 1);
    rig.taps.h1.send('eth0', report);
    rig.taps.h1.send('eth0', report6);
    await until('the trap: learned', async () => {
      const known = await rig.sw('bridge mdb show dev br0');
      return known.includes('port swp1 grp 239.3.3.3') && known.includes('port swp1 grp ff15::33');
    });

    const sw = rig.start();
    sw.openHost(host1);
    expect(await rig.sw('bridge mdb show dev br0')).not.toMatch(/swp1 grp (239|ff15)/);
    rig.clear();
    const before = sw.refusals().get('membership_reports')?.packets ?? 0;
    rig.taps.h1.send('eth0', report);
    rig.taps.h1.send('eth0', report6);
    for (const each of [report, report6]) {
      const tagged = concatBytes(each.subarray(0, 12), Uint8Array.of(0x81, 0, 0, 42), each.subarray(12));
      rig.taps.h1.send('eth0', tagged);
    }
    rig.taps.h1.send('eth0', ip('10.0.0.1', HOST1, '224.0.0.1', 2, igmp('query', '0.0.0.0'), 1));
    rig.taps.h1.send('eth0', ip('fe80::1', HOST1, 'ff02::1', 58, mld('query', '::'), 1));
    rig.taps.h1.send('eth0', ip('10.0.0.1', HOST1, '224.0.0.13', 103, Uint8Array.of(0x20, 0, 0xdf, 0xff), 1));
    rig.taps.h1.send('eth0', ip('fe80::1', HOST1, 'ff02::d', 103, Uint8Array.of(0x20, 0, 0xdf, 0xff), 1));
    await until('castgate is told', () => rig.kinds().filter((kind) => kind === 'frame').length >= 6);
    await pause(30);
    const known = await rig.sw('bridge -d mdb show dev br0');
    expect(known).not.toMatch(/swp1 grp (239|ff15)/);
    expect(known).not.toMatch(/router ports.*swp1/);
    expect((sw.refusals().get('membership_reports')?.packets ?? 0) - before).toBeGreaterThanOrEqual(6);
    expect(sw.refusals().get('pim')?.packets).toBe(2);
    expect(rig.taps.up.frames.filter(({ frame }) => frame[14 + 9] === 103)).toHaveLength(0);
  });
});

/** Number and octets of an IPv6 extension header; the octet that names the next one is filled in. */
type Header = readonly [number: number, octets: Uint8Array];

/** An MLD frame of ip() with other extension headers in front of its message. */
function withHeaders(frame: Uint8Array, chain: readonly Header[]): Uint8Array {
  const message = frame.subarray(14 + 40 + 8);
  const headers = chain.map(([, octets], i) => {
    const copy = Uint8Array.from(octets);
    copy[0] = chain[i + 1]?.[0] ?? 58;
    return copy;
  });
  const payload = concatBytes(...headers, message);
  const fixed = Uint8Array.from(frame.subarray(0, 14 + 40));
  fixed.set([payload.length >>> 8, payload.length & 0xff, chain[0]?.[0] ?? 58], 14 + 4);
  return concatBytes(fixed, payload);
}
