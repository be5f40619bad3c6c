import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeGroupPacket, encodeIgmpPacket, encodeMldPacket } from '../../igmp/group-packet.ts';
import { encodeIgmp, type IgmpMessage } from '../../igmp/igmp.ts';
import { encodeMld, type MldMessage } from '../../igmp/mld.ts';
import { fromHex, toHex } from '../../wire/bytes.ts';
import { EtherType } from '../../wire/ethernet.ts';
import { encodeIpv4 } from '../../wire/ipv4.ts';
import { encodeIpv6, type Ipv6Parts } from '../../wire/ipv6.ts';
import { isMalformed } from '../../wire/malformed.ts';
import { arbitraryGroup4, arbitraryIpv4, arbitraryLinkLocal } from '../arbitraries.ts';
import { arbitraryIgmp, arbitraryMld } from './arbitraries.ts';

const join4: IgmpMessage = {
  kind: 'record-report',
  version: 3,
  records: [{ type: 4, group: '239.1.1.1', sources: [], auxWords: 0 }],
};
const join6: MldMessage = {
  kind: 'record-report',
  version: 2,
  records: [{ type: 4, group: 'ff15::101', sources: [], auxWords: 0 }],
};

const generalQuery6: MldMessage = {
  kind: 'query',
  version: 2,
  group: '::',
  maxRespCode: 10_000,
  maxRespMs: 10_000,
  suppress: false,
  qrv: 2,
  qqicCode: 125,
  qqicSeconds: 125,
  sources: [],
};

/** An MLD packet with parts of its IP header changed. */
function mldPacket(change: Partial<Ipv6Parts>, message: MldMessage = join6): Uint8Array {
  const src = change.src ?? 'fe80::1';
  const dst = change.dst ?? 'ff02::16';
  return encodeIpv6({
    src,
    dst,
    hopLimit: 1,
    nextHeader: 58,
    routerAlert: 0,
    payload: encodeMld(message, src, dst),
    ...change,
  });
}

describe('IGMP packets', () => {
  it('a join has these octets: TTL 1, Internetwork Control, Don’t Fragment, Router Alert', () => {
    const packet = encodeIgmpPacket({ src: '10.77.0.11', dst: '224.0.0.22', message: join4 });
    expect(toHex(packet)).toBe(
      '46c00028000040000102f9a10a4d000be0000016940400002200e9fb0000000104000000ef010101',
    );
    expect(decodeGroupPacket(EtherType.Ipv4, packet)).toEqual({
      family: 4,
      src: '10.77.0.11',
      dst: '224.0.0.22',
      hopLimit: 1,
      routerAlert: true,
      message: join4,
    });
  });

  it('decodes what it encodes', () => {
    fc.assert(
      fc.property(arbitraryIpv4, arbitraryGroup4, arbitraryIgmp, (src, dst, message) => {
        const packet = encodeIgmpPacket({ src, dst, message });
        const expected = { family: 4, src, dst, hopLimit: 1, routerAlert: true, message };
        expect(decodeGroupPacket(EtherType.Ipv4, packet)).toEqual(expected);
        // Padding behind the packet belongs to Ethernet.
        expect(decodeGroupPacket(EtherType.Ipv4, Uint8Array.of(...packet, 0, 0))).toEqual(expected);
      }),
    );
  });

  it('conformance 53: a report from 0.0.0.0 is accepted', () => {
    const packet = encodeIgmpPacket({ src: '0.0.0.0', dst: '224.0.0.22', message: join4 });
    expect(decodeGroupPacket(EtherType.Ipv4, packet)).toMatchObject({ src: '0.0.0.0', message: join4 });
  });

  it('shows a TTL and a missing Router Alert, and refuses neither', () => {
    const ip = { src: '10.0.0.1', dst: '239.1.1.1', ttl: 64, protocol: 2, payload: encodeIgmp(join4) };
    const packet = decodeGroupPacket(EtherType.Ipv4, encodeIpv4(ip));
    expect(packet).toMatchObject({ hopLimit: 64, routerAlert: false, message: join4 });
  });

  it('is undefined for what is not IGMP or MLD', () => {
    const udp = encodeIpv4({
      src: '10.0.0.1',
      dst: '10.0.0.2',
      ttl: 9,
      protocol: 17,
      payload: new Uint8Array(8),
    });
    expect(decodeGroupPacket(EtherType.Ipv4, udp)).toBeUndefined();
    expect(
      decodeGroupPacket(EtherType.Eapol, encodeIgmpPacket({ ...ADDRESSES4, message: join4 })),
    ).toBeUndefined();
    expect(decodeGroupPacket(EtherType.Ipv6, mldPacket({ nextHeader: 17 }))).toBeUndefined();
    expect(decodeGroupPacket(EtherType.Ipv6, mldPacket({ payload: new Uint8Array(0) }))).toBeUndefined();
    const neighbour = fromHex('8700000000000000fe800000000000000000000000000001') ?? new Uint8Array();
    expect(decodeGroupPacket(EtherType.Ipv6, mldPacket({ payload: neighbour }))).toBeUndefined();
  });

  it.each([
    [
      'a fragment',
      (p: Uint8Array) => p.fill(0x20, 6, 7).fill(0x19, 10, 11).fill(0xa2, 11, 12),
      'ipv4-fragment',
    ],
    ['a changed header', (p: Uint8Array) => p.fill(0x20, 6, 7), 'ipv4-bad-checksum'],
    ['a cut header', (p: Uint8Array) => p.subarray(0, 19), 'ipv4-short-header'],
    ['a cut message', (p: Uint8Array) => p.subarray(0, 39), 'ipv4-bad-total-length'],
    ['a changed group', (p: Uint8Array) => p.fill(0xee, 39), 'igmp-bad-checksum'],
  ])('refuses %s', (_what, damage, reason) => {
    const packet = encodeIgmpPacket({ ...ADDRESSES4, message: join4 });
    expect(decodeGroupPacket(EtherType.Ipv4, damage(packet))).toMatchObject({ malformed: reason });
  });
});

describe('MLD packets', () => {
  it('a join has these octets: hop limit 1, Router Alert of value 0', () => {
    const packet = encodeMldPacket({ src: 'fe80::1', dst: 'ff02::16', message: join6 });
    expect(toHex(packet)).toBe(
      [
        '6000000000240001',
        'fe800000000000000000000000000001',
        'ff020000000000000000000000000016',
        '3a00050200000100',
        '8f006ef60000000104000000ff150000000000000000000000000101',
      ].join(''),
    );
  });

  it('decodes what it encodes', () => {
    fc.assert(
      fc.property(arbitraryLinkLocal, arbitraryMld, (src, message) => {
        const dst = 'ff02::16';
        expect(decodeGroupPacket(EtherType.Ipv6, encodeMldPacket({ src, dst, message }))).toEqual({
          family: 6,
          src,
          dst,
          hopLimit: 1,
          routerAlert: true,
          message,
        });
      }),
    );
  });

  it.each([
    ['hop limit 2', mldPacket({ hopLimit: 2 }), 'mld-hop-limit-not-1', 7],
    ['hop limit 255', mldPacket({ hopLimit: 255 }), 'mld-hop-limit-not-1', 7],
    ['source ::', mldPacket({ src: '::' }), 'mld-source-not-link-local', 8],
    ['a global source', mldPacket({ src: 'fd77::1' }), 'mld-source-not-link-local', 8],
    ['a source in fec0::/10', mldPacket({ src: 'fec0::1' }), 'mld-source-not-link-local', 8],
    ['a query from ::', mldPacket({ src: '::' }, generalQuery6), 'mld-source-not-link-local', 8],
  ])('conformance 53: refuses %s', (_what, packet, reason, offset) => {
    expect(decodeGroupPacket(EtherType.Ipv6, packet)).toEqual({ malformed: reason, offset });
  });

  it('conformance 53: refuses a message without Router Alert', () => {
    const { src, dst } = { src: 'fe80::1', dst: 'ff02::16' };
    const packet = encodeIpv6({ src, dst, hopLimit: 1, nextHeader: 58, payload: encodeMld(join6, src, dst) });
    expect(decodeGroupPacket(EtherType.Ipv6, packet)).toEqual({
      malformed: 'mld-no-router-alert',
      offset: 6,
    });
  });

  it('conformance 53: accepts any link-local source', () => {
    const packet = mldPacket({ src: 'febf::1' });
    expect(decodeGroupPacket(EtherType.Ipv6, packet)).toMatchObject({ src: 'febf::1', message: join6 });
  });

  it.each([
    ['refuses the first fragment of a report', '3a000001', '8f00', 'ipv6-fragment'],
    ['lets later fragments pass by', '3a000009', '8f00', undefined],
    ['lets fragments of an echo pass by', '3a000001', '8000', undefined],
    ['lets fragments of UDP pass by', '11000001', '8f00', undefined],
    ['refuses a broken chain of headers', '2bff0000', '', 'ipv6-bad-extension-header'],
  ])('%s', (_what, fragment, payload, reason) => {
    const bytes = fromHex(`${fragment}00000007${payload}`) ?? new Uint8Array();
    const nextHeader = reason === 'ipv6-bad-extension-header' ? 60 : 44;
    const ip = { src: 'fe80::1', dst: 'ff02::16', hopLimit: 1, routerAlert: 0, nextHeader, payload: bytes };
    const decoded = decodeGroupPacket(EtherType.Ipv6, encodeIpv6(ip));
    expect(decoded).toEqual(
      reason === undefined ? undefined : expect.objectContaining({ malformed: reason }),
    );
  });

  it('does not judge a cut UDP packet', () => {
    expect(decodeGroupPacket(EtherType.Ipv6, mldPacket({}).fill(17, 6, 7).subarray(0, 50))).toBeUndefined();
  });

  it('refuses a wrong checksum, fragments, and a payload that overruns', () => {
    const packet = mldPacket({});
    packet[packet.length - 1] = 0;
    expect(decodeGroupPacket(EtherType.Ipv6, packet)).toEqual({ malformed: 'mld-bad-checksum', offset: 2 });
    expect(decodeGroupPacket(EtherType.Ipv6, packet.subarray(0, 60))).toMatchObject({
      malformed: 'ipv6-bad-payload-length',
    });
  });
});

describe('packets of any octets', () => {
  it('never throw', () => {
    const etherType = fc.constantFrom(EtherType.Ipv4, EtherType.Ipv6);
    fc.assert(
      fc.property(etherType, fc.uint8Array({ maxLength: 120 }), (type, bytes) => {
        expect(['undefined', 'object']).toContain(typeof decodeGroupPacket(type, bytes));
      }),
    );
  });

  it('every truncation of a packet is refused or not ours', () => {
    const packets: readonly [number, Uint8Array][] = [
      [EtherType.Ipv4, encodeIgmpPacket({ ...ADDRESSES4, message: join4 })],
      [EtherType.Ipv6, mldPacket({})],
    ];
    for (const [type, packet] of packets) {
      for (let length = 0; length < packet.length; length++) {
        const decoded = decodeGroupPacket(type, packet.subarray(0, length));
        expect(decoded === undefined || isMalformed(decoded)).toBe(true);
      }
    }
  });
});

const ADDRESSES4 = { src: '10.77.0.11', dst: '224.0.0.22' };
