/**
 * `npm run ha:upgrade`: one upgrade after the other on real parts, each while subscribers log in, join, leave and log
 * off and RADIUS sends CoA; then one that fails at each step. What has to be zero: docs/upgrade.md.
 */
import { parseArgs } from 'node:util';
import { LabError } from '../processes.ts';
import { type Round, UpgradeLab } from './upgrade-lab.ts';

const HELP = `npm run ha:upgrade -- [OPTIONS]

Raises a switch with subscribers, FreeRADIUS and a head-end in network namespaces and upgrades castgate while they are
served: to the next version, and back. Then with a new process that fails at every step. Needs root.

Options:
  --count N          how many upgrades (10)
  --subscribers N    how many there are (1000)
  --rate N           things that they do in a second (40)
  --other FOLDER     a build of another version: it serves first, is upgraded to this one, and back
  --no-faults        without the failing ones
  --help             print this
`;

async function main(words: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      count: { type: 'string', default: '10' },
      subscribers: { type: 'string', default: '1000' },
      rate: { type: 'string', default: '40' },
      other: { type: 'string' },
      'no-faults': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const [count, subscribers, rate] = [values.count, values.subscribers, values.rate].map(Number);
  if (!isCount(count) || !isCount(subscribers) || !isCount(rate)) {
    console.error('ha:upgrade: --count, --subscribers and --rate take whole numbers');
    return 2;
  }
  const rounds: Round[] = [];
  let planned = count;
  try {
    const lab = await UpgradeLab.open(subscribers, rate, values.other);
    try {
      for (let i = 0; i < count; i++) rounds.push(told(await lab.upgrade(i)));
      const faults = values['no-faults'] ? [] : lab.faults(count);
      planned += faults.length;
      for (const fault of faults) rounds.push(told(await lab.fail(fault)));
      // After all that, one more that is right.
      if (faults.length > 0) {
        planned++;
        rounds.push(told(await lab.upgrade(count)));
      }
    } finally {
      lab.close();
    }
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    console.error(`ha:upgrade: ${error.message}`);
    for (const line of error.detail) console.error(`  ${line}`);
  }
  const pauses = rounds.flatMap(({ pauseMs }) => pauseMs ?? []).sort((a, b) => a - b);
  const said = (ms: number | undefined) => (ms === undefined ? '-' : `${ms.toFixed(1)} ms`);
  console.log(`pause: median ${said(pauses[Math.floor(pauses.length / 2)])}, longest ${said(pauses.at(-1))}`);
  const passed = rounds.filter(({ wrong }) => wrong.length === 0).length;
  console.log(`${passed} passed, ${planned - passed} failed`);
  return passed === planned ? 0 : 1;
}

function told(round: Round): Round {
  const { name, pauseMs, did, wrong } = round;
  const pause = pauseMs === undefined ? '' : `pause ${pauseMs.toFixed(1)} ms, `;
  console.log(`${wrong.length === 0 ? 'ok  ' : 'FAIL'} ${name}: ${pause}${did}`);
  for (const line of wrong.slice(0, 12)) console.log(`       ${line}`);
  return round;
}

function isCount(value: number | undefined): value is number {
  return value !== undefined && Number.isSafeInteger(value) && value >= 1;
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
