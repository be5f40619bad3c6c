/** A daemon on a node of two as a process that is replaced, and as the one that replaces it. */
import type { Config } from '../../config/config.ts';
import { ConnectionGuard } from '../../connection-backup/linux/connection-guard.ts';
import { LEAST_READER, RECORDS_VERSION } from '../../replication/record-version.ts';
import { loadNative } from '../../switch/native.ts';
import type { OwnRecords } from '../ha/estate.ts';
import { VRRP_STATES } from '../ha/keepalived.ts';
import type { HaNode } from '../ha/node.ts';
import { backedUpPaths } from '../radius/backed-up-streams.ts';
import { haDigests } from './comparison.ts';
import type { PairIncumbent } from './replace-standby.ts';
import { objectionTo, standAside } from './stand-aside.ts';
import type { Estate, Replacement } from './stand-in.ts';

/** The daemon around the node. */
export interface PairProcess {
  readonly node: HaNode;
  readonly config: Config;
  /** Answers no more on its sockets; the listening control socket, which waits for the next process. */
  silence(): number;
  /** Answers again. */
  answer(): void;
  /** This process cannot go on: it ends. */
  end(why: string): Promise<void>;
}

export function incumbentOf(daemon: PairProcess): PairIncumbent {
  const { node, config } = daemon;
  let wasInStep = false;
  let isSilent = false;
  let serves: string | undefined;
  return {
    get serves() {
      return serves;
    },
    objection: () => objectionTo(node.standing),
    begin: () => {
      const { isInStep, otherRecords } = node.standing;
      wasInStep = isInStep;
      return {
        bridge: config.bridge,
        stateDirectory: config.stateDirectory,
        ha: haDigests(config),
        records: RECORDS_VERSION,
        leastReader: LEAST_READER,
        otherNode: otherRecords,
      };
    },
    standAside: () => standAside(node),
    rest: async () => {
      serves = node.standing.otherNode;
      const { saved, epoch, guard, vrrp } = await node.rest();
      const descriptors = guard === undefined ? [] : [guard];
      const { counters, clockOffsetMs } = saved ?? {};
      const facts = { epoch, wasInStep, vrrp, counters, clockOffsetMs, descriptors: descriptors.length };
      return { fed: saved?.fed, facts, descriptors };
    },
    leave: () => {
      isSilent = true;
      return { facts: { control: config.controlSocket }, descriptors: [daemon.silence()] };
    },
    goOn: async () => {
      let refused: string | undefined;
      try {
        if (isSilent) daemon.answer();
        refused = await node.goOn();
      } catch (cause) {
        refused = cause instanceof Error ? cause.message : String(cause);
      }
      if (refused !== undefined) await daemon.end(refused);
    },
  };
}

/** Whether a node with this configuration could take part here. Throws why not; changes nothing. */
export function checkNode(config: Config, bridge: { check(): void }): void {
  bridge.check();
  if (backedUpPaths(config.radius).length === 0) return;
  const why = ConnectionGuard.check(loadNative());
  if (why !== undefined) throw new Error(`connection_backup: ${why}`);
}

/** Takes part, with what the process before has left. Text: why it cannot. */
export function standInWith(node: HaNode, { fed, facts, descriptors }: Estate): Promise<string | undefined> {
  const counters: OwnRecords['counters'] = facts['counters'] === 'kept' ? 'kept' : 'new';
  return node.standIn({
    saved: fed && { fed, counters, clockOffsetMs: Number(facts['clockOffsetMs']) || 0 },
    epoch: Number(facts['epoch']) || 0,
    guard: descriptors[0],
    vrrp: VRRP_STATES.find((state) => state === facts['vrrp']),
  });
}

/**
 * Resolves when the node has what the other one has, or at least hears it where the process before had no more, or
 * serves. Text: why it never will.
 */
export async function hasJoined(node: HaNode, { facts }: Estate): ReturnType<Replacement['joined']> {
  for (;;) {
    const { role, isInStep, otherServes, mismatch } = node.standing;
    if (role === 'active' || isInStep || (facts['wasInStep'] !== true && otherServes)) return undefined;
    if (mismatch?.isOneWay === false) return mismatch.why;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

const LOOK_MS = 5;
