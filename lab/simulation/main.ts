/**
 * `npm run ha:simulate`: runs of a pair of nodes on a virtual clock, one for each seed, with the active dying
 * at any point. A seed that fails is printed and can be run again alone, with its story. What is simulated
 * and what it does not show: docs/simulation.md.
 */
import { parseArgs } from 'node:util';
import { figures, type RunResult, simulate } from './run.ts';
import { runSeeds, type Seeds } from './seeds.ts';
import type { WorldOptions } from './world.ts';

const HELP = `npm run ha:simulate -- [OPTIONS]

Lets an active and its standby serve simulated subscribers on a virtual clock while the active dies, the
link breaks and servers fall silent, and looks after every single event whether anything is lost.

Options:
  --seeds N     how many runs (100)
  --from S      the first seed (1)
  --jobs J      how many of them at the same time, each on a thread of its own (1)
  --every-point each seed once for each of its events: the active dies at that one
  --seed S      this run alone, with its story
  --at E        with --seed: the active dies at this event, and at no other
  --steps K     actions of people and faults in each run (80)
  --quiet       no line about progress
  --help        print this
`;

async function main(words: readonly string[]): Promise<number> {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const options = {
    seeds: text,
    from: text,
    jobs: text,
    seed: text,
    at: text,
    steps: text,
    'every-point': flag,
    quiet: flag,
    help: flag,
  };
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
  const seeds = Number(values.seeds ?? 100);
  const from = Number(values.from ?? 1);
  const jobs = Number(values.jobs ?? 1);
  const actions = Number(values.steps ?? 80);
  const alone = values.seed === undefined ? undefined : Number(values.seed);
  const dieAt = values.at === undefined ? undefined : Number(values.at);
  for (const number of [seeds, from, jobs, actions, alone ?? 0, dieAt ?? 0]) {
    if (Number.isSafeInteger(number) && number >= 0) continue;
    console.error('ha:simulate: --seeds, --from, --jobs, --seed, --at and --steps take whole numbers');
    return 2;
  }
  if (alone !== undefined) return tell(alone, { actions, dieAt });
  const everyPoint = values['every-point'] === true;
  return runAll({ from, seeds, jobs: Math.max(1, jobs), actions, everyPoint }, values.quiet === true);
}

/** One run with its story. */
function tell(seed: number, options: WorldOptions): number {
  const result = simulate(seed, { ...options, trace: (line) => console.log(line) });
  console.log(figures([result]));
  console.log(result.failure === undefined ? '1 passed, 0 failed' : '0 passed, 1 failed');
  return result.failure === undefined ? 0 : 1;
}

async function runAll(what: Seeds, quiet: boolean): Promise<number> {
  const results: RunResult[] = [];
  let failed = 0;
  const began = performance.now();
  const { seeds, actions, everyPoint } = what;
  await runSeeds(what, (result) => {
    results.push(result);
    const { seed, failure, dieAt } = result;
    if (failure !== undefined) {
      failed++;
      console.log(`seed ${seed}: ${failure}`);
      const at = dieAt === undefined ? '' : ` --at ${dieAt}`;
      console.log(`  its story: npm run ha:simulate -- --steps ${actions} --seed ${seed}${at}`);
    }
    const done = results.length;
    if (quiet || done % PROGRESS_RUNS !== 0) return;
    const minutes = (performance.now() - began) / 60_000;
    const left = (minutes / done) * (seeds - done);
    const far = everyPoint ? `at seed ${seed}` : `of ${seeds}, ${left.toFixed(1)} min to go`;
    console.error(`${done} ${far}, ${failed} failed, ${minutes.toFixed(1)} min`);
  });
  console.log(figures(results));
  console.log(`${results.length - failed} passed, ${failed} failed`);
  return failed === 0 && results.length >= seeds ? 0 : 1;
}

const PROGRESS_RUNS = 100;

process.exitCode = await main(process.argv.slice(2));
