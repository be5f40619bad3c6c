/**
 * A process of its own with the accounting queue, so that its memory is the queue's alone:
 *
 *   queue-process fill FOLDER BRIDGE COUNT    leaves so many messages on the disk
 *   queue-process recover FOLDER BRIDGE       takes them up again, and prints JSON: time and memory
 *
 * `recover` wants node's --expose-gc.
 */

import { Stores } from '../../daemon/core/stores.ts';
import { silentLog } from '../../daemon/log/log.ts';
import { AccountingDisk } from '../../daemon/spool/accounting-disk.ts';
import { SegmentFiles } from '../../daemon/spool/segments.ts';
import { Feed } from '../../session/feed.ts';
import { MessageMaker } from './messages.ts';

/** What taking up a queue cost. */
export interface Recovery {
  readonly messages: number;
  /** Until the first message could go to a server. */
  readonly seconds: number;
  /** Heap and buffers, after a collection. */
  readonly octets: number;
  /** What the process has become larger by, in octets. */
  readonly resident: number;
}

function main([verb = '', folder = '', bridge = '', count = '0']: readonly string[]): void {
  const feed = new Feed();
  const stores = new Stores(1000, feed);
  const disk = new AccountingDisk(new SegmentFiles(folder, `accounting-${bridge}`), DISK_LIMIT, silentLog);
  if (verb === 'fill') {
    disk.load({ stores, feed });
    const maker = new MessageMaker(stores, Date.now());
    for (let left = Number(count); left > 0; left -= BATCH) {
      maker.make(Math.min(BATCH, left));
      disk.endTurn(Date.now());
    }
    disk.close(Date.now());
    return;
  }
  const before = used();
  const { rss } = process.memoryUsage();
  const begin = performance.now();
  disk.load({ stores, feed });
  const { accounting } = new MessageMaker(stores, Date.now());
  const first = accounting.drainRequests(Date.now()).length;
  const seconds = (performance.now() - begin) / 1000;
  if (first === 0) throw new Error('nothing is to be sent');
  const octets = used() - before;
  const resident = process.memoryUsage().rss - rss;
  const recovery: Recovery = { messages: accounting.waiting, seconds, octets, resident };
  disk.close(Date.now());
  process.stdout.write(`${JSON.stringify(recovery)}\n`);
}

function used(): number {
  for (let i = 0; i < 3; i++) globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const BATCH = 100;
const DISK_LIMIT = 2 ** 40;
main(process.argv.slice(2));
