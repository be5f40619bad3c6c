/**
 * `npm run conformance`: one line for each numbered conformance check, by the tests that carry its number in
 * their name (`conformance 23: …`, `conformance 54, 62, 64: …`): pass, FAIL, skipped (it could not run here,
 * for instance without root), or not built. The last line counts. Exit 1 where one fails.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NotReady, ready } from './ready.mjs';

const CHECKS = 64;
const root = join(dirname(fileURLToPath(import.meta.url)), '..');

try {
  await ready('test');
} catch (error) {
  if (!(error instanceof NotReady)) throw error;
  process.stderr.write(`castgate: ${error.message}\n`);
  process.exit(1);
}
const folder = mkdtempSync(join(tmpdir(), 'castgate-conformance-'));
const report = join(folder, 'report.json');
try {
  const vitest = join(root, 'node_modules', '.bin', 'vitest');
  const args = ['run', '-t', 'conformance [0-9]', '--reporter=json', `--outputFile=${report}`];
  spawnSync(vitest, args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  process.exitCode = print(states(JSON.parse(readFileSync(report, 'utf8'))));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** The states of the tests of each check. */
function states({ testResults }) {
  const found = new Map();
  for (const { assertionResults } of testResults) {
    for (const { title, status } of assertionResults) {
      const numbers = /^conformance ([\d, ]+):/.exec(title)?.[1];
      for (const number of numbers?.split(',') ?? []) {
        const list = found.get(Number(number)) ?? [];
        list.push(status);
        found.set(Number(number), list);
      }
    }
  }
  return found;
}

function print(found) {
  let passed = 0;
  let failed = 0;
  for (let number = 1; number <= CHECKS; number++) {
    const list = found.get(number) ?? [];
    const ran = list.filter((state) => state === 'passed' || state === 'failed');
    const state =
      list.length === 0
        ? 'not built'
        : ran.length === 0
          ? 'skipped'
          : ran.includes('failed')
            ? 'FAIL'
            : 'pass';
    if (state === 'pass') passed++;
    if (state === 'FAIL') failed++;
    process.stdout.write(`${number} ${state}\n`);
  }
  process.stdout.write(`${passed} of ${CHECKS} pass\n`);
  return failed > 0 ? 1 : 0;
}
