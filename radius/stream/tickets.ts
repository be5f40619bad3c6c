/**
 * Tickets by which a TLS session with a RADIUS server is resumed (RFC 8446 §2.2, §4.6.1): one for each connection, used
 * once, and only under the settings by which the server was verified. A resumption must come out as a full handshake would
 * (draft-ietf-radext-radiusdtls-bis, TLS Session Resumption): so what was verified then is kept with the ticket, and asked
 * again before it is used. The server shows no certificate in a resumption, and Node gives none out.
 */
import type { RecordMap } from '../../wire/records.ts';

/** A ticket, or the note that a server takes none. Who has the session can pose as this switch: it is a secret. */
export interface TicketRecord {
  readonly v: 1;
  /** That of the connection, or of the server. */
  readonly key: string;
  readonly server: string;
  /** Digest of all that the server's verification depends on. */
  readonly settings: string;
  /** As the TLS library wrote it, with the server's certificate. Empty: the server broke off when it was shown one. */
  readonly session: Uint8Array;
  /** From then on it is worth nothing, in milliseconds on the clock of the records. */
  readonly until: number;
  /** When all certificates of the server are valid, in milliseconds since 1970 by the clock of whoever asks. */
  readonly validFrom: number;
  readonly validTo: number;
}

/** What a full handshake has verified, for the tickets that follow from it. */
export type Verified = Pick<TicketRecord, 'until' | 'validFrom' | 'validTo'>;

/** The time on the clock of the records, and on this machine's. */
export interface Clocks {
  readonly now: number;
  readonly wall: number;
}

/** Whose ticket. */
export interface TicketPlace {
  readonly server: string;
  /** Key of the connection. */
  readonly connection: string;
  readonly settings: string;
}

export class Tickets {
  readonly #records: RecordMap<TicketRecord>;

  constructor(records: RecordMap<TicketRecord>) {
    this.#records = records;
  }

  /** The ticket that may be used now. It stays until `spent`. */
  find({ now, wall }: Clocks, { server, connection, settings }: TicketPlace): TicketRecord | undefined {
    if (this.#isRefused(now, server, settings)) return undefined;
    const record = this.#records.get(connection);
    if (record === undefined || record.settings !== settings || now >= record.until) return undefined;
    return record.validFrom <= wall && wall < record.validTo ? record : undefined;
  }

  /** The ticket is about to be shown to the server, or what it stands for is not to be gone on with. */
  spent({ connection }: Pick<TicketPlace, 'connection'>): void {
    this.#records.delete(connection);
  }

  /**
   * A ticket came, on a connection whose full handshake has verified so much. On a resumed one it is as good as the ticket
   * that this one began with.
   */
  keep(now: number, place: TicketPlace, session: Uint8Array, verified: Verified): void {
    const { server, connection, settings } = place;
    const { until, validFrom, validTo } = verified;
    if (now >= until || session.length === 0 || session.length > MOST_OCTETS) return;
    if (this.#isRefused(now, server, settings)) return;
    const record = { v: 1, key: connection, server, settings, session, until, validFrom, validTo } as const;
    this.#records.put(connection, record);
  }

  /** The server broke off the handshake: its tickets are left alone for a day, or until the settings change. */
  refused(now: number, { server, settings }: Pick<TicketPlace, 'server' | 'settings'>): void {
    for (const [key, record] of [...this.#records.entries()])
      if (record.server === server) this.#records.delete(key);
    const until = now + LONGEST_MS;
    const note = { v: 1, key: server, server, settings, session: NONE, until } as const;
    this.#records.put(server, { ...note, validFrom: 0, validTo: 0 });
  }

  /** Forgets what can never be used: tickets that are too old, and those of other settings or of servers that are gone. */
  prune(now: number, settings: ReadonlyMap<string, string>): void {
    for (const [key, record] of [...this.#records.entries()])
      if (now >= record.until || settings.get(record.server) !== record.settings) this.#records.delete(key);
  }

  #isRefused(now: number, server: string, settings: string): boolean {
    const note = this.#records.get(server);
    return note !== undefined && note.settings === settings && now < note.until;
  }
}

/** What a full handshake now has verified, by the dates of all certificates of the chain; it holds for a day at the most. */
export function verifiedBy(
  now: number,
  chain: readonly { readonly from: number; readonly to: number }[],
): Verified {
  // A date that cannot be read is never one of now.
  const known = (at: number, else_: number) => (Number.isNaN(at) ? else_ : at);
  return {
    until: now + LONGEST_MS,
    validFrom: Math.max(0, ...chain.map(({ from }) => known(from, Infinity))),
    validTo: Math.min(...chain.map(({ to }) => known(to, 0))),
  };
}

/** So often the server has to show its certificate, and prove that it has the key. */
const LONGEST_MS = 24 * 3_600_000;
/** A session with a large certificate in it; beyond that nobody needs to keep it. */
const MOST_OCTETS = 1 << 16;
const NONE = new Uint8Array(0);
