/** The BPF program, run by a small interpreter of the classic instructions that it uses. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeClaim } from '../../daemon/ha/claim.ts';
import { captureFilter } from '../../switch/linux/capture-filter.ts';
import { littleEndian } from '../../switch/linux/netlink/message.ts';
import { concatBytes, u8, u16 } from '../../wire/bytes.ts';
import { HOST1, HOST2 } from '../netns/switch/switch-rig.ts';
import { ethernet, igmp, ip, mld, udp } from '../netns/switch/tap.ts';

/** Octets that the kernel would keep of a frame; a load past the end ends the program with 0, as there. */
function run(
  frame: Uint8Array,
  hosts: 'known' | 'all' = 'known',
  { ifindex = 1, heldBack = [] }: { ifindex?: number; heldBack?: readonly number[] } = {},
): number {
  const program = captureFilter(hosts, heldBack);
  const view = new DataView(program.buffer);
  let a = 0;
  let x = 0;
  for (let at = 0; ; at++) {
    if (8 * at >= program.length) throw new Error('ran off the program');
    const code = view.getUint16(8 * at, littleEndian);
    const k = view.getUint32(8 * at + 4, littleEndian);
    const load = (offset: number, width: number) => (offset + width > frame.length ? undefined : offset);
    if (code === 0x06) return k;
    // Ancillary data: SKF_AD_OFF + SKF_AD_IFINDEX.
    if (code === 0x20 && k === 0xfffff008) a = ifindex;
    else if (code === 0x28 || code === 0x30 || code === 0x50 || code === 0x48) {
      const width = code === 0x28 || code === 0x48 ? 2 : 1;
      const offset = load(code === 0x50 || code === 0x48 ? x + k : k, width);
      if (offset === undefined) return 0;
      a = width === 2 ? u16(frame, offset) : u8(frame, offset);
    } else if (code === 0xb1) {
      if (load(k, 1) === undefined) return 0;
      x = 4 * (u8(frame, k) & 0xf);
    } else if (code === 0x45) at += view.getUint8(8 * at + ((a & k) !== 0 ? 2 : 3));
    else if (code === 0x15) at += view.getUint8(8 * at + (a === k ? 2 : 3));
    else if (code === 0x64) a = (a << k) >>> 0;
    else if (code === 0x04) a = (a + k) >>> 0;
    else if (code === 0x07) x = a;
    else throw new Error(`instruction 0x${code.toString(16)}`);
  }
}

const passes = (frame: Uint8Array) => run(frame) > 0;
const LINK_LOCAL = 'fe80::1';

describe('captureFilter', () => {
  it('takes EAPOL to any address', () => {
    for (const to of ['01:80:c2:00:00:03', HOST2]) {
      expect(passes(ethernet(to, HOST1, 0x888e, Uint8Array.of(1, 1, 0, 0)))).toBe(true);
    }
    expect(passes(ethernet(HOST2, HOST1, 0x88c7, Uint8Array.of(1, 1, 0, 0)))).toBe(false);
  });

  it('takes the claims of the other node', () => {
    const claim = encodeClaim({ node: 'b', epoch: 2, at: 1, alone: false }, HOST1, new Uint8Array(32));
    expect(passes(claim)).toBe(true);
  });

  it('takes of an interface that is held back EAPOL alone, and of others what it ever takes', () => {
    const heldBack = Array.from({ length: 64 }, (_, i) => 7 + i);
    const eapol = ethernet(HOST2, HOST1, 0x888e, Uint8Array.of(1, 1, 0, 0));
    const claim = encodeClaim({ node: 'b', epoch: 2, at: 1, alone: false }, HOST1, new Uint8Array(32));
    const others = [
      claim,
      ip('10.0.0.1', HOST1, '239.1.1.1', 2, igmp('v2', '239.1.1.1'), 1),
      ip(LINK_LOCAL, HOST1, 'ff02::16', 58, mld('report', 'ff15::1'), 1),
    ];
    for (const hosts of ['known', 'all'] as const) {
      for (const ifindex of [7, 40, 70]) {
        expect(run(eapol, hosts, { ifindex, heldBack })).toBeGreaterThan(0);
        for (const frame of others) expect(run(frame, hosts, { ifindex, heldBack })).toBe(0);
      }
      for (const ifindex of [6, 71]) {
        for (const frame of [eapol, ...others])
          expect(run(frame, hosts, { ifindex, heldBack })).toBe(run(frame, hosts));
      }
    }
  });

  it('takes IGMP, with or without Router Alert', () => {
    expect(passes(ip('10.0.0.1', HOST1, '239.1.1.1', 2, igmp('v2', '239.1.1.1'), 1))).toBe(true);
    expect(passes(ip('10.0.0.1', HOST1, '224.0.0.22', 2, igmp('v3', '239.1.1.1'), 1))).toBe(true);
    expect(passes(udp('10.0.0.1', HOST1, '239.1.1.1', 'video'))).toBe(false);
  });

  it('takes PIM of both families', () => {
    const hello = Uint8Array.of(0x20, 0, 0, 0);
    expect(passes(ip('10.0.0.1', HOST1, '224.0.0.13', 103, hello, 1))).toBe(true);
    expect(passes(ip(LINK_LOCAL, HOST1, 'ff02::d', 103, hello, 1))).toBe(true);
  });

  it('takes the MLD types with the hop-by-hop header, of any length, and without', () => {
    for (const type of [130, 131, 132, 143]) {
      const frame = ip(LINK_LOCAL, HOST1, 'ff02::16', 58, Uint8Array.of(type, 0, 0, 0, 0, 0, 0, 0), 1);
      expect(passes(frame)).toBe(true);
      const bare = concatBytes(frame.subarray(0, 54), frame.subarray(62));
      bare[20] = 58;
      expect(passes(bare)).toBe(true);
      const longer = concatBytes(
        frame.subarray(0, 55),
        Uint8Array.of(2),
        new Uint8Array(22),
        frame.subarray(62),
      );
      expect(passes(longer)).toBe(true);
    }
    expect(passes(ip(LINK_LOCAL, HOST1, 'ff02::16', 58, mld('report', 'ff15::1'), 1))).toBe(true);
  });

  it('leaves neighbour discovery, echo and other next headers', () => {
    for (const type of [128, 133, 135, 136]) {
      expect(
        passes(ip(LINK_LOCAL, HOST1, 'ff02::1', 58, Uint8Array.of(type, 0, 0, 0, 0, 0, 0, 0), 255)),
      ).toBe(false);
    }
    expect(passes(udp('2001:db8::1', HOST1, 'ff15::1', 'video'))).toBe(false);
    const alert = ip(LINK_LOCAL, HOST1, 'ff02::16', 58, mld('query', '::'), 1);
    alert[54] = 17;
    expect(passes(alert)).toBe(false);
  });

  it('takes what a host sends before it can talk to another, where hosts are to be seen: ARP, DHCP, solicitations', () => {
    const seen = (frame: Uint8Array) => [run(frame) > 0, run(frame, 'all') > 0];
    const port = (frame: Uint8Array, to: number) => {
      const other = frame.slice();
      other.set([to >>> 8, to & 0xff], 14 + 20 + 2);
      return other;
    };
    const datagram = udp('0.0.0.0', HOST1, '255.255.255.255', 'discover', 'ff:ff:ff:ff:ff:ff');
    const solicit = (type: number) =>
      ip(LINK_LOCAL, HOST1, 'ff02::1', 58, Uint8Array.of(type, 0, 0, 0, 0, 0, 0, 0), 255);
    const bare = (type: number) => {
      const frame = solicit(type);
      const without =
        frame[20] === 0 ? concatBytes(frame.subarray(0, 54), frame.subarray(62)) : frame.slice();
      without[20] = 58;
      return without;
    };
    expect(seen(ethernet('ff:ff:ff:ff:ff:ff', HOST1, 0x0806, new Uint8Array(28)))).toEqual([false, true]);
    expect(seen(port(datagram, 67))).toEqual([false, true]);
    expect(seen(port(datagram, 68))).toEqual([false, false]);
    const fragment = port(datagram, 67);
    fragment[14 + 7] = 1;
    expect(seen(fragment)).toEqual([false, false]);
    expect(seen(bare(133))).toEqual([false, true]);
    expect(seen(bare(135))).toEqual([false, true]);
    expect(seen(bare(136))).toEqual([false, true]);
    expect(seen(bare(134))).toEqual([false, false]);
    expect(seen(ip('10.0.0.1', HOST1, '239.1.1.1', 2, igmp('v2', '239.1.1.1'), 1))).toEqual([true, true]);
    expect(seen(udp('10.0.0.1', HOST1, '239.1.1.1', 'video'))).toEqual([false, false]);
  });

  it('ends on every frame, whole or cut (property)', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), (frame) => [0, 0x40000].includes(run(frame))));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (frame) => [0, 0x40000].includes(run(frame, 'all'))),
    );
    const frame = ip(LINK_LOCAL, HOST1, 'ff02::16', 58, mld('report', 'ff15::1'), 1);
    for (let length = 0; length < 62; length++) expect(passes(frame.subarray(0, length))).toBe(false);
  });
});
