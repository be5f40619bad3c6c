import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChangeLog, readChanges } from '../../replication/change-log.ts';
import { Store } from '../../session/store.ts';

interface Thing {
  readonly n: number;
}

/** The changes of the turn that ends. */
function sealed(log: ChangeLog) {
  const batch = log.seal();
  if (batch === undefined) return [];
  const changes = readChanges(batch.octets);
  if (typeof changes === 'string') throw new Error(changes);
  expect(changes).toHaveLength(batch.last - batch.first + 1);
  return changes;
}

const step = fc.tuple(
  fc.constantFrom('a', 'b', 'c', 'd'),
  fc.option(fc.integer({ min: 0, max: 9 }), { nil: undefined }),
);

describe('change log', () => {
  it('has a record once that was put several times in a turn, as it was put last', () => {
    const log = new ChangeLog(0);
    const things = new Store<Thing>('things', log);
    things.put('a', { n: 1 });
    things.put('b', { n: 2 });
    things.put('a', { n: 3 });
    expect(log.last).toBe(2);
    expect(sealed(log)).toMatchObject([
      { key: 'a', record: { n: 3 } },
      { key: 'b', record: { n: 2 } },
    ]);
    things.put('a', { n: 4 });
    expect(sealed(log)).toMatchObject([{ key: 'a', record: { n: 4 } }]);
  });

  it('tells a record of another store with the same key from it', () => {
    const log = new ChangeLog(0);
    new Store<Thing>('things', log).put('a', { n: 1 });
    new Store<Thing>('others', log).put('a', { n: 2 });
    expect(sealed(log).map(({ store }) => store)).toEqual(['things', 'others']);
  });

  it('leaves its reader with the same records in the same order, turn by turn', () => {
    fc.assert(
      fc.property(fc.array(fc.array(step, { maxLength: 12 }), { maxLength: 6 }), (turns) => {
        const log = new ChangeLog(0);
        const things = new Store<Thing>('things', log);
        const read = new Store<Thing>('things');
        for (const turn of turns) {
          for (const [key, n] of turn) {
            if (n === undefined) things.delete(key);
            else things.put(key, { n });
          }
          for (const { key, record } of sealed(log)) {
            if (record === undefined) read.delete(key);
            else read.put(key, record as Thing);
          }
          expect([...read.entries()]).toEqual([...things.entries()]);
        }
      }),
    );
  });

  it('is of the digest that the records have', () => {
    const log = new ChangeLog(0);
    const things = new Store<Thing>('things', log);
    things.put('a', { n: 1 });
    things.put('a', { n: 2 });
    log.seal();
    const other = new ChangeLog(0);
    new Store<Thing>('things', other).put('a', { n: 2 });
    other.seal();
    expect(log.state.digest()).toEqual(other.state.digest());
  });
});
