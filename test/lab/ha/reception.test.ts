import { describe, expect, it } from 'vitest';
import { Reception } from '../../../lab/ha/reception.ts';

/** Datagrams of these numbers, sent a millisecond apart. */
function received(numbers: readonly number[], reception = new Reception()): Reception {
  for (const number of numbers) reception.take(number, number, 1_000 + number);
  return reception;
}

describe('Reception', () => {
  it('sees no gap where every number came', () => {
    expect(received([5, 6, 7]).report()).toMatchObject({ packets: 3, missing: 0, doubled: 0, gapMs: 0 });
  });

  it('measures the longest gap by the times of sending', () => {
    const report = received([1, 2, 5, 6, 16]).report();
    expect(report).toMatchObject({ missing: 11, gapMs: 10, gapEndAtMs: 1_016 });
  });

  it('tells a doubled datagram from a late one', () => {
    expect(received([1, 3, 2, 3, 4]).report()).toMatchObject({ missing: 0, doubled: 1 });
  });

  it('counts anew after a mark, with what is missing across it', () => {
    const reception = received([1, 2, 3]);
    reception.mark();
    received([6, 7], reception);
    expect(reception.report()).toMatchObject({ packets: 2, missing: 2, gapMs: 3 });
  });
});
