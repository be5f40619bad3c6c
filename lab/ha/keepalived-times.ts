/**
 * How fast keepalived hands over, alone, without castgate: two of them on a bridge, each measured from the
 * fault to the line in the other's FIFO. Run as root:
 *
 *   node dist/lab/ha/keepalived-times.js [--count N]
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { monotonicMs } from '../hosts/channel-packet.ts';
import { pause, run, until } from '../processes.ts';
import { openWorkspace, removeWorkspace, type Workspace } from '../workspace.ts';
import { Keepalived, type KeepalivedSettings } from './keepalived.ts';

type Fault = 'weight raised' | 'links cut' | 'master weighs itself out';

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { count: { type: 'string', default: '20' } } });
  console.log('fault                       adverts            median     p90     max   ms');
  for (const advertInterval of [0.05, 0.02, 0.01]) {
    const times = await measure(advertInterval, Number(values.count));
    for (const [fault, all] of times) {
      const sorted = all.sort((a, b) => a - b);
      const at = (share: number) =>
        (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(1);
      console.log(
        `${fault.padEnd(28)}${`3 of ${advertInterval * 1000} ms`.padEnd(17)}${[at(0.5), at(0.9), at(1)].map((ms) => ms.padStart(8)).join('')}`,
      );
    }
  }
}

async function measure(advertInterval: number, count: number): Promise<Map<Fault, number[]>> {
  const workspace = openWorkspace();
  const remove = () => removeWorkspace(workspace);
  process.on('exit', remove);
  const times = new Map<Fault, number[]>();
  try {
    const nodes = await raise(workspace, {
      interface: 'mgmt0',
      virtualAddress: '198.18.0.10/24',
      advertInterval,
    });
    for (const fault of ['weight raised', 'links cut', 'master weighs itself out'] as const) {
      const all: number[] = [];
      for (let i = 0; i < count; i++) all.push(await handOver(workspace, nodes, fault, i));
      times.set(fault, all);
    }
    for (const node of nodes) await node.close();
  } finally {
    remove();
    process.off('exit', remove);
  }
  return times;
}

async function raise(workspace: Workspace, settings: KeepalivedSettings): Promise<[Keepalived, Keepalived]> {
  const name = (end: string) => `${workspace.prefix}-${end}`;
  for (const end of ['mgmt', 'a', 'b']) await run(['ip', 'netns', 'add', name(end)]);
  await run(['ip', '-n', name('mgmt'), '-batch', '-'], {
    input: 'link add br0 type bridge stp_state 0 mcast_snooping 0\nlink set br0 up\n',
  });
  for (const [index, end] of ['a', 'b'].entries()) {
    await run(['ip', '-n', name('mgmt'), '-batch', '-'], {
      input: `link add leg-${end} type veth peer name mgmt0 netns ${name(end)}\nlink set leg-${end} master br0 up\n`,
    });
    await run(['ip', '-n', name(end), '-batch', '-'], {
      input: `addr add 198.18.0.${11 + index}/24 dev mgmt0\nlink set mgmt0 up\n`,
    });
  }
  const pair = ['a', 'b'].map((end) =>
    Keepalived.prepare(join(workspace.directory, end), name(end), settings),
  );
  for (const node of pair) await node.run();
  return pair as [Keepalived, Keepalived];
}

async function handOver(
  workspace: Workspace,
  nodes: readonly Keepalived[],
  fault: Fault,
  phase: number,
): Promise<number> {
  await until(
    'one master and one backup',
    5_000,
    () =>
      nodes
        .map((node) => node.state)
        .sort()
        .join() === 'BACKUP,MASTER'
        ? true
        : undefined,
    () =>
      nodes.flatMap((node) => [...node.changes.slice(-8).map((c) => JSON.stringify(c)), ...node.tail(300)]),
  );
  await pause(300 + ((phase * 13) % 50)); // at another point between two adverts each time
  const master = nodes.findIndex((node) => node.state === 'MASTER');
  const old = nodes[master];
  const next = nodes[1 - master];
  if (old === undefined || next === undefined) throw new Error('nobody is master');
  const leg = ['ip', '-n', `${workspace.prefix}-mgmt`, 'link', 'set', master === 0 ? 'leg-a' : 'leg-b'];
  const taken = new Promise<number>((resolve, reject) => {
    const off = next.onChange((change) => {
      if (change.state !== 'MASTER') return;
      off();
      clearTimeout(timer);
      resolve(change.atMs);
    });
    const timer = setTimeout(() => {
      for (const n of nodes) console.log(n.changes.slice(-6), n.tail(25));
      reject(new Error(`${fault}: nobody took over`));
    }, 5_000);
  });
  let begin = monotonicMs();
  if (fault === 'weight raised') next.weigh(100);
  if (fault === 'master weighs itself out') old.weigh(-254);
  if (fault === 'links cut') {
    await run([...leg, 'down']);
    begin = monotonicMs();
  }
  const ms = (await taken) - begin;
  await pause(100);
  for (const node of nodes) node.weigh(0);
  if (fault === 'links cut') await run([...leg, 'up']);
  if (ms > 250) for (const n of nodes) console.log(ms, n.changes.slice(-6), n.tail(12));
  return ms;
}

await main();
