/**
 * What goes into the RADIUS client and what comes out of it: servers and settings, requests, events, and the
 * reasons for which a packet is discarded.
 */
import type { MalformedReason } from '../../wire/malformed.ts';
import type { RadiusAttribute, RadiusCode, RadiusPacket } from '../packet.ts';
import type { ReplyFault } from '../sign.ts';
import type { Patience, RadiusList, RadiusPort } from './request-record.ts';
import { JITTER } from './retransmission.ts';
import type { HealthOptions } from './server-health.ts';

/** A server as far as packets are concerned; its address is the business of whoever sends them. */
export interface RadiusServerConfig {
  readonly name: string;
  /** Its octets must not change; a new secret is a new array (`RadiusClient.reconfigure`). */
  readonly secret: Uint8Array;
  /** Discard replies to an Access-Request that have no Message-Authenticator. */
  readonly requireMessageAuthenticator: boolean;
  /**
   * It answers Status-Server (RFC 5997): asked by it where it is silent, and once it is dead, instead of by a
   * subscriber's request.
   */
  readonly statusServer?: boolean;
  /** Packets go over connections that lose and repeat none (RFC 6613): a source port is a connection. */
  readonly stream?: boolean;
}

/** Lists are names of servers in the order in which they are asked. */
export interface RadiusClientOptions extends HealthOptions {
  readonly auth: readonly string[];
  /** For questions about groups; the same as `auth` by default. */
  readonly authorization?: readonly string[];
  readonly acct: readonly string[];
  readonly servers: readonly RadiusServerConfig[];
  /** How often and how long an access request is sent. Accounting is never given up (RFC 5080 §2.2.1). */
  readonly patience: Patience;
  /** Ask the servers of a list by their load, and not in their order. */
  readonly balance?: boolean;
  /** Random part of every wait, 0 to 1. */
  readonly jitter: number;
  /** Source ports for each server and port at most; each carries 256 requests at a time. */
  readonly socketsPerServer: number;
  /** What a Status-Server carries, for instance NAS-Identifier. */
  readonly statusAttributes?: readonly RadiusAttribute[];
}

/** All of RadiusClientOptions that has a default. */
export const radiusClientDefaults = {
  patience: {
    initialMs: 2_000,
    maxIntervalMs: 16_000,
    maxCount: 5,
    maxDurationMs: 30_000,
    failoverTries: 2,
  },
  jitter: JITTER,
  socketsPerServer: 128,
  deadTries: 3,
  deadAfterMs: 4_000,
  deadMs: 60_000,
} as const;

/** A request as its asker hands it over. */
export interface RadiusRequest {
  readonly list: RadiusList;
  /** The asker's name for it; opaque, comes back in the event. Must not be in flight already. */
  readonly token: string;
  readonly code:
    | typeof RadiusCode.AccessRequest
    | typeof RadiusCode.AccountingRequest
    | typeof RadiusCode.StatusServer;
  /** Without Message-Authenticator and Acct-Delay-Time; a User-Password in clear. */
  readonly attributes: readonly RadiusAttribute[];
  /** The server to ask before those of the list. */
  readonly server?: string | undefined;
  /** Ask only `server`: a conversation with State is known to no other (RFC 2865 §5.24). */
  readonly pinned?: boolean | undefined;
  /** When the server last spoke of that conversation: if it died since, nobody knows it any more. */
  readonly stateSince?: number | undefined;
  /** The source port or connection to use where it has an identifier left: that of the conversation. */
  readonly socket?: number | undefined;
  /** What is to differ from the configured patience. */
  readonly patience?: Partial<Patience> | undefined;
  /** For accounting: when it happened, for Acct-Delay-Time; now by default. */
  readonly eventAt?: number | undefined;
}

/** Why a request ended without an answer. */
export type RadiusGaveUpReason =
  | 'radius-timeout'
  | 'radius-no-server'
  | 'radius-table-full'
  | 'radius-too-long';

/** What happened, in order. */
export type RadiusEvent =
  | {
      readonly kind: 'send';
      readonly server: string;
      readonly port: RadiusPort;
      /** Number of the source port, 0 to socketsPerServer - 1. */
      readonly socket: number;
      readonly bytes: Uint8Array;
      /** The request was sent before, to this server or another. */
      readonly again: boolean;
    }
  | {
      readonly kind: 'reply';
      readonly token: string;
      readonly server: string;
      readonly socket: number;
      readonly reply: RadiusPacket;
    }
  | {
      readonly kind: 'gave-up';
      readonly token: string;
      readonly reason: RadiusGaveUpReason;
      /** Who was asked last; undefined where nobody was. */
      readonly server: string | undefined;
    }
  | {
      readonly kind: 'server-state';
      readonly server: string;
      readonly port: RadiusPort;
      readonly state: 'alive' | 'dead';
    };

/** Why a packet was not taken as an answer; the label of a counter. */
export type RadiusDiscard =
  | MalformedReason
  | Exclude<ReplyFault, 'malformed'>
  | 'unknown-server'
  | 'no-request'
  | 'duplicate'
  | 'unexpected-code';
