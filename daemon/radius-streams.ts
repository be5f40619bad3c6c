/**
 * Connections to RADIUS servers over TCP (RFC 6613) and TLS (tls-attempt.ts): one for each source port that the client
 * counts. What a connection does when is in radius/stream/line.ts.
 */
import { randomBytes } from 'node:crypto';
import { connect as connectTcp, type Socket } from 'node:net';
import type { RadiusServerConfig } from '../config/config.ts';
import type { RadiusAttribute } from '../radius/packet.ts';
import type { RadiusPort } from '../radius/request-record.ts';
import { Line, type LineAction } from '../radius/stream/line.ts';
import { Tickets } from '../radius/stream/tickets.ts';
import { now } from '../switch/clock.ts';
import type { Logger } from './log.ts';
import { connectionKey } from './radius.ts';
import type { DatagramListener } from './radius-sockets.ts';
import { type TicketShelf, TlsAttempt, tlsSettings } from './tls-attempt.ts';

/** Who is told of what becomes of connections; `socket` counts those to one server's port. */
export interface StreamListeners {
  /** Packets. The octets are the listener's. */
  readonly datagram: DatagramListener;
  readonly connected: (server: string, port: RadiusPort, socket: number) => void;
  readonly lost: (server: string, port: RadiusPort, socket: number, why: 'closed' | 'refused') => void;
  /** A handshake of TLS is done, or there was a ticket and it was of no use. */
  readonly handshake: (server: string, how: 'full' | 'resumed' | 'ticket-unused') => void;
}

interface Connection {
  readonly server: RadiusServerConfig;
  readonly port: RadiusPort;
  readonly number: number;
  readonly line: Line;
  socket: Socket | undefined;
  /** How the session of TLS came to be, while there is one. */
  handshake: 'full' | 'resumed' | undefined;
  timer: NodeJS.Timeout | undefined;
}

export class RadiusStreams {
  readonly #servers: ReadonlyMap<string, RadiusServerConfig>;
  readonly #statusAttributes: readonly RadiusAttribute[];
  readonly #listeners: StreamListeners;
  readonly #shelf: TicketShelf;
  readonly #log: Logger;
  readonly #connections = new Map<string, Connection>();
  #closed = false;

  /** Only the servers that are not reached over UDP. */
  constructor(
    servers: readonly RadiusServerConfig[],
    statusAttributes: readonly RadiusAttribute[],
    listeners: StreamListeners,
    shelf: TicketShelf,
    log: Logger,
  ) {
    this.#servers = new Map(
      servers.filter(({ transport }) => transport !== 'udp').map((server) => [server.name, server]),
    );
    this.#statusAttributes = statusAttributes;
    this.#listeners = listeners;
    this.#shelf = shelf;
    this.#log = log;
  }

  has(server: string): boolean {
    return this.#servers.has(server);
  }

  /** Connects ahead of the first request. */
  open(ports: (server: string) => readonly RadiusPort[]): void {
    // Who opens this has not taken its records up yet.
    setImmediate(() => this.#pruneTickets());
    for (const server of this.#servers.keys()) {
      for (const port of ports(server)) this.#with(server, port, 0, (line) => line.open(now()));
    }
  }

  send(server: string, port: RadiusPort, socket: number, bytes: Uint8Array): void {
    this.#with(server, port, socket, (line) => line.send(now(), bytes));
  }

  /** Closes a connection for what came on it. */
  drop(server: string, port: RadiusPort, socket: number): void {
    this.#with(server, port, socket, (line) => line.drop(now()));
  }

  close(): void {
    this.#closed = true;
    for (const connection of this.#connections.values()) {
      clearTimeout(connection.timer);
      connection.socket?.destroy();
    }
    this.#connections.clear();
  }

  #with(server: string, port: RadiusPort, number: number, verb: (line: Line) => void): void {
    const key = connectionKey(server, port, number);
    let connection = this.#connections.get(key);
    if (connection === undefined) {
      const config = this.#servers.get(server);
      if (config === undefined || this.#closed) return;
      const line = new Line({
        secret: config.secret,
        statusAttributes: this.#statusAttributes,
        kept: number === 0,
        random: randomBytes,
      });
      connection = {
        server: config,
        port,
        number,
        line,
        socket: undefined,
        handshake: undefined,
        timer: undefined,
      };
      this.#connections.set(key, connection);
    }
    verb(connection.line);
    this.#carryOut(connection);
  }

  #carryOut(connection: Connection): void {
    if (this.#closed) return;
    const { line } = connection;
    for (const action of line.drainActions()) this.#act(connection, action);
    clearTimeout(connection.timer);
    const at = line.nextTimeout();
    connection.timer =
      at === undefined
        ? undefined
        : setTimeout(
            () => {
              line.handleTimeout(now());
              this.#carryOut(connection);
            },
            Math.max(1, at - now()),
          );
  }

  #act(connection: Connection, action: LineAction): void {
    const { server, port, number } = connection;
    switch (action.kind) {
      case 'connect':
        this.#connect(connection);
        return;
      case 'write':
        connection.socket?.write(action.bytes);
        return;
      case 'close':
        forget(connection);
        return;
      case 'packet':
        this.#listeners.datagram(server.name, port, number, action.bytes);
        return;
      case 'connected':
        this.#log.info('radius-connected', {
          server: server.name,
          port,
          connection: number,
          ...(connection.handshake === undefined ? {} : { handshake: connection.handshake }),
        });
        this.#listeners.connected(server.name, port, number);
        return;
      case 'lost':
        this.#log.info('radius-connection-lost', {
          server: server.name,
          port,
          connection: number,
          why: action.why,
        });
        this.#listeners.lost(server.name, port, number, action.why);
        return;
    }
  }

  /** `handshake` is of TLS. */
  #connect(connection: Connection, handshake: 'any' | 'full' = 'any'): void {
    const { server } = connection;
    forget(connection);
    if (server.transport !== 'tls') {
      this.#attach(connection, connectTcp(tcpOptions(connection)));
      return;
    }
    const key = connectionKey(server.name, connection.port, connection.number);
    try {
      const attempt = new TlsAttempt({ server, connection: key, shelf: this.#shelf, handshake });
      this.#attach(connection, attempt.socket, attempt);
    } catch (cause) {
      // A certificate or key that OpenSSL does not take.
      this.#failed(connection, cause instanceof Error ? cause.message : String(cause));
    }
  }

  #attach(connection: Connection, socket: Socket, attempt?: TlsAttempt): void {
    const { server, line } = connection;
    connection.socket = socket;
    const current = () => connection.socket === socket;
    socket.setNoDelay(true);
    socket.on(attempt === undefined ? 'connect' : 'secureConnect', () => {
      if (!current()) return;
      if (attempt !== undefined) this.#handshakeDone(connection, attempt);
      line.opened(now());
      this.#carryOut(connection);
    });
    socket.on('data', (bytes) => {
      if (!current()) return;
      line.received(now(), bytes);
      this.#carryOut(connection);
    });
    socket.on('error', (error) => {
      if (current())
        this.#log.warn('radius-connection-failed', { server: server.name, error: error.message });
    });
    socket.on('close', () => {
      if (!current()) return;
      connection.socket = undefined;
      if (attempt?.isWorthAnother === true) {
        this.#ticketUnused(connection, 'the server broke off over it');
        this.#connect(connection, 'full');
        return;
      }
      line.closed(now());
      this.#carryOut(connection);
    });
  }

  #handshakeDone(connection: Connection, attempt: TlsAttempt): void {
    connection.handshake = attempt.handshake;
    if (attempt.isTicketUnused) this.#ticketUnused(connection, 'not taken, or older than the server allows');
    this.#listeners.handshake(connection.server.name, attempt.handshake);
  }

  #ticketUnused({ server, port, number }: Connection, why: string): void {
    this.#log.info('radius-ticket-unused', { server: server.name, port, connection: number, why });
    this.#listeners.handshake(server.name, 'ticket-unused');
  }

  #pruneTickets(): void {
    const { records, now: at, turn } = this.#shelf;
    if (records.size === 0 || this.#closed) return;
    const settings = [...this.#servers.values()].map((server) => [server.name, tlsSettings(server)] as const);
    turn(() => new Tickets(records).prune(at(), new Map(settings)));
  }

  #failed(connection: Connection, error: string): void {
    this.#log.error('radius-connection-failed', { server: connection.server.name, error });
    setImmediate(() => {
      connection.line.closed(now());
      this.#carryOut(connection);
    });
  }
}

/** From here on nothing of the socket is heard. */
function forget(connection: Connection): void {
  const { socket } = connection;
  connection.socket = undefined;
  socket?.destroy();
}

function tcpOptions({ server, port }: Pick<Connection, 'server' | 'port'>) {
  return {
    host: server.address,
    port: port === 'auth' ? server.authPort : server.acctPort,
    ...(server.sourceAddress === undefined ? {} : { localAddress: server.sourceAddress }),
  };
}
