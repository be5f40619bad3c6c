/**
 * What `castgate show` is answered with: one row a session, channel, server, port or counter. Plain JSON; times are
 * milliseconds since 1970, and what is not known is null.
 */

/** The verbs of the control socket that answer with rows, and the rows. */
export interface ShowRows {
  readonly sessions: readonly SessionRow[];
  readonly groups: readonly GroupRow[];
  readonly radius: readonly RadiusRow[];
  readonly ports: readonly PortRow[];
  readonly refusals: readonly RefusalRow[];
  readonly ha: readonly HaRow[];
  readonly accounting: readonly AccountingRow[];
  readonly drift: readonly DriftRow[];
  readonly privileges: readonly PrivilegeRow[];
}

/** What a feature needs of the user that runs the daemon. */
export interface PrivilegeRow {
  readonly feature: string;
  /** A capability, or `write` and a path. */
  readonly needs: string;
  readonly held: boolean;
  /** What happens without it. */
  readonly without: string;
}

/** Something in the kernel that was not as castgate had left it, and was put right. */
export interface DriftRow {
  readonly at: number;
  readonly what: string;
}

/** One node of two: itself, and what it knows of the other one. */
export interface HaRow {
  readonly node: string;
  /** standby, taking-over, active, handing-over; resting: another process of this node is about to take part */
  readonly role: string;
  /** What keepalived, or a person, wants it to be. */
  readonly wanted: string;
  /** The number of the last takeover of the pair. */
  readonly epoch: number;
  readonly mode: string;
  /** Of an active, its standby: away, joining, in-step. Of a standby, its records: empty, stale, in-step. */
  readonly state: string;
  /** It serves, and nobody would know what it did. */
  readonly alone: boolean;
  /** Changes that the standby has not acknowledged, and how long the oldest has waited. */
  readonly lagRecords: number | null;
  readonly lagMs: number | null;
  readonly roundTripMs: number | null;
  /** Number of the last change in its records. */
  readonly change: number;
  /** Of all records: equal on both nodes at the same change. */
  readonly digest: string | null;
  /** Effects that wait for the standby. */
  readonly heldEffects: number;
  readonly lastBeatMs: number | null;
  readonly lastClaimMs: number | null;
  /** What it last told keepalived. */
  readonly weight: number | null;
  /** Why it does not do what is wanted. */
  readonly refused: string | null;
  /** What is wrong between the versions of the two nodes' records; null: nothing. */
  readonly mismatch: string | null;
  /** How often this node has begun to serve since its daemon started. */
  readonly takeovers: number;
  /** Connections that the other node can continue, and octets on them that no server has acknowledged. */
  readonly connections: number;
  readonly connectionOctets: number;
  /** Of other nodes' connections those that this one continued since its daemon started, and by reason those it could not. */
  readonly connectionsContinued: number;
  readonly connectionsNotContinued: Readonly<Record<string, number>>;
  /** The way of packets on these connections: direct, through-standby, in-the-way; and why it is direct where it is not to be. */
  readonly way: string;
  readonly wayRefused: string | null;
  /** Of this node as a standby: octets that it saw before the records had them, that the records had first, and lost frames. */
  readonly tappedOctets: number;
  readonly tapUnseenOctets: number;
  readonly tapOverflows: number;
  /** Octets that it took up from what it had seen when it took over. */
  readonly tapTakenUpOctets: number;
  readonly lastChangeAt: number | null;
  readonly lastTakeover: readonly { readonly step: string; readonly ms: number }[];
}

/** The accounting queue: one row. */
export interface AccountingRow {
  /**
   * `backlog`: soon records will be lost for want of a server; `nearly-full`, `full`, `refused`: the disk is, or
   * does not take what it is given.
   */
  readonly state: 'ok' | 'off' | 'backlog' | 'nearly-full' | 'full' | 'refused';
  /** Messages that no server has acknowledged, and how many there may be. */
  readonly waiting: number;
  readonly limit: number;
  /** When the event of the oldest of them was. */
  readonly oldestAt: number | null;
  /** Sessions and channels that are being accounted for. */
  readonly running: number;
  readonly acknowledged: number;
  /** Messages that will never be sent, by reason. */
  readonly lost: Readonly<Record<string, number>>;
  /** Octets of the queue's files, and how many there may be. */
  readonly diskOctets: number;
  readonly diskLimit: number;
  /** Records that the disk has not taken. */
  readonly unwritten: number;
}

/** What the kernel refused on all subscriber ports since castgate's nftables table was loaded. */
export interface RefusalRow {
  /** The table's counter. */
  readonly what: string;
  readonly packets: number;
  /** From the IP header on. */
  readonly octets: number;
}

export interface SessionRow {
  readonly port: string;
  readonly vlan: number;
  readonly mac: string;
  /** Null before the host has said who it is. */
  readonly account: string | null;
  /** State of the authenticator's PAE machine, by the standard's name; `MONITORED`: it has none. */
  readonly state: string;
  readonly authorized: boolean;
  /** It is let through on a port in monitor mode: why it would not be; null: it is not, or need not be. */
  readonly letThrough: string | null;
  readonly since: number | null;
  readonly acctSessionId: string | null;
  /** The RADIUS server that let it in. */
  readonly server: string | null;
  readonly reauthAt: number | null;
  readonly octetsIn: number;
  readonly octetsOut: number;
  /** What it may send to: groups, prefixes, with `from` and a source where it must be that. */
  readonly sends: readonly string[];
  /** What it may send and receive: names of filters, or their rules; empty: anything. */
  readonly filter: readonly string[];
}

export interface GroupRow {
  readonly port: string;
  readonly vlan: number;
  readonly mac: string;
  readonly account: string | null;
  readonly group: string;
  /** Null for the any-source channel. */
  readonly source: string | null;
  readonly state: 'granted' | 'waiting' | 'refused';
  /** Why it was refused, or, granted by `monitor`, would have been. */
  readonly reason: string | null;
  /** What decided. */
  readonly by: string | null;
  readonly since: number;
  readonly expiresAt: number | null;
  readonly octets: number;
  readonly packets: number;
}

export interface RadiusRow {
  readonly server: string;
  readonly address: string;
  readonly state: 'alive' | 'dead';
  readonly inFlight: number;
  readonly sent: number;
  /** Of those sent: Status-Server, by which castgate asks whether a silent server lives. */
  readonly statusServer: number;
  readonly accepts: number;
  readonly rejects: number;
  readonly challenges: number;
  readonly timeouts: number;
  readonly retransmits: number;
  /** Datagrams that were dropped, by reason. */
  readonly discarded: Readonly<Record<string, number>>;
  readonly rttMs: number | null;
  /** Sessions of TLS that began `full` or `resumed`, and tickets that were of no use (`ticket-unused`). */
  readonly handshakes: Readonly<Record<string, number>>;
  /** Connections that are gone (`closed`) or never came to be (`refused`); over UDP there are none. */
  readonly connectionsLost: Readonly<Record<string, number>>;
  /** Accounting messages that wait for an acknowledgement. */
  readonly accountingQueue: number;
}

export interface PortRow {
  readonly port: string;
  readonly up: boolean;
  /** Who shut it, until somebody opens it; null: nobody. */
  readonly shutBy: 'radius' | 'operator' | null;
  readonly mode: string;
  readonly hosts: number;
  readonly authorizedHosts: number;
  /** Hosts that are not in and are let through, on a port in monitor mode. */
  readonly monitoredHosts: number;
  readonly channels: number;
  /** Frames that were dropped, by reason. */
  readonly drops: Readonly<Record<string, number>>;
  readonly eapolRx: number;
  readonly eapolTx: number;
  /** MAC authentication: how often RADIUS was asked, and has accepted and rejected; empty: never. */
  readonly mab: Readonly<Record<string, number>>;
  readonly igmpRx: number;
}
