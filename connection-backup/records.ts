/**
 * What a standby has to know of a TCP connection to continue it, as records of three stores. Positions count the
 * octets of a direction since the connection was made; the sequence number of one is that of position 0 plus it.
 *
 * Invariants: nothing is given to the kernel for sending, and nothing that came is acknowledged to the peer,
 * before the standby has the record that says so (US8572270B2).
 */
import type { IpAddress } from '../wire/address.ts';
import type { RecordMap } from '../wire/records.ts';

export interface Endpoint {
  readonly address: IpAddress;
  readonly port: number;
}

/** What both ends agreed on in the handshake (RFC 7323, RFC 2018). */
export interface TcpOptions {
  /** Octets of a full segment. */
  readonly mss: number;
  /** Shifts of the window that the peer offers, and of the own one; undefined: windows are not scaled. */
  readonly windowScale: { readonly peer: number; readonly own: number } | undefined;
  readonly sack: boolean;
  readonly timestamps: boolean;
}

/** A connection as it was made, or last continued. */
export interface ConnectionRecord {
  readonly v: 1;
  readonly key: string;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  /** Sequence number of position 0 of what is sent, and of what is received. */
  readonly sentFrom: number;
  readonly receivedFrom: number;
  readonly options: TcpOptions;
  /** The own timestamp clock (RFC 7323 §5.4) at a time, in milliseconds, and how much it counts in one. */
  readonly timestamp: { readonly value: number; readonly at: number; readonly perMs: 1 | 1000 };
  /** The largest window that the peer has offered, and the own one, in octets. */
  readonly peerWindow: number;
  readonly ownWindow: number;
}

/** How far a connection has come. */
export interface PlaceRecord {
  readonly v: 1;
  readonly key: string;
  /** Everything before this position was received, and is either consumed or in `rest`. */
  readonly received: number;
  /** The beginning of a message that is not complete. */
  readonly rest: Uint8Array;
  /** Everything before this position the peer has; it begins with a message, or is the end of all that was sent. */
  readonly acknowledged: number;
}

/** One message that the peer has not acknowledged as a whole. */
export interface SentRecord {
  readonly v: 1;
  readonly key: string;
  readonly connection: string;
  /** Positions of its first octet, and behind its last one: its boundary. */
  readonly begin: number;
  readonly end: number;
  readonly octets: Uint8Array;
}

/** The stores of all connections of a node. */
export interface ConnectionStores {
  readonly connections: RecordMap<ConnectionRecord>;
  readonly places: RecordMap<PlaceRecord>;
  readonly sent: RecordMap<SentRecord>;
}

/** Removes all that is known of a connection. */
export function forgetConnection(stores: ConnectionStores, key: string): void {
  stores.connections.delete(key);
  stores.places.delete(key);
  for (const record of [...stores.sent.values()])
    if (record.connection === key) stores.sent.delete(record.key);
}
