import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyIndex } from '../../session/key-index.ts';

describe('the index of keys', () => {
  it('is a set of keys for each owner, in the order in which they came', () => {
    const step = fc.record({
      verb: fc.constantFrom('add', 'remove'),
      owner: fc.constantFrom('a', 'b'),
      key: fc.constantFrom('x', 'y', 'z'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const index = new KeyIndex();
        const model = { a: new Set<string>(), b: new Set<string>() };
        for (const { verb, owner, key } of steps) {
          const set = model[owner as 'a' | 'b'];
          if (verb === 'add') set.add(key);
          else set.delete(key);
          index[verb as 'add' | 'remove'](owner, key);
          for (const each of ['a', 'b'] as const) {
            expect(index.keys(each)).toEqual([...model[each]]);
            expect(index.count(each)).toBe(model[each].size);
          }
        }
      }),
    );
  });

  it('gives keys that stay as they are while the index changes', () => {
    const index = new KeyIndex();
    index.add('a', 'x');
    index.add('a', 'y');
    const keys = index.keys('a');
    for (const key of keys) index.remove('a', key);
    expect(keys).toEqual(['x', 'y']);
    expect(index.count('a')).toBe(0);
  });
});
