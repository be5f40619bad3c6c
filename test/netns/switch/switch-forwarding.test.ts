/**
 * What passes a real bridge with a LinuxSwitch on it: hosts, channels, sources, and nothing else; and what
 * of it is counted. All of it in both ways of using the multicast database (mdb-way.ts): that of Linux 6.3,
 * and with the messages of older kernels, as far as this kernel can tell.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SourceFilter } from '../../../switch/switch.ts';
import { ipBytes, macBytes } from '../../../wire/address.ts';
import { concatBytes, toHex } from '../../../wire/bytes.ts';
import { pause, until, whyNoNamespaces } from '../namespaces.ts';
import { HOST1, HOST2, SOURCE, SwitchRig } from './switch-rig.ts';
import { ethernet, igmp, ip, udp } from './tap.ts';

const reason = whyNoNamespaces();
const ANY = { mode: 'exclude', sources: [] } as const;
const host1 = { port: 'swp1', vlan: 0, mac: HOST1 };
const host2 = { port: 'swp2', vlan: 0, mac: HOST2 };
const GROUPS = ['239.1.1.1', '232.1.1.1', 'ff3e::1', 'ff02::1:ff00:1'];

const WAYS = ['database', 'table'] as const;
const toMac = (frame: Uint8Array | undefined) =>
  [...(frame ?? []).slice(0, 6)].map((octet) => octet.toString(16).padStart(2, '0')).join(':');

describe.skipIf(reason !== undefined).each(WAYS)(
  `forwarding, sources in the %s ${reason ?? ''}`,
  (sourcesIn) => {
    let rig: SwitchRig;

    beforeAll(async () => {
      rig = await SwitchRig.create('cgt-fw', sourcesIn);
      rig.start();
    });
    afterAll(() => rig.dispose());
    beforeEach(() => rig.clear());
    afterEach(() => {
      for (const host of [host1, host2, { ...host2, mac: HOST1 }]) sw().closeHost(host);
      for (const port of ['swp1', 'swp2']) for (const group of GROUPS) sw().clearForwarding(port, 0, group);
    });

    const sw = () => {
      if (rig.switch === undefined) throw new Error('no switch');
      return rig.switch;
    };
    const from1 = (text: string, mac = HOST1) =>
      rig.taps.h1.send('eth0', udp('10.0.0.1', mac, '10.0.0.9', text, SOURCE));
    const from2 = (text: string, mac = HOST2) =>
      rig.taps.h2.send('eth0', udp('10.0.0.2', mac, '10.0.0.9', text, SOURCE));
    const channel = (
      group: string,
      text: string,
      source = group.includes(':') ? '2001:db8::9' : '10.0.0.9',
    ) => rig.taps.up.send('eth0', udp(source, SOURCE, group, text));
    const arrived = (where: 'h1' | 'h2' | 'up', text: string) => rig.taps[where].withText(text).length;

    describe('hosts', () => {
      it('lets a host on a locked port through only with its MAC', async () => {
        from1('before');
        await pause(30);
        expect(arrived('up', 'before')).toBe(0);

        expect(sw().openHost(host1)).toBeUndefined();
        expect(sw().openHost(host1)).toBeUndefined();
        from1('open');
        from1('stranger', '02:00:00:00:01:02');
        await until('the open host is heard', () => arrived('up', 'open') === 1);
        await pause(30);
        expect(arrived('up', 'stranger')).toBe(0);

        expect(sw().closeHost(host1)).toBeUndefined();
        expect(sw().closeHost(host1)).toBeUndefined();
        from1('closed');
        await pause(30);
        expect(arrived('up', 'closed')).toBe(0);
      });

      it('does not let a MAC in on another port than where it is open, nor move it there', async () => {
        sw().openHost(host1);
        expect(sw().openHost({ ...host1, port: 'swp2' })).toEqual({
          failed: `open ${HOST1} on swp2: open on swp1`,
          errno: 'EEXIST',
        });
        from2('borrowed', HOST1);
        rig.taps.up.send('eth0', udp('10.0.0.9', HOST1, '10.0.0.7', 'from the uplink', 'ff:ff:ff:ff:ff:ff'));
        await pause(30);
        expect(arrived('up', 'borrowed')).toBe(0);
        from1('still here');
        rig.taps.up.send('eth0', udp('10.0.0.9', SOURCE, '10.0.0.1', 'answer', HOST1));
        await until('both ways', () => arrived('up', 'still here') === 1 && arrived('h1', 'answer') === 1);
        expect(arrived('h2', 'answer')).toBe(0);
        sw().closeHost(host1);
        expect(sw().openHost({ ...host1, port: 'swp2' })).toBeUndefined();
        from2('moved', HOST1);
        await until('after closing it there', () => arrived('up', 'moved') === 1);
      });

      it("takes a learned address from the uplink, but not a static one, nor the switch's own", async () => {
        const [roaming, gateway] = ['02:00:00:00:0e:01', '02:00:00:00:0e:02'];
        rig.taps.up.send('eth0', udp('10.0.0.9', roaming, '10.0.0.7', 'seen there', 'ff:ff:ff:ff:ff:ff'));
        await rig.sw(`bridge fdb add ${gateway} dev up0 master static`);
        await until('learned', async () => (await rig.sw('bridge fdb show dev up0')).includes(roaming));
        expect(sw().openHost({ ...host1, mac: roaming })).toBeUndefined();
        from1('roamed', roaming);
        await until('it is here now', () => arrived('up', 'roamed') === 1);
        expect(sw().openHost({ ...host1, mac: gateway })).toMatchObject({ errno: 'EEXIST' });
        expect(sw().hostCounters({ ...host1, mac: gateway })).toBeUndefined();
        expect(await rig.sw('nft list set bridge castgate hosts_in')).not.toContain(gateway);
        for (const own of [sw().macOf(undefined), sw().macOf('swp2'), sw().macOf('up0')]) {
          expect(sw().openHost({ ...host1, mac: own ?? '' })).toMatchObject({ errno: 'EADDRINUSE' });
        }
        sw().closeHost({ ...host1, mac: roaming });
      });

      it('keeps unicast for others, and broadcasts while nobody is open, from a subscriber port', async () => {
        const toAll = (text: string) =>
          rig.taps.up.send('eth0', udp('10.0.0.9', SOURCE, '10.0.0.255', text, 'ff:ff:ff:ff:ff:ff'));
        toAll('early');
        rig.taps.up.send('eth0', udp('10.0.0.9', SOURCE, '10.0.0.1', 'early too', HOST1));
        await pause(30);
        expect(arrived('h1', 'early')).toBe(0);
        sw().openHost(host1);
        toAll('to all');
        rig.taps.up.send('eth0', udp('10.0.0.9', SOURCE, '10.0.0.1', 'to one', HOST1));
        rig.taps.up.send('eth0', udp('10.0.0.9', SOURCE, '10.0.0.1', 'unknown', '02:00:00:00:0f:0f'));
        await until(
          'broadcast and own unicast',
          () => arrived('h1', 'to all') === 1 && arrived('h1', 'to one') === 1,
        );
        await pause(30);
        expect(arrived('h1', 'unknown') + arrived('h2', 'to all') + arrived('h2', 'to one')).toBe(0);
      });

      it('counts what a host sends and receives, within 1 % of a capture', async () => {
        sw().openHost(host1);
        const before = sw().hostCounters(host1);
        const sizes = Array.from({ length: 200 }, (_, i) => 20 + ((i * 37) % 1400));
        for (const size of sizes) {
          from1(`up${'u'.repeat(size)}`);
          rig.taps.up.send('eth0', udp('10.0.0.9', SOURCE, '10.0.0.1', `down${'d'.repeat(size)}`, HOST1));
        }
        await until('all', () => arrived('up', 'upu') === 200 && arrived('h1', 'downd') === 200);
        const after = sw().hostCounters(host1);
        const captured = (frames: Uint8Array[]) => frames.reduce((sum, frame) => sum + frame.length, 0);
        const sent = captured(rig.taps.up.withText('upu'));
        const received = captured(rig.taps.h1.withText('downd'));
        const input = (after?.input.octets ?? 0) - (before?.input.octets ?? 0);
        const output = (after?.output.octets ?? 0) - (before?.output.octets ?? 0);
        expect(Math.abs(input / sent - 1)).toBeLessThan(0.01);
        expect(Math.abs(output / received - 1)).toBeLessThan(0.01);
        expect((after?.output.packets ?? 0) - (before?.output.packets ?? 0)).toBe(200);
        sw().closeHost(host1);
        expect(sw().hostCounters(host1)).toBeUndefined();
        sw().openHost(host1);
        expect(sw().hostCounters(host1)?.output.octets).toBeLessThan(2000);
      });
    });

    describe('channels', () => {
      it('forwards a channel to its port only, until it is taken back', async () => {
        channel('239.1.1.1', 'early');
        await pause(30);
        expect(arrived('h1', 'early')).toBe(0);
        expect(sw().setForwarding('swp1', 0, '239.1.1.1', ANY)).toBeUndefined();
        channel('239.1.1.1', 'granted');
        await until('the channel arrives', () => arrived('h1', 'granted') === 1);
        await pause(30);
        expect(arrived('h2', 'granted')).toBe(0);
        expect(sw().clearForwarding('swp1', 0, '239.1.1.1')).toBeUndefined();
        expect(sw().clearForwarding('swp1', 0, '239.1.1.1')).toBeUndefined();
        channel('239.1.1.1', 'revoked');
        await pause(30);
        expect(arrived('h1', 'revoked')).toBe(0);
      });

      it.each([
        ['232.1.1.1', ['10.0.0.8', '10.0.0.9']],
        ['ff3e::1', ['2001:db8::8', '2001:db8::9']],
      ] as const)('gives each port of %s the sources of its own filter', async (group, [eight, nine]) => {
        const heard = async () => {
          // An emptied (S,G) entry stays for one clock tick of the kernel and swallows packets meanwhile.
          await pause(20);
          rig.clear();
          channel(group, 'eight', eight);
          channel(group, 'nine', nine);
          await pause(40);
          return [
            arrived('h1', 'eight'),
            arrived('h1', 'nine'),
            arrived('h2', 'eight'),
            arrived('h2', 'nine'),
          ];
        };
        const set = (port: string, mode: 'include' | 'exclude', ...sources: string[]) =>
          expect(sw().setForwarding(port, 0, group, { mode, sources })).toBeUndefined();
        set('swp1', 'include', nine);
        expect(await heard()).toEqual([0, 1, 0, 0]);
        set('swp2', 'exclude');
        expect(await heard()).toEqual([0, 1, 1, 1]);
        set('swp2', 'exclude', nine);
        expect(await heard()).toEqual([0, 1, 1, 0]);
        set('swp1', 'include', eight, nine);
        expect(await heard()).toEqual([1, 1, 1, 0]);
        set('swp1', 'exclude');
        expect(await heard()).toEqual([1, 1, 1, 0]);
        set('swp1', 'include', eight);
        set('swp2', 'include', nine);
        expect(await heard()).toEqual([1, 0, 0, 1]);
        sw().clearForwarding('swp1', 0, group);
        expect(await heard()).toEqual([0, 0, 0, 1]);
        set('swp2', 'exclude');
        expect(await heard()).toEqual([0, 0, 1, 1]);
        set('swp2', 'include');
        expect(await heard()).toEqual([0, 0, 0, 0]);
      });

      it('counts a channel per port, within 1 % of a capture, from zero at each beginning', async () => {
        sw().setForwarding('swp1', 0, '239.1.1.1', ANY);
        sw().setForwarding('swp2', 0, '239.1.1.1', ANY);
        expect(sw().channelCounter('swp1', 0, '239.1.1.1')).toEqual({ octets: 0, packets: 0 });
        for (let i = 0; i < 300; i++) channel('239.1.1.1', `video${'v'.repeat((i * 91) % 1300)}`);
        await until('all', () => arrived('h1', 'video') === 300 && arrived('h2', 'video') === 300);
        const captured = rig.taps.h1.withText('video').reduce((sum, frame) => sum + frame.length, 0);
        const counted = sw().channelCounter('swp1', 0, '239.1.1.1');
        expect(counted.packets).toBe(300);
        expect(Math.abs(counted.octets / captured - 1)).toBeLessThan(0.01);
        expect(sw().channelCounter('swp2', 0, '239.1.1.1')).toEqual(counted);
        // A changed filter is the same channel; a new one is not.
        sw().setForwarding('swp1', 0, '239.1.1.1', { mode: 'exclude', sources: ['10.0.0.8'] });
        expect(sw().channelCounter('swp1', 0, '239.1.1.1')).toEqual(counted);
        sw().clearForwarding('swp1', 0, '239.1.1.1');
        expect(sw().channelCounter('swp1', 0, '239.1.1.1')).toEqual({ octets: 0, packets: 0 });
        sw().setForwarding('swp1', 0, '239.1.1.1', ANY);
        expect(sw().channelCounter('swp1', 0, '239.1.1.1')).toEqual({ octets: 0, packets: 0 });
      });

      it('gives all counters at once, the same as one by one', async () => {
        sw().openHost(host1);
        sw().openHost(host2);
        sw().setForwarding('swp1', 0, '239.1.1.1', ANY);
        sw().setForwarding('swp2', 0, 'ff3e::1', ANY);
        from1('counted');
        channel('239.1.1.1', 'counted');
        channel('ff3e::1', 'counted');
        await until(
          'all',
          () => arrived('up', 'counted') + arrived('h1', 'counted') + arrived('h2', 'counted') === 3,
        );
        const { hosts, channels } = sw().counters();
        expect(hosts).toEqual([host1, host2].map((host) => ({ host, ...sw().hostCounters(host) })));
        expect(channels).toEqual(
          [
            { port: 'swp1', vlan: 0, group: '239.1.1.1' },
            { port: 'swp2', vlan: 0, group: 'ff3e::1' },
          ].map((each) => ({ ...each, counter: sw().channelCounter(each.port, each.vlan, each.group) })),
        );
        expect(channels.map(({ counter }) => counter.packets)).toEqual([1, 1]);
      });

      it('refuses with the reason what the bridge cannot do', () => {
        const many = Array.from({ length: 32 }, (_, i) => `10.1.0.${i + 1}`);
        expect(sw().setForwarding('swp1', 0, '232.1.1.1', { mode: 'include', sources: many })).toMatchObject({
          errno: 'ENOSPC',
        });
        expect(
          sw().setForwarding('swp1', 0, '232.1.1.1', { mode: 'include', sources: many.slice(1) }),
        ).toBeUndefined();
        expect(sw().setForwarding('swp1', 0, '10.0.0.1', ANY)).toMatchObject({ errno: 'EINVAL' });
        expect(sw().setForwarding('swp1', 0, '224.0.0.5', ANY)).toMatchObject({ errno: 'EINVAL' });
        expect(sw().setForwarding('swp1', 0, '224.0.0.5', ANY)?.failed).toMatch(
          /^forward 224\.0\.0\.5 to swp1: ./,
        );
        expect(sw().setForwarding('up0', 0, '239.1.1.1', ANY)).toMatchObject({ errno: 'ENODEV' });
        expect(sw().channelCounter('swp1', 0, '224.0.0.5')).toEqual({ octets: 0, packets: 0 });
      });

      it('forwards on to other ports what it forwards to none of', async () => {
        sw().setForwarding('swp2', 0, '239.1.1.1', ANY);
        sw().setForwarding('swp1', 0, '239.1.1.1', ANY);
        sw().clearForwarding('swp1', 0, '239.1.1.1');
        channel('239.1.1.1', 'other');
        await until('the other port', () => arrived('h2', 'other') === 1);
        expect(arrived('h1', 'other')).toBe(0);
      });
    });

    describe('conformance 58: the link', () => {
      it('conformance 58: carries 224.0.0.x and ff02::1 to a port with an open host, and to no other', async () => {
        sw().openHost(host1);
        for (const group of ['224.0.0.251', '224.0.0.5', 'ff02::1', 'ff02::fb']) {
          channel(group, `link ${group}`);
        }
        await until(
          'all-hosts groups',
          () => arrived('h1', 'link 224.0.0.251') === 1 && arrived('h1', 'link ff02::1') === 1,
        );
        await pause(30);
        expect(arrived('h1', 'link 224.0.0.5')).toBe(1);
        expect(arrived('h2', 'link ')).toBe(0);
      });

      it('conformance 58: the trap: with multicast flooding off the bridge keeps ff02::1 and 224.0.0.x from the port', async () => {
        sw().openHost(host1);
        sw().stop({ cleanup: false });
        await rig.sw('bridge link set dev swp1 mcast_flood off');
        channel('ff02::1', 'router advertisement');
        channel('224.0.0.251', 'name query');
        await pause(50);
        expect(arrived('h1', 'router advertisement') + arrived('h1', 'name query')).toBe(0);
        rig.start();
        sw().openHost(host1);
        channel('ff02::1', 'router advertisement');
        channel('224.0.0.251', 'name query');
        await until(
          'both',
          () => arrived('h1', 'router advertisement') === 1 && arrived('h1', 'name query') === 1,
        );
      });

      it('conformance 58: neighbour discovery reaches an open host that joined its groups before or after', async () => {
        const advertised = async (address: string) => {
          const target = ipBytes(address) ?? new Uint8Array(16);
          const group = `ff02::1:ff01:${address.at(-1)}`;
          const option = concatBytes(Uint8Array.of(1, 1), macBytes(SOURCE) ?? new Uint8Array(6));
          const solicitation = concatBytes(Uint8Array.of(135, 0, 0, 0, 0, 0, 0, 0), target, option);
          rig.clear();
          rig.taps.up.send('eth0', ip('2001:db8::9', SOURCE, group, 58, solicitation, 255));
          await pause(60);
          return rig.taps.up.frames.filter(({ frame }) => frame[20] === 58 && frame[54] === 136).length;
        };
        const heard = (tail: string) =>
          until('the kernel of the host reports', () =>
            rig.events.some(
              (event) =>
                event.kind === 'frame' && Buffer.from(event.frame).includes(Buffer.from(tail, 'hex')),
            ),
          );
        await rig.ipv6At('h1');
        await rig.lab.shell('h1', 'ip -6 addr add 2001:db8::1:1/64 dev eth0 nodad');
        await heard('ff0200000000000000000001ff010001');
        expect(await advertised('2001:db8::1:1')).toBe(0);
        sw().openHost(host1);
        expect(await advertised('2001:db8::1:1')).toBe(1);
        await rig.lab.shell('h1', 'ip -6 addr add 2001:db8::1:2/64 dev eth0 nodad');
        await heard('ff0200000000000000000001ff010002');
        expect(await advertised('2001:db8::1:2')).toBe(1);
        expect(sw().audit()).toEqual([]);
        sw().closeHost(host1);
        expect(await rig.sw('bridge mdb show dev br0')).not.toContain('swp1 grp ff02::1:ff01');
      });
    });

    describe('a channel for one host alone', () => {
      it('goes to its MAC address, is counted, and to the group again when it is for others too', async () => {
        sw().openHost(host1);
        const other = '02:00:00:00:01:77';
        const to = async (filter: SourceFilter, group: string, text: string) => {
          expect(sw().setForwarding('swp1', 0, group, filter)).toBeUndefined();
          expect(sw().audit()).toEqual([]);
          channel(group, text);
          await until(text, () => arrived('h1', text) === 1);
          return toMac(rig.taps.h1.withText(text)[0]);
        };
        for (const group of ['239.1.1.1', 'ff3e::1']) {
          expect(await to({ ...ANY, to: HOST1 }, group, `alone ${group}`)).toBe(HOST1);
          expect(await to({ ...ANY, to: other }, group, `another ${group}`)).toBe(other);
          expect(await to(ANY, group, `both ${group}`)).toMatch(/^(01:00:5e|33:33)/);
          expect(sw().channelCounter('swp1', 0, group).packets).toBe(3);
          expect(await to({ ...ANY, to: HOST1 }, group, `again ${group}`)).toBe(HOST1);
          sw().clearForwarding('swp1', 0, group);
        }
        expect(await rig.sw('nft list map bridge castgate only4')).not.toContain('swp1');
        expect(sw().audit()).toEqual([]);
        // Another port's copy is its own.
        sw().openHost(host2);
        sw().setForwarding('swp1', 0, '239.1.1.1', { ...ANY, to: HOST1 });
        sw().setForwarding('swp2', 0, '239.1.1.1', ANY);
        channel('239.1.1.1', 'two ports');
        await until('both', () => arrived('h1', 'two ports') === 1 && arrived('h2', 'two ports') === 1);
        expect(toMac(rig.taps.h1.withText('two ports')[0])).toBe(HOST1);
        expect(toMac(rig.taps.h2.withText('two ports')[0])).toBe('01:00:5e:01:01:01');
      });
    });

    describe('conformance 60: what subscribers must not send', () => {
      it('conformance 60: drops and counts their multicast, but not that of the link', async () => {
        sw().openHost(host1);
        const before = sw().refusals().get('senders')?.packets ?? 0;
        const send = (group: string, text: string) =>
          rig.taps.h1.send('eth0', udp(group.includes(':') ? 'fe80::1' : '10.0.0.1', HOST1, group, text));
        for (const group of ['239.1.1.1', '232.1.1.1', 'ff15::1', 'ff3e::1']) send(group, 'sender');
        for (const group of ['224.0.0.251', 'ff02::fb']) send(group, 'local');
        await until('the local ones', () => arrived('up', 'local') === 2);
        await pause(30);
        expect(arrived('up', 'sender')).toBe(0);
        expect((sw().refusals().get('senders')?.packets ?? 0) - before).toBe(4);
      });

      it('conformance 60: drops their multicast behind one VLAN tag, and behind two', async () => {
        sw().openHost(host1);
        const before = sw().refusals().get('senders')?.packets ?? 0;
        const video = udp('10.0.0.1', HOST1, '239.1.1.1', 'hidden');
        const tag = Uint8Array.of(0x81, 0, 0, 42);
        const once = concatBytes(video.subarray(0, 12), tag, video.subarray(12));
        const twice = concatBytes(video.subarray(0, 12), Uint8Array.of(0x88, 0xa8, 0, 7), once.subarray(12));
        const unicast = udp('10.0.0.1', HOST1, '10.0.0.9', 'in a VLAN', SOURCE);
        rig.taps.h1.send('eth0', once);
        rig.taps.h1.send('eth0', twice);
        rig.taps.h1.send('eth0', concatBytes(unicast.subarray(0, 12), tag, unicast.subarray(12)));
        await until('unicast', () => arrived('up', 'in a VLAN') === 1);
        await pause(30);
        expect(arrived('up', 'hidden')).toBe(0);
        expect((sw().refusals().get('senders')?.packets ?? 0) - before).toBe(2);
      });

      it('conformance 60: counts strangers apart', async () => {
        const before = sw().refusals().get('strangers')?.packets ?? 0;
        from1('stranger', '02:00:00:00:01:33');
        await until('counted', () => (sw().refusals().get('strangers')?.packets ?? 0) === before + 1);
      });
    });

    describe('frames', () => {
      it('reports EAPOL to the group address and to a unicast MAC of a bridged port', async () => {
        const start = Uint8Array.of(1, 1, 0, 0);
        rig.taps.h1.send('eth0', ethernet('01:80:c2:00:00:03', HOST1, 0x888e, start));
        rig.taps.h1.send('eth0', ethernet(sw().macOf('swp1') ?? '', HOST1, 0x888e, start));
        await until('two frames', () => rig.frames().length === 2);
        for (const event of rig.frames()) {
          expect(event).toMatchObject({ port: 'swp1', vlan: 0 });
          expect(toHex(event.frame.subarray(12))).toBe('888e01010000');
        }
      });

      it('takes the VLAN tag off and names it, and puts it on', async () => {
        const report = ip('10.0.0.1', HOST1, '239.1.1.1', 2, igmp('v2', '239.1.1.1'), 1);
        const tag = Uint8Array.of(0x81, 0x00, 0x60 | 0x0, 0x2a);
        rig.taps.h1.send('eth0', concatBytes(report.subarray(0, 12), tag, report.subarray(12)));
        rig.taps.h1.send(
          'eth0',
          concatBytes(report.subarray(0, 12), Uint8Array.of(0x81, 0, 0x60, 0), report.subarray(12)),
        );
        await until('two frames', () => rig.frames().length === 2);
        expect(rig.frames().map(({ vlan, frame }) => [vlan, Buffer.compare(frame, report)])).toEqual([
          [42, 0],
          [0, 0],
        ]);
        rig.clear();
        const frame = ethernet(
          HOST1,
          sw().macOf('swp1') ?? '',
          0x888e,
          Uint8Array.of(3, 0, 0, 4, 1, 1, 0, 4),
        );
        expect(sw().sendFrame('swp1', 0, frame)).toBeUndefined();
        expect(sw().sendFrame('swp1', 42, frame)).toBeUndefined();
        await until('both', () => rig.taps.h1.frames.length >= 2);
        expect(rig.taps.h1.frames.map(({ frame: each }) => Buffer.compare(each, frame))).toContain(0);
        expect(rig.frames()).toEqual([]);
      });

      it('counts what it saw, and loses none of a burst', async () => {
        const seen = sw().captureStatistics().seen;
        const report = ip('10.0.0.1', HOST1, '239.1.1.1', 2, igmp('v2', '239.1.1.1'), 1);
        for (let i = 0; i < 5000; i++) rig.taps.h1.send('eth0', report);
        const reports = () => rig.events.filter((event) => event.kind === 'frame' && event.frame[23] === 2);
        await until('all', () => reports().length >= 5000);
        expect(reports()).toHaveLength(5000);
        expect(sw().captureStatistics()).toMatchObject({ dropped: 0 });
        expect(sw().captureStatistics().seen - seen).toBeGreaterThanOrEqual(5000);
      });
    });
  },
);

describe.skipIf(reason !== undefined)(`the way of kernels before 6.3 ${reason ?? ''}`, () => {
  let rig: SwitchRig;

  beforeEach(async () => {
    rig = await SwitchRig.create('cgt-fk', 'table');
  });
  afterEach(() => rig.dispose());

  const lines = async () =>
    (await rig.sw('bridge -d mdb show dev br0'))
      .split('\n')
      .filter((line) => /swp[12].*permanent/.test(line))
      .sort();

  it('makes one plain entry a group, touches no limit, and leaves nothing behind', async () => {
    const limit = async () =>
      /mcast_max_groups (\d+)/.exec(await rig.sw('bridge -d link show dev swp1'))?.[1];
    const before = await limit();
    const sw = rig.start({ maxGroupsPerPort: 3 });
    const include = { mode: 'include', sources: ['10.0.0.9', '10.0.0.8'] } as const;
    sw.setForwarding('swp1', 0, '232.1.1.1', include);
    sw.setForwarding('swp1', 0, '232.1.1.1', { ...include, sources: ['10.0.0.9'] });
    sw.setForwarding('swp2', 0, '239.1.1.1', ANY);
    expect(await lines()).toHaveLength(2);
    expect((await lines()).join()).not.toMatch(/proto 202|source_list|src/);
    expect(await limit()).toBe(before);
    expect(sw.audit()).toEqual([]);
    rig.taps.up.send('eth0', udp('10.0.0.8', SOURCE, '232.1.1.1', 'other source'));
    await until('counted', () => sw.refusals().get('other_sources')?.packets === 1);
    sw.stop({ cleanup: true });
    expect(await lines()).toEqual([]);
  });

  it('puts its entries right, and takes over what it was told to keep', async () => {
    const sw = rig.start();
    const filter = { mode: 'include', sources: ['10.0.0.9'] } as const;
    sw.setForwarding('swp1', 0, '232.1.1.1', filter);
    sw.setForwarding('swp1', 0, '239.1.1.1', ANY);
    const good = await lines();
    for (const damage of [
      'bridge mdb del dev br0 port swp1 grp 232.1.1.1 permanent',
      'bridge mdb del dev br0 port swp1 grp 239.1.1.1; bridge mdb add dev br0 port swp1 grp 239.1.1.1 temp',
      'bridge mdb add dev br0 port swp2 grp 239.1.1.9 permanent',
      `nft flush set bridge castgate included4`,
      `nft add element bridge castgate excluded4 '{ "swp1" . 239.1.1.1 . 10.0.0.9 }'`,
      `nft delete element bridge castgate include4 '{ "swp1" . 232.1.1.1 }'`,
    ]) {
      await rig.sw(damage).catch(() => undefined);
      sw.audit();
      expect(await lines(), damage).toEqual(good);
      expect(sw.audit(), damage).toEqual([]);
    }
    sw.stop({ cleanup: false });
    // What the other way left of the channel says the sources, and gives way.
    rig.start({ sourcesIn: 'database' }).setForwarding('swp1', 0, '232.1.1.1', filter);
    expect((await lines()).join()).toMatch(/232.1.1.1 permanent filter_mode include source_list 10.0.0.9/);
    rig.switch?.stop({ cleanup: false });
    const next = rig.make();
    rig.switch = next;
    rig.lab.within('sw', () =>
      next.start({ hosts: [], channels: [{ port: 'swp1', vlan: 0, group: '232.1.1.1', filter }] }),
    );
    expect(await lines()).toEqual(good.filter((line) => line.includes('232.1.1.1')));
    rig.taps.up.send('eth0', udp('10.0.0.8', SOURCE, '232.1.1.1', 'eight'));
    rig.taps.up.send('eth0', udp('10.0.0.9', SOURCE, '232.1.1.1', 'nine'));
    await until('the source', () => rig.taps.h1.withText('nine').length === 1);
    expect(rig.taps.h1.withText('eight')).toHaveLength(0);
  });
});

describe.skipIf(reason !== undefined)(`options of a LinuxSwitch ${reason ?? ''}`, () => {
  let rig: SwitchRig;

  beforeEach(async () => {
    rig = await SwitchRig.create('cgt-fo');
  });
  afterEach(() => rig.dispose());

  it('lets broadcasts out of a closed port where only the incoming direction is controlled', async () => {
    rig.start({ controlledDirections: 'in' });
    rig.taps.up.send('eth0', udp('10.0.0.9', SOURCE, '10.0.0.255', 'wake up', 'ff:ff:ff:ff:ff:ff'));
    await until('heard', () => rig.taps.h1.withText('wake up').length === 1);
    rig.taps.h1.send('eth0', udp('10.0.0.1', HOST1, '10.0.0.9', 'not yet', SOURCE));
    await pause(30);
    expect(rig.taps.up.withText('not yet')).toHaveLength(0);
    rig.switch?.openHost(host1);
    rig.switch?.closeHost(host1);
    rig.taps.up.send('eth0', udp('10.0.0.9', SOURCE, '10.0.0.255', 'once more', 'ff:ff:ff:ff:ff:ff'));
    await until('heard again', () => rig.taps.h1.withText('once more').length === 1);
  });

  it('lets everybody on an open port in, but no multicast beyond the link without a grant', async () => {
    const sw = rig.start({ openPorts: ['swp1'] });
    const other = '02:00:00:00:01:0f';
    expect(await rig.sw('bridge -d link show dev swp1')).toMatch(/learning on .*locked off/s);
    expect(await rig.sw('bridge -d link show dev swp2')).toMatch(/learning off .*locked on/s);

    // Real hosts: their kernels find each other by ARP and neighbour discovery, begun by either side.
    for (const host of ['h1', 'up'] as const) await rig.ipv6At(host);
    await rig.lab.shell('h1', 'ip addr add 10.0.0.1/24 dev eth0; ip addr add 2001:db8::1/64 dev eth0 nodad');
    await rig.lab.shell('up', 'ip addr add 10.0.0.9/24 dev eth0; ip addr add 2001:db8::9/64 dev eth0 nodad');
    const datagram = (from: 'h1' | 'up', to: string) =>
      rig.lab.exec(from, 'bash', '-c', `echo "from ${from} to ${to}" > /dev/udp/${to}/9`);
    const heardAt = (where: 'h1' | 'up', text: string) => rig.taps[where].withText(text).length;
    for (const address of ['10.0.0.1', '2001:db8::1']) {
      await until(`${address} is found`, async () => {
        await datagram('up', address);
        await pause(50);
        return heardAt('h1', `from up to ${address}`) > 0;
      });
    }
    await rig.lab.exec('h1', 'ip', 'neigh', 'flush', 'all');
    for (const address of ['10.0.0.9', '2001:db8::9']) {
      await datagram('h1', address);
      await until(`${address} is found`, () => heardAt('up', `from h1 to ${address}`) > 0);
    }

    // A second host, one that was never heard, and the closed port beside.
    rig.taps.h1.send('eth0', udp('10.0.0.2', other, '10.0.0.9', 'second host', SOURCE));
    await until('it is in', () => rig.taps.up.withText('second host').length === 1);
    rig.taps.up.send('eth0', udp('10.0.0.9', SOURCE, '10.0.0.2', 'answer', other));
    rig.taps.up.send('eth0', udp('10.0.0.9', SOURCE, '10.0.0.3', 'to a silent host', '02:00:00:00:0f:0f'));
    rig.taps.h2.send('eth0', udp('10.0.0.4', HOST2, '10.0.0.9', 'closed', SOURCE));
    const heard1 = (text: string) => rig.taps.h1.withText(text).length;
    await until('both', () => heard1('answer') + heard1('to a silent host') === 2);
    expect(rig.taps.up.withText('closed')).toHaveLength(0);
    expect(rig.taps.h2.withText('to a silent host')).toHaveLength(0);

    // Joins are castgate's to judge; what it does not grant does not flow, and nobody sends channels.
    rig.events.length = 0;
    rig.taps.h1.send('eth0', ip('10.0.0.2', other, '239.1.1.1', 2, igmp('v2', '239.1.1.1'), 1));
    rig.taps.h1.send('eth0', udp('10.0.0.2', other, '239.1.1.1', 'as a sender'));
    await until('the join is reported', () =>
      rig.events.some((event) => event.kind === 'frame' && event.frame[23] === 2),
    );
    rig.taps.up.send('eth0', udp('10.0.0.9', SOURCE, '239.1.1.1', 'not granted'));
    await pause(50);
    expect(heard1('not granted')).toBe(0);
    expect(rig.taps.up.withText('as a sender')).toHaveLength(0);
    expect(await rig.sw('bridge mdb show dev br0')).not.toContain('239.1.1.1');
    sw.setForwarding('swp1', 0, '239.1.1.1', ANY);
    rig.taps.up.send('eth0', udp('10.0.0.9', SOURCE, '239.1.1.1', 'granted'));
    await until('granted', () => heard1('granted') === 1);

    // What the port learned is no damage; a lock is.
    expect(sw.audit()).toEqual([]);
    expect(await rig.sw('bridge fdb show dev swp1')).toContain(other);
    await rig.sw('bridge link set dev swp1 locked on learning off');
    await until('put right', async () =>
      /learning on .*locked off/s.test(await rig.sw('bridge -d link show dev swp1')),
    );

    // Its hosts' groups of the link go with the link.
    expect(await rig.sw('bridge mdb show dev br0')).toContain('swp1 grp ff02::1:ff00:1 permanent');
    await rig.lab.exec('h1', 'ip', 'link', 'set', 'eth0', 'down');
    await until('gone', async () => !(await rig.sw('bridge mdb show dev br0')).includes('swp1 grp ff02:'));

    // Locked again at the next start: what was learned does not stay.
    await rig.lab.exec('h1', 'ip', 'link', 'set', 'eth0', 'up');
    sw.stop({ cleanup: false });
    rig.start();
    expect(await rig.sw(`bridge fdb show dev swp1 | grep -v permanent || true`)).toBe('');
  });

  it('refuses a group above the limit of the port, with nothing left of it', async () => {
    const sw = rig.start({ maxGroupsPerPort: 3 });
    for (let i = 1; i <= 3; i++) expect(sw.setForwarding('swp1', 0, `239.1.1.${i}`, ANY)).toBeUndefined();
    expect(sw.setForwarding('swp1', 0, '239.1.1.4', ANY)).toMatchObject({
      failed: expect.stringContaining('3 groups'),
    });
    expect(await rig.sw('nft list set bridge castgate channels4')).not.toContain('239.1.1.4');
    expect(sw.setForwarding('swp2', 0, '239.1.1.4', ANY)).toBeUndefined();
    sw.clearForwarding('swp1', 0, '239.1.1.1');
    expect(sw.setForwarding('swp1', 0, '239.1.1.4', ANY)).toBeUndefined();
  });

  it('refuses to tell IPv6 sources apart while the bridge has no IPv6 address, and does it from then on', async () => {
    await rig.sw(
      'ip link set br0 down; echo 1 > /proc/sys/net/ipv6/conf/br0/disable_ipv6; ip link set br0 up',
    );
    const sw = rig.start();
    const filter = { mode: 'include', sources: ['2001:db8::9'] } as const;
    expect(sw.setForwarding('swp1', 0, 'ff3e::1', filter)).toMatchObject({ errno: 'EADDRNOTAVAIL' });
    expect(sw.setForwarding('swp1', 0, 'ff3e::2', ANY)).toBeUndefined();
    rig.taps.up.send('eth0', udp('2001:db8::9', SOURCE, 'ff3e::2', 'any source'));
    await until('any source', () => rig.taps.h1.withText('any source').length === 1);
    await rig.sw('echo 0 > /proc/sys/net/ipv6/conf/br0/disable_ipv6');
    await until('it can', () => sw.setForwarding('swp1', 0, 'ff3e::1', filter) === undefined, 4000);
    await pause(50);
    rig.taps.up.send('eth0', udp('2001:db8::8', SOURCE, 'ff3e::1', 'wrong source'));
    rig.taps.up.send('eth0', udp('2001:db8::9', SOURCE, 'ff3e::1', 'right source'));
    await until('the source', () => rig.taps.h1.withText('right source').length === 1);
    expect(rig.taps.h1.withText('wrong source')).toHaveLength(0);
  });
});
