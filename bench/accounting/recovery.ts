/** Taking up a queue that an earlier process left: how long, and how much memory each message is. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../lab/processes.ts';
import { type BenchRow, type Round, rowOfRounds } from '../report/row.ts';
import type { Recovery } from './queue-process.ts';
import { program } from './server.ts';

/** `folder`: on the file system that is to be measured. The reference only reads the files' octets. */
export async function benchRecovery(
  folder: string,
  rounds: number,
  count: number,
  say: (line: string) => void,
): Promise<BenchRow[]> {
  const place = mkdtempSync(join(folder, 'accounting-'));
  try {
    await run([process.execPath, program('queue-process'), 'fill', place, 'bench', String(count)], LONG);
    const found: Recovery[] = [];
    const times: Round[] = [];
    for (let round = 0; round < rounds; round++) {
      const command = ['--expose-gc', program('queue-process'), 'recover', place, 'bench'];
      const recovery = JSON.parse(await run([process.execPath, ...command], LONG)) as Recovery;
      if (recovery.messages !== count) throw new Error(`${recovery.messages} of ${count} came back`);
      found.push(recovery);
      times.push({ castgate: recovery.seconds, reference: secondsToRead(place) });
      say(`recovery: ${recovery.seconds.toFixed(2)} s`);
    }
    const files = readdirSync(place).map((name) => statSync(join(place, name)).size);
    const section = `A queue of ${count.toLocaleString('en-US')} messages is taken up after a death`;
    const head = (what: string, unit: string) => ({ section, what, unit });
    const each = (of: (recovery: Recovery) => number) =>
      found.map((recovery) => ({ castgate: of(recovery) / count, reference: undefined }));
    return [
      rowOfRounds(head('to the first that may be sent', 's'), 'reading the files', 'difference', times),
      rowOfRounds(
        head('heap and buffers for each', 'octets'),
        '',
        'ratio',
        each(({ octets }) => octets),
      ),
      rowOfRounds(
        head('the process, for each', 'octets'),
        '',
        'ratio',
        each(({ resident }) => resident),
      ),
      rowOfRounds(head('on the disk, for each', 'octets'), '', 'ratio', [
        { castgate: files.reduce((sum, size) => sum + size, 0) / count, reference: undefined },
      ]),
    ];
  } finally {
    rmSync(place, { recursive: true });
  }
}

function secondsToRead(folder: string): number {
  const begin = performance.now();
  for (const name of readdirSync(folder)) readFileSync(join(folder, name));
  return (performance.now() - begin) / 1000;
}

const LONG = { timeoutMs: 180_000 };
