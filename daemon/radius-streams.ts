/**
 * Connections to RADIUS servers over TCP (RFC 6613) and TLS (RFC 6614, draft-ietf-radext-radiusdtls-bis): one for
 * each source port that the client counts. What a connection does when is in radius/stream/line.ts. Over TLS both
 * ends show a certificate, and ALPN says `radius/1.0`; a server that does not speak ALPN is an older one.
 */
import { randomBytes } from 'node:crypto';
import { connect as connectTcp, type Socket } from 'node:net';
import { type ConnectionOptions, checkServerIdentity, connect as connectTls } from 'node:tls';
import type { RadiusServerConfig } from '../config/config.ts';
import type { RadiusAttribute } from '../radius/packet.ts';
import type { RadiusPort } from '../radius/request-record.ts';
import { Line, type LineAction } from '../radius/stream/line.ts';
import { now } from '../switch/clock.ts';
import type { Logger } from './log.ts';
import type { DatagramListener } from './radius-sockets.ts';

/** Who is told of what becomes of connections; `socket` counts those to one server's port. */
export interface StreamListeners {
  /** Packets. The octets are the listener's. */
  readonly datagram: DatagramListener;
  readonly connected: (server: string, port: RadiusPort, socket: number) => void;
  readonly lost: (server: string, port: RadiusPort, socket: number, why: 'closed' | 'refused') => void;
}

interface Connection {
  readonly server: RadiusServerConfig;
  readonly port: RadiusPort;
  readonly number: number;
  readonly line: Line;
  socket: Socket | undefined;
  timer: NodeJS.Timeout | undefined;
}

export class RadiusStreams {
  readonly #servers: ReadonlyMap<string, RadiusServerConfig>;
  readonly #statusAttributes: readonly RadiusAttribute[];
  readonly #listeners: StreamListeners;
  readonly #log: Logger;
  readonly #connections = new Map<string, Connection>();
  #closed = false;

  /** Only the servers that are not reached over UDP. */
  constructor(
    servers: readonly RadiusServerConfig[],
    statusAttributes: readonly RadiusAttribute[],
    listeners: StreamListeners,
    log: Logger,
  ) {
    this.#servers = new Map(
      servers.filter(({ transport }) => transport !== 'udp').map((server) => [server.name, server]),
    );
    this.#statusAttributes = statusAttributes;
    this.#listeners = listeners;
    this.#log = log;
  }

  has(server: string): boolean {
    return this.#servers.has(server);
  }

  /** Connects ahead of the first request. */
  open(ports: (server: string) => readonly RadiusPort[]): void {
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
    const key = `${server}/${port}/${number}`;
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
      connection = { server: config, port, number, line, socket: undefined, timer: undefined };
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
        this.#log.info('radius-connected', { server: server.name, port, connection: number });
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

  #connect(connection: Connection): void {
    const { server, line } = connection;
    forget(connection);
    let socket: Socket;
    try {
      socket =
        server.transport === 'tls' ? connectTls(tlsOptions(server)) : connectTcp(tcpOptions(connection));
    } catch (cause) {
      // A certificate or key that OpenSSL does not take.
      this.#failed(connection, cause instanceof Error ? cause.message : String(cause));
      return;
    }
    connection.socket = socket;
    const current = () => connection.socket === socket;
    socket.setNoDelay(true);
    socket.on(server.transport === 'tls' ? 'secureConnect' : 'connect', () => {
      if (!current()) return;
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
      line.closed(now());
      this.#carryOut(connection);
    });
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
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['radius/1.0'],
    ...(tls.name === undefined ? {} : { servername: tls.name }),
    // An IP address is no server name (RFC 6066 §3): the certificate is then held to the address itself.
    checkServerIdentity: (_host, certificate) => checkServerIdentity(tls.name ?? server.address, certificate),
  };
}
