import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import {
  guardAgainstDeath,
  NotifyFifo,
  PriorityFile,
  stateIn,
  Weight,
} from '../../../daemon/ha/keepalived.ts';
import { type Logger, silentLog } from '../../../daemon/log/log.ts';
import { until } from './pair.ts';

/** The built module: a process of its own cannot load the source. */
const MODULE = new URL('../../../dist/daemon/ha/keepalived.js', import.meta.url).href;
const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

function directory(): string {
  const made = mkdtempSync(join(tmpdir(), 'castgate-keepalived-'));
  directories.push(made);
  return made;
}

describe("keepalived's notify FIFO", () => {
  it('tells the states of the one instance, however the lines arrive', async () => {
    const path = join(directory(), 'fifo');
    const states: string[] = [];
    const fifo = NotifyFifo.open(path, 'castgate', silentLog, (state) => states.push(state));
    expect(fifo).toBeDefined();
    appendFileSync(
      path,
      'INSTANCE "castgate" BACKUP 100\nINSTANCE "other" MASTER 100\nGROUP "castgate" MASTER 0\n',
    );
    appendFileSync(path, 'INSTANCE "castgate" MAS');
    appendFileSync(path, 'TER 200\nnonsense\n');
    await until(() => states.length === 2);
    appendFileSync(path, 'INSTANCE "castgate" FAULT 100\n');
    await until(() => states.length === 3);
    expect(states).toEqual(['BACKUP', 'MASTER', 'FAULT']);
    fifo?.close();
  });

  it('is told to the log where it is no FIFO or cannot be made', () => {
    const place = directory();
    const errors: unknown[] = [];
    const log: Logger = { ...silentLog, error: (_, fields) => errors.push(fields) };
    writeFileSync(join(place, 'file'), '');
    expect(NotifyFifo.open(join(place, 'file'), 'v', log, () => {})).toBe(undefined);
    expect(NotifyFifo.open(join(place, 'no', 'fifo'), 'v', log, () => {})).toBe(undefined);
    expect(errors.length).toBe(2);
  });

  it('knows no other words', () => {
    expect(stateIn('INSTANCE "v" MASTER 1', 'v')).toBe('MASTER');
    expect(stateIn('INSTANCE "v" MASTER', 'v')).toBe('MASTER');
    for (const line of ['', 'INSTANCE "v" KING 1', 'INSTANCE "w" MASTER 1', 'INSTANCE v MASTER 1']) {
      expect(stateIn(line, 'v')).toBe(undefined);
    }
  });
});

describe('the file that keepalived tracks', () => {
  it('holds the weight, written again only where it changes', () => {
    const path = join(directory(), 'made', 'priority');
    const file = new PriorityFile(path, silentLog);
    file.set(Weight.Unable);
    expect(readFileSync(path, 'utf8')).toBe('-100\n');
    writeFileSync(path, 'somebody else');
    file.set(Weight.Unable);
    expect(readFileSync(path, 'utf8')).toBe('somebody else');
    file.set(Weight.HandOver);
    expect(readFileSync(path, 'utf8')).toBe('100\n');
  });

  it('that cannot be written is tried again', () => {
    const place = directory();
    const errors: unknown[] = [];
    writeFileSync(join(place, 'x'), '');
    const file = new PriorityFile(join(place, 'x', 'priority'), {
      ...silentLog,
      error: (_, fields) => errors.push(fields),
    });
    file.set(Weight.Able);
    file.set(Weight.Able);
    expect(errors.length).toBe(2);
    expect(file.weight).toBe(undefined);
  });
});

describe.skipIf(!existsSync(fileURLToPath(MODULE)))(
  'the guard against an unseen death (needs npm run build)',
  () => {
    it('tells keepalived when the daemon is killed, and when it ends', async () => {
      const path = join(directory(), 'priority');
      const weight = () => (existsSync(path) ? readFileSync(path, 'utf8') : '');
      const program = `import { guardAgainstDeath } from ${JSON.stringify(MODULE)};
      guardAgainstDeath(${JSON.stringify(path)}, { error() {} });
      process.stdout.write('up');
      setInterval(() => {}, 1000);`;
      const daemon = spawn(process.execPath, ['--input-type=module', '-e', program], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await new Promise((resolve) => daemon.stdout.once('data', resolve));
      expect(weight()).toBe('');
      // A service manager would tell the guard to end as well.
      const children = readFileSync(`/proc/${daemon.pid}/task/${daemon.pid}/children`, 'utf8').trim();
      // Not before the shell has read its orders.
      await until(() => existsSync(`/proc/${children}`) && shellWaits(Number(children)));
      process.kill(Number(children), 'SIGTERM');
      daemon.kill('SIGKILL');
      await until(() => weight() === '-254\n');
      writeFileSync(path, '0\n');
      const guard = guardAgainstDeath(path, silentLog);
      guard?.end();
      await until(() => weight() === '-254\n');
    });
  },
);

/** It takes no notice of SIGTERM any more, and so waits for the end. */
function shellWaits(pid: number): boolean {
  const ignored = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
  return (BigInt(`0x${ignored}`) & (1n << 14n)) !== 0n;
}
