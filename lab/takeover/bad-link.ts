/**
 * A cable that loses, delays and reorders TCP segments in both directions: what the kernel's netem does, for kernels
 * that have none. It judges the packets of its namespace in two queues.
 *
 *   node dist/lab/takeover/bad-link.js
 *
 * On standard input: set LOSS DELAY_MS JITTER_MS SEED, clear.
 */
import { ofTcp, putQueueTable } from '../../connection-backup/linux/hold-table.ts';
import { PacketQueue } from '../../connection-backup/linux/packet-queue.ts';
import { loadNative } from '../../switch/native.ts';
import { emit, type Json, serveCommands } from '../line-program.ts';
import { Random } from '../random.ts';

const HOOKS = [
  { name: 'bad_link_in', hook: 1, queue: 101 },
  { name: 'bad_link_out', hook: 3, queue: 102 },
] as const;
let loss = 0;
let delayMs = 0;
let jitterMs = 0;
let random = new Random(0);

const queues = HOOKS.map(({ queue }) => {
  const packets: PacketQueue = new PacketQueue(loadNative(), queue, (id) => {
    if (random.fraction() < loss) packets.judge(id, false);
    else if (delayMs === 0) packets.judge(id, true);
    else setTimeout(() => packets.judge(id, true), delayMs + (2 * random.fraction() - 1) * jitterMs);
  });
  return packets;
});

function perform(verb: string, words: readonly string[]): Json {
  if (verb === 'set') {
    [loss = 0, delayMs = 0, jitterMs = 0] = words.map(Number);
    random = new Random(Number(words[3] ?? 0));
  } else if (verb === 'clear') [loss, delayMs, jitterMs] = [0, 0, 0];
  else throw new Error('the commands are: set LOSS DELAY_MS JITTER_MS SEED, clear');
  for (const { name, hook, queue } of HOOKS)
    for (const family of [4, 6] as const) {
      const rules = verb === 'set' ? [ofTcp()] : [];
      const refusal = putQueueTable({ name, family, hook, rules, queue });
      if (refusal !== undefined && rules.length > 0) throw new Error(refusal.text ?? refusal.errno);
    }
  return {};
}

serveCommands(perform, () => {
  for (const queue of queues) queue.close();
  process.exit(0);
});
emit({ event: 'ready' });
