import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeRadius, encodeRadius, isRadiusCode, radiusLength } from '../../radius/packet.ts';
import { describeVectors, plain } from '../vectors.ts';
import { arbitraryOctets, arbitraryPacket } from './arbitraries.ts';

describeVectors('radius', { decode: (b) => decodeRadius(b), encode: encodeRadius });

describe('decodeRadius', () => {
  it('gives views into the input and copies nothing', () => {
    const bytes = encodeRadius({
      code: 1,
      id: 2,
      authenticator: new Uint8Array(16),
      attributes: [{ type: 1, value: Uint8Array.of(97) }],
    });
    const packet = decodeRadius(bytes);
    if ('malformed' in packet) throw new Error(packet.malformed);
    expect(packet.authenticator.buffer).toBe(bytes.buffer);
    expect(packet.attributes[0]?.value.buffer).toBe(bytes.buffer);
  });

  it('reads a packet of any code where a reader of captures asks for it', () => {
    const bytes = encodeRadius({ code: 255, id: 0, authenticator: new Uint8Array(16), attributes: [] });
    expect(decodeRadius(bytes)).toEqual({ malformed: 'radius-unknown-code', offset: 0 });
    expect(decodeRadius(bytes, 'any')).toMatchObject({ code: 255, attributes: [] });
    expect(isRadiusCode(255)).toBe(false);
  });

  it('conformance 20: keeps the order of attributes, same types among them', () => {
    fc.assert(
      fc.property(arbitraryPacket, (packet) => {
        const decoded = decodeRadius(encodeRadius(packet));
        expect(plain(decoded)).toEqual(plain(packet));
      }),
    );
  });

  it('never throws, and what it accepts encodes to the same octets', () => {
    fc.assert(
      fc.property(arbitraryOctets, fc.constantFrom('known' as const, 'any' as const), (bytes, codes) => {
        const decoded = decodeRadius(bytes, codes);
        if ('malformed' in decoded) {
          expect(decoded.offset).toBeLessThanOrEqual(bytes.length);
        } else {
          const encoded = encodeRadius(decoded);
          expect(encoded).toEqual(bytes.slice(0, encoded.length));
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('refuses every truncation of every packet', () => {
    fc.assert(
      fc.property(arbitraryPacket, (packet) => {
        const bytes = encodeRadius(packet);
        for (let length = 0; length < bytes.length; length += 1 + (length >> 5)) {
          expect(decodeRadius(bytes.subarray(0, length))).toHaveProperty('malformed');
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe('encodeRadius', () => {
  it('takes what the caller must not hand it for a bug', () => {
    const header = { code: 1, id: 1, authenticator: new Uint8Array(16) };
    const value = new Uint8Array(254);
    expect(() => encodeRadius({ ...header, attributes: [{ type: 1, value }] })).toThrow(/254 octets/);
    const many = Array.from({ length: 17 }, () => ({ type: 1, value: new Uint8Array(253) }));
    expect(radiusLength(many)).toBe(20 + 17 * 255);
    expect(() => encodeRadius({ ...header, attributes: many })).toThrow(/4355 octets/);
    expect(() => encodeRadius({ ...header, authenticator: new Uint8Array(15), attributes: [] })).toThrow(
      /16/,
    );
  });

  it('fills the greatest packet', () => {
    const attributes = Array.from({ length: 16 }, () => ({
      type: 79,
      value: new Uint8Array(252).fill(0xa5),
    }));
    attributes.push({ type: 79, value: new Uint8Array(10).fill(0xa5) });
    const bytes = encodeRadius({ code: 1, id: 1, authenticator: new Uint8Array(16), attributes });
    expect(bytes.length).toBe(4096);
    expect(decodeRadius(bytes)).toMatchObject({ code: 1 });
  });
});
