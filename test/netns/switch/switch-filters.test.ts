/** Packet filters of hosts on a real bridge: each MAC address by its own rules, in both directions, IPv4 and IPv6. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseFilterRule } from '../../../auth/filter/ip-filter-rule.ts';
import type { FilterRule } from '../../../session/filter-rule.ts';
import type { SwitchOperation } from '../../../switch/switch.ts';
import { concatBytes } from '../../../wire/bytes.ts';
import { until, whyNoNamespaces } from '../namespaces.ts';
import { HOST1, HOST2, SOURCE, SwitchRig } from './switch-rig.ts';
import { ethernet, ip } from './tap.ts';

const reason = whyNoNamespaces();
const host1 = { port: 'swp1', vlan: 0, mac: HOST1 };
const host2 = { port: 'swp2', vlan: 0, mac: HOST2 };
const [TCP, UDP, ICMP, ICMPV6] = [6, 17, 1, 58];
/** Flags of TCP. */
const [SYN, ACK, RST] = [0x02, 0x10, 0x04];

function rules(...texts: readonly string[]): FilterRule[] {
  return texts.map((text) => {
    const rule = parseFilterRule(text);
    if ('problem' in rule) throw new Error(`${text}: ${rule.problem}`);
    return rule;
  });
}

const bytesOf = (text: string) => new TextEncoder().encode(text);
const port = (number: number) => Uint8Array.of(number >> 8, number & 0xff);

function tcp(to: number, flags: number, text: string, from = 40000): Uint8Array {
  const rest = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0x50, flags, 0, 0, 0, 0, 0, 0);
  return concatBytes(port(from), port(to), rest, bytesOf(text));
}

function udp(to: number, text: string, from = 40000): Uint8Array {
  return concatBytes(port(from), port(to), port(8 + text.length), Uint8Array.of(0, 0xff), bytesOf(text));
}

function icmp(type: number, text: string): Uint8Array {
  return concatBytes(Uint8Array.of(type, 0, 0, 0, 0, 0, 0, 0), bytesOf(text));
}

/** An IPv4 packet with the fields of fragmentation set: flags and offset in units of eight octets. */
function fragment(offset: number, more: boolean, body: Uint8Array): Uint8Array {
  const frame = Uint8Array.from(ip('10.0.0.1', HOST1, '192.0.2.1', TCP, body, 16, SOURCE));
  frame[20] = (more ? 0x20 : 0) | (offset >> 8);
  frame[21] = offset & 0xff;
  // The header's checksum, over what was changed.
  frame[24] = frame[25] = 0;
  let sum = 0;
  for (let at = 14; at < 34; at += 2) sum += ((frame[at] ?? 0) << 8) | (frame[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  frame[24] = (~sum >> 8) & 0xff;
  frame[25] = ~sum & 0xff;
  return frame;
}

describe.skipIf(reason !== undefined)(`packet filters of hosts ${reason ?? ''}`, () => {
  let rig: SwitchRig;
  beforeAll(async () => {
    rig = await SwitchRig.create('cgt-fi');
    rig.start();
  });
  afterAll(() => rig.dispose());
  beforeEach(() => rig.clear());
  afterEach(() => {
    for (const host of [host1, host2, { ...host1, mac: HOST2 }]) sw().closeHost(host);
  });

  const sw = () => {
    if (rig.switch === undefined) throw new Error('no switch');
    return rig.switch;
  };
  const open = (...texts: readonly string[]) => sw().openHost({ ...host1, filter: rules(...texts) });
  let count = 0;
  /** Whether a frame of host 1 comes out of the uplink; what passes every filter goes behind it. */
  const leaves = async (make: (text: string) => Uint8Array) => {
    const [text, after] = [`packet ${++count};`, `after ${count};`];
    rig.taps.h1.send('eth0', make(text));
    rig.taps.h1.send('eth0', ethernet(SOURCE, HOST1, 0x0806, arp(after)));
    await until('what is behind it', () => rig.taps.up.withText(after).length === 1);
    return rig.taps.up.withText(text).length === 1;
  };
  /** The same towards the host. */
  const comes = async (make: (text: string) => Uint8Array) => {
    const [text, after] = [`packet ${++count};`, `after ${count};`];
    rig.taps.up.send('eth0', make(text));
    rig.taps.up.send('eth0', ethernet(HOST1, SOURCE, 0x0806, arp(after)));
    await until('what is behind it', () => rig.taps.h1.withText(after).length === 1);
    return rig.taps.h1.withText(text).length === 1;
  };
  const arp = (text: string) =>
    concatBytes(Uint8Array.of(0, 1, 8, 0, 6, 4, 0, 9), new Uint8Array(20), bytesOf(text));
  const from = (
    to: string,
    protocol: number,
    body: Uint8Array,
    source = to.includes(':') ? 'fd00::1' : '10.0.0.1',
  ) => ip(source, HOST1, to, protocol, body, 16, SOURCE);
  const to = (source: string, protocol: number, body: Uint8Array) =>
    ip(source, SOURCE, source.includes(':') ? 'fd00::1' : '10.0.0.1', protocol, body, 16, HOST1);
  const chains = async () => {
    const text = await rig.sw('nft list table bridge castgate');
    return [...text.matchAll(/chain (filter_\w+) \{/g)].map(([, name]) => name);
  };

  it('the first rule that matches decides; what none matches is dropped behind a permit, passed behind a deny', async () => {
    expect(
      open(
        'deny in tcp from any to 192.0.2.1 23',
        'permit in tcp from any to 192.0.2.0/24 20-25,80',
        'permit in udp from any to any 53',
      ),
    ).toBeUndefined();
    expect(await leaves((text) => from('192.0.2.1', TCP, tcp(23, SYN, text)))).toBe(false);
    expect(await leaves((text) => from('192.0.2.2', TCP, tcp(23, SYN, text)))).toBe(true);
    expect(await leaves((text) => from('192.0.2.1', TCP, tcp(80, SYN, text)))).toBe(true);
    expect(await leaves((text) => from('192.0.2.1', TCP, tcp(81, SYN, text)))).toBe(false);
    expect(await leaves((text) => from('192.0.3.1', TCP, tcp(80, SYN, text)))).toBe(false);
    expect(await leaves((text) => from('198.51.100.9', UDP, udp(53, text)))).toBe(true);
    expect(await leaves((text) => from('2001:db8::9', UDP, udp(53, text)))).toBe(true);
    expect(await leaves((text) => from('2001:db8::9', UDP, udp(54, text)))).toBe(false);
    expect(await leaves((text) => from('192.0.2.1', ICMP, icmp(8, text)))).toBe(false);
    expect(await leaves((text) => ethernet(SOURCE, HOST1, 0x8863, bytesOf(text.padEnd(46))))).toBe(false);
    // Nothing was said of the way to the host.
    expect(await comes((text) => to('192.0.2.1', TCP, tcp(1, SYN, text)))).toBe(true);
    expect(sw().refusals().get('filtered')?.packets).toBe(6);

    open('permit in tcp from any to any', 'deny in udp from any to any');
    expect(await leaves((text) => from('192.0.2.1', UDP, udp(53, text)))).toBe(false);
    expect(await leaves((text) => from('192.0.2.1', ICMP, icmp(8, text)))).toBe(true);
    expect(await leaves((text) => ethernet(SOURCE, HOST1, 0x8863, bytesOf(text.padEnd(46))))).toBe(true);
  });

  it('IPv6, both directions, addresses of one family and all but one prefix', async () => {
    open(
      'permit in ip from any to 2001:db8:1::/48',
      'permit in tcp from 10.0.0.1 to !192.0.2.0/24 443',
      'permit out tcp from 2001:db8:1::/48 80 to any',
      'deny out ip from any to any',
    );
    expect(await leaves((text) => from('2001:db8:1::9', UDP, udp(9, text)))).toBe(true);
    expect(await leaves((text) => from('2001:db8:2::9', UDP, udp(9, text)))).toBe(false);
    expect(await leaves((text) => from('192.0.2.9', TCP, tcp(443, SYN, text)))).toBe(false);
    expect(await leaves((text) => from('198.51.100.9', TCP, tcp(443, SYN, text)))).toBe(true);
    expect(await leaves((text) => from('198.51.100.9', TCP, tcp(443, SYN, text), '10.0.0.2'))).toBe(false);
    expect(await comes((text) => to('2001:db8:1::9', TCP, tcp(40000, ACK, text, 80)))).toBe(true);
    expect(await comes((text) => to('2001:db8:1::9', TCP, tcp(40000, ACK, text, 81)))).toBe(false);
    expect(await comes((text) => to('192.0.2.9', TCP, tcp(40000, ACK, text, 80)))).toBe(false);
  });

  it('flags of TCP and types of ICMP', async () => {
    open(
      'permit in tcp from any to any 80 setup',
      'permit in tcp from any to any established',
      'permit in tcp from any to any 9 tcpflags fin,!syn',
      'permit in icmp from any to any icmptypes 0,8',
      'permit in 58 from any to any icmptypes 128-129',
    );
    const flags =
      (value: number, number = 80) =>
      (text: string) =>
        from('192.0.2.1', TCP, tcp(number, value, text));
    expect(await leaves(flags(SYN))).toBe(true);
    expect(await leaves(flags(SYN, 81))).toBe(false);
    expect(await leaves(flags(SYN | ACK, 81))).toBe(true);
    expect(await leaves(flags(RST, 81))).toBe(true);
    expect(await leaves(flags(0, 81))).toBe(false);
    expect(await leaves(flags(0x01, 9))).toBe(true);
    expect(await leaves(flags(0x03, 9))).toBe(false);
    expect(await leaves((text) => from('192.0.2.1', ICMP, icmp(8, text)))).toBe(true);
    expect(await leaves((text) => from('192.0.2.1', ICMP, icmp(13, text)))).toBe(false);
    expect(await leaves((text) => from('2001:db8::1', ICMPV6, icmp(128, text)))).toBe(true);
    expect(await leaves((text) => from('2001:db8::1', ICMPV6, icmp(130, text)))).toBe(false);
  });

  it('a deny cannot be walked around by fragments or headers that are cut short', async () => {
    open(
      'deny in tcp from any to any 23',
      'deny in ip from any to 192.0.2.7 frag',
      'permit in ip from any to any',
    );
    const whole = tcp(23, SYN, '');
    expect(await leaves((text) => fragment(0, true, concatBytes(whole, bytesOf(text))))).toBe(false);
    // The first eight octets have the port, and not the flags: no filter can tell what it begins.
    expect(
      await leaves((text) =>
        fragment(0, true, concatBytes(port(40000), bytesOf(text.padStart(12)).subarray(0, 6))),
      ),
    ).toBe(false);
    expect(await leaves((text) => fragment(1, false, bytesOf(text.padEnd(24))))).toBe(false);
    expect(await leaves((text) => fragment(40, false, bytesOf(text.padEnd(24))))).toBe(true);
    // The headers of IPv6 go on in a fragment that is still to come.
    const cut = (text: string) =>
      from(
        '2001:db8::1',
        44,
        concatBytes(Uint8Array.of(60, 0, 0, 1, 0, 0, 0, 9, TCP, 9, 1, 4), bytesOf(text.padEnd(12))),
      );
    expect(await leaves(cut)).toBe(false);
  });

  it('addresses are found under every filter: ARP, and neighbour discovery that no router forwarded', async () => {
    open('deny in ip from any to any', 'permit in tcp from any to any 1', 'permit out tcp from any to any 1');
    const discovery = (type: number, hops: number) => (text: string) =>
      ip('fe80::1', HOST1, 'fe80::9', ICMPV6, icmp(type, text), hops, SOURCE);
    expect(await leaves(discovery(135, 255))).toBe(true);
    expect(await leaves(discovery(136, 255))).toBe(true);
    expect(await leaves(discovery(135, 64))).toBe(false);
    expect(await leaves(discovery(134, 255))).toBe(false);
    expect(await comes((text) => ip('fe80::9', SOURCE, 'fe80::1', ICMPV6, icmp(134, text), 255, HOST1))).toBe(
      true,
    );
  });

  it('a filter is of one address, changes at once, and goes with the host; equal ones are one chain', async () => {
    const telnet = (mac: string) => (text: string) =>
      ip('10.0.0.1', mac, '192.0.2.1', TCP, tcp(23, SYN, text), 16, SOURCE);
    open('deny in tcp from any to any 23');
    sw().openHost({ ...host1, mac: HOST2 });
    expect(await leaves(telnet(HOST1))).toBe(false);
    expect(await leaves(telnet(HOST2))).toBe(true);
    open('deny in tcp from any to any 24');
    expect(await leaves(telnet(HOST1))).toBe(true);
    expect(await chains()).toHaveLength(1);
    sw().openHost({ ...host1, mac: HOST2, filter: rules('deny in tcp from any to any 24') });
    expect(await chains()).toHaveLength(1);
    sw().openHost(host1);
    expect(await chains()).toHaveLength(1);
    sw().closeHost({ ...host1, mac: HOST2 });
    expect(await chains()).toEqual([]);
    // The table has no VLANs: another filter of the same address there would be its filter here.
    open('deny in tcp from any to any 23');
    expect(sw().openHost({ ...host1, vlan: 7 })?.errno).toBe('EEXIST');
    expect(sw().audit()).toEqual([]);
  });

  it('what others change of filters is put right', async () => {
    open('deny in tcp from any to any 23', 'permit out ip from any to any');
    const [name] = await chains();
    const telnet = (text: string) => from('192.0.2.1', TCP, tcp(23, SYN, text));
    await rig.sw(`nft flush chain bridge castgate ${name}`);
    expect(await leaves(telnet)).toBe(true);
    expect(sw().audit()).toEqual(['nftables sets: 1 put back']);
    expect(await leaves(telnet)).toBe(false);
    await rig.sw(`nft insert rule bridge castgate ${name} accept`);
    await rig.sw(`nft delete element bridge castgate filters_in '{ "swp1" . ${HOST1} }'`);
    await rig.sw('nft add chain bridge castgate filter_in_of_nobody');
    expect(sw().audit()).toEqual(['nftables sets: 2 put back, 1 removed']);
    expect(await leaves(telnet)).toBe(false);
    await rig.sw('nft delete table bridge castgate');
    sw().audit();
    expect(await leaves(telnet)).toBe(false);
    expect(sw().audit()).toEqual([]);
  });

  it('many at once, as at a takeover; and a daemon that starts again goes on with them', async () => {
    const host = (number: number) => ({ port: 'swp1', vlan: 0, mac: `02:00:00:00:0a:0${number}` });
    const opening = (number: number, ...texts: string[]): SwitchOperation => ({
      kind: 'open-host',
      host: { ...host(number), filter: rules(...texts) },
    });
    await rig.sw(`bridge fdb add ${host(2).mac} dev up0 master static`);
    const failed = sw().applyAll([
      opening(1, 'deny in tcp from any to any 23'),
      opening(2, 'deny in tcp from any to any 24'),
      opening(3, 'deny in tcp from any to any 23'),
      opening(4, 'permit in tcp from any to any 23', 'permit out ip from any to any'),
      opening(1, 'deny in tcp from any to any 25'),
    ]);
    expect(failed.map(({ failure }) => failure.errno)).toEqual(['EEXIST']);
    await rig.sw(`bridge fdb del ${host(2).mac} dev up0 master static`);
    sw().audit();
    expect(await chains()).toHaveLength(4);
    const close = [1, 3, 4].map((number): SwitchOperation => ({ kind: 'close-host', host: host(number) }));
    expect(sw().applyAll(close)).toEqual([]);
    expect(await chains()).toEqual([]);

    const filter = rules('deny in tcp from any to any 23');
    sw().openHost({ ...host1, filter });
    sw().openHost({ ...host2, filter: rules('deny in tcp from any to any 24') });
    sw().stop({ cleanup: false });
    const next = rig.make();
    rig.switch = next;
    rig.lab.within('sw', () =>
      next.start({ hosts: [{ ...host1, filter: structuredClone(filter) }], channels: [] }),
    );
    expect(await chains()).toHaveLength(1);
    expect(await leaves((text) => from('192.0.2.1', TCP, tcp(23, SYN, text)))).toBe(false);
    expect(await leaves((text) => from('192.0.2.1', TCP, tcp(24, SYN, text)))).toBe(true);
  });
});
