import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { putU16 } from '../../wire/bytes.ts';
import { addWords, foldChecksum, internetChecksum, pseudoHeaderSum } from '../../wire/checksum.ts';

describe('Internet checksum', () => {
  it('agrees with the sample of RFC 1071 §3', () => {
    const sample = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
    expect(internetChecksum(sample)).toBe(0xffff - 0xddf2);
  });

  it('counts an odd last octet as the upper half of a word', () => {
    expect(internetChecksum(Uint8Array.of(0x12))).toBe(0xffff - 0x1200);
  });

  it('is 0 over octets that hold their own checksum, and only then', () => {
    const data = fc.uint8Array({ minLength: 2, maxLength: 99 });
    fc.assert(
      fc.property(data, fc.integer({ min: 1, max: 0xfffe }), (bytes, error) => {
        const right = bytes.slice();
        putU16(right, 0, 0);
        const checksum = internetChecksum(right);
        putU16(right, 0, checksum);
        expect(internetChecksum(right)).toBe(0);
        // 0x0000 and 0xffff are one number to this sum, so an error of 0xffff cannot show.
        putU16(right, 0, (checksum + error) % 0xffff);
        if ((checksum + error) % 0xffff !== checksum % 0xffff) expect(internetChecksum(right)).not.toBe(0);
      }),
    );
  });

  it('adds up over ranges', () => {
    const bytes = Uint8Array.from({ length: 40 }, (_, i) => i * 7);
    expect(foldChecksum(addWords(bytes, 10, 40, addWords(bytes, 0, 10)))).toBe(internetChecksum(bytes));
  });

  it('does not overflow on the largest packet', () => {
    expect(internetChecksum(new Uint8Array(65_536).fill(0xff))).toBe(0);
  });

  it('makes the pseudo header of RFC 8200 §8.1', () => {
    expect(pseudoHeaderSum('::1', 'ff02::16', 28, 58)).toBe(1 + 0xff02 + 0x16 + 28 + 58);
    expect(pseudoHeaderSum('10.0.0.1', '10.0.0.2', 8, 17)).toBe(0x0a00 + 1 + 0x0a00 + 2 + 8 + 17);
  });

  it('throws on addresses of two families', () => {
    expect(() => pseudoHeaderSum('10.0.0.1', 'ff02::1', 8, 17)).toThrow(TypeError);
    expect(() => pseudoHeaderSum('nobody', 'ff02::1', 8, 17)).toThrow(TypeError);
  });
});
