/**
 * `npm run bench:multicast`: joins, leaves, changes of channels and floods at size, beside a plain bridge that
 * snoops. It asserts nothing, but one thing: a datagram of a group that nobody may have ends it with 1. Method and
 * figures: bench/README.md.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { LabError } from '../../lab/processes.ts';
import { Bed, type BedRights } from '../bed.ts';
import { lookAtMachine, machineLine } from '../report/machine.ts';
import { type BenchRow, rowOfRounds } from '../report/row.ts';
import { percentile } from '../report/statistics.ts';
import { benchTable } from '../report/table.ts';
import { benchFloods } from './floods.ts';
import { benchFull, SMALL_DATABASE } from './full.ts';
import { benchScale, KERNEL, Runner, WAYS, type Way } from './scale.ts';

const HELP = `npm run bench:multicast [-- OPTIONS]

Measures joins and leaves of castgate and of a plain bridge, in network namespaces of its own. Needs root.

Options:
  --quick           fewer rounds
  --only PARTS      scale, change, flood, full; several with commas
  --sizes LIST      standing subscribers × groups, with commas, 10000 at most
  --flood RATE      frames of a flood in a second
  --json FILE       writes everything that was measured to a file
  --profile FOLDER  writes a CPU profile of castgate, and slows it down meanwhile
  --help            print this
`;

const say = (line: string) => console.error(line);

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: 'scale,change,flood,full' },
      sizes: { type: 'string', default: '1,100,1000,10000' },
      flood: { type: 'string', default: '20000' },
      json: { type: 'string' },
      profile: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const parts = new Set(values.only.split(','));
  const sizes = values.sizes.split(',').map(Number);
  const machine = await lookAtMachine();
  console.log(`${machineLine(machine)}\n`);
  const rows: BenchRow[] = [];
  let leaks = 0;
  const options = { profileDirectory: values.profile, accounting: false, rights: RIGHTS };
  if (parts.has('scale') || parts.has('change')) {
    const bed = await Bed.raise(options);
    try {
      const runner = await begin(bed);
      await warmUp(runner, WAYS, 1024, 4);
      const plan = { sizes, zaps: values.quick ? 60 : 200, rounds: values.quick ? 1 : 3 };
      if (parts.has('scale')) rows.push(...(await benchScale(runner, plan, say)));
      if (parts.has('change')) rows.push(...(await benchChange(runner, values.quick ? 60 : 200)));
      leaks += await bed.leaks();
    } finally {
      await bed.close();
    }
  }
  if (parts.has('flood')) {
    const bed = await Bed.raise({ ...options, hasLimits: true });
    try {
      const runner = await begin(bed);
      // No host more than half of what is heard of it in a second.
      await warmUp(runner, ['preloaded'], 512, 12);
      const plan = { joins: 200, rounds: values.quick ? 1 : 5, perSecond: Number(values.flood) };
      rows.push(...(await benchFloods(runner, plan, say)));
      leaks += await bed.leaks();
    } finally {
      await bed.close();
    }
  }
  if (parts.has('full')) {
    const bed = await Bed.raise({ ...options, hashMax: SMALL_DATABASE });
    try {
      rows.push(...(await benchFull(await begin(bed), say)));
      leaks += await bed.leaks();
    } finally {
      await bed.close();
    }
  }
  console.log(`\n${benchTable(rows)}\ndatagrams of a group that nobody may have: ${leaks}\n`);
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify({ machine, leaks, rows }, undefined, 2)}\n`);
  return leaks > 0 ? 1 : 0;
}

/** Everybody is in, and somebody on each port asks for what nobody may have. */
async function begin(bed: Bed): Promise<Runner> {
  const runner = new Runner(bed, RIGHTS);
  await runner.login();
  await bed.wantDenied(runner.plan('cached', 0, 1));
  return runner;
}

/** Until the runtime has compiled what it will. */
async function warmUp(runner: Runner, ways: readonly Way[], count: number, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const first = runner.take(count);
    for (const way of ways) await runner.bed.rush(runner.plan(way, first, count), 64);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

/** Leaving one channel and joining another by one report. */
async function benchChange(runner: Runner, count: number): Promise<BenchRow[]> {
  const first = runner.take(count);
  const kernel = await runner.bed.change(runner.plan('kernel', first, count));
  const castgate = await runner.bed.change(runner.plan('preloaded', first, count));
  const section = 'Zap: one report leaves a channel and joins another, rights of the login';
  const row = (what: string, percent: number, of: 'joinMs' | 'leaveMs') => {
    const round = { castgate: percentile(castgate[of], percent), reference: percentile(kernel[of], percent) };
    return rowOfRounds({ section, what, unit: 'ms' }, KERNEL, 'difference', [round]);
  };
  return [
    row('to the first datagram of the new one, median', 50, 'joinMs'),
    row('to the first datagram of the new one, 99th percentile', 99, 'joinMs'),
    row('to the last datagram of the old one, median', 50, 'leaveMs'),
    row('to the last datagram of the old one, 99th percentile', 99, 'leaveMs'),
  ];
}

const RIGHTS: BedRights = { asked: 16, preloaded: 16, groups: 2048 };

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130));
try {
  process.exit(await main());
} catch (error) {
  if (!(error instanceof LabError)) throw error;
  console.error(`bench: ${[error.message, ...error.detail].join('\n  ')}`);
  process.exit(1);
}
