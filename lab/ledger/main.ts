/**
 * `npm run ledger`: hours of subscribers on a virtual clock, one for each seed, with server outages and nodes
 * that die anywhere; the servers' books must equal the truth. A seed that fails can be run again alone, with its
 * story. What is in it: docs/accounting.md.
 */
import { parseArgs } from 'node:util';
import { type LedgerResult, runLedger } from './run.ts';

const HELP = `npm run ledger -- [OPTIONS]

Runs an hour of subscribers and channels on a virtual clock for each seed, with outages of servers and
deaths of nodes between any two things that they do, and compares what RADIUS servers were told with what
was true: one Start, one Stop and the right octets for each session and channel.

Options:
  --seeds N     how many hours (100)
  --from S      the first seed (1)
  --seed S      this hour alone, with its story
  --help        print this
`;

function main(words: readonly string[]): number {
  const text = { type: 'string' } as const;
  const options = { seeds: text, from: text, seed: text, help: { type: 'boolean' } } as const;
  let values: ReturnType<typeof parseArgs<{ options: typeof options }>>['values'];
  try {
    values = parseArgs({ args: [...words], options }).values;
  } catch (error) {
    console.error(`ledger: ${error instanceof Error ? error.message : String(error)}`);
    return 2;
  }
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const seeds = Number(values.seeds ?? 100);
  const from = Number(values.from ?? 1);
  const alone = values.seed === undefined ? undefined : Number(values.seed);
  for (const number of [seeds, from, alone ?? 0]) {
    if (Number.isSafeInteger(number) && number >= 0) continue;
    console.error('ledger: --seeds, --from and --seed take whole numbers');
    return 2;
  }
  if (alone !== undefined) return report([runLedger(alone, (line) => console.log(line))]);
  const results: LedgerResult[] = [];
  for (let seed = from; seed < from + seeds; seed++) {
    const result = runLedger(seed);
    results.push(result);
    if (result.failure !== undefined) {
      console.log(`seed ${seed}: ${result.failure}`);
      console.log(`  its story: npm run ledger -- --seed ${seed}`);
    }
    if (results.length % 100 === 0) console.error(`${results.length} of ${seeds}`);
  }
  return report(results);
}

function report(results: readonly LedgerResult[]): number {
  const sum = (of: (result: LedgerResult) => number) =>
    results.reduce((total, result) => total + of(result), 0).toLocaleString('en-US');
  console.log(
    [
      `${sum(() => 1)} hours`,
      `${sum((r) => r.records)} records`,
      `${sum((r) => r.messages)} messages`,
      `${sum((r) => r.repeated)} of them came again`,
      `${sum((r) => r.outages)} outages`,
      `${sum((r) => r.deaths)} deaths`,
      `${sum((r) => r.powerCuts)} power cuts`,
      `${sum((r) => r.takeovers)} takeovers`,
    ].join(', '),
  );
  const failed = results.filter(({ failure }) => failure !== undefined).length;
  console.log(`${results.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
