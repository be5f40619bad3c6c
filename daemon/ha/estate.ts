/** What a process of a node has for the next one, or had itself in the run before. */
import type { FedStores } from '../journal/saved-state.ts';
import type { VrrpState } from './keepalived.ts';

/** Records of this node's own, and what they say of the switch's counters and of the time. */
export interface OwnRecords {
  readonly fed: FedStores;
  readonly counters: 'kept' | 'new';
  readonly clockOffsetMs: number;
}

/** What a process of this node leaves to the next one. */
export interface NodeEstate {
  readonly saved: OwnRecords | undefined;
  readonly epoch: number;
  /** Of the guard against death; undefined: there is none. */
  readonly guard: number | undefined;
  /** What keepalived said last. */
  readonly vrrp: VrrpState | undefined;
}
