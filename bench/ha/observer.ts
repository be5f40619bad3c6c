/**
 * Sees when datagrams of one channel arrive at a host, whoever let them through. Commands: `begin` forgets what
 * came so far; `tell` gives the number of datagrams and the longest time between two, with when it began.
 *
 *   observer INTERFACE GROUP
 */

import { PacketPort } from '../../lab/hosts/packet-port.ts';
import { emit, serveCommands } from '../../lab/line-program.ts';
import { ipBytes } from '../../wire/address.ts';

const [name = 'eth0', group = ''] = process.argv.slice(2);
const wanted = Buffer.from(ipBytes(group) ?? []);
const port = new PacketPort([name], 'all');
let last = Number.NaN;
let count = 0;
let gap = { ms: 0, from: 0 };

port.watch((_, frame) => {
  if (frame.length < 34 || !wanted.equals(frame.subarray(30, 34))) return;
  const at = performance.timeOrigin + performance.now();
  count++;
  if (at - last > gap.ms) gap = { ms: at - last, from: last };
  last = at;
});

serveCommands(
  (verb) => {
    if (verb === 'begin') {
      last = Number.NaN;
      count = 0;
      gap = { ms: 0, from: 0 };
    } else if (verb !== 'tell') throw new Error('begin or tell');
    return { count, last, gapMs: gap.ms, gapFrom: gap.from };
  },
  () => {
    port.close();
    process.exit(0);
  },
);
emit({ event: 'ready' });
