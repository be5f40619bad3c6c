import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ID_REST_MS, IdPool } from '../../../radius/client/id-pool.ts';

describe('IdPool', () => {
  it('conformance 23: gives no identifier out twice, and the least recently used first', () => {
    const pool = new IdPool(1);
    const first = Array.from({ length: 256 }, (_, i) => pool.take(0, `t${i}`)?.id);
    expect(new Set(first).size).toBe(256);
    expect(pool.take(0, 'one too many')).toBeUndefined();
    pool.release(1, { socket: 0, id: 200 }, true);
    pool.release(2, { socket: 0, id: 3 }, true);
    expect(pool.take(3, 'a')).toEqual({ socket: 0, id: 200 });
    expect(pool.take(3, 'b')).toEqual({ socket: 0, id: 3 });
    expect(pool.inUse).toBe(256);
  });

  it('grows by source ports up to its cap', () => {
    const pool = new IdPool(3);
    const seen = new Set<string>();
    for (let i = 0; i < 3 * 256; i++) {
      const slot = pool.take(0, `t${i}`);
      seen.add(`${slot?.socket}/${slot?.id}`);
    }
    expect(seen.size).toBe(768);
    expect(pool.sockets).toBe(3);
    expect(pool.take(0, 'x')).toBeUndefined();
  });

  it('lets an unanswered identifier rest, and uses it earlier only at the cap', () => {
    const pool = new IdPool(2);
    const slots = Array.from({ length: 256 }, (_, i) => pool.take(0, `t${i}`));
    pool.release(10, slots[7] ?? { socket: 0, id: 0 }, false);
    expect(pool.take(11, 'next')).toEqual({ socket: 1, id: 0 });
    for (let i = 1; i < 256; i++) pool.take(11, `u${i}`);
    expect(pool.take(12, 'at the cap')).toEqual({ socket: 0, id: 7 });
    const other = new IdPool(1);
    for (let i = 0; i < 256; i++) other.take(0, `t${i}`);
    other.release(10, { socket: 0, id: 9 }, false);
    other.release(10, { socket: 0, id: 4 }, true);
    expect(other.take(10 + ID_REST_MS, 'x')).toEqual({ socket: 0, id: 4 });
    expect(other.take(10 + ID_REST_MS, 'y')).toEqual({ socket: 0, id: 9 });
  });

  it('tells a duplicate from a stranger', () => {
    const pool = new IdPool(1);
    const slot = pool.take(0, 'a') ?? { socket: 0, id: 0 };
    expect(pool.wasAnswered(0, slot.id)).toBe(false);
    pool.release(1, slot, true);
    expect(pool.wasAnswered(0, slot.id)).toBe(true);
    expect(pool.wasAnswered(0, slot.id + 1)).toBe(false);
    expect(pool.wasAnswered(9, 0)).toBe(false);
    expect(pool.owner(9, 0)).toBeUndefined();
  });

  it('takes over what a record names, once', () => {
    const pool = new IdPool(4);
    expect(pool.claim({ socket: 2, id: 17 }, 'a')).toBe(true);
    expect(pool.owner(2, 17)).toBe('a');
    expect(pool.claim({ socket: 2, id: 17 }, 'b')).toBe(false);
    expect(pool.claim({ socket: 4, id: 0 }, 'c')).toBe(false);
    expect(pool.claim({ socket: 0, id: 256 }, 'c')).toBe(false);
    const rest = new Set<string>();
    for (let i = 0; i < 4 * 256 - 1; i++) {
      const slot = pool.take(0, `t${i}`);
      rest.add(`${slot?.socket}/${slot?.id}`);
    }
    expect(rest.size).toBe(1023);
    expect(rest.has('2/17')).toBe(false);
  });

  it('keeps its books over any sequence', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(), fc.boolean()), { maxLength: 900 }), (steps) => {
        const pool = new IdPool(2);
        const held = new Map<string, { socket: number; id: number }>();
        let now = 0;
        for (const [taking, pick, answered] of steps) {
          now += pick % 50;
          if (taking) {
            const slot = pool.take(now, 'owner');
            if (slot === undefined) {
              expect(held.size).toBe(512);
              continue;
            }
            const key = `${slot.socket}/${slot.id}`;
            expect(held.has(key)).toBe(false);
            held.set(key, slot);
          } else {
            const [key, slot] = [...held][pick % Math.max(held.size, 1)] ?? [];
            if (key === undefined || slot === undefined) continue;
            pool.release(now, slot, answered);
            pool.release(now, slot, answered);
            held.delete(key);
          }
          expect(pool.inUse).toBe(held.size);
        }
      }),
      { numRuns: 100 },
    );
  });
});
