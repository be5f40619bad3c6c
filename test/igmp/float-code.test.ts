import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeFloat8,
  decodeFloat16,
  encodeFloat8,
  encodeFloat16,
  MAX_FLOAT8,
  MAX_FLOAT16,
} from '../../igmp/float-code.ts';

/** The definition of RFC 9776 §4.1.1 and RFC 9777 §5.1.3 in other arithmetic than the codec's. */
function defined(code: number, bits: number): number {
  const mantissaBits = bits - 4;
  if (code < 2 ** (bits - 1)) return code;
  const exponent = Math.floor(code / 2 ** mantissaBits) % 8;
  return ((code % 2 ** mantissaBits) + 2 ** mantissaBits) * 2 ** (exponent + 3);
}

describe('eight-bit float code', () => {
  it('decodes and encodes all 256 codes', () => {
    let previous = -1;
    for (let code = 0; code < 256; code++) {
      const value = decodeFloat8(code);
      expect(value).toBe(defined(code, 8));
      expect(encodeFloat8(value)).toBe(code);
      expect(value).toBeGreaterThan(previous);
      // Up to the next code's value, the encoder rounds down to this one.
      if (code < 255) expect(encodeFloat8(decodeFloat8(code + 1) - 1)).toBe(code);
      previous = value;
    }
    expect(previous).toBe(MAX_FLOAT8);
  });

  it.each([
    [-1, 0],
    [0.9, 0],
    [127, 127],
    [128, 0x80],
    [400, 0x99],
    [MAX_FLOAT8 + 1, 255],
    [Number.POSITIVE_INFINITY, 255],
  ])('encodes %d as %d', (value, code) => {
    expect(encodeFloat8(value)).toBe(code);
  });
});

describe('sixteen-bit float code', () => {
  it('decodes and encodes all 65536 codes', () => {
    let wrong = 0;
    for (let code = 0; code < 65_536; code++) {
      const value = decodeFloat16(code);
      if (value !== defined(code, 16) || encodeFloat16(value) !== code) wrong++;
      if (code < 65_535 && encodeFloat16(decodeFloat16(code + 1) - 1) !== code) wrong++;
    }
    expect(wrong).toBe(0);
    expect(decodeFloat16(65_535)).toBe(MAX_FLOAT16);
  });

  it.each([
    [-1, 0],
    [32_767, 32_767],
    [32_768, 0x8000],
    [40_000, 0x8388],
    [MAX_FLOAT16 + 1, 65_535],
    [Number.POSITIVE_INFINITY, 65_535],
  ])('encodes %d as %d', (value, code) => {
    expect(encodeFloat16(value)).toBe(code);
  });

  it('rounds down, by less than one part in 4096', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: MAX_FLOAT16 }), (value) => {
        const decoded = decodeFloat16(encodeFloat16(value));
        expect(decoded).toBeLessThanOrEqual(value);
        expect(value - decoded).toBeLessThanOrEqual(value / 4096);
      }),
    );
  });
});
