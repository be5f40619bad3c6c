/**
 * Before a node serves it makes sure that the other one does not: it asks, or knows that the other's process is gone, or
 * waits until its lease has run out in its kernel for certain.
 */
import type { HaConfig } from '../../config/config.ts';
import type { Doubt } from './doubt.ts';
import type { OtherNode } from './other-node.ts';
import type { Standby } from './standby.ts';
import type { Timeline } from './timeline.ts';
import { SILENCE_IN_LEASE, TICKS_IN_LEASE } from './weighing.ts';

/** The node that is to serve. */
export interface Candidate {
  readonly config: HaConfig;
  readonly standby: Standby;
  readonly other: OtherNode;
  readonly doubt: Doubt;
  readonly timeline: Timeline;
  readonly now: () => number;
  /** It still is to serve. */
  readonly isWanted: () => boolean;
  /** Tells on the uplinks that it is to serve. */
  readonly claim: () => void;
  /** Resolves when something has happened, at the latest after so long. */
  readonly woken: (ms: number) => Promise<void>;
}

/** Undefined: the other node does not serve, or this one is not to any more. Else why this one must not. */
export async function otherGaveWay(candidate: Candidate): Promise<string | undefined> {
  const { config, standby, other, doubt, timeline, now } = candidate;
  const { leaseMs, aloneAfterMs } = config;
  const tickMs = leaseMs / TICKS_IN_LEASE;
  await doubt.over();
  if (other.isOut) return undefined;
  if (standby.isLinked && standby.mismatch?.isOneWay === false) return standby.mismatch.why;
  if (standby.isLinked) {
    standby.ask();
    timeline.step('other node asked');
    // As long as it lives it brings what it has to its end; a link that breaks is looked at again below.
    const until = now() + RELEASE_PATIENCE_MS;
    // On the link itself: claims on the uplink say that it lives, not that it hears.
    const isHeard = () => now() - standby.heardAt < SILENCE_IN_LEASE * leaseMs;
    while (!other.isOut && standby.isLinked && isHeard() && now() < until) await candidate.woken(tickMs);
    if (other.isOut) return undefined;
  }
  const fresh = (standby.inStepUntil ?? 0) > now() - (aloneAfterMs - leaseMs) && other.claim?.alone !== true;
  if (other.claimsWithin(leaseMs) && !fresh) {
    return `node ${other.claim?.node ?? ''} serves, and went on alone: its claims are heard on the uplink`;
  }
  // A node that lives gives way to the claim; one that hangs or is cut off loses its lease.
  candidate.claim();
  timeline.step('claimed on the uplinks');
  for (;;) {
    if (other.isOut || !candidate.isWanted()) return undefined;
    const wait = other.lastSign(standby.heardAt) + leaseMs + LEASE_MARGIN_MS - now();
    if (wait <= 0) return undefined;
    if (other.claimsWithin(leaseMs) && !fresh && wait > leaseMs) return 'the other node serves';
    await candidate.woken(Math.min(wait, tickMs));
    candidate.claim();
  }
}

/** The kernel's timers are not finer than this. */
const LEASE_MARGIN_MS = 10;
/** For an active that lives and still sends a snapshot. */
const RELEASE_PATIENCE_MS = 10_000;
