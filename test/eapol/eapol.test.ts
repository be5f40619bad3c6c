import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeEapol, type EapolPdu, encodeEapol } from '../../eapol/eapol.ts';
import { toHex } from '../../wire/bytes.ts';
import { isMalformed } from '../../wire/malformed.ts';
import { describeVectors } from '../vectors.ts';

describeVectors('eapol', { decode: decodeEapol, encode: (pdu: EapolPdu) => encodeEapol(pdu) });

describe('EAPOL', () => {
  it('decodes what it encodes', () => {
    const pdu = fc.record({
      version: fc.integer({ min: 0, max: 255 }),
      type: fc.integer({ min: 0, max: 8 }),
      body: fc.uint8Array({ maxLength: 300 }),
    });
    fc.assert(
      fc.property(pdu, (p) => {
        expect(decodeEapol(encodeEapol(p))).toEqual(p);
      }),
    );
  });

  it('conformance 1: refuses a body longer than the frame and an unknown type, whatever the octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 64 }), (b) => {
        const decoded = decodeEapol(b);
        const type = b[1] ?? 0;
        const length = ((b[2] ?? 0) << 8) | (b[3] ?? 0);
        if (type > 8) expect(decoded).toEqual({ malformed: 'eapol-unknown-type', offset: 1 });
        else if (4 + length > b.length) {
          expect(decoded).toEqual({ malformed: 'eapol-body-overruns-frame', offset: 2 });
        } else expect(decoded).toMatchObject({ version: b[0], type, body: b.subarray(4, 4 + length) });
      }),
    );
  });

  it('conformance 2: octets beyond the body change nothing', () => {
    const padding = fc.uint8Array({ maxLength: 64 });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), padding, (body, tail) => {
        const pdu = encodeEapol({ version: 2, type: 0, body });
        expect(decodeEapol(Uint8Array.of(...pdu, ...tail))).toEqual(decodeEapol(pdu));
      }),
    );
  });

  it('gives a view: nothing is copied', () => {
    const frame = encodeEapol({ version: 2, type: 0, body: Uint8Array.of(1, 2, 3) });
    const pdu = decodeEapol(frame);
    if (isMalformed(pdu)) throw new Error('refused');
    frame[4] = 0xee;
    expect(toHex(pdu.body)).toBe('ee0203');
  });

  it('throws on a body that no length field holds', () => {
    expect(() => encodeEapol({ version: 2, type: 0, body: new Uint8Array(65_536) })).toThrow(RangeError);
  });
});
