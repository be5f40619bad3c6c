/**
 * Into the durable queue: how many messages a second are safe from a power cut. The reference is what cannot be
 * saved: a plain file at whose end as many octets are put, and `fdatasync`. The two take turns, on one file system.
 */
import { closeSync, fdatasync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Stores } from '../../daemon/core/stores.ts';
import { silentLog } from '../../daemon/log/log.ts';
import { AccountingDisk } from '../../daemon/spool/accounting-disk.ts';
import { SegmentFiles } from '../../daemon/spool/segments.ts';
import { Feed } from '../../session/feed.ts';
import { type BenchRow, type Round, rowOfRounds } from '../report/row.ts';
import { MessageMaker } from './messages.ts';

/** So many messages in each turn, and so many turns before one waits for the disk. */
interface Load {
  readonly name: string;
  readonly batch: number;
  readonly turns: number;
  readonly count: number;
}

interface Outcome {
  readonly perSecond: number;
  readonly processorUs: number;
  readonly octets: number;
}

/** `folder`: on the file system that is to be measured. */
export async function benchDisk(
  folder: string,
  rounds: number,
  share: number,
  say: (line: string) => void,
): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const load of LOADS) {
    const count = Math.max(load.batch * load.turns, Math.round(load.count * share));
    const rates: Round[] = [];
    const processor: Round[] = [];
    for (let round = 0; round < rounds; round++) {
      const place = mkdtempSync(join(folder, 'accounting-'));
      const own = await intoQueue(place, load, count);
      const plain = await intoFile(join(place, 'plain'), load, count, own.octets / count);
      rmSync(place, { recursive: true });
      rates.push({ castgate: own.perSecond, reference: plain.perSecond });
      processor.push({ castgate: own.processorUs, reference: plain.processorUs });
      say(`${load.name}: ${own.perSecond.toFixed(0)} and ${plain.perSecond.toFixed(0)} a second`);
    }
    const section = 'Into the durable queue: safe from a power cut';
    const reference = 'append file, as many octets, fdatasync';
    const head = (what: string, unit: string) => ({ section, what: `${load.name}, ${what}`, unit });
    rows.push(
      rowOfRounds(head('messages', '/s'), reference, 'ratio', rates),
      rowOfRounds(head('processor time of one', 'us'), reference, 'ratio', processor),
    );
  }
  return rows;
}

async function intoQueue(folder: string, { batch, turns }: Load, count: number): Promise<Outcome> {
  const feed = new Feed();
  const stores = new Stores(1000, feed);
  const disk = new AccountingDisk(new SegmentFiles(folder, 'accounting-bench'), DISK_LIMIT, silentLog);
  disk.load({ stores, feed });
  const maker = new MessageMaker(stores, Date.now());
  // Lets go as soon as the disk has it, as what goes to a server is let go.
  let safe = () => {};
  const gate = disk.gate({ send: () => safe() });
  const cpu = cpuSeconds();
  const begin = performance.now();
  for (let made = 0; made < count; ) {
    for (let turn = 0; turn < turns && made < count; turn++, made += batch) {
      maker.make(batch);
      disk.endTurn(Date.now());
    }
    await new Promise<void>((resolve) => {
      safe = resolve;
      gate.send('bench', 'acct', 0, NOTHING);
    });
  }
  const seconds = (performance.now() - begin) / 1000;
  const processorUs = ((cpuSeconds() - cpu) / count) * 1e6;
  const { octets } = disk;
  disk.close(Date.now());
  return { perSecond: count / seconds, processorUs, octets };
}

async function intoFile(path: string, { batch, turns }: Load, count: number, each: number): Promise<Outcome> {
  const descriptor = openSync(path, 'wx', 0o600);
  const octets = Buffer.alloc(Math.round(batch * each), 0xa5);
  const cpu = cpuSeconds();
  const begin = performance.now();
  for (let made = 0; made < count; ) {
    for (let turn = 0; turn < turns && made < count; turn++, made += batch) writeSync(descriptor, octets);
    await new Promise<void>((resolve, reject) =>
      fdatasync(descriptor, (error) => (error === null ? resolve() : reject(error))),
    );
  }
  const seconds = (performance.now() - begin) / 1000;
  const processorUs = ((cpuSeconds() - cpu) / count) * 1e6;
  closeSync(descriptor);
  return { perSecond: count / seconds, processorUs, octets: count * each };
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

const LOADS: readonly Load[] = [
  { name: '1 a turn, each waits', batch: 1, turns: 1, count: 1_000 },
  { name: '10 a turn, each waits', batch: 10, turns: 1, count: 10_000 },
  { name: '100 a turn, each waits', batch: 100, turns: 1, count: 50_000 },
  { name: '1 a turn, 100 turns wait together', batch: 1, turns: 100, count: 50_000 },
];
const DISK_LIMIT = 2 ** 40;
const NOTHING = new Uint8Array(0);
