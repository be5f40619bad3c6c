/**
 * A takeover at so many sessions and channels: from the order to serve to the ports open, and how long a viewer saw
 * nothing after the kill of the active. The records come from a journal (population.ts); the order is given through the FIFO as soon as
 * the standby asks for it, so that keepalived's own time is not in these figures (`npm run ha:failover` has it).
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LineProgram } from '../../lab/line-program.ts';
import { LabError, until } from '../../lab/processes.ts';
import { LabAddress } from '../../lab/topology.ts';
import { openWorkspace, removeWorkspace } from '../../lab/workspace.ts';
import type { Progress } from '../auth/auth.ts';
import type { BenchRow } from '../report/row.ts';
import { raiseLargePair, rowOf } from './large-pair.ts';
import { channelOf } from './places.ts';

/** Channels of each session. */
const CHANNELS = 4;

export async function benchTakeover(sizes: readonly number[], progress: Progress): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const size of sizes) {
    rows.push(...(await takeover(size)));
    progress(`takeover at ${size} sessions`);
  }
  return rows;
}

async function takeover(sessions: number): Promise<BenchRow[]> {
  const workspace = openWorkspace();
  const remove = () => removeWorkspace(workspace);
  process.on('exit', remove);
  try {
    const pair = await raiseLargePair(workspace, sessions, CHANNELS);
    const { topology, loginOctets, joinOctets, joinedS } = pair;
    const { a, b } = pair.nodes;
    const { directory } = workspace;
    const rssMb = memoryMb(b.process?.pid ?? 0);
    const observer = await LineProgram.start(
      'observer',
      '../bench/ha/observer',
      ['eth0', channelOf(0, 0)],
      topology.host('viewer').namespace,
    );
    await LineProgram.start(
      'head-end',
      'channel-source',
      [LabAddress.upstream, '1000', '200', channelOf(0, 0)],
      topology.upstreamNamespace,
    );
    await until(
      'the channel to flow',
      10_000,
      async () => (Number((await observer.ask('tell'))['count']) > 200 ? true : undefined),
      () => a.tail(),
    );
    await observer.ask('begin');
    await new Promise((resolve) => setTimeout(resolve, 500));
    const killedAt = now();
    const killing = a.kill();
    const deadline = now() + 20_000;
    while (weightOf(join(directory, 'priority-b')) !== 100) {
      if (now() > deadline) throw new LabError('the standby does not ask to serve', b.tail());
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const knownAt = now();
    appendFileSync(join(directory, 'fifo-b'), 'INSTANCE "bench" MASTER 250\n');
    await until(
      'the standby to serve',
      60_000,
      async () => ((await rowOf(b))?.role === 'active' ? true : undefined),
      () => b.tail(),
    );
    await killing;
    await new Promise((resolve) => setTimeout(resolve, 500));
    const row = await rowOf(b);
    const seen = await observer.ask('tell');
    if (row === undefined) throw new LabError('the new active does not answer', b.tail());
    const step = (name: string) => row.lastTakeover.find((one) => one.step === name)?.ms ?? Number.NaN;
    const section = `Takeover with ${sessions.toLocaleString('en-US')} sessions × ${CHANNELS} channels`;
    const one = (what: string, unit: string, castgate: number): BenchRow => {
      return {
        section,
        what,
        unit,
        castgate,
        reference: undefined,
        referenceName: undefined,
        comparison: undefined,
      };
    };
    return [
      one('kill -9 of the active to the standby that asks to serve', 'ms', knownAt - killedAt),
      one('order to serve to ports open', 'ms', step('ports open')),
      one('order to serve to the core at work', 'ms', step('links and last frames looked at')),
      one('longest time without a datagram', 'ms', Number(seen['gapMs'])),
      one('start of the standby to in step', 's', joinedS),
      one('memory of the standby', 'MB', rssMb),
      one('log of a login', 'octets', Math.round(loginOctets)),
      one('log of a join through RADIUS', 'octets', Math.round(joinOctets)),
    ];
  } finally {
    removeWorkspace(workspace);
    process.off('exit', remove);
  }
}

function weightOf(path: string): number {
  return Number(readFileSync(path, 'utf8'));
}

function memoryMb(pid: number): number {
  const found = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(found?.[1] ?? 0) / 1024;
}

/** The clock that all processes of the machine share. */
function now(): number {
  return performance.timeOrigin + performance.now();
}
