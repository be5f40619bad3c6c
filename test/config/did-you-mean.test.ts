import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { closest, editDistance } from '../../config/file/did-you-mean.ts';

describe('did you mean', () => {
  it.each([
    ['quiet_perod', 'quiet_period'],
    ['quietPeriod', 'quiet_period'],
    ['quiet-period', 'quiet_period'],
    ['tx_peroid', 'tx_period'],
    ['zzz', undefined],
    ['x', undefined],
  ])('%s: %s', (word, found) => {
    expect(closest(word, ['tx_period', 'quiet_period', 'max_req'])).toBe(found);
  });

  it('counts a swap of neighbours as one step', () => {
    expect(editDistance('levle', 'level')).toBe(1);
    expect(editDistance('', 'abc')).toBe(3);
    expect(editDistance('kitten', 'sitting')).toBe(3);
  });

  it('is symmetric, and zero only for equal words', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b) === 0).toBe(a === b);
      }),
    );
  });
});
