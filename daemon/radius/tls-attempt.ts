/**
 * One attempt at a TLS connection to a RADIUS server (RFC 6614, draft-ietf-radext-radiusdtls-bis). Both ends show a
 * certificate, and ALPN says `radius/1.0`; a server that does not speak ALPN is an older one. Where there is a ticket the
 * session is resumed (radius/stream/tickets.ts), over TLS 1.3 alone and with a key exchange of its own (psk_dhe_ke).
 * Nothing is ever sent before the handshake is done (0-RTT).
 */
import { createHash } from 'node:crypto';
import {
  type ConnectionOptions,
  checkServerIdentity,
  connect,
  type DetailedPeerCertificate,
  type PeerCertificate,
  type TLSSocket,
} from 'node:tls';
import type { RadiusServerConfig } from '../../config/config.ts';
import {
  type TicketPlace,
  type TicketRecord,
  Tickets,
  type Verified,
  verifiedBy,
} from '../../radius/stream/tickets.ts';
import { now as wallClock } from '../../switch/clock.ts';
import type { RecordMap } from '../../wire/records.ts';

/** Where tickets are kept. */
export interface TicketShelf {
  readonly records: RecordMap<TicketRecord>;
  /** The clock of the records, in milliseconds. */
  readonly now: () => number;
  /** Changes records: in a turn of its own, or the next one where one runs. */
  readonly turn: (change: () => void) => void;
}

export interface AttemptOptions {
  readonly server: RadiusServerConfig;
  /** Key of the connection. */
  readonly connection: string;
  readonly shelf: TicketShelf;
  /** `full`: without a ticket. */
  readonly handshake: 'any' | 'full';
}

export class TlsAttempt {
  /** Who listens on it hears `secureConnect` after the attempt itself. */
  readonly socket: TLSSocket;
  readonly #place: TicketPlace;
  readonly #shelf: TicketShelf;
  readonly #tickets: Tickets;
  /** What was shown to the server, or will be. */
  readonly #ticket: TicketRecord | undefined;
  #state: 'connecting' | 'handshake' | 'up' = 'connecting';
  #isResumed = false;
  /** The handshake has failed, and not for what the server has shown. */
  #isBrokenOff = false;
  #verified: Verified | undefined;
  /** A ticket that came before the handshake was done. */
  #session: Uint8Array | undefined;

  /** Throws where OpenSSL does not take a certificate or key. */
  constructor({ server, connection, shelf, handshake }: AttemptOptions) {
    this.#place = { server: server.name, connection, settings: tlsSettings(server) };
    this.#shelf = shelf;
    this.#tickets = new Tickets(shelf.records);
    this.#ticket = handshake === 'any' ? this.#find() : undefined;
    const session = this.#ticket && { session: Buffer.from(this.#ticket.session) };
    this.socket = connect({ ...tlsOptions(server), ...session });
    this.#listen();
  }

  /** How the session came to be. */
  get handshake(): 'full' | 'resumed' {
    return this.#isResumed ? 'resumed' : 'full';
  }

  /** There was a ticket, and no session was resumed: it was not taken, or OpenSSL found it older than the server allows. */
  get isTicketUnused(): boolean {
    return this.#ticket !== undefined && this.#state !== 'connecting' && !this.#isResumed;
  }

  /**
   * The socket is closed, and the server broke off a handshake with a ticket: one without may follow at once, the only
   * connection that may be made again without waiting.
   */
  get isWorthAnother(): boolean {
    return this.isTicketUnused && this.#state === 'handshake' && this.#isBrokenOff;
  }

  #listen(): void {
    const { socket } = this;
    socket.once('connect', () => {
      this.#state = 'handshake';
      // Shown once, whatever comes of it (RFC 8446 appendix C.4).
      if (this.#ticket !== undefined) this.#change((tickets) => tickets.spent(this.#place));
    });
    socket.on('session', (session: Buffer) => {
      this.#session = session;
      this.#keep();
    });
    socket.once('secureConnect', () => this.#secured());
    let heard = false;
    socket.once('data', () => {
      heard = true;
    });
    // A resumed session that the server ends at once: the next handshake is a full one.
    const ended = () => {
      if (this.#state === 'up' && this.#isResumed && !heard)
        this.#change((tickets) => tickets.spent(this.#place));
    };
    socket.once('end', ended);
    socket.once('error', () => {
      ended();
      // It says so where the server's certificate was found wrong.
      this.#isBrokenOff = !socket.authorizationError;
    });
    socket.once('close', () => {
      if (this.isWorthAnother) this.#change((tickets, at) => tickets.refused(at, this.#place));
    });
  }

  #secured(): void {
    const { socket } = this;
    this.#state = 'up';
    this.#isResumed = socket.isSessionReused();
    this.#verified = this.#isResumed
      ? this.#ticket
      : verifiedBy(this.#shelf.now(), datesOf(socket.getPeerCertificate(true)));
    this.#keep();
  }

  #keep(): void {
    const session = this.#session;
    const verified = this.#verified;
    if (session === undefined || verified === undefined || this.socket.getProtocol() !== 'TLSv1.3') return;
    this.#session = undefined;
    this.#change((tickets, at) => tickets.keep(at, this.#place, Uint8Array.from(session), verified));
  }

  #find(): TicketRecord | undefined {
    return this.#tickets.find({ now: this.#shelf.now(), wall: wallClock() }, this.#place);
  }

  #change(change: (tickets: Tickets, at: number) => void): void {
    this.#shelf.turn(() => change(this.#tickets, this.#shelf.now()));
  }
}

/** Digest of all that a server is verified by, and that it verifies. */
export function tlsSettings({ address, tls }: RadiusServerConfig): string {
  const parts = [address, tls?.port ?? 0, tls?.name ?? '', tls?.ca ?? '', tls?.certificate ?? ''];
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64');
}

/** When each certificate of a chain is valid. */
function datesOf(certificate: DetailedPeerCertificate): { readonly from: number; readonly to: number }[] {
  const seen = new Set<DetailedPeerCertificate>();
  for (let one: DetailedPeerCertificate | undefined = certificate; one !== undefined && !seen.has(one); ) {
    seen.add(one);
    one = one.issuerCertificate;
  }
  return [...seen].map(({ valid_from: from, valid_to: to }) => ({
    from: Date.parse(from),
    to: Date.parse(to),
  }));
}

/** An IP address is no server name (RFC 6066 §3): the certificate is then held to the address itself. */
function identityError(server: RadiusServerConfig, certificate: PeerCertificate): Error | undefined {
  return checkServerIdentity(server.tls?.name ?? server.address, certificate);
}

function tlsOptions(server: RadiusServerConfig): ConnectionOptions {
  const { tls } = server;
  if (tls === undefined) throw new Error(`${server.name} has no certificates configured`);
  return {
    host: server.address,
    port: tls.port,
    ...(server.sourceAddress === undefined ? {} : { localAddress: server.sourceAddress }),
    ca: [tls.ca],
    cert: tls.certificate,
    key: tls.key,
    // Whatever the environment says (NODE_TLS_REJECT_UNAUTHORIZED).
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['radius/1.0'],
    ...(tls.name === undefined ? {} : { servername: tls.name }),
    checkServerIdentity: (_host, certificate) => identityError(server, certificate),
  };
}
