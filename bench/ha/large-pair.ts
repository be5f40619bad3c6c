/**
 * Two nodes with so many sessions and channels, whose records come from a journal (population.ts). Nobody plays keepalived:
 * who measures writes into the FIFOs `fifo-a` and `fifo-b`, and reads the weights `priority-a` and `priority-b`.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { HaRow } from '../../daemon/show/show-rows.ts';
import { Castgate } from '../../lab/castgate.ts';
import { ask } from '../../lab/control.ts';
import { type NodeName, otherOf, PairAddress, PairTopology } from '../../lab/ha/pair-topology.ts';
import { run, until } from '../../lab/processes.ts';
import type { Workspace } from '../../lab/workspace.ts';

export interface LargePair {
  readonly topology: PairTopology;
  /** Node a serves, b is in step. */
  readonly nodes: Readonly<Record<NodeName, Castgate>>;
  /** From the start of the standby until it was in step, in seconds. */
  readonly joinedS: number;
  /** Octets of the log of a login, and of a join through RADIUS. */
  readonly loginOctets: number;
  readonly joinOctets: number;
}

/** Raises it; what is in the workspace goes with that. Throws LabError. */
export async function raiseLargePair(
  workspace: Workspace,
  sessions: number,
  channels: number,
): Promise<LargePair> {
  const { directory } = workspace;
  const crowd = Array.from({ length: LINES - 1 }, (_, i) => `line${i}`);
  const topology = await PairTopology.raise(workspace, { hosts: [{ name: 'viewer' }], crowd });
  const secretFile = join(directory, 'secret');
  const keyFile = join(directory, 'ha.key');
  for (const file of [secretFile, keyFile])
    writeFileSync(file, randomBytes(32).toString('hex'), { mode: 0o600 });
  const node = (name: NodeName) =>
    Castgate.prepare(
      join(directory, `node-${name}`),
      { switchNamespace: topology.nodeNamespace(name), ports: topology.ports },
      { secretFile },
      {
        ...LARGE_SETTINGS,
        nasAddress: PairAddress.virtual,
        ha: {
          node: name,
          address: PairAddress.replication[name],
          peer: PairAddress.replication[otherOf(name)],
          key_file: keyFile,
          vrrp_instance: 'bench',
          notify_fifo: join(directory, `fifo-${name}`),
          priority_file: join(directory, `priority-${name}`),
        },
      },
    );
  const nodes = { a: node('a'), b: node('b') };
  const { a, b } = nodes;
  mkdirSync(join(directory, 'node-a', 'state'), { recursive: true });
  const program = fileURLToPath(new URL('./population.js', import.meta.url));
  const made = await run([process.execPath, program, a.configFile, String(sessions), String(channels)], {
    namespace: topology.nodeNamespace('a'),
    timeoutMs: 600_000,
  });
  const { loginOctets, joinOctets } = JSON.parse(made) as { loginOctets: number; joinOctets: number };
  await a.resume();
  await promoted(a);
  const begunAt = performance.now();
  await b.resume();
  await until(
    'the standby to be in step',
    120_000,
    async () => ((await rowOf(b))?.state === 'in-step' ? true : undefined),
    () => [...a.tail(), ...b.tail()],
  );
  return { topology, nodes, joinedS: (performance.now() - begunAt) / 1000, loginOctets, joinOctets };
}

async function promoted(castgate: Castgate): Promise<void> {
  await until(
    'castgate to serve',
    60_000,
    async () => {
      await ask(castgate.socket, 'promote', 60_000);
      return (await rowOf(castgate))?.role === 'active' ? true : undefined;
    },
    () => castgate.tail(),
  );
}

/** What a node says of itself; undefined where it does not answer. */
export async function rowOf(castgate: Castgate): Promise<HaRow | undefined> {
  const answer = await ask(castgate.socket, 'ha', 60_000);
  return answer !== undefined && 'result' in answer ? (answer.result as readonly HaRow[])[0] : undefined;
}

const LINES = 16;
export const LARGE_SETTINGS = {
  authenticator: {
    max_hosts_per_port: 4096,
    max_hosts: 65_536,
    reauth_period: '1d',
    login_rate_per_port: 100_000,
    login_rate: 1_000_000,
  },
  multicast: {
    max_groups_per_host: 64,
    max_groups_per_port: 1024,
    hash_max: 1_048_576,
    reports_per_host: 0,
    reports_per_port: 0,
  },
  groups: { cache_size: 1_000_000, max_permit: '1d' },
  accounting: { max_rate: 100_000 },
  restart: { warm: true, max_age: '1d' },
};
