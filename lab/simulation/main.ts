/**
 * `npm run ha:simulate`: runs of a pair of nodes on a virtual clock, one for each seed, with the active dying
 * at any point. A seed that fails is printed and can be run again alone, with its story. What is simulated
 * and what it does not show: docs/ha-simulation.md.
 */
import { parseArgs } from 'node:util';
import { type RunResult, simulate } from './run.ts';

const HELP = `npm run ha:simulate -- [OPTIONS]

Lets an active and its standby serve simulated subscribers on a virtual clock while the active dies, the
link breaks and servers fall silent, and looks after every single event whether anything is lost.

Options:
  --seeds N     how many runs (100)
  --seed S      the first seed (1); with no --seeds: this run alone, with its story
  --steps K     actions of people and faults in each run (80)
  --quiet       no line about progress
  --help        print this
`;

function main(words: readonly string[]): number {
  const options = {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    steps: { type: 'string' },
    quiet: { type: 'boolean' },
    help: { type: 'boolean' },
  } as const;
  let values: ReturnType<typeof parseArgs<{ options: typeof options }>>['values'];
  try {
    values = parseArgs({ args: [...words], options }).values;
  } catch (error) {
    console.error(`ha:simulate: ${error instanceof Error ? error.message : String(error)}`);
    return 2;
  }
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const alone = values.seed !== undefined && values.seeds === undefined;
  const seeds = alone ? 1 : Number(values.seeds ?? 100);
  const first = Number(values.seed ?? 1);
  const actions = Number(values.steps ?? 80);
  for (const number of [seeds, first, actions]) {
    if (Number.isSafeInteger(number) && number >= 0) continue;
    console.error('ha:simulate: --seeds, --seed and --steps take whole numbers');
    return 2;
  }
  return alone ? tell(first, actions) : runAll(first, seeds, actions, values.quiet === true);
}

/** One run with its story. */
function tell(seed: number, actions: number): number {
  const result = simulate(seed, { actions, trace: (line) => console.log(line) });
  console.log(figures([result]));
  console.log(result.failure === undefined ? '1 passed, 0 failed' : '0 passed, 1 failed');
  return result.failure === undefined ? 0 : 1;
}

function runAll(first: number, seeds: number, actions: number, quiet: boolean): number {
  const results: RunResult[] = [];
  let failed = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    const result = simulate(seed, { actions });
    results.push(result);
    if (result.failure !== undefined) {
      failed++;
      console.log(`seed ${seed}: ${result.failure}`);
      console.log(`  its story: npm run ha:simulate -- --seed ${seed} --steps ${actions}`);
    }
    const done = results.length;
    if (!quiet && done % 500 === 0) console.error(`${done} of ${seeds}, ${failed} failed`);
  }
  console.log(figures(results));
  console.log(`${seeds - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

/** How much of everything was in the runs. */
function figures(results: readonly RunResult[]): string {
  const sum = (of: (result: RunResult) => number) =>
    results.reduce((total, result) => total + of(result), 0).toLocaleString('en-US');
  return [
    `${sum(() => 1)} runs`,
    `${sum((r) => r.turns)} turns`,
    `${sum((r) => r.takeovers)} takeovers`,
    `${sum((r) => r.compared)} comparisons of active and standby`,
    `${sum((r) => r.snapshots)} snapshots`,
    `${sum((r) => r.linkFaults)} faults of the link noticed`,
    `${sum((r) => r.duplicates)} repeated RADIUS requests known again`,
    `${sum((r) => r.records)} accounting records`,
  ].join(', ');
}

process.exitCode = main(process.argv.slice(2));
