/**
 * The pair of nodes on a virtual clock (docs/simulation.md): some seeds in every run of the tests, many
 * more with `npm run ha:simulate -- --seeds N`.
 */
import { describe, expect, it } from 'vitest';
import { simulate } from '../../lab/simulation/run.ts';

const SEEDS = 100;
const ACTIONS = 30;

describe('an active that may die at any point', () => {
  it(`loses nothing and doubles nothing, in ${SEEDS} simulated runs`, () => {
    const results = Array.from({ length: SEEDS }, (_, i) => simulate(i + 1, { actions: ACTIONS }));
    const failures = results.flatMap(({ seed, failure }) =>
      failure === undefined ? [] : [`npm run ha:simulate -- --steps ${ACTIONS} --seed ${seed}: ${failure}`],
    );
    expect(failures).toEqual([]);
    const sum = (of: 'takeovers' | 'compared' | 'faults' | 'duplicates' | 'records') =>
      results.reduce((total, result) => total + result[of], 0);
    // A simulation in which nothing happens would pass as well.
    expect(sum('takeovers')).toBeGreaterThan(SEEDS);
    expect(sum('compared')).toBeGreaterThan(100 * SEEDS);
    expect(sum('faults')).toBeGreaterThan(10);
    expect(sum('duplicates')).toBeGreaterThan(SEEDS);
    expect(sum('records')).toBeGreaterThan(5 * SEEDS);
  }, 180_000);

  it('gives the same run for the same seed', () => {
    const stories = [1, 2].map(() => {
      const lines: string[] = [];
      simulate(7, { actions: 40, trace: (line) => lines.push(line) });
      return lines;
    });
    expect(stories[0]?.length).toBeGreaterThan(200);
    expect(stories[1]).toEqual(stories[0]);
  });
});
