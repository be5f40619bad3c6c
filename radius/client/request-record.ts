/**
 * The records of the RADIUS client: requests in flight and the health of servers. They hold all that another
 * node needs to go on: to send again the same octets from the same identifier, to know an answer when it comes,
 * and to give up at the same time. Times are milliseconds on the clock that drives the client.
 */
import type { RadiusAttribute } from '../packet.ts';

/** Which of the configured orders of servers a request follows. `authorization` are questions about groups. */
export type RadiusList = 'auth' | 'authorization' | 'acct';

/** Which of a server's two ports. */
export type RadiusPort = 'auth' | 'acct';

/** When a request is sent again and when it is given up, RFC 5080 §2.2.1. */
export interface Patience {
  /** IRT: the first wait. */
  readonly initialMs: number;
  /** MRT: the longest wait. */
  readonly maxIntervalMs: number;
  /** MRC: transmissions in all; 0: no limit. */
  readonly maxCount: number;
  /** MRD: from the first transmission to giving up; 0: never. */
  readonly maxDurationMs: number;
  /** Transmissions to one server before the next one of the list is asked. */
  readonly failoverTries: number;
}

/** Where a packet of a request went, and the authenticator by which its answer is known. */
export interface RadiusAttempt {
  readonly server: string;
  readonly socket: number;
  readonly id: number;
  readonly authenticator: Uint8Array;
}

/** A request in flight. */
export interface RadiusRequestRecord {
  readonly v: 1;
  /** The token. */
  readonly key: string;
  /** What the asker calls the request. */
  readonly token: string;
  readonly list: RadiusList;
  readonly code: number;
  /** All attributes but Message-Authenticator and Acct-Delay-Time; a User-Password in clear. */
  readonly attributes: readonly RadiusAttribute[];
  /** When what is accounted for happened; undefined for all but Accounting-Request. */
  readonly eventAt: number | undefined;
  /** Acct-Delay-Time of the last attempt, in seconds. */
  readonly delaySeconds: number;
  /** The server that the asker would have first, or (pinned) alone. */
  readonly server: string | undefined;
  readonly pinned: boolean;
  readonly patience: Patience;
  /** The last one is current; the earlier ones are kept for late answers. */
  readonly attempts: readonly RadiusAttempt[];
  /** Servers that were asked already. */
  readonly tried: readonly string[];
  readonly sentAt: number;
  /** Transmissions in all. */
  readonly tries: number;
  /** Transmissions to the current server in a row. */
  readonly triesHere: number;
  /** The wait that is running (RT). */
  readonly intervalMs: number;
  readonly nextAt: number;
  /** Undefined: never. */
  readonly giveUpAt: number | undefined;
}

/** What is known of one port of one server. Written only when it changes. */
export interface RadiusServerRecord {
  readonly v: 1;
  /** laneKey(server, port). */
  readonly key: string;
  readonly server: string;
  readonly port: RadiusPort;
  readonly state: 'alive' | 'dead';
  readonly since: number;
  /** When a dead server is tried again; undefined while it is alive. */
  readonly retryAt: number | undefined;
}

/** Key of a server's port. */
export function laneKey(server: string, port: RadiusPort): string {
  return `${server}/${port}`;
}

/** The port that the requests of a list go to. */
export function portOf(list: RadiusList): RadiusPort {
  return list === 'acct' ? 'acct' : 'auth';
}
