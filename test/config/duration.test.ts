import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration } from '../../config/schema/duration.ts';

describe('durations', () => {
  it.each([
    ['0s', 0],
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5s', 1500],
    ['10m', 600_000],
    ['1h30m', 5_400_000],
    ['2d', 172_800_000],
    ['1d1h1m1s1ms', 90_061_001],
    [' 5s ', 5000],
  ])('%s is %i ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each([
    [30, 'write 30s for seconds or 30ms for milliseconds'],
    ['30', 'write 30s for seconds or 30ms for milliseconds'],
    ['30 s', 'not a duration'],
    ['30sec', 'not a duration'],
    ['-5s', 'not a duration'],
    ['', 'not a duration'],
    ['30m1h', 'large to small'],
    ['1s1s', 'large to small'],
    ['0.5ms', 'finer than a millisecond'],
    [`${'9'.repeat(20)}d`, 'too long'],
    [null, 'not nothing'],
    [['5s'], 'not a list'],
    [true, 'not true'],
  ])('%j is refused: %s', (value, words) => {
    expect(parseDuration(value)).toEqual({ refused: expect.stringContaining(words) });
  });

  it('reads back what it writes', () => {
    fc.assert(
      fc.property(fc.nat({ max: 10 ** 12 }), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms);
      }),
    );
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        const parsed = parseDuration(value);
        expect(typeof parsed === 'number' || parsed.refused !== '').toBe(true);
      }),
    );
  });
});
