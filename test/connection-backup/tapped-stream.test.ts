/** Segments in any order, cut and repeated as a network may: what is contiguous is what the peer sent. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plus } from '../../connection-backup/sequence.ts';
import { TappedStream } from '../../connection-backup/tapped-stream.ts';

/** Octet `position` of what the peer sends. */
const octetAt = (position: number) => (position * 31 + (position >> 8)) & 0xff;
const sent = (begin: number, length: number) => Uint8Array.from({ length }, (_, i) => octetAt(begin + i));

const LENGTH = 400;
const sequences = fc.oneof(fc.constantFrom(0, 1, 0xffff_ffff, 0xffff_ff00, 0x7fff_ffff), fc.nat(0xffff_ffff));
const cut = fc.tuple(fc.nat(LENGTH - 1), fc.integer({ min: 1, max: 90 }));

describe('a stream that is tapped', () => {
  it('is the peer’s own, whatever order, overlap, repetition and loss, and wherever its numbers wrap', () => {
    fc.assert(
      fc.property(sequences, fc.nat(5000), fc.array(cut, { maxLength: 60 }), (from, begin, cuts) => {
        const stream = new TappedStream(from, begin, 10_000);
        const seen = new Set<number>();
        for (const [offset, length] of cuts) {
          const at = begin + offset;
          stream.see(plus(from, at), sent(at, length));
          for (let i = 0; i < length; i++) seen.add(at + i);
          let end = begin;
          while (seen.has(end)) end++;
          expect(stream.end).toBe(end);
          expect(stream.awaited).toBe(plus(from, end));
          expect(stream.kept).toBe(seen.size);
        }
        expect(stream.from(begin)).toEqual(sent(begin, stream.end - begin));
      }),
    );
  });

  it('is whole once every octet has come, in any order of the segments', () => {
    fc.assert(
      fc.property(
        sequences,
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 }),
        fc.infiniteStream(fc.nat()),
        (from, lengths, draw) => {
          const segments = lengths.map((length, i) => ({
            at: lengths.slice(0, i).reduce((sum, one) => sum + one, 0),
            length,
          }));
          const total = lengths.reduce((sum, one) => sum + one, 0);
          const stream = new TappedStream(from, 0, total);
          while (segments.length > 0) {
            const [one] = segments.splice((draw.next().value ?? 0) % segments.length, 1);
            if (one !== undefined) expect(stream.see(plus(from, one.at), sent(one.at, one.length))).toBe(0);
          }
          expect(stream.from(0)).toEqual(sent(0, total));
        },
      ),
    );
  });

  it('keeps no more than there is room for, and says how much had none', () => {
    fc.assert(
      fc.property(sequences, fc.integer({ min: 1, max: 200 }), fc.array(cut), (from, room, cuts) => {
        const stream = new TappedStream(from, 0, room);
        for (const [at, length] of cuts) {
          const without = stream.see(plus(from, at), sent(at, length));
          expect(without).toBe(Math.max(0, at + length - Math.max(room, at)));
          expect(stream.kept).toBeLessThanOrEqual(room);
        }
        expect(stream.from(0)).toEqual(sent(0, stream.end));
      }),
    );
  });

  it('follows the records: what they have is dropped, and what was never seen is told', () => {
    fc.assert(
      fc.property(sequences, fc.array(fc.tuple(cut, fc.nat(60)), { maxLength: 40 }), (from, steps) => {
        const stream = new TappedStream(from, 0, 10_000);
        const seen = new Set<number>();
        let received = 0;
        for (const [[at, length], forward] of steps) {
          stream.see(plus(from, at), sent(at, length));
          for (let i = Math.max(at, received); i < at + length; i++) seen.add(i);
          const end = stream.end;
          received += forward;
          expect(stream.trim(received)).toBe(Math.max(0, received - end));
          for (const one of [...seen]) if (one < received) seen.delete(one);
          expect(stream.begin).toBe(received);
          expect(stream.kept).toBe(seen.size);
          expect(stream.from(received)).toEqual(sent(received, stream.end - received));
        }
      }),
    );
  });

  it('believes neither of two copies that differ, and nothing behind, until the records have passed it', () => {
    const stream = new TappedStream(0xffff_fffe, 0, 100);
    stream.see(1, Uint8Array.of(3, 4));
    stream.see(0xffff_fffe, Uint8Array.of(0, 1, 2, 3, 9, 5));
    expect([...stream.from(0)]).toEqual([0, 1, 2, 3]);
    expect(stream.differences).toBe(1);
    stream.see(2, Uint8Array.of(4, 5, 6));
    stream.trim(4);
    stream.see(2, Uint8Array.of(4, 5, 6));
    expect(stream.end).toBe(4);
    stream.trim(6);
    stream.see(4, Uint8Array.of(6, 7));
    expect([...stream.from(6)]).toEqual([6, 7]);
    expect(stream.differences).toBe(1);
  });

  it('takes back what was contiguous where a second copy differs', () => {
    const stream = new TappedStream(0, 0, 100);
    stream.see(0, Uint8Array.of(0, 1, 2, 3));
    stream.see(2, Uint8Array.of(2, 9, 4));
    expect([...stream.from(0)]).toEqual([0, 1, 2]);
    expect(stream.kept).toBe(3);
  });

  it('keeps at most 64 pieces behind gaps', () => {
    const stream = new TappedStream(0, 0, 2 << 20);
    let without = 0;
    for (let at = 8000; at > 0; at--) without += stream.see(2 * at, Uint8Array.of(1));
    expect(without).toBe(8000 - 64);
    expect(stream.kept).toBe(64);
  });

  it('keeps as many octets as there is room for in order, one by one, in no time', () => {
    const room = 1 << 17;
    const stream = new TappedStream(7, 0, room);
    const began = performance.now();
    for (let at = 0; at < room; at++) stream.see(7 + at, Uint8Array.of(octetAt(at)));
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(stream.from(0)).toEqual(sent(0, room));
  });

  it('is the peer’s own after many turns of its ring', () => {
    const stream = new TappedStream(0xffff_0000, 0, 5_000);
    for (let at = 0; at < 60_000; at += 700) {
      stream.see(plus(0xffff_0000, at + 400), sent(at + 400, 300));
      stream.see(plus(0xffff_0000, at), sent(at, 400));
      expect(stream.from(Math.max(0, at - 1000))).toEqual(
        sent(Math.max(0, at - 1000), Math.min(at, 1000) + 700),
      );
      stream.trim(Math.max(0, at - 1000));
    }
  });

  it('has nothing for a position that is not its own', () => {
    const stream = new TappedStream(7, 10, 100);
    stream.see(plus(7, 10), sent(10, 5));
    expect(stream.from(9)).toHaveLength(0);
    expect(stream.from(15)).toHaveLength(0);
    expect(stream.from(12)).toEqual(sent(12, 3));
  });
});
