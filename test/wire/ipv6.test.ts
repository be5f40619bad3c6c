import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex, putU16, toHex } from '../../wire/bytes.ts';
import { decodeIpv6, encodeIpv6 } from '../../wire/ipv6.ts';
import { isMalformed } from '../../wire/malformed.ts';
import { arbitraryIpv6 } from '../arbitraries.ts';
import { plain } from '../vectors.ts';

const SRC = 'fe800000000000000000000000000001';
const DST = 'ff020000000000000000000000000016';

/** A packet whose first next header is `next`, with `hex` behind the fixed header. */
function packet(next: number, hex: string): Uint8Array {
  const bytes = fromHex(`60000000000000 01${SRC}${DST}${hex}`) ?? new Uint8Array();
  bytes[6] = next;
  putU16(bytes, 4, bytes.length - 40);
  return bytes;
}

const ALERT_PADN = '3a00050200000100';

describe('IPv6', () => {
  it('reads a hop-by-hop header with Router Alert, and writes the same octets', () => {
    const bytes = packet(0, `${ALERT_PADN}8f00`);
    const decoded = decodeIpv6(bytes);
    expect(plain(decoded)).toEqual({
      src: 'fe80::1',
      dst: 'ff02::16',
      hopLimit: 1,
      routerAlert: 0,
      nextHeader: 58,
      headerLength: 48,
      payload: '8f00',
    });
    if (isMalformed(decoded)) return;
    const { routerAlert = -1, ...rest } = decoded;
    expect(toHex(encodeIpv6({ ...rest, routerAlert }))).toBe(toHex(bytes));
  });

  it.each([
    ['no extension header', 17, 'abcd', { nextHeader: 17, payload: 'abcd', headerLength: 40 }],
    ['Router Alert behind padding', 0, '3a00000005020000aa', { routerAlert: 0, payload: 'aa' }],
    ['Router Alert of value 2', 0, '3a00050200020100aa', { routerAlert: 2 }],
    ['hop-by-hop of padding only', 0, '3a00010400000000aa', { nextHeader: 58, payload: 'aa' }],
    ['unknown option to be skipped', 0, '3a001e0400000000aa', { nextHeader: 58 }],
    ['destination options', 60, '3a00010400000000aa', { nextHeader: 58, payload: 'aa' }],
    ['Router Alert in destination options is none', 60, '3a00050200000100aa', { nextHeader: 58 }],
    ['routing header', 43, '3a02000000000000 0000000000000000 0000000000000000 bb', { payload: 'bb' }],
    ['atomic fragment', 44, '3a00000012345678cc', { nextHeader: 58, payload: 'cc' }],
    ['hop-by-hop, then destination options', 0, '3c00050200000100 3a00010400000000 dd', { routerAlert: 0 }],
    ['no next header', 59, '', { nextHeader: 59, payload: '' }],
  ])('reads: %s', (_what, next, hex, expected) => {
    expect(plain(decodeIpv6(packet(next, hex)))).toMatchObject(expected);
  });

  it('has no Router Alert where none is in the hop-by-hop header', () => {
    expect(decodeIpv6(packet(60, '3a00050200000100aa'))).toMatchObject({ routerAlert: undefined });
    expect(decodeIpv6(packet(58, 'aa'))).toMatchObject({ routerAlert: undefined });
  });

  it('cuts the payload to the payload length', () => {
    const bytes = Uint8Array.of(...packet(58, 'aabb'), 0, 0, 0);
    expect(plain(decodeIpv6(bytes))).toMatchObject({ payload: 'aabb' });
  });

  it.each([
    ['hop-by-hop cut', 0, '3a000502', 'ipv6-bad-extension-header', 40],
    ['hop-by-hop longer than the packet', 0, '3a01050200000100', 'ipv6-bad-extension-header', 41],
    ['hop-by-hop in second place', 60, '0000010400000000 3a00010400000000', 'ipv6-bad-extension-header', 48],
    ['option without a length', 0, '3a00010300000005', 'ipv6-bad-extension-header', 42],
    ['option past its header', 0, '3a00010500000000', 'ipv6-bad-extension-header', 42],
    ['Router Alert of length 4', 0, '3a00050400000000', 'ipv6-bad-extension-header', 42],
    ['option that says discard (RFC 8200 §4.2)', 0, '3a00420400000000', 'ipv6-bad-extension-header', 42],
    ['jumbo payload', 0, '3a00c20400010000', 'ipv6-bad-extension-header', 42],
    ['first fragment', 44, '3a00000100000000', 'ipv6-fragment', 42],
    ['later fragment', 44, '3a00000800000000', 'ipv6-fragment', 42],
    ['fragment header cut', 44, '3a000000', 'ipv6-bad-extension-header', 40],
    ['routing header cut', 43, '3a02000000000000', 'ipv6-bad-extension-header', 41],
  ])('refuses: %s', (_what, next, hex, reason, offset) => {
    expect(decodeIpv6(packet(next, hex))).toEqual({ malformed: reason, offset });
  });

  it('refuses 39 octets, another version, and a payload length past the input', () => {
    expect(decodeIpv6(packet(58, '').slice(0, 39))).toEqual({ malformed: 'ipv6-short-header', offset: 39 });
    const other = packet(58, '');
    other[0] = 0x45;
    expect(decodeIpv6(other)).toEqual({ malformed: 'ipv6-bad-version', offset: 0 });
    const cut = packet(58, 'aabb').slice(0, 41);
    expect(decodeIpv6(cut)).toEqual({ malformed: 'ipv6-bad-payload-length', offset: 4 });
  });

  it('decodes what it encodes', () => {
    const parts = fc.record({
      src: arbitraryIpv6,
      dst: arbitraryIpv6,
      hopLimit: fc.integer({ min: 0, max: 255 }),
      // Not one of the extension headers that the decoder walks.
      nextHeader: fc.constantFrom(2, 6, 17, 58, 59, 255),
      alert: fc.option(fc.integer({ min: 0, max: 0xffff }), { nil: undefined }),
      payload: fc.uint8Array({ maxLength: 64 }),
    });
    fc.assert(
      fc.property(parts, ({ alert, ...rest }) => {
        const bytes = encodeIpv6(alert === undefined ? rest : { ...rest, routerAlert: alert });
        const headerLength = alert === undefined ? 40 : 48;
        expect(decodeIpv6(bytes)).toEqual({ ...rest, routerAlert: alert, headerLength });
      }),
    );
  });

  it('never throws on any octets, nor on any truncation', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.constantFrom(0, 43, 44, 60, 58), (tail, next) => {
        const bytes = packet(next, toHex(tail));
        expect(decodeIpv6(bytes)).toBeTypeOf('object');
        expect(decodeIpv6(tail)).toBeTypeOf('object');
        for (let n = 0; n < bytes.length; n++) expect(isMalformed(decodeIpv6(bytes.slice(0, n)))).toBe(true);
      }),
    );
  });

  it('throws on parts that are a bug of the caller', () => {
    const parts = { src: 'fe80::1', dst: '10.0.0.1', hopLimit: 1, nextHeader: 58, payload: new Uint8Array() };
    expect(() => encodeIpv6(parts)).toThrow(TypeError);
    expect(() => encodeIpv6({ ...parts, dst: '::1', payload: new Uint8Array(65_536) })).toThrow(RangeError);
  });
});
