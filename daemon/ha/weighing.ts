/** What a node that stands by is worth to keepalived, by what it has and by what it hears of the other one. */
import type { TargetState } from '../../replication/target.ts';
import { Weight } from './keepalived.ts';

/** Times are on one clock, in milliseconds. */
export interface Standing {
  readonly now: number;
  readonly leaseMs: number;
  readonly aloneAfterMs: number;
  /** Of its records. */
  readonly state: TargetState;
  /** When it last was in step; undefined: never, Infinity: it is. */
  readonly inStepUntil: number | undefined;
  /** The other node serves no more for certain: it said so, or its process is gone. */
  readonly otherIsOut: boolean;
  /** When the link broke without a goodbye; undefined: it did not, or the other one was heard since. */
  readonly brokenAt: number | undefined;
  /** When the other node last gave a sign of life, on whichever way. */
  readonly lastSign: number;
  /** When its claim was last heard on the uplinks. */
  readonly claimedAt: number;
}

/** Undefined: the weight is to stay as it is. */
export function weightOf(standing: Standing): Weight | undefined {
  const { now, leaseMs, state, brokenAt, otherIsOut } = standing;
  const silent = now - standing.lastSign > SILENCE_IN_LEASE * leaseMs;
  // A dead node's keepalived says with priority 0 that another is to be master, within a few milliseconds. A weight that
  // changes then has this node's keepalived wait for three adverts more.
  if (brokenAt !== undefined && now - brokenAt < FAREWELL_MS && !silent) return undefined;
  const fresh = (standing.inStepUntil ?? 0) > now - standing.aloneAfterMs;
  // A broken link means a dead process, or a network that says so in its stead; claims tell the two apart.
  const broken = brokenAt !== undefined && now - standing.claimedAt > leaseMs / TICKS_IN_LEASE;
  if ((otherIsOut && state !== 'empty') || (fresh && (silent || broken))) return Weight.HandOver;
  return state === 'in-step' ? Weight.Able : Weight.Unable;
}

/** Renewals of the lease, beats and claims within one lease. */
export const TICKS_IN_LEASE = 6;
/** After this part of a lease without a sign of life keepalived is asked to hand over. */
export const SILENCE_IN_LEASE = 0.6;
/** How long the dead node's keepalived has to say so, in milliseconds. */
export const FAREWELL_MS = 25;
