/** Before the process of a node of two is replaced, the other node has to serve, and this one to stand by. */
import type { NodeStanding } from '../ha/standing.ts';

/** The node. */
export interface StandsAside {
  readonly standing: NodeStanding;
  promote(by: string): Promise<{ refused: string } | { role: string }>;
  demote(by: string): Promise<{ refused: string } | { role: string }>;
}

/** Why the process of a node that stands so cannot be replaced now; undefined: it can. */
export function objectionTo(standing: NodeStanding): string | undefined {
  const { role, wanted, isInStep, hasKeepalived, otherServes, mismatch } = standing;
  if (role === 'standby' && wanted === 'standby')
    return otherServes
      ? undefined
      : 'this node stands by and hears of no node that serves: restart it instead';
  if (role !== 'active') return `this node is ${role} and is to be ${wanted}: try again in a moment`;
  if (!isInStep) {
    const why = mismatch === undefined ? 'castgate show ha says more' : mismatch.why;
    return `this node serves, and no standby is in step that could serve meanwhile (${why})`;
  }
  if (hasKeepalived) return undefined;
  return 'this node serves, and no keepalived decides who else does (ha.notify_fifo): castgate promote on the other node first';
}

/** Undefined: the other node serves. Else why this one cannot be replaced now. */
export async function standAside(node: StandsAside, patienceMs = PATIENCE_MS): Promise<string | undefined> {
  const { standing } = node;
  const objection = objectionTo(standing);
  if (objection !== undefined || standing.role === 'standby') return objection;
  const demoted = await node.demote(BY);
  if ('refused' in demoted) return demoted.refused;
  const until = performance.now() + patienceMs;
  while (performance.now() < until && node.standing.role === 'standby') {
    if (node.standing.otherServes) return undefined;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const why = 'the other node was handed the service and did not begin';
  const again = await node.promote(BY);
  return 'refused' in again
    ? `${why}; this one cannot either: ${again.refused}`
    : `${why}; this one serves again`;
}

const BY = 'castgate upgrade';
/** keepalived takes a few hundred milliseconds at most (docs/high-availability.md), with slow adverts some seconds. */
const PATIENCE_MS = 8_000;
