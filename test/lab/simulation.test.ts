/** A short part of `npm run ha:simulate`: an active that dies at any point loses nothing. */
import { expect, it } from 'vitest';
import { simulate } from '../../lab/simulation/run.ts';

const SEEDS = Number(process.env['SEEDS'] ?? 40);

it(`${SEEDS} runs with takeovers: the standby is equal after every event, and nothing is lost or doubled`, () => {
  let takeovers = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const result = simulate(seed, { actions: 60 });
    expect(result.failure, `npm run ha:simulate -- --seed ${seed} --steps 60`).toBeUndefined();
    takeovers += result.takeovers;
  }
  expect(takeovers).toBeGreaterThan(SEEDS / 2);
}, 120_000);
