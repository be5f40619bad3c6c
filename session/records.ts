/**
 * The records that say who is in and what they receive. All are plain data: text, numbers, octets, arrays
 * of these. `v` is the version of the record's form; times are milliseconds since 1970 on the clock that
 * drives the machines, deadlines are absolute.
 */
import type { KeptAttributes } from '../radius/attribute-octets.ts';
import type { IpAddress, Mac } from '../wire/address.ts';
import type { SessionFilter } from './filter-rule.ts';

/** A subscriber who is in: made by Access-Accept, ended by logoff, reject, lost link, timeout, removal. */
export interface SessionRecord {
  readonly v: 1;
  /** hostKey(port, vlan, mac). */
  readonly key: string;
  readonly port: string;
  readonly vlan: number;
  readonly mac: Mac;
  /** Whom group authorization and accounting are about: User-Name of the Access-Accept, else the EAP identity. */
  readonly account: string;
  /** The same, octet by octet: User-Name of group questions and of accounting. */
  readonly userName: Uint8Array;
  readonly acctSessionId: string;
  readonly acctMultiSessionId: string;
  /** Class attributes of the Access-Accept, to be copied unmodified to accounting (RFC 2865 §5.25). */
  readonly classes: readonly Uint8Array[];
  /** Chargeable-User-Identity of the Access-Accept, for accounting and the next login (RFC 4372). */
  readonly chargeableUserIdentity?: Uint8Array | undefined;
  /** State of the Access-Accept, for authorization-only requests (RFC 5080 §2.1.1). */
  readonly state: Uint8Array | undefined;
  /** The RADIUS server that let the subscriber in: group questions go to it first (patent 1, step 5). */
  readonly server: string;
  readonly startedAt: number;
  /** When EAP last succeeded. */
  readonly authenticatedAt: number;
  /** When the session ends by Session-Timeout with Termination-Action Default; undefined: never. */
  readonly endsAt: number | undefined;
  /** Interval of interim accounting in milliseconds as the server wants it; undefined: the local one. */
  readonly interimMs: number | undefined;
  /** What the login said about channels; undefined: nothing. Records of earlier versions lack it. */
  readonly rights?: SessionRights | undefined;
  /** What the host is for where a port is for one of each (auth/admission/crowd.ts); undefined: data. */
  readonly domain?: 'data' | 'voice' | undefined;
  /** By what the host is in; undefined: 802.1X. */
  readonly method?: 'dot1x' | 'mab' | undefined;
  /** The VLAN that RADIUS put the port into for it, 1 to 4094; undefined: the port's own. */
  readonly assignedVlan?: number | undefined;
  /** The session ends after so many milliseconds without a frame of the host; undefined: never. */
  readonly idleMs?: number | undefined;
  /** A re-authentication was due then, and no RADIUS server has answered one since; undefined: none is overdue. */
  readonly withoutRadiusSince?: number | undefined;
  /** The channels that the host may send to, its profile's among them; undefined: none. */
  readonly sends?: readonly ChannelRange[] | undefined;
  /** What the host may send and receive; undefined: anything. */
  readonly filter?: SessionFilter | undefined;
}

/** Channels by the prefix of their group; with a source, (S,G) channels of it alone. */
export interface ChannelRange {
  readonly group: IpAddress;
  /** 4..32 or 8..128. */
  readonly prefixLength: number;
  readonly source: IpAddress | undefined;
}

/** What an account may do with the channels of a range. */
export interface ReceiveRight extends ChannelRange {
  readonly access: 'watch' | 'preview' | 'forbid';
}

/** How long an account may look at a channel, after which pause again, and how often in a period. */
export interface PreviewTerms {
  readonly lengthMs: number;
  readonly intervalMs: number;
  readonly count: number;
  readonly resetMs: number;
}

/** Rights that came with the login. Undefined: nothing was said, the profile and the switch decide. */
export interface SessionRights {
  readonly receive: readonly ReceiveRight[];
  readonly send: readonly ChannelRange[];
  readonly preview: Partial<PreviewTerms>;
  /** What holds for channels that no right covers. */
  readonly others: 'ask' | 'forbid' | undefined;
  /** Channels at one time, of both families and of each. */
  readonly maxGroups: number | undefined;
  readonly maxGroups4: number | undefined;
  readonly maxGroups6: number | undefined;
  readonly maxKbps: number | undefined;
  /** Name of a profile of the configuration. */
  readonly profile: string | undefined;
}

/** An account's previews of one group. */
export interface PreviewRecord {
  readonly v: 1;
  /** group / account. */
  readonly key: string;
  readonly account: string;
  readonly group: IpAddress;
  /** Begun since the count was last at zero. */
  readonly used: number;
  /** When the last one ends, or ended. */
  readonly endsAt: number;
  /** When the count begins anew. */
  readonly resetAt: number;
  /** From then on nothing of it matters. */
  readonly forgetAt: number;
}

/** What an account was let have before RADIUS had answered (auth/rights/optimism.ts). */
export interface OptimismRecord {
  readonly v: 1;
  /** The account. */
  readonly key: string;
  /** Joins that were opened so since the count was last at zero. */
  readonly used: number;
  /** When the count begins anew. */
  readonly resetAt: number;
  /** No other one before: the account was refused a channel. */
  readonly notBefore: number;
  /** From then on nothing of it matters. */
  readonly forgetAt: number;
}

/** One host's permission to receive one channel. No forwarding is without one (design rule 1). */
export interface GrantRecord {
  readonly v: 1;
  /** channelKey(host, group, source). */
  readonly key: string;
  readonly host: string;
  readonly port: string;
  readonly vlan: number;
  readonly mac: Mac;
  readonly group: IpAddress;
  /** Undefined for the any-source channel (*,G). */
  readonly source: IpAddress | undefined;
  readonly account: string;
  readonly grantedAt: number;
  /** When the permission must be asked again. */
  readonly expiresAt: number;
  /**
   * What decided: an answer, a remembered answer, the switch's list, the login's rights. `monitor`: nothing did, the
   * port lets through what it would refuse; such a grant is no account's, and not accounted for. `optimistic`: RADIUS is
   * still being asked; it ends at `expiresAt`, no router hears of it, and nothing of it is accounted for.
   */
  readonly by: 'radius' | 'cache' | 'always-list' | 'rights' | 'monitor' | 'optimistic';
  /** By `optimistic`: nothing of the group was forwarded to the port before. */
  readonly isAlone?: boolean | undefined;
  /** By `monitor`: why it would have been refused. */
  readonly reason?: string | undefined;
  /** A preview ends at `expiresAt` and is not renewed. */
  readonly access?: 'watch' | 'preview' | undefined;
  /** Class attributes of the Access-Accept of the group question. */
  readonly classes: readonly Uint8Array[];
}

/** One thing that is being accounted for: a session, or one host's channel. */
export interface AccountingRecord {
  readonly v: 1;
  /** `session/` + hostKey, or `channel/` + channelKey. */
  readonly key: string;
  readonly kind: 'session' | 'channel';
  readonly acctSessionId: string;
  /** Ties a session and its channels together (RFC 3580 §2.2). */
  readonly acctMultiSessionId: string;
  readonly account: string;
  readonly port: string;
  readonly vlan: number;
  readonly mac: Mac;
  readonly group: IpAddress | undefined;
  readonly source: IpAddress | undefined;
  readonly classes: readonly Uint8Array[];
  /** Who, where and what, as every message of the record says it; Class and counts come on top. */
  readonly attributes: KeptAttributes;
  readonly startedAt: number;
  /** The switch's counters when they were last read; they may go back to zero, `counts` does not. */
  readonly lastReading: AccountingCounts;
  /** The CounterGeneration of `lastReading`; 0 when left out. */
  readonly generation?: number;
  /**
   * The counters of who was at this place until the turn in which the record began. Until they are read once it is
   * not certain that the switch has begun anew: castgate may have died before it could tell it to.
   */
  readonly replaces?: AccountingCounts | undefined;
  /** What was counted from the beginning up to the last reading. */
  readonly counts: AccountingCounts;
  /** 0: no interim records. */
  readonly interimMs: number;
  readonly nextInterimAt: number | undefined;
}

/** How often the switch's counters have all begun at zero again: a reading of an earlier generation counts no more. */
export interface CounterGeneration {
  readonly v: 1;
  /** COUNTER_GENERATION: there is one. */
  readonly key: string;
  readonly generation: number;
}

export const COUNTER_GENERATION = 'counters';

/** `input` is what came from the subscriber, `output` what was delivered to it (RFC 2866 §5.3, §5.4). */
export interface AccountingCounts {
  readonly inputOctets: number;
  readonly outputOctets: number;
  readonly inputPackets: number;
  readonly outputPackets: number;
}

/** One accounting message that a server has not acknowledged yet. */
export interface AccountingMessage {
  readonly v: 1;
  /** Sequence number as text with leading zeros: the order in which they happened. */
  readonly key: string;
  readonly status: 'start' | 'interim' | 'stop' | 'on' | 'off' | 'refused';
  /** Key of the AccountingRecord; empty for on and off. */
  readonly about: string;
  readonly eventAt: number;
  /** All attributes but Acct-Delay-Time, in order. */
  readonly attributes: KeptAttributes;
}

/** Key of a host: port + VLAN + MAC (design rule 3). */
export function hostKey(port: string, vlan: number, mac: Mac): string {
  return `${port}/${vlan}/${mac}`;
}

/** Key of one channel of one host; `source` undefined is the any-source channel. */
export function channelKey(host: string, group: IpAddress, source: IpAddress | undefined): string {
  return `${host}/${group}/${source ?? '*'}`;
}

/** The RADIUS side of a host's EAP conversation: what the next Access-Request of it must carry. */
export interface ConversationRecord {
  readonly v: 1;
  /** hostKey of the authenticator. */
  readonly key: string;
  /** User-Name: Type-Data of the EAP-Response/Identity (RFC 3579 §2.1). */
  readonly userName: Uint8Array;
  /** State of the last Access-Challenge, echoed unmodified; undefined at the beginning (RFC 5080 §2.2.1). */
  readonly state: Uint8Array | undefined;
  /** The server that has the conversation; undefined before its first answer. */
  readonly server: string | undefined;
  /** The source port or connection on which that answer came; another one may lead to another server behind it. */
  readonly socket?: number;
  /** When it came: a server that died since has forgotten the conversation. */
  readonly answeredAt?: number;
  /** Counts the requests of the host, so that a late answer to an aborted one finds no asker. */
  readonly round: number;
  /** Ids that the session will have when it begins; a session that is there keeps its own. */
  readonly acctSessionId: string;
  readonly acctMultiSessionId: string;
}

/** One host's wish for a channel that is not granted: waiting for an answer, or refused. */
export interface PendingRecord {
  readonly v: 1;
  /** channelKey(host, group, source). */
  readonly key: string;
  readonly host: string;
  readonly group: IpAddress;
  readonly source: IpAddress | undefined;
  readonly account: string;
  /** The question that is with the RADIUS server: questionKey of auth/admission/group-authorization.ts. */
  readonly question: string;
  readonly since: number;
}

/** What RADIUS said about one (account, group[, source]), and until when that holds. */
export interface DecisionRecord {
  readonly v: 1;
  /** questionKey of auth/admission/group-authorization.ts. */
  readonly key: string;
  readonly permit: boolean;
  /** Why not, where not. */
  readonly reason:
    | 'radius-reject'
    | 'radius-bad-accept'
    | 'radius-timeout'
    | 'radius-no-server'
    | 'radius-table-full'
    | 'radius-too-long'
    | 'encoding-lacks-family'
    | undefined;
  readonly decidedAt: number;
  readonly expiresAt: number;
  readonly classes: readonly Uint8Array[];
  /** A permission to look, by these terms; undefined: to watch. */
  readonly preview?: Partial<PreviewTerms> | undefined;
  /** A permission that goes on while servers are silent: until when a server's word held. */
  readonly saidUntil?: number | undefined;
}

/** A question that was put to RADIUS and is not answered yet: one for all who wait for it. */
export interface QuestionRecord {
  readonly v: 1;
  /** questionKey of auth/admission/group-authorization.ts. */
  readonly key: string;
  /** hostKey of the first who asked: it counts against this host's limit until the answer. */
  readonly host: string;
  readonly askedAt: number;
}

/** What a port receives of a group now, by the grants of the hosts behind it. */
export interface ForwardingRecord {
  readonly v: 1;
  /** forwardingKey(port, vlan, group). */
  readonly key: string;
  readonly port: string;
  readonly vlan: number;
  readonly group: IpAddress;
  readonly mode: 'include' | 'exclude';
  readonly sources: readonly IpAddress[];
  /** The only host that it is for, where it is delivered to that host's MAC address. */
  readonly to?: Mac | undefined;
  /** What of it routers are told, where that is less: not what RADIUS is still being asked about. */
  readonly told?: Pick<ForwardingRecord, 'mode' | 'sources'> | 'nothing' | undefined;
}

/** Key of what one port receives of one group. */
export function forwardingKey(port: string, vlan: number, group: IpAddress): string {
  return `${port}/${vlan}/${group}`;
}

/** A host that was in before. */
export interface AcquaintanceRecord {
  readonly v: 1;
  /** hostKey(port, vlan, mac). */
  readonly key: string;
}

/** When a host with an Idle-Timeout was last seen to send or receive. */
export interface ActivityRecord {
  readonly v: 1;
  /** hostKey of the session. */
  readonly key: string;
  /** Packets in both directions when they were last looked at. */
  readonly packets: number;
  readonly activeAt: number;
  readonly lookAt: number;
}

/** Whether a host that is in is still there, where its port asks (daemon/subscribers/host/online-handshake.ts). */
export interface HandshakeRecord {
  readonly v: 1;
  /** hostKey of the session. */
  readonly key: string;
  /** Packets that had come from the host when it was last looked at. */
  readonly packets: number;
  readonly lookAt: number;
  /** Where it can be asked: the addresses that it was last heard from. */
  readonly ipv4: IpAddress | undefined;
  readonly ipv6: IpAddress | undefined;
  /** How often one of the two became another since it was last looked at. */
  readonly moves: number;
  /** Questions in a row after which nothing came from it. */
  readonly unanswered: number;
  /** It has answered one once: its silence means something. */
  readonly answers: boolean;
}

/** How a port is served as a whole where that is not the ordinary way (PortService of switch/switch.ts). */
export interface PortServiceRecord {
  readonly v: 1;
  /** The port's name. */
  readonly key: string;
  readonly open: boolean;
  readonly vlan: number | undefined;
  readonly bridge: string | undefined;
  readonly monitored?: boolean | undefined;
}

/** A host that is not in, and whom its port lets through since it is in monitor mode. */
export interface MonitoredHostRecord {
  readonly v: 1;
  /** hostKey(port, vlan, mac). */
  readonly key: string;
  readonly port: string;
  readonly vlan: number;
  readonly mac: Mac;
  /** Why it would be kept out: the last decision about it. */
  readonly reason: string;
  readonly since: number;
  /** When it was last decided about, or heard; forgotten an hour after that. */
  readonly heardAt: number;
}

/** A subscriber port as the machines see it. */
export interface PortRecord {
  readonly v: 1;
  /** The port's name. */
  readonly key: string;
  readonly up: boolean;
  /** The link as it was when the port came up: another one means that somebody may have changed the cable. */
  readonly linkId: string | undefined;
  /** Identifier of the Request/Identity that the port sends to all while nobody is known behind it; -1: none. */
  readonly helloId: number;
  /** When it is sent again; undefined: not. */
  readonly helloAt: number | undefined;
  /**
   * The interface's number and MAC address when the port came up, by which servers know its sessions: a node that
   * takes over has others, and goes on with these. Undefined in records of a version that did not keep them.
   */
  readonly number?: number | undefined;
  readonly mac?: Mac | undefined;
}

/** A port that is shut: nobody is let in, and its link is down, until somebody opens it (`castgate port open`). */
export interface ShutPortRecord {
  readonly v: 1;
  /** The port's name. */
  readonly key: string;
  /** Who shut it: a CoA-Request, or somebody at this switch. */
  readonly by: 'radius' | 'operator';
  readonly since: number;
}

/** A port whose link castgate took down for a moment. */
export interface PortBounceRecord {
  readonly v: 1;
  /** The port's name. */
  readonly key: string;
  /** When its link is set up again. */
  readonly until: number;
}
