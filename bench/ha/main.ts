/**
 * `npm run bench:ha`: what a standby costs and how fast it takes over. It asserts nothing. Method and figures:
 * bench/README.md.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { LabError } from '../../lab/processes.ts';
import { lookAtMachine, machineLine } from '../report/machine.ts';
import type { BenchRow } from '../report/row.ts';
import { benchTable } from '../report/table.ts';
import { benchCommit } from './commit.ts';
import { benchConnection } from './connection.ts';
import { benchLinkRate } from './link-rate.ts';
import { benchPairUpgrade } from './pair-upgrade.ts';
import { benchTakeover } from './takeover.ts';
import { benchUpgrade } from './upgrade.ts';

const HELP = `npm run bench:ha [-- OPTIONS]

Measures a pair of nodes, in network namespaces of its own, and prints a table. Needs root.

Options:
  --quick           fewer rounds and smaller sizes
  --only PARTS      link, commit, connection, takeover, upgrade, pair; several with commas
  --sizes LIST      sessions of the takeovers and upgrades, with commas
  --json FILE       writes everything that was measured to a file
  --help            print this
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: 'link,commit,connection,takeover,upgrade,pair' },
      sizes: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const parts = new Set(values.only.split(','));
  const sizes = (values.sizes ?? (values.quick ? '100,1000' : '100,1000,10000,50000')).split(',').map(Number);
  if (sizes.some((size) => !Number.isInteger(size) || size < 1)) {
    process.stderr.write(`bench:ha: --sizes is a list of numbers\n${HELP}`);
    return 2;
  }
  const machine = await lookAtMachine();
  console.log(`${machineLine(machine)}\n`);
  const say = (line: string) => console.error(line);
  const rows: BenchRow[] = [];
  if (parts.has('link')) rows.push(...(await benchLinkRate(values.quick ? 20_000 : 200_000)));
  if (parts.has('commit')) rows.push(...(await benchCommit(values.quick ? QUICK : WHOLE, say)));
  if (parts.has('connection'))
    rows.push(...(await benchConnection({ rounds: values.quick ? 1 : 4, questions: 300 }, say)));
  if (parts.has('takeover')) rows.push(...(await benchTakeover(sizes, say)));
  if (parts.has('upgrade')) rows.push(...(await benchUpgrade(sizes, values.quick ? 3 : 5, say)));
  if (parts.has('pair')) rows.push(...(await benchPairUpgrade(sizes, values.quick ? 2 : 5, say)));
  console.log(`\n${benchTable(rows)}`);
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify({ machine, rows }, undefined, 2)}\n`);
  return 0;
}

const WHOLE = { rounds: 5, logins: 200, joins: 512, warmUp: 3_000 };
const QUICK = { rounds: 2, logins: 100, joins: 256, warmUp: 1_000 };

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    const lines = error instanceof LabError ? [error.message, ...error.detail] : [String(error)];
    process.stderr.write(`bench:ha: ${lines.join('\n  ')}\n`);
    process.exit(1);
  },
);
