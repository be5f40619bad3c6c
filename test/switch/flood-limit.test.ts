/** How many frames of a port are read before the kernel keeps the next ones away. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FLOOD_PAUSE_MS, FloodLimit } from '../../switch/linux/flood/flood-limit.ts';

describe('FloodLimit', () => {
  it('lets a second of frames come at once, and one more holds the port back', () => {
    const limit = new FloodLimit(1000);
    expect(limit.take(0, 'swp1', 1000)).toBe(false);
    expect(limit.take(0, 'swp1', 1)).toBe(true);
    expect(limit.take(0, 'swp2', 1000)).toBe(false);
  });

  it('owes nothing for what had come before the kernel was told', () => {
    const limit = new FloodLimit(1000);
    expect(limit.take(0, 'swp1', 1064)).toBe(true);
    for (let at = 0; at < FLOOD_PAUSE_MS; at++) expect(limit.take(at, 'swp1', 64)).toBe(false);
    expect(limit.take(FLOOD_PAUSE_MS, 'swp1', FLOOD_PAUSE_MS)).toBe(false);
    expect(limit.take(FLOOD_PAUSE_MS, 'swp1', 1)).toBe(true);
  });

  it('leaves a port alone that sends as much as it may, however long', () => {
    const limit = new FloodLimit(1000);
    for (let at = 0; at < 60_000; at += 10) expect(limit.take(at, 'swp1', 10)).toBe(false);
  });

  it('has no limit below 500, and none at all with 0', () => {
    const small = new FloodLimit(10);
    expect(small.take(0, 'swp1', 500)).toBe(false);
    expect(small.take(0, 'swp1', 1)).toBe(true);
    const none = new FloodLimit(0);
    expect(none.take(0, 'swp1', 1_000_000)).toBe(false);
  });

  it('reads of a flood, pauses apart, a second of frames and so many a second', () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 1, max: 64 })), {
      minLength: 1,
      maxLength: 2000,
    });
    fc.assert(
      fc.property(steps, (frames) => {
        const limit = new FloodLimit(1000);
        let at = 0;
        let heldUntil = 0;
        let read = 0;
        let pauses = 0;
        for (const [ms, count] of frames) {
          at += ms;
          if (at < heldUntil) continue;
          read += count;
          if (limit.take(at, 'swp1', count)) {
            heldUntil = at + FLOOD_PAUSE_MS;
            pauses++;
          }
        }
        // The batch that was one too many is read too.
        expect(read).toBeLessThanOrEqual(1000 + at + 64 * pauses);
      }),
    );
  });
});
