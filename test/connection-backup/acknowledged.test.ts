/**
 * The invariant of both ways together, whatever the network, the tap and the link do: a peer is told of no octet that
 * the standby could not go on with, by the records or by what it has seen.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Hold } from '../../connection-backup/hold.ts';
import { TcpFlag } from '../../connection-backup/segment.ts';
import { plus } from '../../connection-backup/sequence.ts';
import { TappedStream } from '../../connection-backup/tapped-stream.ts';

const octetAt = (position: number) => (position * 13 + 5) & 0xff;
const sent = (begin: number, end: number) =>
  Uint8Array.from({ length: end - begin }, (_, i) => octetAt(begin + i));

const segment = fc.tuple(fc.nat(120), fc.integer({ min: 1, max: 30 }));
const step = fc.oneof(
  // A segment on its way: the tap may miss it, the active may not get it, or it goes by the standby.
  fc.record({ what: fc.constant('segment' as const), segment, tap: fc.boolean(), active: fc.boolean() }),
  // What the standby reports arrives at the active; what the active has noted arrives at the standby.
  fc.record({ what: fc.constant('report' as const) }),
  fc.record({ what: fc.constant('note' as const) }),
  fc.record({ what: fc.constant('commit' as const) }),
  // The active's kernel acknowledges what it has.
  fc.record({ what: fc.constant('acknowledge' as const) }),
);

it('no acknowledgement leaves for what the standby does not have', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(0, 0xffff_ffd0, 12345),
      fc.integer({ min: 8, max: 200 }),
      fc.array(step, { maxLength: 120 }),
      (receivedFrom, room, steps) => {
        const hold = new Hold(receivedFrom);
        const tapped = new TappedStream(receivedFrom, 0, room);
        const kernel = new Set<number>();
        /** Noted by the active, in the records of the standby, and what the active knows of that. */
        let noted = 0;
        let records = 0;
        for (const one of steps) {
          const inKernel = () => {
            let end = 0;
            while (kernel.has(end)) end++;
            return end;
          };
          if (one.what === 'segment') {
            const [begin, length] = one.segment;
            if (one.tap) tapped.see(plus(receivedFrom, begin), sent(begin, begin + length));
            if (one.active) for (let i = 0; i < length; i++) kernel.add(begin + i);
          } else if (one.what === 'report') hold.raise(tapped.awaited);
          else if (one.what === 'note') noted = inKernel();
          else if (one.what === 'commit') {
            records = noted;
            tapped.trim(records);
            hold.raise(plus(receivedFrom, records));
          } else {
            const position = inKernel();
            const acknowledgement = plus(receivedFrom, position);
            if (hold.judge({ flags: TcpFlag.Ack, acknowledgement }) !== 'pass') continue;
            // The active dies now: the standby goes on from its records and its queue.
            const more = tapped.from(records);
            expect(records + more.length).toBeGreaterThanOrEqual(position);
            expect(more).toEqual(sent(records, records + more.length));
          }
        }
      },
    ),
    { numRuns: 500 },
  );
});
