/** Programs that a daemon is told to go on as: other versions of this one, and ones that fail on their way. */
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TakeOverStep } from '../../daemon/upgrade/take-over.ts';
import { RECORDS_VERSION } from '../../replication/record-version.ts';
import { packageRoot } from '../../switch/native.ts';

/** A copy of a build that calls itself another version. Gives its folder. `root`: the folder of the build. */
export function anotherVersion(folder: string, version: string, root = packageRoot()): string {
  mkdirSync(folder);
  cpSync(join(root, 'dist'), join(folder, 'dist'), { recursive: true });
  for (const name of ['node_modules', 'switch', 'page']) symlinkSync(join(root, name), join(folder, name));
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as object;
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ ...manifest, version }));
  return folder;
}

/** A copy of this build as a later version may be: records of the next kind, and another text of the nftables table. */
export function nextVersion(folder: string, version: string): string {
  anotherVersion(folder, version);
  const change = (file: string, ...changes: readonly (readonly [string, string])[]) => {
    const path = join(folder, 'dist', file);
    let text = readFileSync(path, 'utf8');
    for (const [from, to] of changes) {
      if (!text.includes(from)) throw new Error(`${path} has no ${from}`);
      text = text.replace(from, to);
    }
    writeFileSync(path, text);
  };
  change('replication/record-version.js', [
    `RECORDS_VERSION = ${RECORDS_VERSION}`,
    `RECORDS_VERSION = ${RECORDS_VERSION + 1}`,
  ]);
  change(
    'switch/linux/filter/ruleset.js',
    ['const SETS = [\n', "const SETS = [\n    'later',\n"],
    ['  set subscribers {', '  set later { type ifname; }\n  set subscribers {'],
    ['  chain from_uplink {\n', '  chain from_uplink {\n    iifname @later goto of_later\n'],
    ['  chain from_uplink {', '  chain of_later {\n    drop\n  }\n  chain from_uplink {'],
  );
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

/** A program that fails so when it reaches the step. Gives its path. `root`: the folder of the version that it is. */
export function failingProgram(
  folder: string,
  step: TakeOverStep,
  how: FailureKind,
  root = packageRoot(),
): string {
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
