import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  concatBytes,
  fromHex,
  putU8,
  putU16,
  putU32,
  sameBytes,
  toHex,
  u8,
  u16,
  u32,
} from '../../wire/bytes.ts';

describe('octets', () => {
  it('reads what it wrote, as DataView does', () => {
    fc.assert(
      fc.property(fc.nat(0xffffffff), fc.nat(20), (value, at) => {
        const b = new Uint8Array(24).fill(0xa5);
        putU32(b, at, value);
        const view = new DataView(b.buffer);
        expect(u32(b, at)).toBe(view.getUint32(at));
        expect(u16(b, at)).toBe(view.getUint16(at));
        expect(u8(b, at)).toBe(view.getUint8(at));
        putU16(b, at, value & 0xffff);
        expect(u16(b, at)).toBe(value & 0xffff);
        putU8(b, at, 7);
        expect(u8(b, at)).toBe(7);
        expect([...b].filter((octet, i) => (i < at || i >= at + 4) && octet !== 0xa5)).toEqual([]);
      }),
    );
  });

  it('reads 0 past the end', () => {
    const b = Uint8Array.of(0xff);
    expect([u8(b, 1), u16(b, 0), u16(b, 9), u32(b, 0), u32(b, 5)]).toEqual([0, 0xff00, 0, 0xff000000, 0]);
  });

  it('compares', () => {
    expect(sameBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true);
    expect(sameBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false);
    expect(sameBytes(Uint8Array.of(1, 2), Uint8Array.of(1))).toBe(false);
  });

  it('joins', () => {
    expect(concatBytes(Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3))).toEqual(
      Uint8Array.of(1, 2, 3),
    );
    expect(concatBytes().length).toBe(0);
  });

  it('hex there and back', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (b) => {
        expect(toHex(b)).toBe(Buffer.from(b).toString('hex'));
        expect(fromHex(toHex(b))).toEqual(b);
      }),
    );
    expect(fromHex('02:00 0A-ff')).toEqual(Uint8Array.of(2, 0, 10, 255));
    expect([fromHex('0'), fromHex('0g'), fromHex('0x00')]).toEqual([undefined, undefined, undefined]);
  });
});
