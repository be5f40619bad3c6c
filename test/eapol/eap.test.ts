import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeEap, type EapPacket, encodeEap } from '../../eapol/eap.ts';
import { isMalformed } from '../../wire/malformed.ts';
import { describeVectors } from '../vectors.ts';

describeVectors('eap', { decode: decodeEap, encode: (packet: EapPacket) => encodeEap(packet) });

const octet = fc.integer({ min: 0, max: 255 });

describe('EAP', () => {
  it('decodes what it encodes: requests and responses', () => {
    const parts = fc.record({
      code: fc.constantFrom(1, 2),
      id: octet,
      type: octet,
      typeData: fc.uint8Array({ maxLength: 300 }),
    });
    fc.assert(
      fc.property(parts, (p) => {
        const bytes = encodeEap(p);
        expect(decodeEap(bytes)).toEqual({ ...p, length: 5 + p.typeData.length, bytes });
      }),
    );
  });

  it('decodes what it encodes: successes and failures', () => {
    fc.assert(
      fc.property(fc.constantFrom(3, 4), octet, (code, id) => {
        expect(decodeEap(encodeEap({ code, id }))).toMatchObject({ code, id, length: 4, type: undefined });
      }),
    );
  });

  it('never throws, and `bytes` is what the length says', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 0, max: 5 }), (b, code) => {
        if (b.length > 2) b.set([code, 1, 0], 0);
        const packet = decodeEap(b);
        if (!isMalformed(packet)) expect(packet.bytes).toEqual(b.subarray(0, packet.length));
      }),
      { numRuns: 500 },
    );
  });

  it('a request without data has type and nothing else', () => {
    expect(encodeEap({ code: 1, id: 5, type: 1 })).toEqual(Uint8Array.of(1, 5, 0, 5, 1));
  });

  it('throws where code and type do not fit, and on too much', () => {
    expect(() => encodeEap({ code: 1, id: 1 })).toThrow(TypeError);
    expect(() => encodeEap({ code: 3, id: 1, type: 1 })).toThrow(TypeError);
    const typeData = new Uint8Array(65_531);
    expect(() => encodeEap({ code: 1, id: 1, type: 1, typeData })).toThrow(RangeError);
  });
});
