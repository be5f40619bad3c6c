/**
 * `npm run ha:failover`: a pair of nodes on real parts, one fault after the other, each while subscribers log
 * in, watch, zap and leave. What is counted and what has to be zero: docs/high-availability.md.
 */
import { parseArgs } from 'node:util';
import { monotonicMs } from '../hosts/channel-packet.ts';
import { LabError, until } from '../processes.ts';
import { Random } from '../random.ts';
import { AccountBooks } from './account-books.ts';
import { failoverTable, type JudgedRound } from './failover-table.ts';
import { judge } from './judge.ts';
import { PairLab } from './pair-lab.ts';
import { beginService } from './pair-service.ts';
import { NODE_NAMES } from './pair-topology.ts';
import { inStep, type Observation, playRound } from './round.ts';
import { SCENARIOS, type Scenario } from './scenario.ts';
import { failingUpgrades, upgradeOf } from './upgrades.ts';

const HELP = `npm run ha:failover -- [OPTIONS]

Raises two nodes with keepalived in network namespaces and lets one fault after the other happen to them while
subscribers log in, watch, zap and leave. Needs root.

Options:
  --count N      how many rounds (14)
  --only TEXT    only faults whose name has this text (a regular expression)
  --upgrades     N upgrades of both nodes in place of faults, and then ones that fail at each step
  --no-faults    without those that fail
  --seed S       where people are at the time of a fault is drawn from this number (1)
  --keep-going   go on after a failed round (otherwise three failures in a row end it)
  --verbose      what the nodes said in a round that failed
  --help         print this
`;

async function main(words: readonly string[]): Promise<number> {
  const options = {
    count: { type: 'string', default: '14' },
    only: { type: 'string', default: '' },
    upgrades: { type: 'boolean', default: false },
    'no-faults': { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    'keep-going': { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  } as const;
  let values: ReturnType<typeof parseArgs<{ options: typeof options }>>['values'];
  try {
    values = parseArgs({ args: [...words], options }).values;
  } catch (error) {
    console.error(`ha:failover: ${error instanceof Error ? error.message : String(error)}`);
    return 2;
  }
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const count = Number(values.count);
  const scenarios = SCENARIOS.filter(({ name }) => new RegExp(values.only).test(name));
  if (!Number.isSafeInteger(count) || count < 1 || scenarios.length === 0) {
    console.error('ha:failover: --count takes a whole number, --only a part of the name of a fault');
    return 2;
  }
  try {
    const plan = values.upgrades
      ? rollingUpgrades(count, !values['no-faults']).filter(({ name }) => new RegExp(values.only).test(name))
      : Array.from({ length: count }, (_, number) => scenarios[number % scenarios.length]).filter(isThere);
    const rounds = await playAll(plan, Number(values.seed), values['keep-going'], values.verbose);
    const failed = rounds.filter(({ reasons }) => reasons.length > 0).length;
    for (const line of failoverTable(rounds)) console.log(line);
    const left = plan.length - rounds.length;
    if (left > 0) console.log(`${left} rounds were not played`);
    console.log(`${rounds.length - failed} passed, ${failed + left} failed`);
    return failed + left === 0 ? 0 : 1;
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    console.error(`ha:failover: ${error.message}`);
    for (const line of error.detail) console.error(`  ${line}`);
    console.log(`0 passed, ${count} failed`);
    return 1;
  }
}

/** Both nodes, by turns, so many times; then each fault, and once more what is right. */
function rollingUpgrades(count: number, faults: boolean): readonly Scenario[] {
  const both = () => [upgradeOf('standby'), upgradeOf('active')];
  const right = Array.from({ length: count }, both).flat();
  return faults ? [...right, ...failingUpgrades(), ...both()] : right;
}

function isThere<T>(value: T | undefined): value is T {
  return value !== undefined;
}

async function playAll(
  plan: readonly Scenario[],
  seed: number,
  keepGoing: boolean,
  verbose: boolean,
): Promise<readonly JudgedRound[]> {
  const lab = await PairLab.open();
  const interrupted = () => process.exit(130);
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  const rounds: JudgedRound[] = [];
  try {
    const books = new AccountBooks();
    await beginService(lab, books);
    const random = new Random(seed);
    for (const [i, scenario] of plan.entries()) {
      const number = i + 1;
      const active = await until(
        'both nodes in step',
        15_000,
        async () => {
          const both = await inStep(lab);
          return both === undefined ? undefined : NODE_NAMES.find((node) => both[node].role === 'active');
        },
        () => [...lab.nodes.a.tail(30), ...lab.nodes.b.tail(30)],
      );
      const beganAtMs = monotonicMs();
      const seen = await playRound(lab, scenario, active, books, () => random.fraction());
      const reasons = judge(seen);
      rounds.push({ seen, reasons });
      console.log(story(number, seen, reasons));
      for (const reason of reasons) console.log(`      ${reason}`);
      if (reasons.length > 0 && verbose)
        for (const node of NODE_NAMES)
          for (const line of lab.nodes[node].tail(80)) console.log(`      | ${line}`);
      const lately = rounds.slice(-3);
      if (!keepGoing && lately.length === 3 && lately.every((round) => round.reasons.length > 0)) break;
      if (monotonicMs() - beganAtMs > ROUND_LIMIT_MS) break;
    }
  } catch (error) {
    // The rounds before are worth their table.
    if (!(error instanceof LabError) || rounds.length === 0) throw error;
    console.log(`      ended: ${error.message}`);
    for (const line of error.detail) console.log(`      | ${line}`);
  } finally {
    await lab.close();
    process.off('SIGINT', interrupted);
    process.off('SIGTERM', interrupted);
  }
  return rounds;
}

function story(number: number, seen: Observation, reasons: readonly string[]): string {
  const gap = Math.max(0, ...seen.watched.map(({ gapMs }) => gapMs));
  const master = seen.masterMs === undefined ? '' : `, MASTER after ${seen.masterMs.toFixed(0)} ms`;
  const verdict = reasons.length === 0 ? 'passed' : 'FAILED';
  return `${String(number).padStart(4)}  ${verdict}  ${seen.scenario.name} (node ${seen.active})${master}, longest gap ${gap.toFixed(0)} ms, ${seen.seconds.toFixed(1)} s`;
}

/** A round that took that long has left everything behind that a number could say. */
const ROUND_LIMIT_MS = 60_000;

process.exitCode = await main(process.argv.slice(2));
