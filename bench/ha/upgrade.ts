/**
 * An upgrade at so many sessions and channels: how long nobody reads the sockets, and what of that is what. The records
 * come from a journal (population.ts); the program is the same before and after.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { HandedOver } from '../../daemon/upgrade/hand-over.ts';
import { Castgate } from '../../lab/castgate.ts';
import { ask } from '../../lab/control.ts';
import { PairTopology } from '../../lab/ha/pair-topology.ts';
import { LabError, run } from '../../lab/processes.ts';
import { openWorkspace, removeWorkspace } from '../../lab/workspace.ts';
import type { Progress } from '../auth/auth.ts';
import type { BenchRow } from '../report/row.ts';
import { median } from '../report/statistics.ts';
import { LARGE_SETTINGS } from './large-pair.ts';

/** Channels of each session. */
const CHANNELS = 4;
const LINES = 16;

export async function benchUpgrade(
  sizes: readonly number[],
  rounds: number,
  progress: Progress,
): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const size of sizes) {
    rows.push(...(await upgrades(size, rounds)));
    progress(`upgrades at ${size} sessions`);
  }
  return rows;
}

async function upgrades(sessions: number, rounds: number): Promise<BenchRow[]> {
  const workspace = openWorkspace();
  const remove = () => removeWorkspace(workspace);
  process.on('exit', remove);
  try {
    const crowd = Array.from({ length: LINES - 1 }, (_, i) => `line${i}`);
    const topology = await PairTopology.raise(workspace, { hosts: [{ name: 'viewer' }], crowd });
    const { directory } = workspace;
    const secretFile = join(directory, 'secret');
    writeFileSync(secretFile, randomBytes(32).toString('hex'), { mode: 0o600 });
    const place = { switchNamespace: topology.nodeNamespace('a'), ports: topology.ports };
    const castgate = Castgate.prepare(join(directory, 'node'), place, { secretFile }, LARGE_SETTINGS);
    mkdirSync(join(directory, 'node', 'state'), { recursive: true });
    const program = fileURLToPath(new URL('./population.js', import.meta.url));
    await run([process.execPath, program, castgate.configFile, String(sessions), String(CHANNELS)], {
      namespace: place.switchNamespace,
      timeoutMs: 600_000,
    });
    await castgate.resume();
    const taken: (HandedOver & { readonly allMs: number })[] = [];
    for (let i = 0; i < rounds; i++) {
      const begunAt = performance.now();
      const answer = await ask(castgate.socket, 'upgrade', 300_000);
      if (answer === undefined || !('result' in answer))
        throw new LabError(`no upgrade: ${answer?.refused ?? 'no answer'}`, castgate.tail());
      taken.push({ ...(answer.result as HandedOver), allMs: performance.now() - begunAt });
    }
    const section = `Upgrade with ${sessions.toLocaleString('en-US')} sessions × ${CHANNELS} channels, ${rounds} times`;
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
    const of = (figure: (upgrade: HandedOver & { readonly allMs: number }) => number) =>
      median(taken.map(figure));
    return [
      one(
        'nobody reads the sockets, median',
        'ms',
        of(({ pauseMs }) => pauseMs),
      ),
      one('nobody reads the sockets, longest', 'ms', Math.max(...taken.map(({ pauseMs }) => pauseMs))),
      one(
        'of it, the old process comes to rest',
        'ms',
        of(({ steps }) => steps[0] ?? Number.NaN),
      ),
      one(
        'of it, the new one builds itself',
        'ms',
        of(({ steps }) => steps[1] ?? Number.NaN),
      ),
      one(
        'of it, the new one begins to read',
        'ms',
        of(({ steps }) => steps[2] ?? Number.NaN),
      ),
      one('the whole upgrade, the old one serving', 's', of(({ allMs }) => allMs) / 1000),
    ];
  } finally {
    removeWorkspace(workspace);
    process.off('exit', remove);
  }
}
