/**
 * `npm run bench:accounting`: the durable accounting queue, into it, out of it, and what it costs to take it up again.
 * It asserts nothing. Method and figures: bench/README.md.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { LabError } from '../../lab/processes.ts';
import { lookAtMachine, machineLine } from '../report/machine.ts';
import type { BenchRow } from '../report/row.ts';
import { benchTable } from '../report/table.ts';
import { benchDisk } from './disk.ts';
import { benchRecovery } from './recovery.ts';
import { benchServer } from './server.ts';

const HELP = `npm run bench:accounting [-- OPTIONS]

Measures the durable accounting queue beside references, and prints a table. Needs root.

Options:
  --quick           fewer rounds and smaller sizes
  --only PARTS      disk, server, recovery; several with commas
  --folder FOLDER   on the file system that is to be measured (/var/tmp)
  --json FILE       writes everything that was measured to a file
  --help            print this
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: 'disk,server,recovery' },
      folder: { type: 'string', default: '/var/tmp' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const parts = new Set(values.only.split(','));
  const machine = await lookAtMachine();
  console.log(`${machineLine(machine)}\n`);
  const say = (line: string) => console.error(line);
  const rows: BenchRow[] = [];
  const { folder } = values;
  mkdirSync(folder, { recursive: true });
  const { rounds, share, sent, queued } = values.quick ? QUICK : WHOLE;
  if (parts.has('disk')) rows.push(...(await benchDisk(folder, rounds, share, say)));
  if (parts.has('server')) rows.push(...(await benchServer(rounds, sent, say)));
  if (parts.has('recovery')) rows.push(...(await benchRecovery(folder, rounds, queued, say)));
  console.log(`\n${benchTable(rows)}`);
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify({ machine, rows }, undefined, 2)}\n`);
  return 0;
}

const WHOLE = { rounds: 3, share: 1, sent: 50_000, queued: 100_000 };
const QUICK = { rounds: 1, share: 0.1, sent: 10_000, queued: 100_000 };

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130));
main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    const lines = error instanceof LabError ? [error.message, ...error.detail] : [String(error)];
    process.stderr.write(`bench:accounting: ${lines.join('\n  ')}\n`);
    process.exit(1);
  },
);
