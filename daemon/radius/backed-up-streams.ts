/**
 * Connections to RADIUS servers that outlive their node (docs/connection-backup.md): the first user of
 * connection-backup/. A packet of the core gets its place in the stream in the turn that decided it, so that the
 * standby has both together; what came is noted in the turn that takes it up.
 */
import { randomBytes } from 'node:crypto';
import type { RadiusConfig, RadiusServerConfig } from '../../config/config.ts';
import type { BackupEvent, ConnectionOwner } from '../../connection-backup/linux/connection.ts';
import { ConnectionBackup } from '../../connection-backup/linux/connection-backup.ts';
import type { Guarding } from '../../connection-backup/linux/connection-guard.ts';
import type { HeldPath } from '../../connection-backup/linux/hold-table.ts';
import type { ConnectionRecord } from '../../connection-backup/records.ts';
import type { RadiusPort } from '../../radius/client/request-record.ts';
import type { RadiusAttribute } from '../../radius/packet.ts';
import { Line, type LineAction } from '../../radius/stream/line.ts';
import { packetBoundary } from '../../radius/stream/packet-stream.ts';
import { now as wallClock } from '../../switch/clock.ts';
import { loadNative } from '../../switch/native.ts';
import type { IpAddress } from '../../wire/address.ts';
import type { Effect } from '../core/effects.ts';
import type { Stores } from '../core/stores.ts';
import type { Logger } from '../log/log.ts';
import { connectionKey } from './radius.ts';

/** The core, within a turn. */
export interface StreamPeers {
  datagram(server: string, port: RadiusPort, socket: number, bytes: Uint8Array): void;
  connected(server: string, port: RadiusPort): void;
  lost(server: string, port: RadiusPort, socket: number, why: 'closed' | 'refused'): void;
}

export interface BackedUpOptions {
  readonly guard: Guarding;
  readonly servers: readonly RadiusServerConfig[];
  readonly statusAttributes: readonly RadiusAttribute[];
  readonly stores: Stores;
  readonly peers: StreamPeers;
  readonly log: Logger;
  /** The clock of both nodes. */
  readonly now: () => number;
  /** One turn, or the next one where one runs. */
  readonly turn: (think: () => void) => void;
}

interface Stream {
  readonly key: string;
  readonly server: RadiusServerConfig;
  readonly local: IpAddress;
  readonly port: RadiusPort;
  readonly number: number;
  readonly line: Line;
  timer: NodeJS.Timeout | undefined;
}

export class BackedUpStreams {
  readonly #options: BackedUpOptions;
  #servers: ReadonlyMap<string, RadiusServerConfig>;
  #statusAttributes: readonly RadiusAttribute[];
  readonly #backup: ConnectionBackup;
  /** The connections of another node were taken up. */
  #resumed = false;
  readonly #streams = new Map<string, Stream>();
  #closed = false;

  constructor(options: BackedUpOptions) {
    this.#options = options;
    const { guard, stores, now, turn } = options;
    this.#statusAttributes = options.statusAttributes;
    this.#servers = new Map(backedUpServers(options.servers).map((server) => [server.name, server]));
    this.#backup = new ConnectionBackup({
      native: loadNative(),
      guard,
      stores: {
        connections: stores.connections,
        places: stores.connectionPlaces,
        sent: stores.connectionMessages,
      },
      boundary: packetBoundary,
      now,
      turn,
      told: (event) => this.#told(event),
    });
  }

  has(server: string): boolean {
    return this.#servers.has(server);
  }

  /** For `castgate show ha` and metrics. */
  get state(): ConnectionBackup['size'] {
    return this.#backup.size;
  }

  /**
   * Continues what there is, and connects ahead of the first request where there is nothing. `reachable` false: what can
   * be done without an answer of the servers; `reach` goes on from there.
   */
  open(ports: (server: string) => readonly RadiusPort[], reachable: boolean): void {
    const { turn } = this.#options;
    turn(() => {
      if (!this.#resumed) this.#backup.resume((record) => this.#ownerOf(record), reachable);
      this.#resumed = true;
      for (const server of this.#servers.keys())
        for (const port of ports(server)) this.#do(server, port, 0, (line) => line.open(wallClock()));
    });
  }

  /** What the servers answer arrives here from now on. */
  reach(): void {
    this.#backup.reach();
  }

  /** Takes other servers; within a turn. Connections to servers of which it says the same stay as they are. */
  reconfigure(servers: readonly RadiusServerConfig[], statusAttributes: readonly RadiusAttribute[]): void {
    const after = new Map(backedUpServers(servers).map((server) => [server.name, server]));
    this.#servers = after;
    this.#statusAttributes = statusAttributes;
    const refused = this.#options.guard.hold(backedUpPaths({ servers }));
    if (refused !== undefined) this.#options.log.error('connections-not-held', { why: refused });
    for (const { key, server, port, number, timer } of [...this.#streams.values()]) {
      const now = after.get(server.name);
      if (now !== undefined && whereabouts(now) === whereabouts(server)) continue;
      clearTimeout(timer);
      this.#streams.delete(key);
      this.#backup.close(key);
      this.#options.peers.lost(server.name, port, number, 'closed');
    }
  }

  /** What a packet waited for has happened. */
  send(server: string, port: RadiusPort, socket: number, bytes: Uint8Array): void {
    if (this.#backup.release(connectionKey(server, port, socket), bytes)) return;
    this.#options.turn(() => this.#do(server, port, socket, (line) => line.send(wallClock(), bytes)));
  }

  drop(server: string, port: RadiusPort, socket: number): void {
    this.#options.turn(() => this.#do(server, port, socket, (line) => line.drop(wallClock())));
  }

  /** Before a turn is sealed: its packets get their places. True where there were any. */
  note(effects: readonly Effect[]): boolean {
    let noted = false;
    for (const effect of effects) {
      if (effect.kind !== 'datagram' || !this.#servers.has(effect.server)) continue;
      const { server, port, socket, bytes } = effect;
      const stream = this.#streams.get(connectionKey(server, port, socket));
      if (stream === undefined || !this.#backup.has(stream.key) || !stream.line.sending(wallClock()))
        continue;
      noted = this.#backup.write(stream.key, bytes, false) || noted;
      this.#schedule(stream);
    }
    return noted;
  }

  sealed(change: number): void {
    this.#backup.sealed(change);
  }

  committed(change: number): void {
    this.#backup.committed(change);
  }

  /** Serves no more, without a word to the servers; where nobody is to go on, with TCP's farewell. */
  close(farewell: boolean): void {
    this.#closed = true;
    for (const { key, timer } of this.#streams.values()) {
      clearTimeout(timer);
      if (farewell) this.#backup.close(key);
    }
    this.#streams.clear();
    this.#backup.stop();
  }

  /** Who has a connection that another node made; undefined where the configuration has no such server any more. */
  #ownerOf(record: ConnectionRecord): ConnectionOwner | undefined {
    for (const server of this.#servers.values())
      for (const port of ['auth', 'acct'] as const) {
        const prefix = connectionKey(server.name, port, 0).slice(0, -1);
        if (!record.key.startsWith(prefix)) continue;
        const number = Number(record.key.slice(prefix.length));
        if (!Number.isSafeInteger(number)) return undefined;
        const { remote, local } = record;
        if (remote.address !== server.address || remote.port !== remotePort(server, port)) return undefined;
        if (local.address !== server.sourceAddress) return undefined;
        const stream = this.#stream(server, port, number);
        if (stream === undefined) return undefined;
        stream.line.continued();
        return this.#owner(stream);
      }
    return undefined;
  }

  #stream(server: RadiusServerConfig, port: RadiusPort, number: number): Stream | undefined {
    const key = connectionKey(server.name, port, number);
    const known = this.#streams.get(key);
    if (known !== undefined || this.#closed || server.sourceAddress === undefined) return known;
    const line = new Line({
      secret: server.secret,
      statusAttributes: this.#statusAttributes,
      kept: number === 0,
      random: randomBytes,
    });
    const stream = { key, server, local: server.sourceAddress, port, number, line, timer: undefined };
    this.#streams.set(key, stream);
    return stream;
  }

  /** Within a turn. */
  #do(name: string, port: RadiusPort, number: number, verb: (line: Line) => void): void {
    const server = this.#servers.get(name);
    const stream = server === undefined ? undefined : this.#stream(server, port, number);
    if (stream === undefined) return;
    verb(stream.line);
    this.#carryOut(stream);
  }

  #carryOut(stream: Stream): void {
    if (this.#closed) return;
    for (const action of stream.line.drainActions()) this.#act(stream, action);
    this.#schedule(stream);
  }

  #schedule(stream: Stream): void {
    clearTimeout(stream.timer);
    const at = stream.line.nextTimeout();
    if (at === undefined || this.#closed) return;
    const due = () =>
      this.#options.turn(() => {
        stream.line.handleTimeout(wallClock());
        this.#carryOut(stream);
      });
    stream.timer = setTimeout(due, Math.max(1, at - wallClock()));
  }

  #act(stream: Stream, action: LineAction): void {
    const { server, port, number, key } = stream;
    const { peers, log } = this.#options;
    switch (action.kind) {
      case 'connect': {
        const remote = { address: server.address, port: remotePort(server, port) };
        this.#backup.open(key, stream.local, remote, this.#owner(stream));
        return;
      }
      case 'write':
        this.#backup.write(key, action.bytes, true);
        return;
      case 'close':
        this.#backup.close(key);
        return;
      case 'packet':
        peers.datagram(server.name, port, number, action.bytes);
        return;
      case 'connected':
        log.info('radius-connected', { server: server.name, port, connection: number });
        peers.connected(server.name, port);
        return;
      case 'lost':
        log.info('radius-connection-lost', {
          server: server.name,
          port,
          connection: number,
          why: action.why,
        });
        peers.lost(server.name, port, number, action.why);
        return;
    }
  }

  #owner(stream: Stream): ConnectionOwner {
    const { line } = stream;
    const then = (verb: () => void) => {
      verb();
      this.#carryOut(stream);
    };
    return {
      opened: () => then(() => line.opened(wallClock())),
      // The answer tells that it carries both ways, and lies behind what was lost with the node: TCP sends that at once.
      continued: () => then(() => line.ask(wallClock())),
      received: (messages) =>
        then(() => {
          for (const message of messages) line.received(wallClock(), message);
        }),
      broken: () => then(() => line.drop(wallClock())),
      lost: () => then(() => line.closed(wallClock())),
    };
  }

  #told(event: BackupEvent): void {
    const { log } = this.#options;
    if (event.kind === 'continued')
      log.info('connection-continued', {
        connection: event.key,
        resent: event.resent,
        seen: event.seen,
        ms: round(event.ms),
      });
    else if (event.kind === 'fell-back')
      log.warn('connection-not-continued', {
        connection: event.key,
        why: event.why,
        ...(event.error === undefined ? {} : { error: event.error }),
        means: 'a new connection is made, and what is open is sent again on it',
      });
    else log.info('connection-asked-again', { connection: event.key });
  }
}

/** Servers whose connections are backed up. */
export function backedUpServers(servers: readonly RadiusServerConfig[]): RadiusServerConfig[] {
  return servers.filter(({ connectionBackup }) => connectionBackup);
}

/** The paths of their connections. */
export function backedUpPaths({ servers }: Pick<RadiusConfig, 'servers'>): HeldPath[] {
  return backedUpServers(servers).flatMap((server) => {
    const { address: remote, sourceAddress: local, authPort, acctPort } = server;
    return local === undefined ? [] : [authPort, acctPort].map((port) => ({ local, remote, port }));
  });
}

/** What a connection is made by. */
function whereabouts(server: RadiusServerConfig): string {
  const { address, sourceAddress, authPort, acctPort, secret } = server;
  return JSON.stringify([address, sourceAddress, authPort, acctPort, [...secret]]);
}

function remotePort(server: RadiusServerConfig, port: RadiusPort): number {
  return port === 'auth' ? server.authPort : server.acctPort;
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}
