/**
 * Upgrades of the nodes of a pair at so many sessions and channels, the standby and then the active by turns: for how long
 * nobody stood by who had everything. keepalived is played: the heavier node is the one that it wants.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HandedOver } from '../../daemon/upgrade/hand-over.ts';
import { type NodeName, otherOf } from '../../lab/ha/pair-topology.ts';
import { LabError, until } from '../../lab/processes.ts';
import { openWorkspace, removeWorkspace } from '../../lab/workspace.ts';
import { packageRoot } from '../../switch/native.ts';
import type { Progress } from '../auth/auth.ts';
import type { BenchRow } from '../report/row.ts';
import { median } from '../report/statistics.ts';
import { type LargePair, raiseLargePair, rowOf } from './large-pair.ts';

/** Channels of each session. */
const CHANNELS = 4;

export async function benchPairUpgrade(
  sizes: readonly number[],
  rounds: number,
  progress: Progress,
): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const size of sizes) {
    rows.push(...(await upgrades(size, rounds)));
    progress(`upgrades of a pair at ${size} sessions`);
  }
  return rows;
}

async function upgrades(sessions: number, rounds: number): Promise<BenchRow[]> {
  const workspace = openWorkspace();
  const remove = () => removeWorkspace(workspace);
  process.on('exit', remove);
  let playing: NodeJS.Timeout | undefined;
  try {
    const pair = await raiseLargePair(workspace, sessions, CHANNELS);
    playing = playKeepalived(workspace.directory);
    const of: Record<'standby' | 'active', HandedOver[]> = { standby: [], active: [] };
    for (let i = 0; i < rounds; i++) {
      for (const which of ['standby', 'active'] as const) {
        const active = await inStep(pair);
        const node = pair.nodes[which === 'active' ? active : otherOf(active)];
        const outcome = await node.upgrade(packageRoot());
        if ('refused' in outcome) throw new LabError(`no upgrade: ${outcome.refused}`, node.tail(20));
        of[which].push(outcome);
      }
    }
    await inStep(pair);
    const section = `Upgrade of a pair with ${sessions.toLocaleString('en-US')} sessions × ${CHANNELS} channels, ${rounds} times each node`;
    const one = (what: string, castgate: number): BenchRow => {
      return {
        section,
        what,
        unit: 'ms',
        castgate,
        reference: undefined,
        referenceName: undefined,
        comparison: undefined,
      };
    };
    return (['standby', 'active'] as const).flatMap((which) => {
      const middle = (figure: (upgrade: HandedOver) => number) => median(of[which].map(figure));
      return [
        one(
          `the ${which}: nobody in step stands by, median`,
          middle(({ pauseMs }) => pauseMs),
        ),
        one(
          'of it, until the new process takes part',
          middle(({ steps }) => steps[0] ?? Number.NaN),
        ),
        one(
          'of it, until it is in step',
          middle(({ steps }) => steps[1] ?? Number.NaN),
        ),
      ];
    });
  } finally {
    clearInterval(playing);
    removeWorkspace(workspace);
    process.off('exit', remove);
  }
}

/** Node a is MASTER, until the other one weighs more. */
function playKeepalived(directory: string): NodeJS.Timeout {
  let master: NodeName = 'a';
  const say = (node: NodeName, state: string) =>
    appendFileSync(join(directory, `fifo-${node}`), `INSTANCE "bench" ${state} 150\n`);
  const weightOf = (node: NodeName) => Number(readFileSync(join(directory, `priority-${node}`), 'utf8'));
  say('a', 'MASTER');
  say('b', 'BACKUP');
  return setInterval(() => {
    const other = otherOf(master);
    if (weightOf(other) <= weightOf(master)) return;
    say(master, 'BACKUP');
    say(other, 'MASTER');
    master = other;
  }, 2);
}

/** The node that serves, once both are in step. */
function inStep({ nodes }: LargePair): Promise<NodeName> {
  return until('both nodes in step', 120_000, async () => {
    const [a, b] = [await rowOf(nodes.a), await rowOf(nodes.b)];
    if (a?.state !== 'in-step' || b?.state !== 'in-step' || a.role === b.role) return undefined;
    return a.role === 'active' ? 'a' : 'b';
  });
}
