/**
 * `npm run bench`: how fast castgate is on this machine, each figure beside a reference that was measured in
 * the same run. It asserts nothing: on a shared machine a time is no reason to fail. What is measured how, and
 * what came of it: bench/README.md.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { LabError } from '../lab/processes.ts';
import { type AuthScale, benchAuth } from './auth/auth.ts';
import { benchInFlight } from './auth/in-flight.ts';
import { benchSessions } from './auth/sessions.ts';
import { Bed } from './bed.ts';
import { benchJoin, type JoinScale } from './channels/join.ts';
import { benchRevoke } from './channels/revoke.ts';
import { benchDecode } from './decode.ts';
import { lookAtMachine, machineLine } from './report/machine.ts';
import type { BenchRow } from './report/row.ts';
import { benchTable } from './report/table.ts';

const HELP = `npm run bench [-- OPTIONS]

Measures castgate beside references, in network namespaces of its own, and prints a table. Needs root.

Options:
  --quick           fewer rounds: under a minute, noisier
  --only PARTS      auth, join, decode, revoke, and, only where they are named, flight (30,000 requests to a
                    slow server) and sessions (50,000 of them); several with commas
  --accounting      castgate and hostapd send accounting; without it, neither does
  --json FILE       writes everything that was measured to a file
  --profile FOLDER  writes a CPU profile of castgate, and slows it down meanwhile
  --help            print this
`;

interface Options {
  readonly quick: boolean;
  readonly accounting: boolean;
  readonly parts: ReadonlySet<string>;
  readonly json: string | undefined;
  readonly profile: string | undefined;
}

async function main(options: Options): Promise<number> {
  const machine = await lookAtMachine();
  console.log(`${machineLine(machine)}; accounting ${options.accounting ? 'on' : 'off'}\n`);
  const rows: BenchRow[] = [];
  if (options.parts.has('decode')) rows.push(...(await benchDecode()));
  if (options.parts.has('auth') || options.parts.has('join')) {
    const bed = await Bed.raise({ profileDirectory: options.profile, accounting: options.accounting });
    try {
      if (options.parts.has('auth')) {
        rows.push(...(await benchAuth(bed, options.quick ? QUICK_AUTH : AUTH, machine.hostapd, say)));
      }
      if (options.parts.has('join')) {
        rows.push(...(await benchJoin(bed, options.quick ? QUICK_JOIN : JOIN, say)));
      }
    } finally {
      await bed.close();
    }
  }
  if (options.parts.has('revoke')) rows.push(...(await benchRevoke(options.quick ? 100 : 400)));
  if (options.parts.has('flight'))
    rows.push(...(await benchInFlight(options.quick ? 5_000 : 30_000, options.quick ? 10_000 : 35_000)));
  if (options.parts.has('sessions'))
    rows.push(...(await benchSessions(options.quick ? STEPS.slice(0, 3) : STEPS, say)));
  console.log(`\n${benchTable(rows)}`);
  if (options.json !== undefined) {
    writeFileSync(
      options.json,
      `${JSON.stringify({ machine, accounting: options.accounting, rows }, undefined, 2)}\n`,
    );
  }
  return 0;
}

/** What is going on goes to standard error: the table alone is the result. */
function say(line: string): void {
  console.error(line);
}

/** The options, or a text to print instead of starting. */
function readOptions(words: readonly string[]): Options | { readonly print: string; readonly code: number } {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(words);
  } catch (error) {
    return { print: `bench: ${error instanceof Error ? error.message : String(error)}\n`, code: 2 };
  }
  if (values.help === true) return { print: HELP, code: 0 };
  const parts = new Set((values.only ?? USUAL_PARTS.join(',')).split(','));
  const unknown = [...parts].find((part) => !PARTS.includes(part));
  if (unknown !== undefined)
    return { print: `bench: --only is ${PARTS.join(', ')}, not ${unknown}\n`, code: 2 };
  return {
    quick: values.quick === true,
    accounting: values.accounting === true,
    parts,
    json: values.json,
    profile: values.profile,
  };
}

function parse(words: readonly string[]) {
  const options = {
    quick: { type: 'boolean' },
    accounting: { type: 'boolean' },
    only: { type: 'string' },
    json: { type: 'string' },
    profile: { type: 'string' },
    help: { type: 'boolean' },
  } as const;
  return parseArgs({ args: [...words], options }).values;
}

const USUAL_PARTS = ['decode', 'auth', 'join', 'revoke'];
const PARTS = [...USUAL_PARTS, 'flight', 'sessions'];
const STEPS = [100, 1_000, 10_000, 50_000];
const AUTH: AuthScale = {
  rounds: 3,
  warmUp: 4000,
  levels: [
    { inFlight: 1, count: 400 },
    { inFlight: 8, count: 1000 },
    { inFlight: 24, count: 1000 },
    { inFlight: 64, count: 1000 },
    { inFlight: 256, count: 1000 },
    { inFlight: 1024, count: 2000 },
  ],
};
const QUICK_AUTH: AuthScale = {
  rounds: 1,
  warmUp: 2000,
  levels: [
    { inFlight: 1, count: 200 },
    { inFlight: 8, count: 500 },
    { inFlight: 24, count: 500 },
    { inFlight: 64, count: 500 },
  ],
};
const JOIN: JoinScale = { rounds: 6, zaps: 150, chain: 512, rush: 2048, warmUp: 1024 };
const QUICK_JOIN: JoinScale = { rounds: 2, zaps: 100, chain: 512, rush: 2048, warmUp: 512 };

const options = readOptions(process.argv.slice(2));
if ('print' in options) {
  (options.code === 0 ? process.stdout : process.stderr).write(options.print);
  process.exit(options.code);
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  // What was made is taken away by the exit handlers.
  process.on(signal, () => process.exit(130));
}
try {
  process.exit(await main(options));
} catch (error) {
  if (!(error instanceof LabError)) throw error;
  console.error(`bench: ${[error.message, ...error.detail].join('\n  ')}`);
  process.exit(1);
}
