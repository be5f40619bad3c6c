/** What can happen to a node, how it is brought about, and how it is mended. */
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ask } from '../control.ts';
import { monotonicMs } from '../hosts/channel-packet.ts';
import { LabError, pause } from '../processes.ts';
import type { PairLab } from './pair-lab.ts';
import { type NodeName, otherOf } from './pair-topology.ts';
import { upgradeOf } from './upgrades.ts';

export interface Scenario {
  readonly name: string;
  /** Who has to serve afterwards. `either`: one of them, whichever, and only one. */
  readonly serves: 'the other' | 'the same' | 'either';
  /** What has to be under way before people are at it. */
  readonly prepare?: (lab: PairLab, active: NodeName) => Promise<void>;
  /** Brings it about; gives the moment (milliseconds of the monotonic clock). */
  readonly strike: (lab: PairLab, active: NodeName) => Promise<number>;
  /** Mends it, so that both nodes can come in step again. A text: what did not come of it. */
  readonly mend: (lab: PairLab, active: NodeName) => Promise<unknown>;
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'kill -9 of the active',
    serves: 'the other',
    strike: async (lab, active) => {
      const at = monotonicMs();
      await lab.node(active).castgate.kill();
      return at;
    },
    mend: (lab, active) => lab.node(active).castgate.resume(),
  },
  {
    name: 'power-off',
    serves: 'the other',
    strike: async (lab, active) => {
      const at = monotonicMs();
      await lab.topology.power(active, false);
      return at;
    },
    mend: (lab, active) => lab.topology.power(active, true),
  },
  {
    name: 'replication link cut',
    serves: 'the same',
    strike: async (lab) => {
      const at = monotonicMs();
      await lab.topology.replicationLink(false);
      return at;
    },
    mend: (lab) => lab.topology.replicationLink(true),
  },
  {
    name: 'nodes cut from each other',
    serves: 'either',
    strike: async (lab) => {
      const at = monotonicMs();
      await Promise.all([lab.topology.replicationLink(false), lab.topology.managementBetweenNodes(false)]);
      return at;
    },
    mend: async (lab) => {
      await Promise.all([lab.topology.replicationLink(true), lab.topology.managementBetweenNodes(true)]);
    },
  },
  {
    name: 'hung active',
    serves: 'the other',
    strike: async (lab, active) => {
      const at = monotonicMs();
      lab.node(active).castgate.process?.signal('SIGSTOP');
      return at;
    },
    mend: async (lab, active) => lab.node(active).castgate.process?.signal('SIGCONT'),
  },
  {
    name: 'hung standby',
    serves: 'the same',
    strike: async (lab, active) => {
      const at = monotonicMs();
      lab.node(otherOf(active)).castgate.process?.signal('SIGSTOP');
      return at;
    },
    mend: async (lab, active) => lab.node(otherOf(active)).castgate.process?.signal('SIGCONT'),
  },
  {
    name: 'full disk on the active',
    serves: 'either',
    strike: async (lab, active) => {
      const at = monotonicMs();
      fill(lab.node(active).stateDirectory);
      return at;
    },
    mend: async (lab, active) => {
      rmSync(join(lab.node(active).stateDirectory, FILLING), { force: true });
      await pause(0);
    },
  },
  {
    name: 'hand-over by order',
    serves: 'the other',
    strike: async (lab, active) => {
      const at = monotonicMs();
      const answer = await ask(lab.node(active).castgate.socket, 'demote', 10_000);
      if (answer === undefined || !('result' in answer)) throw new LabError('castgate demote was refused');
      return at;
    },
    mend: async () => {},
  },
  {
    name: 'clean stop of the active',
    serves: 'the other',
    strike: async (lab, active) => {
      const at = monotonicMs();
      await lab.node(active).castgate.stop();
      return at;
    },
    mend: (lab, active) => lab.node(active).castgate.resume(),
  },
  upgradeOf('active'),
  upgradeOf('standby'),
];

/** Takes up every free block of a file system. */
function fill(directory: string): void {
  const { bavail, bsize } = statfsSync(directory);
  try {
    writeFileSync(join(directory, FILLING), Buffer.alloc(bavail * bsize + bsize));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

const FILLING = 'filling';
