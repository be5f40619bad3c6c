import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex, putU16, toHex } from '../../wire/bytes.ts';
import { internetChecksum } from '../../wire/checksum.ts';
import { decodeIpv4, encodeIpv4 } from '../../wire/ipv4.ts';
import { isMalformed } from '../../wire/malformed.ts';
import { arbitraryIpv4 } from '../arbitraries.ts';
import { plain } from '../vectors.ts';

/** A packet of `hex` with its header checksum put right. */
function packet(hex: string, headerLength = 20): Uint8Array {
  const bytes = fromHex(hex) ?? new Uint8Array();
  putU16(bytes, 10, 0);
  putU16(bytes, 10, internetChecksum(bytes, 0, headerLength));
  return bytes;
}

const PLAIN = '4500001800000000401100007f000001e00000fb01020304';
const ALERT = '46c0002000004000010200000a4d000bef010101940400001600f9fcef010101';

describe('IPv4', () => {
  it('reads a header with Router Alert, and writes the same octets', () => {
    const bytes = packet(ALERT, 24);
    const decoded = decodeIpv4(bytes);
    expect(plain(decoded)).toEqual({
      src: '10.77.0.11',
      dst: '239.1.1.1',
      ttl: 1,
      tos: 0xc0,
      protocol: 2,
      routerAlert: true,
      headerLength: 24,
      payload: '1600f9fcef010101',
    });
    if (isMalformed(decoded)) return;
    expect(toHex(encodeIpv4(decoded))).toBe(toHex(bytes));
  });

  it('cuts the payload to the total length', () => {
    expect(plain(decodeIpv4(Uint8Array.of(...packet(PLAIN), 0, 0, 0)))).toMatchObject({
      payload: '01020304',
    });
  });

  it.each([
    ['19 octets', packet(PLAIN).slice(0, 19), 'ipv4-short-header', 19],
    ['version 6', packet(PLAIN.replace(/^45/, '65')), 'ipv4-bad-version', 0],
    ['header length 16', packet(PLAIN.replace(/^45/, '44')), 'ipv4-bad-header-length', 0],
    ['header length past the packet', packet(PLAIN.replace(/^45/, '4f'), 60), 'ipv4-bad-header-length', 0],
    ['total length past the packet', packet(PLAIN.replace('0018', '0019')), 'ipv4-bad-total-length', 2],
    ['total length below the header', packet(PLAIN.replace('0018', '0013')), 'ipv4-bad-total-length', 2],
    ['wrong checksum', fromHex(PLAIN) ?? new Uint8Array(), 'ipv4-bad-checksum', 10],
    ['more fragments', packet(PLAIN.replace('00000000', '00002000')), 'ipv4-fragment', 6],
    ['fragment offset', packet(PLAIN.replace('00000000', '00000001')), 'ipv4-fragment', 6],
    ['option of length 1', packet(ALERT.replace('94040000', '94010000'), 24), 'ipv4-bad-option', 20],
    ['option past the header', packet(ALERT.replace('94040000', '94050000'), 24), 'ipv4-bad-option', 20],
    ['option without a length', packet(ALERT.replace('94040000', '01010194'), 24), 'ipv4-bad-option', 20],
  ])('refuses: %s', (_what, bytes, reason, offset) => {
    expect(decodeIpv4(bytes)).toEqual({ malformed: reason, offset });
  });

  it.each([
    ['no operation before the end', '01010000', false],
    ['end of options hides what follows', '00940400', false],
    ['stream identifier', '88040001', false],
    ['router alert of another value', '94040001', true],
  ])('reads options: %s', (_what, option, routerAlert) => {
    expect(decodeIpv4(packet(ALERT.replace('94040000', option), 24))).toMatchObject({ routerAlert });
  });

  it('lets Reserved and Don’t Fragment stand', () => {
    expect(isMalformed(decodeIpv4(packet(PLAIN.replace('00000000', '0000c000'))))).toBe(false);
  });

  it('decodes what it encodes', () => {
    const parts = fc.record({
      src: arbitraryIpv4,
      dst: arbitraryIpv4,
      ttl: fc.integer({ min: 0, max: 255 }),
      tos: fc.integer({ min: 0, max: 255 }),
      protocol: fc.integer({ min: 0, max: 255 }),
      routerAlert: fc.boolean(),
      payload: fc.uint8Array({ maxLength: 64 }),
    });
    fc.assert(
      fc.property(parts, (p) => {
        expect(decodeIpv4(encodeIpv4(p))).toEqual({ ...p, headerLength: p.routerAlert ? 24 : 20 });
      }),
    );
  });

  it('never throws on any octets, nor on any truncation', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (b) => {
        expect(decodeIpv4(b)).toBeTypeOf('object');
      }),
    );
    const whole = packet(ALERT, 24);
    for (let n = 0; n < whole.length; n++) expect(isMalformed(decodeIpv4(whole.slice(0, n)))).toBe(true);
  });

  it('throws on parts that are a bug of the caller', () => {
    const parts = { src: '10.0.0.1', dst: '::1', ttl: 1, protocol: 2, payload: new Uint8Array() };
    expect(() => encodeIpv4(parts)).toThrow(TypeError);
    expect(() => encodeIpv4({ ...parts, dst: '10.0.0.2', payload: new Uint8Array(65_520) })).toThrow(
      RangeError,
    );
  });
});
