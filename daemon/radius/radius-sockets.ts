/**
 * UDP towards the RADIUS servers: one connected socket for each source port of each server's port, so that
 * the kernel drops what comes from anywhere else and an answer is known by where it arrived.
 */
import type { RadiusConfig, RadiusServerConfig } from '../../config/config.ts';
import type { RadiusPort } from '../../radius/client/request-record.ts';
import { loadNative } from '../../switch/native.ts';
import { ipFamily } from '../../wire/address.ts';
import type { DatagramSender } from '../core/effects.ts';
import type { InheritedSocket } from '../inherited-sockets.ts';
import type { Logger } from '../log/log.ts';
import { ConnectedPort } from './connected-port.ts';

/** Told of the datagrams that came together from a server's address and port. The octets are the listener's. */
export type DatagramsListener = (
  server: string,
  port: RadiusPort,
  socket: number,
  many: readonly Uint8Array[],
) => void;

interface Line {
  /** From where to where it leads. */
  readonly way: string;
  /** Undefined: it cannot be had yet. */
  port: ConnectedPort | undefined;
  /** What waits for it. */
  waiting: Uint8Array[];
  retry: NodeJS.Timeout | undefined;
}

export class RadiusSockets implements DatagramSender {
  #config: Pick<RadiusConfig, 'servers' | 'sourcePorts' | 'maxSourcePorts'>;
  #servers: ReadonlyMap<string, RadiusServerConfig>;
  readonly #listener: DatagramsListener;
  readonly #log: Logger;
  readonly #refused: (server: string, port: RadiusPort) => void;
  readonly #lines = new Map<string, Line>();
  #closed = false;
  /** Nobody reads. */
  #resting = false;

  constructor(
    config: Pick<RadiusConfig, 'servers' | 'sourcePorts' | 'maxSourcePorts'>,
    listener: DatagramsListener,
    log: Logger,
    refused: (server: string, port: RadiusPort) => void = () => {},
  ) {
    this.#config = config;
    this.#refused = refused;
    this.#servers = datagramServers(config);
    this.#listener = listener;
    this.#log = log;
  }

  /** Opens the first source port of each server ahead of the first request. */
  open(): void {
    for (const server of this.#servers.keys()) {
      this.#line(server, 'auth', 0);
      this.#line(server, 'acct', 0);
    }
  }

  /** Goes on with the sockets of the process before this one, which nobody reads before `read`. */
  inherit(sockets: readonly InheritedSocket[]): void {
    this.#resting = true;
    for (const { name, way, fd } of sockets) {
      const place = placeOf(name);
      const config = place && this.#servers.get(place.server);
      if (place === undefined || config === undefined || this.#way(place) !== way) loadNative().close(fd);
      else {
        const port = new ConnectedPort(fd, this.#events(place));
        this.#lines.set(name, { way, port, waiting: [], retry: undefined });
      }
    }
  }

  /** Reads no more: what arrives waits in the sockets. */
  rest(): void {
    this.#resting = true;
    for (const { port } of this.#lines.values()) port?.rest();
  }

  /** Reads (again). */
  read(): void {
    this.#resting = false;
    for (const { port } of this.#lines.values()) port?.read();
  }

  /** The sockets that are open, for the process after this one. */
  sockets(): InheritedSocket[] {
    return [...this.#lines].flatMap(([name, { way, port }]) =>
      port === undefined ? [] : [{ name, way, fd: port.descriptor }],
    );
  }

  /** Takes other servers: sockets that lead from where to where they would now stay open, others are closed. */
  reconfigure(config: Pick<RadiusConfig, 'servers' | 'sourcePorts' | 'maxSourcePorts'>): void {
    this.#config = config;
    this.#servers = datagramServers(config);
    for (const [name, line] of [...this.#lines]) {
      const place = placeOf(name);
      const isUsed = place !== undefined && place.number < config.maxSourcePorts;
      if (!isUsed || this.#way(place) !== line.way) this.#close(name, line);
    }
  }

  /** What cannot be sent is as good as lost on the way: the client sends it again. */
  send(server: string, port: RadiusPort, socket: number, bytes: Uint8Array): void {
    const line = this.#line(server, port, socket);
    if (line?.port === undefined) line?.waiting.push(bytes);
    else this.#unsent(server, port, line.port.send(bytes));
  }

  /** For good: what the disk lets go afterwards opens no socket any more. */
  close(): void {
    this.#closed = true;
    for (const [name, line] of [...this.#lines]) this.#close(name, line);
  }

  #line(server: string, port: RadiusPort, number: number): Line | undefined {
    const name = nameOf({ server, port, number });
    const known = this.#lines.get(name);
    if (known !== undefined) return known;
    if (!this.#servers.has(server) || this.#closed) return undefined;
    const place = { server, port, number };
    const line: Line = { way: this.#way(place), port: undefined, waiting: [], retry: undefined };
    this.#lines.set(name, line);
    this.#open(place, line, 0);
    return this.#lines.get(name);
  }

  /** `tries` have failed before. */
  #open(place: Place, line: Line, tries: number): void {
    const config = this.#servers.get(place.server);
    if (config === undefined) return;
    const any = ipFamily(config.address) === 4 ? '0.0.0.0' : '::';
    const local = { address: config.sourceAddress ?? any, port: this.#sourcePort(place) };
    const remote = {
      address: config.address,
      port: place.port === 'auth' ? config.authPort : config.acctPort,
    };
    const opened = ConnectedPort.open(local, remote, this.#events(place));
    if (typeof opened === 'string') {
      if (this.#isForNow(opened) && tries < MAX_TRIES) {
        line.retry = setTimeout(() => this.#open(place, line, tries + 1), RETRY_MS);
        return;
      }
      // It takes with it what waits for it; the next packet makes another.
      this.#log.warn('radius-socket-failed', { server: place.server, error: opened });
      this.#lines.delete(nameOf(place));
      return;
    }
    line.port = opened;
    if (!this.#resting) opened.read();
    for (const bytes of line.waiting.splice(0)) this.#unsent(place.server, place.port, opened.send(bytes));
  }

  #events({ server, port, number }: Place) {
    return {
      messages: (many: readonly Uint8Array[]) => this.#listener(server, port, number, many),
      // ICMP errors of a server that is down arrive here, or with the next packet that is sent.
      error: (errno: string) => this.#unsent(server, port, errno),
    };
  }

  #close(name: string, line: Line): void {
    this.#lines.delete(name);
    clearTimeout(line.retry);
    line.port?.close();
  }

  /** Empty where the server is not asked over UDP. */
  #way(place: Place): string {
    const config = this.#servers.get(place.server);
    if (config === undefined) return '';
    const { address, sourceAddress = null } = config;
    const remote = place.port === 'auth' ? config.authPort : config.acctPort;
    return JSON.stringify([address, remote, sourceAddress, this.#sourcePort(place)]);
  }

  /**
   * The same on every node of the same configuration, so that a node that takes over sends from where the last
   * one did, and servers know its packets for the same (RFC 5080 §2.2.2).
   */
  #sourcePort({ server, port, number }: Place): number {
    const { servers, sourcePorts, maxSourcePorts } = this.#config;
    if (sourcePorts === undefined) return 0;
    const lane = 2 * servers.findIndex(({ name }) => name === server) + (port === 'acct' ? 1 : 0);
    return sourcePorts + lane * maxSourcePorts + number;
  }

  /**
   * A node that has just taken over may be a moment ahead of the address that comes to it, or of the sockets of
   * its last time: what it has to send again is not to wait for its next time for that.
   */
  #isForNow(error: string): boolean {
    if (this.#config.sourcePorts === undefined) return false;
    return error === 'EADDRNOTAVAIL' || error === 'EADDRINUSE';
  }

  #unsent(server: string, port: RadiusPort, error: string | undefined): void {
    if (error === undefined) return;
    if (error === 'ECONNREFUSED') this.#refused(server, port);
    this.#log.debug('radius-send-failed', { server, error });
  }
}

/** One of the sockets towards one port of a server. */
interface Place {
  readonly server: string;
  readonly port: RadiusPort;
  readonly number: number;
}

function nameOf({ server, port, number }: Place): string {
  return `${server}/${port}/${number}`;
}

function placeOf(name: string): Place | undefined {
  const [, server, port, number] = /^(.*)\/(auth|acct)\/(\d+)$/s.exec(name) ?? [];
  if (server === undefined) return undefined;
  return { server, port: port === 'acct' ? 'acct' : 'auth', number: Number(number) };
}

function datagramServers({
  servers,
}: Pick<RadiusConfig, 'servers'>): ReadonlyMap<string, RadiusServerConfig> {
  return new Map(
    servers.filter(({ transport }) => transport === 'udp').map((server) => [server.name, server]),
  );
}

const RETRY_MS = 10;
/** Two seconds: as long as the client waits before it sends again. */
const MAX_TRIES = 200;
