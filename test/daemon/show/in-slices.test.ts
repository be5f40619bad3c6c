import { describe, expect, it } from 'vitest';
import { inSlices, OneAtATime } from '../../../daemon/show/in-slices.ts';

describe('a long answer in slices', () => {
  it('lets other work happen between two slices, and takes what is there then', async () => {
    const records = new Map([1, 2, 3, 4].map((key) => [key, `record ${key}`]));
    const taken: string[] = [];
    setImmediate(() => {
      taken.push('other work');
      records.delete(3);
      records.set(5, 'record 5');
    });
    const isWhole = await inSlices(
      records.values(),
      (record) => taken.push(record),
      () => true,
      0,
    );
    expect(isWhole).toBe(true);
    expect(taken).toEqual(['record 1', 'other work', 'record 2', 'record 4', 'record 5']);
  });

  it('leaves the rest out once it is of no use any more', async () => {
    const taken: number[] = [];
    let looks = 0;
    const isThere = () => ++looks < 3;
    expect(await inSlices([1, 2, 3, 4, 5], (item) => taken.push(item), isThere, 0)).toBe(false);
    expect(taken).toEqual([1, 2, 3]);
  });

  it('takes what is little in one go', async () => {
    let isOther = false;
    setImmediate(() => {
      isOther = true;
    });
    const seen: boolean[] = [];
    await inSlices(
      [1, 2, 3],
      () => seen.push(isOther),
      () => true,
      1000,
    );
    expect(seen).toEqual([false, false, false]);
  });
});

describe('long answers', () => {
  it('are made one after the other, also after one that came to nothing', async () => {
    const answers = new OneAtATime();
    const happened: string[] = [];
    const make = (name: string, fails: boolean) => async () => {
      happened.push(`${name} begins`);
      await new Promise((resolve) => setImmediate(resolve));
      happened.push(`${name} ends`);
      if (fails) throw new Error(name);
      return name;
    };
    const all = await Promise.allSettled([
      answers.run(make('first', true)),
      answers.run(make('second', false)),
      answers.run(make('third', false)),
    ]);
    expect(all.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
    expect(happened).toEqual([
      'first begins',
      'first ends',
      'second begins',
      'second ends',
      'third begins',
      'third ends',
    ]);
  });
});
