/**
 * The rounds of a run, decided before the first one is played: which situation, and where in it the node goes away.
 * The same set, count and seed give the same rounds, and each of them can be played by itself.
 */
import { Random } from '../random.ts';
import type { TakeoverScenario } from './scenario.ts';

export interface PlannedRound {
  /** From 1. */
  readonly number: number;
  readonly scenario: TakeoverScenario;
  /** Part of the questions that has been asked when the node goes away: 0.1 to 0.8. */
  readonly moment: number;
  /** For what happens to packets on the way. */
  readonly seed: number;
}

/** Rounds that one lab can play, in order. */
export type LabRounds = readonly PlannedRound[];

/** Both kinds of servers get the same number of rounds, where both are there; their situations take turns. */
export function planRounds(scenarios: readonly TakeoverScenario[], count: number, seed: number): LabRounds[] {
  const kinds = [...groupedBy(scenarios, ({ server }) => server).values()];
  const labs: PlannedRound[][] = [];
  let number = 0;
  kinds.forEach((kind, i) => {
    const share = Math.round((count * (i + 1)) / kinds.length) - Math.round((count * i) / kinds.length);
    const drawn = Array.from({ length: share }, (_, n) => kind[n % kind.length]).filter(
      (scenario) => scenario !== undefined,
    );
    for (const group of groupedBy(drawn, labOf).values())
      labs.push(
        group.map((scenario) => {
          const random = new Random(seed * 1_000_003 + ++number);
          const moment = 0.1 + 0.7 * random.fraction();
          return { number, scenario, moment, seed: Math.floor(random.fraction() * 2 ** 31) };
        }),
      );
  });
  return labs;
}

/** Situations with the same text can be played in the same lab. */
function labOf({ server, messages, family, standbyFirst = false }: TakeoverScenario): string {
  return `${server} ${messages} ${family} ${standbyFirst}`;
}

export function groupedBy<T>(all: readonly T[], keyOf: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of all) {
    const key = keyOf(one);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [one]);
    else group.push(one);
  }
  return groups;
}
