/** Programs that a daemon is told to go on as: other versions of this one, and ones that fail on their way. */
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TakeOverStep } from '../../daemon/upgrade/take-over.ts';
import { packageRoot } from '../../switch/native.ts';

/** A copy of the build that calls itself another version and writes records of another one. Gives its folder. */
export function anotherVersion(folder: string, version: string, records: number): string {
  const root = packageRoot();
  mkdirSync(folder);
  cpSync(join(root, 'dist'), join(folder, 'dist'), { recursive: true });
  for (const name of ['node_modules', 'switch', 'page']) symlinkSync(join(root, name), join(folder, name));
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as object;
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ ...manifest, version }));
  const path = join(folder, 'dist/replication/record-version.js');
  const text = readFileSync(path, 'utf8');
  const changed = text.replace(/RECORDS_VERSION = \d+/, `RECORDS_VERSION = ${records}`);
  if (!/RECORDS_VERSION = \d+/.test(text)) throw new Error(`${path} has no version of records`);
  writeFileSync(path, changed);
  return folder;
}

/** How a new process fails: it ends, is killed, hangs for ever, or sees the process die that it is to take over from. */
export type FailureKind = 'ends' | 'is killed' | 'hangs' | 'is left alone';

const FAILURES: Readonly<Record<FailureKind, string>> = {
  ends: 'process.exit(3)',
  'is killed': "process.kill(process.pid, 'SIGKILL')",
  hangs: 'for (;;);',
  'is left alone': "process.kill(process.ppid, 'SIGKILL')",
};

/** A program that fails so when it reaches the step. Gives its path. */
export function failingProgram(folder: string, step: TakeOverStep, how: FailureKind): string {
  const root = packageRoot();
  const path = join(folder, `fails-${step}-${how.replaceAll(' ', '-')}.mjs`);
  writeFileSync(
    path,
    `import { loadConfig } from '${root}/dist/config/load.js';
import { runDaemon } from '${root}/dist/daemon/run.js';
const [frames, descriptors] = process.env.CASTGATE_UPGRADE.split(' ').map(Number);
const { config } = loadConfig(process.argv[process.argv.indexOf('--config') + 1]);
const reached = (step) => {
  if (step === '${step}') { ${FAILURES[how]}; }
};
process.exit(await runDaemon(config, { cleanup: false, upgrade: { frames, descriptors, reached } }));
`,
  );
  return path;
}

/** A program that does not even start. */
export function brokenProgram(folder: string): string {
  const path = join(folder, 'broken.mjs');
  writeFileSync(path, 'this is no program\n');
  return path;
}
