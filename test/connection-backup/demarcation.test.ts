import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Demarcation } from '../../connection-backup/demarcation.ts';
import { packetBoundary } from '../../radius/stream/packet-stream.ts';
import { concatBytes } from '../../wire/bytes.ts';

/** A length of two octets, itself included. */
const boundary = (octets: Uint8Array) => {
  if (octets.length < 2) return 'more';
  const length = ((octets[0] ?? 0) << 8) | (octets[1] ?? 0);
  return length < 2 ? 'broken' : length;
};

const message = fc.uint8Array({ maxLength: 60 }).map((body) => {
  const octets = new Uint8Array(2 + body.length);
  octets.set([octets.length >> 8, octets.length & 0xff]);
  octets.set(body, 2);
  return octets;
});

describe('messages out of a stream', () => {
  it('are the same however the octets come, and after takeovers in between', () => {
    fc.assert(
      fc.property(
        fc.array(message),
        fc.array(fc.nat(50), { minLength: 1 }),
        fc.nat(4),
        (messages, cuts, turn) => {
          const stream = concatBytes(...messages);
          let demarcation = new Demarcation(boundary);
          const found: Uint8Array[] = [];
          let at = 0;
          for (let i = 0; at < stream.length; i++) {
            const next = Math.min(stream.length, at + 1 + (cuts[i % cuts.length] ?? 0));
            found.push(...(demarcation.push(stream.subarray(at, next)) ?? []));
            at = next;
            expect(demarcation.position).toBe(at);
            // Another node goes on with what is in the record.
            if (i % 5 === turn)
              demarcation = new Demarcation(boundary, demarcation.position, demarcation.rest.slice());
          }
          expect(found).toEqual(messages);
          expect(demarcation.rest).toHaveLength(0);
        },
      ),
    );
  });

  it('end where no message can begin', () => {
    expect(new Demarcation(boundary).push(Uint8Array.of(0, 3, 7, 0, 1))).toBeUndefined();
  });

  it('of RADIUS end where their Length says, and nowhere under 20 or over 4,096 octets', () => {
    const of = (length: number) => Uint8Array.of(1, 0, length >> 8, length & 0xff);
    expect(packetBoundary(Uint8Array.of(1, 0, 0))).toBe('more');
    expect([20, 4096].map((length) => packetBoundary(of(length)))).toEqual([20, 4096]);
    expect([0, 19, 4097, 65535].map((length) => packetBoundary(of(length)))).toEqual(Array(4).fill('broken'));
  });
});
