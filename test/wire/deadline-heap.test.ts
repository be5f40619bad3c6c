import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DeadlineHeap } from '../../wire/deadline-heap.ts';

describe('deadline heap', () => {
  it('gives the same order as a sorted list, whatever is set, moved and removed', () => {
    const change = fc.record({
      key: fc.integer({ min: 0, max: 20 }).map(String),
      at: fc.option(fc.integer({ min: 0, max: 50 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 100 }), (changes) => {
        const heap = new DeadlineHeap();
        const truth = new Map<string, number>();
        for (const { key, at } of changes) {
          heap.set(key, at);
          if (at === undefined) truth.delete(key);
          else truth.set(key, at);
          expect(heap.size).toBe(truth.size);
          expect(heap.at(key)).toBe(at);
          expect(heap.next()).toBe(truth.size === 0 ? undefined : Math.min(...truth.values()));
        }
        const taken: number[] = [];
        for (let key = heap.takeDue(50); key !== undefined; key = heap.takeDue(50)) {
          taken.push(truth.get(key) ?? Number.NaN);
          truth.delete(key);
        }
        expect(taken).toEqual([...taken].sort((a, b) => a - b));
        expect(truth.size).toBe(0);
      }),
    );
  });

  it('takes out nothing before its time', () => {
    const heap = new DeadlineHeap();
    heap.set('a', 10);
    expect(heap.takeDue(9.999)).toBeUndefined();
    expect(heap.takeDue(10)).toBe('a');
    expect(heap.next()).toBeUndefined();
  });
});
