/** The row of `castgate show ha`. */
import type { HaConfig } from '../../config/config.ts';
import type { WayState } from '../../connection-backup/linux/standby-first.ts';
import type { Digest } from '../../replication/state-digest.ts';
import type { HaRow } from '../show/show-rows.ts';
import type { Active } from './active.ts';
import type { Claim } from './claim.ts';
import type { Standby } from './standby.ts';
import type { Timeline } from './timeline.ts';

/** What a node knows of itself and the other one. */
export interface HaState {
  readonly config: HaConfig;
  readonly role: string;
  readonly wanted: string;
  readonly epoch: number;
  readonly active: Active | undefined;
  readonly standby: Standby;
  readonly claim: (Claim & { readonly heardAt: number }) | undefined;
  readonly refused: string | undefined;
  readonly weight: number | undefined;
  readonly takeovers: number;
  /** Over all takeovers of this node. */
  readonly continued: {
    readonly continued: number;
    readonly fellBack: Readonly<Record<string, number>>;
    readonly takenUp: number;
  };
  /** The way that packets on connections take; undefined: always to the one that serves. */
  readonly way: WayState | undefined;
  readonly timeline: Timeline;
  readonly now: number;
}

export function haRow(state: HaState): HaRow {
  const { config, role, wanted, epoch, active, standby, claim, refused, weight, takeovers, timeline, now } =
    state;
  const { continued } = state;
  const source = active?.source;
  return {
    node: config.node,
    role,
    wanted,
    epoch,
    mode: config.mode,
    state: source === undefined ? standby.state : source.state,
    alone: active?.isAlone ?? false,
    lagRecords: source === undefined ? null : source.last - source.acknowledged,
    lagMs: source === undefined ? null : round(source.lagMs(now)),
    roundTripMs: source?.roundTripMs === undefined ? null : round(source.roundTripMs),
    change: source?.last ?? standby.have,
    digest: short(source?.digest ?? standby.digest?.digest()),
    heldEffects: active?.serving.held ?? 0,
    lastBeatMs: ageOf(active === undefined ? standby.beatAt : undefined, now),
    lastClaimMs: ageOf(claim?.heardAt, now),
    weight: weight ?? null,
    refused: refused ?? null,
    mismatch: (source === undefined ? standby.mismatch : source.mismatch)?.why ?? null,
    takeovers,
    connections: active?.serving.connections?.connections ?? standby.connections,
    connectionOctets: active?.serving.connections?.octets ?? 0,
    connectionsContinued: continued.continued,
    connectionsNotContinued: { ...continued.fellBack },
    way: state.way?.way ?? 'direct',
    wayRefused: state.way?.refused ?? null,
    tappedOctets: state.way?.octets ?? 0,
    tapUnseenOctets: state.way?.unseen ?? 0,
    tapOverflows: state.way?.overflows ?? 0,
    tapTakenUpOctets: continued.takenUp,
    lastChangeAt: timeline.begin === 0 ? null : timeline.begin,
    lastTakeover: timeline.steps,
  };
}

/** All stores' sums as one short text: equal on both nodes at the same change. */
function short(digest: Digest | undefined): string | null {
  if (digest === undefined) return null;
  let text = 0;
  for (const [name, { count, sum, mix }] of Object.entries(digest).sort()) {
    for (const part of [name.length, count, sum % 2 ** 32, mix]) text = (Math.imul(text, 31) + part) >>> 0;
  }
  return text.toString(16).padStart(8, '0');
}

function ageOf(at: number | undefined, now: number): number | null {
  return at === undefined ? null : round(now - at);
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}
