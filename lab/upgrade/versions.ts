/** Programs that a daemon is told to go on as: other versions of this one, and ones that fail on their way. */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StandInStep } from '../../daemon/upgrade/stand-in.ts';
import type { TakeOverStep } from '../../daemon/upgrade/take-over.ts';
import { RECORDS_VERSION } from '../../replication/record-version.ts';
import { packageRoot } from '../../switch/native.ts';
import { until } from '../processes.ts';

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

/** A copy of this build whose records no version before it reads, or that itself reads none of an earlier one. */
export function otherRecords(
  folder: string,
  version: string,
  of: 'for later ones only' | 'of later ones only',
): string {
  anotherVersion(folder, version);
  const path = join(folder, 'dist/replication/record-version.js');
  const next = RECORDS_VERSION + 1;
  const constant = of === 'for later ones only' ? 'LEAST_READER' : 'OLDEST_READ';
  const text = readFileSync(path, 'utf8')
    .replace(/RECORDS_VERSION = \d+/, `RECORDS_VERSION = ${next}`)
    .replace(new RegExp(`${constant} = \\d+`), `${constant} = ${next}`);
  writeFileSync(path, text);
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
  writeProgram(path, root, `if (step === '${step}') { ${FAILURES[how]}; }`);
  return path;
}

/** A program of a build that waits, ready to begin, until it is let go; then it fails where it is told to. */
export class GatedProgram {
  readonly path: string;
  readonly #gate: string;

  /** `root`: of the build. */
  constructor(folder: string, name: string, root: string, fails?: { step: StandInStep; how: FailureKind }) {
    this.path = join(folder, `${name.replaceAll(' ', '-')}.mjs`);
    this.#gate = `${this.path}.gate`;
    const gate = `if (step === 'begun') {
    writeFileSync('${this.#gate}', '');
    for (let i = 0; i < 2000 && existsSync('${this.#gate}'); i++) Atomics.wait(cell, 0, 0, 5);
  }`;
    const failure = fails === undefined ? '' : `if (step === '${fails.step}') { ${FAILURES[fails.how]}; }`;
    rmSync(this.#gate, { force: true });
    writeProgram(this.path, root, `${gate} ${failure}`);
  }

  /** Resolves when it waits. */
  async waits(): Promise<void> {
    await until('the new process to wait', 30_000, () => existsSync(this.#gate) || undefined);
  }

  letGo(): void {
    rmSync(this.#gate, { force: true });
  }
}

/** A castgate of this build that does something as it reaches each step of an upgrade. */
function writeProgram(path: string, root: string, atStep: string): void {
  writeFileSync(
    path,
    `import { existsSync, writeFileSync } from 'node:fs';
import { loadConfig } from '${root}/dist/config/load.js';
import { runDaemon } from '${root}/dist/daemon/run.js';
const [frames, descriptors] = process.env.CASTGATE_UPGRADE.split(' ').map(Number);
const { config } = loadConfig(process.argv[process.argv.indexOf('--config') + 1]);
const cell = new Int32Array(new SharedArrayBuffer(4));
const reached = (step) => {
  ${atStep}
};
process.exit(await runDaemon(config, { cleanup: false, upgrade: { frames, descriptors, reached } }));
`,
  );
}

/** A program that does not even start. */
export function brokenProgram(folder: string): string {
  const path = join(folder, 'broken.mjs');
  writeFileSync(path, 'this is no program\n');
  return path;
}
