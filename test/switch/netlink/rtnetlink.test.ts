/**
 * Messages to the bridge, octet by octet. Where iproute2 6.1 can say the same, the vector is what it sends
 * (strace -e write=all), with sequence 0; that covers VLAN numbers too, on a kernel without them.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeFdb,
  encodeCloseMac,
  encodeDumpFdb,
  encodeFindMac,
  encodeOpenMac,
} from '../../../switch/linux/netlink/fdb.ts';
import {
  BridgeOption,
  decodeLink,
  encodeClearPortVlan,
  encodeDumpPortVlans,
  encodeGetLink,
  encodeSetBridge,
  encodeSetMaster,
  encodeSetPort,
  encodeSetPortVlan,
  optionOf,
  PortFlag,
  querierState,
  vlanInBridge,
} from '../../../switch/linux/netlink/link.ts';
import {
  decodeMdb,
  encodeAddGroup,
  encodeClearMembership,
  encodeDumpMdb,
  encodeSetMembership,
} from '../../../switch/linux/netlink/mdb.ts';
import { littleEndian, type Message, messages } from '../../../switch/linux/netlink/message.ts';
import { fromHex, toHex } from '../../../wire/bytes.ts';

const hex = (...lines: string[]) => lines.join('').replaceAll(/\s/g, '');
const read = (...lines: string[]): Message[] => [...messages(fromHex(lines.join('')) ?? new Uint8Array(0))];

describe.skipIf(!littleEndian)('where a port belongs', () => {
  it('makes it a port of a bridge as `ip link set … master`', () => {
    expect(toHex(encodeSetMaster(4, 2))).toBe(
      hex('28000000 1000 0500 00000000 00000000', '00000000 04000000 00000000 00000000', '08000a00 02000000'),
    );
  });

  it('puts it into a VLAN as `bridge vlan add … vid 42 pvid untagged`, but for the mark of a nest', () => {
    expect(toHex(encodeSetPortVlan(4, 42))).toBe(
      hex(
        '2c000000 1300 0500 00000000 00000000',
        '07000000 04000000 00000000 00000000',
        '0c001a80 08000200 06002a00',
      ),
    );
  });

  it('takes it out of a VLAN as `bridge vlan del … vid 42`, but for the mark of a nest', () => {
    expect(toHex(encodeClearPortVlan(4, 42))).toBe(
      hex(
        '2c000000 1100 0500 00000000 00000000',
        '07000000 04000000 00000000 00000000',
        '0c001a80 08000200 00002a00',
      ),
    );
  });
});

describe.skipIf(!littleEndian)('MAC table', () => {
  it('opens a MAC as `bridge fdb replace … master static sticky`, but for NUD_REACHABLE', () => {
    expect(toHex(encodeOpenMac(11, 0, '02:00:00:00:01:01', 'replace'))).toBe(
      hex('28000000 1c00 0505 00000000 00000000', '07000000 0b000000 4000 44 00 0a000200 02000000 01010000'),
    );
  });

  it('opens a MAC in a VLAN as `bridge fdb add … master static sticky vlan 10`', () => {
    expect(toHex(encodeOpenMac(11, 10, '02:00:00:00:01:02', 'create'))).toBe(
      hex(
        '30000000 1c00 0506 00000000 00000000',
        '07000000 0b000000 4000 44 00 0a000200 02000000 01020000 06000500 0a000000',
      ),
    );
  });

  it('closes, finds and lists', () => {
    expect(toHex(encodeCloseMac(11, 0, '02:00:00:00:01:01'))).toBe(
      hex('28000000 1d00 0500 00000000 00000000', '07000000 0b000000 0000 04 00 0a000200 02000000 01010000'),
    );
    expect(toHex(encodeCloseMac(11, 10, '02:00:00:00:01:01'))).toContain(hex('06000500 0a000000'));
    // `bridge fdb get 02:00:00:00:01:01 br br0`
    expect(toHex(encodeFindMac(10, 0, '02:00:00:00:01:01'))).toBe(
      hex(
        '30000000 1e00 0100 00000000 00000000',
        '07000000 00000000 0000 00 00 0a000200 02000000 01010000 08000900 0a000000',
      ),
    );
    expect(toHex(encodeDumpFdb(10, 11))).toBe(
      hex('24000000 1e00 0103 00000000 00000000', '07000000 0b000000 0000 00 00 08000900 0a000000'),
    );
  });

  it('reads what the kernel says: static and sticky, local, learned in a VLAN, and not a list of the device', () => {
    const entries = read(
      '4c0000001c000200000000000f06dccf0700000003000000400040000a0002000200000001010000080009000200000008000f00',
      '0000000014000300000000000000000000000000000000004c0000001c000200000000000f06dccf0700000003000000800000000a',
      '0002009a82ffeeee570000080009000200000008000f000000000014000300000000000700000007000000000000002800000',
      '01c000200000000000f06dccf0700000003000000800002000a000200333300000001000038',
      '0000001c000000000000000000000007000000030000000200000 00a000200020000000209000008000900020000000600050 00a000000',
    ).map(decodeFdb);
    expect(entries).toEqual([
      { port: 3, vlan: 0, mac: '02:00:00:00:01:01', kind: 'static', sticky: true },
      { port: 3, vlan: 0, mac: '9a:82:ff:ee:ee:57', kind: 'local', sticky: false },
      undefined,
      { port: 3, vlan: 10, mac: '02:00:00:00:02:09', kind: 'learned', sticky: false },
    ]);
  });
});

describe.skipIf(!littleEndian)('multicast database', () => {
  it('sets any source for a group in a VLAN: `bridge mdb add … permanent vid 10`, with mode and protocol', () => {
    expect(toHex(encodeSetMembership(10, 11, 10, '239.1.1.1', { mode: 'exclude', sources: [] }))).toBe(
      hex(
        '4c000000 5400 0505 00000000 00000000 07000000 0a000000',
        '20000100 0b000000 01 00 0a00 ef010101 00000000 00000000 00000000 0800 0000',
        '14000280 05000300 00000000 05000400 ca000000',
      ),
    );
  });

  it('sets sources, of IPv6 too', () => {
    const filter = { mode: 'include', sources: ['10.0.0.9', '10.0.0.8'] } as const;
    expect(toHex(encodeSetMembership(10, 11, 0, '232.1.1.1', filter))).toBe(
      hex(
        '68000000 5400 0505 00000000 00000000 07000000 0a000000',
        '20000100 0b000000 01 00 0000 e8010101 00000000 00000000 00000000 0800 0000',
        '30000280 05000300 01000000 05000400 ca000000',
        '1c000280 0c000180 08000100 0a000009 0c000180 08000100 0a000008',
      ),
    );
    const six = { mode: 'exclude', sources: ['2001:db8::9'] } as const;
    expect(toHex(encodeSetMembership(10, 11, 0, 'ff3e::1', six))).toBe(
      hex(
        '68000000 5400 0505 00000000 00000000 07000000 0a000000',
        '20000100 0b000000 01 00 0000 ff3e0000 00000000 00000000 00000001 86dd 0000',
        '30000280 05000300 00000000 05000400 ca000000',
        '1c000280 18000180 14000100 20010db8 00000000 00000000 00000009',
      ),
    );
  });

  it('adds a plain group for kernels before 6.3 as `bridge mdb add … permanent`', () => {
    expect(toHex(encodeAddGroup(10, 11, 10, '239.1.1.1'))).toBe(
      hex(
        '38000000 5400 0506 00000000 00000000 07000000 0a000000',
        '20000100 0b000000 01 00 0a00 ef010101 00000000 00000000 00000000 0800 0000',
      ),
    );
  });

  it('clears as `bridge mdb del`, with a source as (S,G)', () => {
    expect(toHex(encodeClearMembership(10, 11, 0, 'ff3e::1'))).toBe(
      hex(
        '38000000 5500 0500 00000000 00000000 07000000 0a000000',
        '20000100 0b000000 01 00 0000 ff3e0000 00000000 00000000 00000001 86dd 0000',
      ),
    );
    expect(toHex(encodeClearMembership(10, 11, 0, '232.1.1.1', '10.0.0.9'))).toMatch(
      /0c000280080001000a000009$/,
    );
    expect(toHex(encodeDumpMdb())).toBe(hex('18000000 5600 0103 00000000 00000000 07000000 00000000'));
  });

  it('reads a dump of the kernel', () => {
    const [message] = read(
      'e801000056000200000000000f06dccf0000000002000000a4010100500001004c0001000400000001080000ff3e00000000000000',
      '0000000000000186dd000008000100000000001400040020010db800000000000000000000000905000500ca0000000500030001000',
      '000600001005c0001000400000001000000ff3e000000000000000000000000000186dd0000080001000000000005000500ca000000',
      '24000280200001801400010020010db8000000000000000000000009080002000000000005000300000000004400010040000100030',
      '0000001000000e8010101000000000000000000000000080000000800010000000000080004000a00000905000500ca000000050003',
      '000100000054000100500001000300000001000000e801010100000000000000000000000008000000080001000000000005000500c',
      'a0000001800028014000180080001000a000009080002000000000005000300010000002c000100280001000200000000000000ff02',
      '000000000000000000000000006a86dd0000080001008b6500002c000100280001000200000000000000ff020000000000000000000',
      '1ffef64b286dd0000080001008b6500002c000200280001000500000008000100000000000500020002000000080003000000000008',
      '00040000000000',
    );
    const entries = message === undefined ? [] : [...decodeMdb(message)];
    const ours = { bridge: 2, vlan: 0, permanent: true, protocol: 202 };
    expect(entries.slice(0, 4)).toEqual([
      { ...ours, port: 4, group: 'ff3e::1', source: '2001:db8::9', mode: 'include', sources: [] },
      { ...ours, port: 4, group: 'ff3e::1', source: undefined, mode: 'exclude', sources: ['2001:db8::9'] },
      { ...ours, port: 3, group: '232.1.1.1', source: '10.0.0.9', mode: 'include', sources: [] },
      { ...ours, port: 3, group: '232.1.1.1', source: undefined, mode: 'include', sources: ['10.0.0.9'] },
    ]);
    expect(entries.slice(4).map(({ port, group, permanent }) => [port, group, permanent])).toEqual([
      [2, 'ff02::6a', false],
      [2, 'ff02::1:ffef:64b2', false],
    ]);
  });
});

describe.skipIf(!littleEndian)('links', () => {
  it('sets port flags as `bridge link set dev swp1 locked on learning off mcast_router 0`', () => {
    const settings = [
      [PortFlag.MulticastRouter, 0],
      [PortFlag.Learning, 0],
      [PortFlag.Locked, 1],
    ] as const;
    expect(toHex(encodeSetPort(11, settings))).toBe(
      hex(
        '3c000000 1300 0500 00000000 00000000 07000000 0b000000 00000000 00000000',
        '1c000c80 05001900 00000000 05000800 00000000 05002700 01000000',
      ),
    );
  });

  it('sets bridge options as `ip link set br0 type bridge mcast_hash_max 65536 mcast_query_response_interval 100`', () => {
    const settings = [
      [BridgeOption.McastHashMax, 65_536],
      [BridgeOption.McastQueryResponseInterval, 100],
    ] as const;
    expect(toHex(encodeSetBridge(10, settings))).toBe(
      hex(
        '48000000 1000 0500 00000000 00000000 00000000 0a000000 00000000 00000000',
        '28001280 0b000100 62726964 67650000',
        '18000280 08001b00 00000100 0c002200 64000000 00000000',
      ),
    );
  });

  it('asks for a link by name and for the VLANs of ports', () => {
    expect(toHex(encodeGetLink('br0'))).toBe(
      hex('28000000 1200 0100 00000000 00000000 00000000 00000000 00000000 00000000 08000300 62723000'),
    );
    expect(toHex(encodeDumpPortVlans())).toBe(
      hex('28000000 1200 0103 00000000 00000000 07000000 00000000 00000000 00000000 08001d00 02000000'),
    );
  });

  it('reads a bridge port, with the VLAN of its untagged frames', () => {
    // As the kernel tells it; the last attribute is { tagged 20 } { PVID untagged 10 } by linux/if_bridge.h.
    const [message] = read(
      '78000000 1000 0200 00000000 00000000 07000100 03000000 43100100 00000000',
      '09000300 73777031 00000000 08000a00 02000000 0a000100 9a82ffee ee570000',
      '24000c80 05000800 00000000 05002700 01000000 08002a00 00040000 05002500 00000000',
      '14001a80 08000200 0000 1400 08000200 0600 0a00',
    );
    const link = message === undefined ? undefined : decodeLink(message);
    expect(link).toMatchObject({
      index: 3,
      name: 'swp1',
      master: 2,
      mac: '9a:82:ff:ee:ee:57',
      up: true,
      pvid: 10,
    });
    expect(optionOf(link?.port, PortFlag.Locked)).toBe(1);
    expect(optionOf(link?.port, PortFlag.Learning)).toBe(0);
    expect(optionOf(link?.port, PortFlag.MulticastMaxGroups)).toBe(1024);
    expect(optionOf(link?.port, PortFlag.MulticastRouter)).toBeUndefined();
  });

  it('reads a bridge and who its querier is', () => {
    const bridge = (state: string) => {
      const length = state.length / 2;
      const le = (value: number) => `${value.toString(16).padStart(2, '0')}00`;
      const data = `0500170001000000 ${le(length + 4)}2f80 ${state}`.replaceAll(' ', '');
      const inner = `0b00010062726964676500 00 ${le(data.length / 2 + 4)}0280 ${data}`.replaceAll(' ', '');
      const rest = `00000100 02000000 03100000 00000000 08000300 62723000 ${le(inner.length / 2 + 4)}1280 ${inner}`;
      const body = rest.replaceAll(' ', '');
      const [message] = read(`${le(body.length / 2 + 16)}0000 1000 0000 00000000 00000000`, body);
      return message === undefined ? undefined : decodeLink(message);
    };
    const self = '0800010000000000 14000500fe80000000000000f49c1bfffe0cf739'.replaceAll(' ', '');
    expect(bridge(self)).toMatchObject({
      name: 'br0',
      index: 2,
      kind: 'bridge',
      up: false,
      administrativelyUp: true,
    });
    expect(optionOf(bridge(self)?.bridge, BridgeOption.McastSnooping)).toBe(1);
    expect(querierState(bridge(self)?.bridge)).toEqual({ ipv4: 'self', ipv6: 'self' });
    const noAddress = `080001000000000014000500${'0'.repeat(32)}`;
    expect(querierState(bridge(noAddress)?.bridge)).toEqual({ ipv4: 'self', ipv6: undefined });
    const other =
      '080001000a0000fe0c0003009663000000000000080002000500000014000500fe8000000000000000000000000002540c00070096630000000000000800060005000000';
    expect(querierState(bridge(other)?.bridge)).toEqual({ ipv4: 'other', ipv6: 'other' });
    expect(querierState(undefined)).toEqual({ ipv4: undefined, ipv6: undefined });
  });

  it('knows by which VLAN a bridge knows a frame', () => {
    const bridge = (filtering: number) => ({
      ...{ index: 2, name: 'br0', up: true, administrativelyUp: true, kind: 'bridge', pvid: undefined },
      ...{
        mac: undefined,
        master: undefined,
        port: undefined,
        bridge: new Map([[7, Uint8Array.of(filtering)]]),
      },
    });
    expect([vlanInBridge(bridge(0), 10, 0), vlanInBridge(bridge(0), 10, 20)]).toEqual([0, 0]);
    expect([vlanInBridge(bridge(1), 10, 0), vlanInBridge(bridge(1), 10, 20)]).toEqual([10, 20]);
    expect(vlanInBridge(bridge(1), undefined, 0)).toBe(0);
  });

  it('never throws on what is cut or scrambled (property)', () => {
    const type = fc.constantFrom(16, 17, 28, 29, 84, 85, 86);
    fc.assert(
      fc.property(type, fc.uint8Array({ maxLength: 200 }), (number, body) => {
        const message = { type: number, flags: 0, sequence: 0, body };
        const link = decodeLink(message);
        if (link !== undefined) querierState(link.bridge);
        decodeFdb(message);
        for (const _ of decodeMdb(message)) void _;
      }),
    );
  });
});
