/**
 * The replication link between the two nodes: TCP with TLS 1.2 and the pre-shared key of both (RFC 5489, RFC 7905:
 * forward secrecy, authenticated encryption). Both nodes listen; the standby dials. A kernel that has lost its
 * castgate closes the connection within milliseconds and refuses the next one: that is how a standby knows a
 * dead process from a link that is cut.
 */
import { hkdfSync } from 'node:crypto';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';
import type { HaConfig } from '../../config/config.ts';

/** One connection, after its handshake. */
export class Link {
  readonly #socket: TLSSocket;
  #closed = false;
  #isAwaited = false;

  constructor(socket: TLSSocket) {
    this.#socket = socket;
    socket.setNoDelay(true);
  }

  /** Who is told of octets, and once of the end, whoever ended it. */
  listen(data: (octets: Uint8Array) => void, closed: (why: string) => void): void {
    let error = 'the other side closed it';
    this.#socket.on('data', (octets: Buffer) => {
      if (!this.#closed) data(octets);
    });
    this.#socket.on('error', (cause) => {
      error = cause.message;
    });
    this.#socket.on('close', () => {
      if (this.#closed) return;
      this.#closed = true;
      closed(error);
    });
  }

  /** Frames that leave together. */
  send(frames: readonly Uint8Array[]): void {
    if (this.#closed || frames.length === 0) return;
    const [first] = frames;
    this.#socket.write(frames.length === 1 && first !== undefined ? first : Buffer.concat(frames));
  }

  /** Octets that the kernel has not taken yet. */
  get waiting(): number {
    return this.#socket.writableLength;
  }

  /** Calls back once everything given to `send` is with the kernel; nobody where somebody waits for that already. */
  onceDrained(drained: () => void): void {
    if (this.#isAwaited) return;
    this.#isAwaited = true;
    this.#socket.once('drain', () => {
      this.#isAwaited = false;
      drained();
    });
  }

  /** Sends what was given and closes; the listener is not told. */
  end(): void {
    this.#closed = true;
    this.#socket.end();
    this.#socket.on('error', () => {});
    setTimeout(() => this.#socket.destroy(), CLOSE_PATIENCE_MS).unref();
  }

  /** Closes at once; the listener is not told. */
  destroy(): void {
    this.#closed = true;
    this.#socket.on('error', () => {});
    this.#socket.destroy();
  }
}

/** Why a node cannot be reached. `refused`: its kernel lives, and no castgate listens there. */
export type DialFailure = { readonly failed: 'refused' | 'unreachable'; readonly why: string };

/** The end that listens. */
export class LinkServer {
  readonly #config: HaConfig;
  readonly #server: Server;
  readonly #pending = new Set<Socket>();

  /** `accepted` is given each connection of the other node. */
  constructor(config: HaConfig, accepted: (link: Link) => void) {
    this.#config = config;
    const key = linkKey(config);
    this.#server = createServer({
      ...TLS,
      pskCallback: (_, identity) => (identity === config.node ? null : key),
      handshakeTimeout: HANDSHAKE_MS,
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.on('connection', (socket) => {
      this.#pending.add(socket);
      socket.once('close', () => this.#pending.delete(socket));
    });
    this.#server.on('secureConnection', (socket) => accepted(new Link(socket)));
    // Somebody without the key, or a node of the same name: his end of it is closed, ours has nothing to do.
    this.#server.on('tlsClientError', (_, socket) => socket.destroy());
  }

  /** Undefined: it listens. Else why not. */
  open(): Promise<string | undefined> {
    const { address, port } = this.#config;
    return new Promise((resolve) => {
      this.#server.once('error', (cause) =>
        resolve(`cannot listen on ${address} port ${port}: ${cause.message}`),
      );
      this.#server.listen({ host: address, port, exclusive: true }, () => {
        this.#server.removeAllListeners('error');
        this.#server.on('error', () => {});
        resolve(undefined);
      });
    });
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#pending) socket.destroy();
  }
}

/**
 * Whether anybody listens at the other node; nothing is said to it. `unreachable`: no answer within `patienceMs`, or one of
 * the network in between.
 */
export function knock(
  { peer: host, port, address: localAddress }: HaConfig,
  patienceMs: number,
): Promise<'listens' | DialFailure['failed']> {
  return new Promise((resolve) => {
    const socket = connectTcp({ host, port, localAddress });
    const timer = setTimeout(() => answer('unreachable'), patienceMs);
    const answer = (what: 'listens' | DialFailure['failed']) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(what);
    };
    socket.once('error', (cause) => answer(isRefusal(cause) ? 'refused' : 'unreachable'));
    socket.once('connect', () => answer('listens'));
  });
}

/** Connects to the other node. */
export function dial(config: HaConfig, patienceMs: number): Promise<Link | DialFailure> {
  const key = linkKey(config);
  return new Promise((resolve) => {
    const tcp = connectTcp({ host: config.peer, port: config.port, localAddress: config.address });
    const timer = setTimeout(() => fail('unreachable', 'no answer'), patienceMs);
    const fail = (failed: DialFailure['failed'], why: string) => {
      clearTimeout(timer);
      tcp.destroy();
      resolve({ failed, why });
    };
    tcp.once('error', (cause) => {
      fail(isRefusal(cause) ? 'refused' : 'unreachable', cause.message);
    });
    tcp.once('connect', () => {
      tcp.removeAllListeners('error');
      const socket = connect({
        ...TLS,
        socket: tcp,
        pskCallback: () => ({ psk: key, identity: config.node }),
        checkServerIdentity: () => undefined,
      });
      const failed = (cause: Error) => fail('unreachable', cause.message);
      const closed = () => fail('unreachable', 'closed during the handshake');
      socket.once('error', failed);
      socket.once('close', closed);
      socket.once('secureConnect', () => {
        clearTimeout(timer);
        socket.off('error', failed);
        socket.off('close', closed);
        resolve(new Link(socket));
      });
    });
  });
}

function isRefusal(cause: Error): boolean {
  return 'code' in cause && cause.code === 'ECONNREFUSED';
}

/** The key of the link: another use of the file's key (claims) learns nothing about it. */
function linkKey(config: HaConfig): Buffer {
  return Buffer.from(hkdfSync('sha256', config.key, '', 'castgate link 1', 32));
}

const TLS = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.2',
  ciphers: 'ECDHE-PSK-CHACHA20-POLY1305',
} as const;
const HANDSHAKE_MS = 2_000;
const CLOSE_PATIENCE_MS = 500;
/** The other node has one; a second while the first is still being closed. Others have no key. */
const MAX_CONNECTIONS = 8;
