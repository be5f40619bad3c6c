import { describe, expect, it } from 'vitest';
import { rowOfRounds } from '../../bench/report/row.ts';
import { median, percentile } from '../../bench/report/statistics.ts';
import { benchTable } from '../../bench/report/table.ts';

describe('order statistics', () => {
  it('are of the values whatever their order', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(median([])).toBeNaN();
    const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(percentile(hundred, 50)).toBe(50);
    expect(percentile(hundred, 99)).toBe(99);
    expect(percentile(hundred, 100)).toBe(100);
    expect(percentile([7], 1)).toBe(7);
    expect(percentile([], 50)).toBeNaN();
  });
});

describe('a row of rounds', () => {
  const head = { section: 's', what: 'w', unit: '/s' };

  it('has the medians of both and the median of the ratios of neighbours', () => {
    const rounds = [
      { castgate: 10, reference: 10 },
      { castgate: 40, reference: 20 },
      { castgate: 60, reference: 20 },
    ];
    expect(rowOfRounds(head, 'peer', 'ratio', rounds)).toMatchObject({
      castgate: 40,
      reference: 20,
      comparison: { kind: 'ratio', value: 2 },
    });
  });

  it('stands on the pooled figures where they are given', () => {
    const rounds = [
      { castgate: 1, reference: 1 },
      { castgate: 9, reference: 2 },
    ];
    const row = rowOfRounds(head, 'peer', 'difference', rounds, { castgate: 5, reference: 1.5 });
    expect(row).toMatchObject({ castgate: 5, reference: 1.5, comparison: { value: 3.5 } });
  });

  it('is without comparison where nothing can be compared', () => {
    const alone = rowOfRounds(head, '', 'ratio', [{ castgate: 3, reference: undefined }]);
    expect(alone.reference).toBeUndefined();
    expect(alone.comparison).toBeUndefined();
    const nothing = rowOfRounds(head, 'peer', 'ratio', [{ castgate: 3, reference: 0 }]);
    expect(nothing.comparison).toBeUndefined();
  });
});

describe('the table', () => {
  it('shows each section once, ratios and differences as what they are', () => {
    const row = (section: string, what: string, kind: 'ratio' | 'difference', castgate: number) =>
      rowOfRounds({ section, what, unit: 'ms' }, 'peer', kind, [{ castgate, reference: 2000 }]);
    const text = benchTable([row('One', 'a', 'ratio', 1000), row('One', 'b', 'difference', 1999.5)]);
    expect(text.split('\n').map((line) => line.trim().split(/ {2,}/))).toEqual([
      ['castgate', 'reference', 'compared', 'reference is'],
      [''],
      ['One'],
      ['a (ms)', '1,000', '2,000', 'x 0.50', 'peer'],
      ['b (ms)', '2,000', '2,000', '-0.500', 'peer'],
      [''],
    ]);
  });
});
