/** How a node of two stands to the other one. */
import type { Mismatch, RecordVersions } from '../../replication/record-version.ts';

/** `resting`: another process of this node is about to take part in its stead. */
export type Role = 'standby' | 'taking-over' | 'active' | 'handing-over' | 'resting';

/** What a node of two is at this moment. */
export interface NodeStanding {
  readonly role: Role;
  readonly wanted: 'active' | 'standby';
  /** Said so on the link a moment ago. */
  readonly otherServes: boolean;
  /** The node that stands by has what the other one has. */
  readonly isInStep: boolean;
  readonly hasKeepalived: boolean;
  readonly mismatch: Mismatch | undefined;
  /** Versions of the other node's records; undefined: it was not heard. */
  readonly otherRecords: RecordVersions | undefined;
  /** Its name; undefined: its claims were not heard. */
  readonly otherNode: string | undefined;
}
