/**
 * Whether a node that stands by begins to serve before keepalived has said so: where the other one serves no more for
 * certain, and nobody but this node can be meant. keepalived's word, and the virtual address with it, comes some
 * milliseconds later; what needs the address waits for it (docs/high-availability.md).
 */
import type { VrrpState } from './keepalived.ts';
import { Weight } from './keepalived.ts';

/** Times are on one clock, in milliseconds. */
export interface Outlook {
  readonly now: number;
  readonly leaseMs: number;
  readonly aloneAfterMs: number;
  /** keepalived decides, and hears of the other castgate's death: both files are configured. */
  readonly keepalivedDecides: boolean;
  /** What it said last. */
  readonly vrrp: VrrpState | undefined;
  /** What it was last told that this node is worth. */
  readonly weight: Weight | undefined;
  /** Something already asks this node to serve, or not to. */
  readonly isBusy: boolean;
  /** This daemon was frozen a moment ago. */
  readonly isInDoubt: boolean;
  /** When the link to the node that served broke without a goodbye, or that node gave way with all that it had. */
  readonly outSince: number | undefined;
  /** When this node last was in step; undefined: never. */
  readonly inStepUntil: number | undefined;
  /** The other node's last claim on the uplinks. */
  readonly claim: { readonly heardAt: number; readonly alone: boolean } | undefined;
}

/** The other node serves no more for certain: true where this one begins at once. */
export function mayGoAhead(outlook: Outlook): boolean {
  const { now, leaseMs, aloneAfterMs, outSince, inStepUntil = 0, claim } = outlook;
  if (!outlook.keepalivedDecides || outlook.vrrp !== 'BACKUP' || outlook.isBusy || outlook.isInDoubt)
    return false;
  // One that is not fit to serve waits for somebody who is, or for keepalived to find that there is nobody.
  if (outlook.weight !== Weight.Able && outlook.weight !== Weight.HandOver) return false;
  // What happened long ago may be undone by now.
  if (outSince === undefined || now - outSince > leaseMs) return false;
  // The other node may have gone on alone since.
  if (inStepUntil <= now - (aloneAfterMs - leaseMs) || claim?.alone === true) return false;
  // A dead process claims nothing: it was the network that said that it is dead.
  return claim === undefined || claim.heardAt <= outSince;
}

/** How long a node serves without a word of keepalived, in milliseconds: longer than VRRP takes at its slowest. */
export const AHEAD_PATIENCE_MS = 10_000;
