/**
 * Connections to RADIUS servers over TCP (RFC 6613) and TLS (tls-attempt.ts): one for each source port that the client
 * counts. What a connection does when is in radius/stream/line.ts. One over TCP goes on in the process after this one.
 */
import { randomBytes } from 'node:crypto';
import { connect as connectTcp, type Socket } from 'node:net';
import type { RadiusServerConfig } from '../../config/config.ts';
import type { RadiusPort } from '../../radius/client/request-record.ts';
import type { RadiusAttribute } from '../../radius/packet.ts';
import { Line, type LineAction } from '../../radius/stream/line.ts';
import { Tickets } from '../../radius/stream/tickets.ts';
import { now } from '../../switch/clock.ts';
import { loadNative } from '../../switch/native.ts';
import type { InheritedSocket } from '../inherited-sockets.ts';
import type { Logger } from '../log/log.ts';
import { connectionKey } from './radius.ts';
import { wayDigest } from './radius-changes.ts';
import { type StreamEvents, StreamPort } from './stream-port.ts';
import { type TicketShelf, TlsAttempt, tlsSettings } from './tls-attempt.ts';

/** Who is told of what becomes of connections; `socket` counts those to one server's port. */
export interface StreamListeners {
  /** A packet. The octets are the listener's. */
  readonly packet: (server: string, port: RadiusPort, socket: number, bytes: Uint8Array) => void;
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
  /** Over TLS, or not connected yet. */
  socket: Socket | undefined;
  /** Over TCP, connected. */
  stream: StreamPort | undefined;
  /** What had come when reading ended, and was not taken. */
  unheard: Uint8Array;
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
  /** Nobody reads, and what happens to a connection meanwhile waits. */
  #resting = false;
  readonly #waiting: (() => void)[] = [];

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

  /** Goes on with connections of the process before this one, which nobody reads before `read`. */
  inherit(sockets: readonly InheritedSocket[]): void {
    this.#resting = true;
    for (const { name, way, fd, line } of sockets) {
      const [, server = '', port, number = ''] = /^stream\/(.*)\/(auth|acct)\/(\d+)$/s.exec(name) ?? [];
      const config = this.#servers.get(server);
      const place = port === 'acct' ? 'acct' : 'auth';
      const connection =
        config?.transport === 'tcp' && wayDigest(config, place) === way && line !== undefined
          ? this.#connection(server, place, Number(number))
          : undefined;
      if (connection === undefined || line === undefined) {
        loadNative().close(fd);
        continue;
      }
      connection.line.takeOver(line);
      connection.stream = new StreamPort(fd, line.unsent, this.#events(connection));
      this.#log.info('radius-connection-kept', { server, port: place, connection: Number(number) });
    }
  }

  /** Reads no more: what arrives over TCP waits in the sockets. */
  rest(): void {
    this.#resting = true;
    for (const connection of this.#connections.values()) {
      clearTimeout(connection.timer);
      if (connection.stream !== undefined) connection.unheard = connection.stream.rest();
    }
  }

  /** Reads (again). */
  read(): void {
    this.#resting = false;
    for (const happened of this.#waiting.splice(0)) happened();
    for (const connection of this.#connections.values()) {
      const { stream, line, unheard } = connection;
      connection.unheard = NOTHING;
      stream?.read();
      if (stream !== undefined) line.received(now(), unheard);
      this.#carryOut(connection);
    }
  }

  /** The connections that another process can go on with, once nobody reads. */
  sockets(): InheritedSocket[] {
    return [...this.#connections].flatMap(([key, { server, port, line, stream, unheard }]) => {
      const state = stream && line.handOn(unheard, stream.unsent);
      if (stream === undefined || state === undefined) return [];
      return [{ name: `stream/${key}`, way: wayDigest(server, port), fd: stream.descriptor, line: state }];
    });
  }

  /** True where the connection is one over TCP that is there. */
  carries(server: string, port: RadiusPort, socket: number): boolean {
    return this.#connections.get(connectionKey(server, port, socket))?.stream !== undefined;
  }

  close(): void {
    this.#closed = true;
    for (const connection of this.#connections.values()) {
      clearTimeout(connection.timer);
      forget(connection);
    }
    this.#connections.clear();
  }

  #with(server: string, port: RadiusPort, number: number, verb: (line: Line) => void): void {
    const connection = this.#connection(server, port, number);
    if (connection === undefined) return;
    verb(connection.line);
    this.#carryOut(connection);
  }

  /** Undefined: there is no such server, or nothing more is to happen. */
  #connection(name: string, port: RadiusPort, number: number): Connection | undefined {
    const key = connectionKey(name, port, number);
    const known = this.#connections.get(key);
    const server = this.#servers.get(name);
    if (known !== undefined || server === undefined || this.#closed) return known;
    const line = new Line({
      secret: server.secret,
      statusAttributes: this.#statusAttributes,
      kept: number === 0,
      random: randomBytes,
    });
    const connection: Connection = {
      server,
      port,
      number,
      line,
      socket: undefined,
      stream: undefined,
      unheard: NOTHING,
      handshake: undefined,
      timer: undefined,
    };
    this.#connections.set(key, connection);
    return connection;
  }

  #carryOut(connection: Connection): void {
    if (this.#closed) return;
    const { line } = connection;
    for (const action of line.drainActions()) this.#act(connection, action);
    clearTimeout(connection.timer);
    const at = line.nextTimeout();
    connection.timer =
      at === undefined || this.#resting
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
        if (connection.stream === undefined) connection.socket?.write(action.bytes);
        else connection.stream.write(action.bytes);
        return;
      case 'close':
        forget(connection);
        return;
      case 'packet':
        this.#listeners.packet(server.name, port, number, action.bytes);
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
    const connected = () => {
      if (!current()) return;
      // What waits for it would leave, and this process may not be the one that serves.
      if (this.#resting) {
        this.#waiting.push(connected);
        return;
      }
      if (attempt !== undefined) this.#handshakeDone(connection, attempt);
      else if (!this.#takeOn(connection, socket)) return;
      line.opened(now());
      this.#carryOut(connection);
    };
    socket.on(attempt === undefined ? 'connect' : 'secureConnect', connected);
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

  /** A connection over TCP is there. False: it cannot be had. */
  #takeOn(connection: Connection, socket: Socket): boolean {
    connection.socket = undefined;
    const stream = StreamPort.of(socket, this.#events(connection));
    if (typeof stream === 'string') {
      this.#failed(connection, stream);
      return false;
    }
    connection.stream = stream;
    stream.read();
    return true;
  }

  #events(connection: Connection): StreamEvents {
    const { line, server } = connection;
    return {
      data: (bytes) => {
        line.received(now(), bytes);
        this.#carryOut(connection);
      },
      error: (error) =>
        this.#log.warn('radius-connection-failed', { server: server.name, error: error.message }),
      closed: () => {
        connection.stream = undefined;
        line.closed(now());
        this.#carryOut(connection);
      },
    };
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
  const { socket, stream } = connection;
  connection.socket = undefined;
  connection.stream = undefined;
  socket?.destroy();
  stream?.close();
}

function tcpOptions({ server, port }: Pick<Connection, 'server' | 'port'>) {
  return {
    host: server.address,
    port: port === 'auth' ? server.authPort : server.acctPort,
    ...(server.sourceAddress === undefined ? {} : { localAddress: server.sourceAddress }),
  };
}

const NOTHING = new Uint8Array(0);
