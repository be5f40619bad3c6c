import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { internetChecksum, pseudoHeaderSum } from '../../wire/checksum.ts';
import { isMalformed } from '../../wire/malformed.ts';
import { decodeUdp, encodeUdp } from '../../wire/udp.ts';
import { arbitraryIpv4, arbitraryIpv6 } from '../arbitraries.ts';
import { plain } from '../vectors.ts';

describe('UDP', () => {
  it('reads ports, checksum and the payload up to the length', () => {
    const bytes = Uint8Array.of(0x07, 0x14, 0xc0, 0x01, 0, 10, 0xab, 0xcd, 1, 2, 0xff, 0xff);
    expect(plain(decodeUdp(bytes))).toEqual({
      srcPort: 1812,
      dstPort: 49153,
      checksum: 0xabcd,
      payload: '0102',
    });
  });

  it.each([
    ['7 octets', [0, 1, 0, 2, 0, 8, 0], 'udp-short-header', 7],
    ['length 7', [0, 1, 0, 2, 0, 7, 0, 0], 'udp-bad-length', 4],
    ['length 0', [0, 1, 0, 2, 0, 0, 0, 0], 'udp-bad-length', 4],
    ['length past the input', [0, 1, 0, 2, 0, 9, 0, 0], 'udp-bad-length', 4],
  ])('refuses: %s', (_what, bytes, reason, offset) => {
    expect(decodeUdp(Uint8Array.from(bytes))).toEqual({ malformed: reason, offset });
  });

  it('decodes what it encodes, and its checksum is right, never 0', () => {
    const port = fc.integer({ min: 0, max: 0xffff });
    const pair = fc.oneof(fc.tuple(arbitraryIpv4, arbitraryIpv4), fc.tuple(arbitraryIpv6, arbitraryIpv6));
    fc.assert(
      fc.property(
        pair,
        port,
        port,
        fc.uint8Array({ maxLength: 50 }),
        ([src, dst], srcPort, dstPort, payload) => {
          const bytes = encodeUdp({ src, dst, srcPort, dstPort, payload });
          const decoded = decodeUdp(bytes);
          expect(decoded).toMatchObject({ srcPort, dstPort, payload });
          expect(internetChecksum(bytes, 0, bytes.length, pseudoHeaderSum(src, dst, bytes.length, 17))).toBe(
            0,
          );
          expect(isMalformed(decoded) ? 0 : decoded.checksum).not.toBe(0);
        },
      ),
    );
  });

  it('sends a computed checksum of 0 as 0xffff', () => {
    // Chosen so that pseudo header, header and payload add up to 0xffff.
    const payload = Uint8Array.of(0xfe, 0xd6);
    const bytes = encodeUdp({ src: '1.0.0.0', dst: '0.0.0.1', srcPort: 1, dstPort: 2, payload });
    const sum = pseudoHeaderSum('1.0.0.0', '0.0.0.1', 10, 17) + 1 + 2 + 10 + 0xfed6;
    expect(sum).toBe(0xffff);
    expect(decodeUdp(bytes)).toMatchObject({ checksum: 0xffff });
  });

  it('never throws on any octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (b) => {
        expect(decodeUdp(b)).toBeTypeOf('object');
      }),
    );
  });

  it('throws on more than a datagram holds', () => {
    const parts = { src: '10.0.0.1', dst: '10.0.0.2', srcPort: 1, dstPort: 2 };
    expect(() => encodeUdp({ ...parts, payload: new Uint8Array(65_528) })).toThrow(RangeError);
  });
});
