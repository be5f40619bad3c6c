/** What the join gate works on and what it says: its stores, limits, reasons and actions. */
import type { HostFilter, MembershipRecord } from '../../igmp/membership.ts';
import type {
  ForwardingRecord,
  GrantRecord,
  OptimismRecord,
  PendingRecord,
  PreviewRecord,
  SessionRecord,
} from '../../session/records.ts';
import type { IpAddress, Mac } from '../../wire/address.ts';
import type { RecordMap } from '../../wire/records.ts';
import type { GrantOptions } from '../grant-table.ts';
import type { MembershipOptions, Reporter } from '../membership-table.ts';
import type { LimitOptions, LimitReason } from '../rights/channel-limits.ts';
import type { PolicyOptions } from '../rights/channel-policy.ts';
import type { ChannelWeight } from '../rights/channel-use.ts';
import type { OptimismOptions } from '../rights/optimism.ts';

/** Every reason for which a join is refused; the label of the counter `joins_refused_total{reason=…}`. */
export type RefusalReason =
  | 'no-session'
  /** Nobody is in there, and this MAC address is in on another port, or on this port in another VLAN. */
  | 'other-port'
  | 'other-vlan'
  | 'ssm-needs-source'
  | 'never-list'
  /** By the rights that came with the login, or its profile. */
  | 'forbidden'
  | 'preview-interval'
  | 'preview-count'
  | 'host-group-limit'
  | LimitReason
  | 'radius-reject'
  /** An Access-Accept that is malformed, or permits for no time at all. */
  | 'radius-bad-accept'
  | 'radius-timeout'
  | 'radius-no-server'
  | 'radius-table-full'
  | 'radius-too-long'
  | 'encoding-lacks-family'
  | 'switch-failed';

/** Why a channel that was opened before RADIUS had answered is taken back: it did not answer in time, or it refused. */
export type TakeBackCause = 'unanswered' | 'refused';

/** Why a grant ended. */
export type RevokeCause = ChannelEnd | TakeBackCause;

/** Why a channel that was granted ended; the accounting's terminate cause follows from it. */
export type ChannelEnd =
  | 'leave'
  | 'membership-timeout'
  | 'permission-ended'
  | 'permission-withdrawn'
  | 'preview-ended'
  /** A channel of more priority needed its place. */
  | 'preempted'
  | 'logoff'
  | 'lost-carrier'
  | 'reauthentication-failed'
  | 'session-timeout'
  | 'account-changed'
  | 'mode-changed'
  | 'admin-reset'
  | 'port-reinitialized'
  | 'port-disabled'
  | 'moved'
  | 'idle-timeout'
  | 'host-gone'
  | 'switch-failed'
  | 'shutdown';

export interface AdmissionOptions extends MembershipOptions, GrantOptions {
  readonly maxGroupsPerHost: number;
  readonly limits: LimitOptions;
  readonly leave: LeaveOptions;
  readonly policy: PolicyOptions;
  readonly optimism: OptimismOptions;
  /** What the table of channels says. */
  readonly weigh: (group: IpAddress, source: IpAddress | undefined) => ChannelWeight;
  /** Reports of IGMPv1 count for nothing: such a host cannot say that it leaves. */
  readonly ignoreIgmpV1: boolean;
  /** Ports in monitor mode: what would be refused there is received, and said. */
  readonly monitors: (port: string) => boolean;
  /** Whether a host that is not in has a place among those whom such a port lets through, or gets one now. */
  readonly letsThrough: (now: number, from: Reporter) => boolean;
  /** Where else the MAC address of a host is in, that is not in where it reports from. */
  readonly placeElsewhere: (from: Reporter) => 'other-port' | 'other-vlan' | undefined;
}

/**
 * What a leave ends. `by-host`: what that host received, at once. `immediate`: what the whole port receives of the
 * group, at once. `normal`: what that host received, unless it says otherwise when asked, within `lastMemberMs`.
 */
export interface LeaveOptions {
  readonly mode: 'by-host' | 'immediate' | 'normal';
  /** Last member query time (RFC 9776 §8.9.1). */
  readonly lastMemberMs: number;
}

export interface AdmissionStores {
  readonly sessions: RecordMap<SessionRecord>;
  readonly memberships: RecordMap<MembershipRecord>;
  readonly grants: RecordMap<GrantRecord>;
  readonly pending: RecordMap<PendingRecord>;
  readonly forwardings: RecordMap<ForwardingRecord>;
  readonly previews: RecordMap<PreviewRecord>;
  readonly optimism: RecordMap<OptimismRecord>;
}

/** A refused join, for the log, the counters and `castgate show groups`. */
export interface Refusal {
  readonly port: string;
  readonly vlan: number;
  readonly mac: Mac;
  readonly account: string | undefined;
  readonly group: IpAddress;
  readonly source: IpAddress | undefined;
  readonly reason: RefusalReason;
  /** Of a limit: its counts. */
  readonly detail: string | undefined;
}

export type AdmissionAction =
  /** Put the question to RADIUS, about this session. */
  | {
      readonly kind: 'ask';
      readonly question: string;
      readonly session: SessionRecord;
      readonly group: IpAddress;
      readonly source: IpAddress | undefined;
    }
  /** Nobody wants to know it any more: it is not put to RADIUS again. */
  | { readonly kind: 'withdraw'; readonly question: string }
  | {
      readonly kind: 'granted';
      readonly grant: GrantRecord;
      readonly session: SessionRecord;
      /** Nothing of the group was forwarded to the port before: the switch begins to count with this grant. */
      readonly first: boolean;
    }
  /** A join is open before RADIUS has answered. */
  | { readonly kind: 'opened-ahead'; readonly grant: GrantRecord }
  | { readonly kind: 'revoked'; readonly grant: GrantRecord; readonly cause: RevokeCause }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  /** It would be, and is received all the same; `isNews`: for another reason than before, if at all. */
  | {
      readonly kind: 'let-through';
      readonly refusal: Omit<Refusal, 'reason'> & { readonly reason: RefusalReason | RevokeCause };
      readonly isNews: boolean;
    }
  /** Ask the port's hosts whether the group, or these sources of it, are still wanted. */
  | {
      readonly kind: 'ask-port';
      readonly port: string;
      readonly vlan: number;
      readonly group: IpAddress;
      readonly sources: readonly IpAddress[];
    }
  /** What the port receives of the group from now on; undefined: nothing. */
  | {
      readonly kind: 'port-filter';
      readonly port: string;
      readonly vlan: number;
      readonly group: IpAddress;
      readonly filter: HostFilter | undefined;
    }
  /** What all ports of the VLAN together receive of the group. */
  | {
      readonly kind: 'upstream-filter';
      readonly vlan: number;
      readonly group: IpAddress;
      readonly filter: HostFilter | undefined;
    };
