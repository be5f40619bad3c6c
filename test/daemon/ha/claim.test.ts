import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { beats, decodeClaim, encodeClaim } from '../../../daemon/ha/claim.ts';

const KEY = new Uint8Array(32).fill(7);
const MAC = '02:00:00:00:00:01';
const ETHERNET = 14;

describe('a claim', () => {
  it('is a padded broadcast frame that says node, epoch and time', () => {
    const frame = encodeClaim({ node: 'a', epoch: 5, at: 1234.9, alone: true }, MAC, KEY);
    expect(frame.length).toBe(60);
    expect(Buffer.from(frame.subarray(0, ETHERNET)).toString('hex')).toBe('ffffffffffff02000000000188b5');
    expect(decodeClaim(frame.subarray(ETHERNET), KEY)).toEqual({
      node: 'a',
      epoch: 5,
      at: 1234,
      alone: true,
    });
  });

  it('survives any name, epoch and time', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 40 }),
        fc.nat(),
        fc.nat({ max: 2 ** 50 }),
        fc.boolean(),
        (node, epoch, at, alone) => {
          fc.pre(Buffer.byteLength(node) <= 255);
          const frame = encodeClaim({ node, epoch, at, alone }, MAC, KEY);
          expect(decodeClaim(frame.subarray(ETHERNET), KEY)).toEqual({ node, epoch, at, alone });
        },
      ),
    );
  });

  it('counts only as it was signed', () => {
    const payload = encodeClaim({ node: 'node-a', epoch: 5, at: 1, alone: false }, MAC, KEY).subarray(
      ETHERNET,
    );
    const length = 23 + 6 + 16;
    for (let at = 0; at < length; at++) {
      const forged = Uint8Array.from(payload);
      forged[at] = (forged[at] ?? 0) ^ 1;
      expect(decodeClaim(forged, KEY), `octet ${at}`).toBe(undefined);
      expect(decodeClaim(payload.subarray(0, at), KEY)).toBe(undefined);
    }
    expect(decodeClaim(payload, new Uint8Array(32))).toBe(undefined);
    expect(decodeClaim(payload.subarray(0, length), KEY)).toBeDefined();
  });

  it('never throws, whatever comes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (b) => decodeClaim(b, KEY) === undefined));
  });

  it('beats another by its epoch, then by its name', () => {
    expect(beats({ node: 'a', epoch: 2 }, { node: 'b', epoch: 1 })).toBe(true);
    expect(beats({ node: 'a', epoch: 1 }, { node: 'b', epoch: 1 })).toBe(false);
    expect(beats({ node: 'b', epoch: 1 }, { node: 'a', epoch: 1 })).toBe(true);
    expect(beats({ node: 'a', epoch: 1 }, { node: 'a', epoch: 1 })).toBe(false);
  });
});
