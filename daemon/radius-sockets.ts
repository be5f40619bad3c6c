/**
 * UDP towards the RADIUS servers: one connected socket for each source port of each server's port, so that
 * the kernel drops what comes from anywhere else and an answer is known by where it arrived.
 */
import { createSocket, type Socket } from 'node:dgram';
import type { RadiusConfig, RadiusServerConfig } from '../config/config.ts';
import type { RadiusPort } from '../radius/request-record.ts';
import { ipFamily } from '../wire/address.ts';
import type { DatagramSender } from './effects.ts';
import type { Logger } from './log.ts';

/** Told of every datagram that came from a server's address and port. The octets are the listener's. */
export type DatagramListener = (server: string, port: RadiusPort, socket: number, bytes: Uint8Array) => void;

interface Line {
  readonly socket: Socket;
  /** From where to where it leads. */
  readonly way: string;
  /** What waits for the socket to be connected; undefined: it is. */
  waiting: Uint8Array[] | undefined;
}

export class RadiusSockets implements DatagramSender {
  #config: Pick<RadiusConfig, 'servers' | 'sourcePorts' | 'maxSourcePorts'>;
  #servers: ReadonlyMap<string, RadiusServerConfig>;
  readonly #listener: DatagramListener;
  readonly #log: Logger;
  readonly #refused: (server: string, port: RadiusPort) => void;
  readonly #lines = new Map<string, Line>();
  #closed = false;

  constructor(
    config: Pick<RadiusConfig, 'servers' | 'sourcePorts' | 'maxSourcePorts'>,
    listener: DatagramListener,
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

  /** Takes other servers: sockets that lead from where to where they would now stay open, others are closed. */
  reconfigure(config: Pick<RadiusConfig, 'servers' | 'sourcePorts' | 'maxSourcePorts'>): void {
    this.#config = config;
    this.#servers = datagramServers(config);
    for (const [key, line] of [...this.#lines]) {
      const [, server = '', port, number] = /^(.*)\/(auth|acct)\/(\d+)$/s.exec(key) ?? [];
      const isUsed = Number(number) < config.maxSourcePorts;
      if (isUsed && this.#way(server, port === 'acct' ? 'acct' : 'auth', Number(number)) === line.way)
        continue;
      this.#lines.delete(key);
      close(line.socket);
    }
  }

  /** What cannot be sent is as good as lost on the way: the client sends it again. */
  send(server: string, port: RadiusPort, socket: number, bytes: Uint8Array): void {
    const line = this.#line(server, port, socket);
    if (line === undefined) return;
    if (line.waiting !== undefined) line.waiting.push(bytes);
    else line.socket.send(bytes, (error) => this.#unsent(server, port, error));
  }

  /** For good: what the disk lets go afterwards opens no socket any more. */
  close(): void {
    this.#closed = true;
    const lines = [...this.#lines.values()];
    this.#lines.clear();
    for (const { socket } of lines) close(socket);
  }

  #line(server: string, port: RadiusPort, number: number): Line | undefined {
    return this.#lines.get(`${server}/${port}/${number}`) ?? this.#open(server, port, number, [], 0);
  }

  /** `waiting` leaves once the socket is connected; `tries` have failed before. */
  #open(
    server: string,
    port: RadiusPort,
    number: number,
    waiting: Uint8Array[],
    tries: number,
  ): Line | undefined {
    const key = `${server}/${port}/${number}`;
    const config = this.#servers.get(server);
    if (config === undefined || this.#closed) return undefined;
    const socket = createSocket({
      type: ipFamily(config.address) === 4 ? 'udp4' : 'udp6',
      recvBufferSize: RECEIVE_BUFFER,
    });
    const line: Line = { socket, waiting, way: this.#way(server, port, number) };
    this.#lines.set(key, line);
    socket.on('message', (bytes) => this.#listener(server, port, number, bytes));
    socket.on('error', (error) => {
      // ICMP errors of a server that is down arrive here, or with the next packet that is sent.
      if (line.waiting === undefined) this.#unsent(server, port, error);
      else if (this.#isForNow(error) && tries < MAX_TRIES && this.#lines.get(key) === line) {
        socket.close();
        setTimeout(() => {
          if (this.#lines.get(key) === line) this.#open(server, port, number, line.waiting ?? [], tries + 1);
        }, RETRY_MS);
      } else this.#unusable(key, line, server, error);
    });
    socket.on('connect', () => {
      const waiting = line.waiting ?? [];
      line.waiting = undefined;
      for (const bytes of waiting) socket.send(bytes, (error) => this.#unsent(server, port, error));
    });
    const remote = port === 'auth' ? config.authPort : config.acctPort;
    socket.bind(
      {
        port: this.#sourcePort(server, port, number),
        ...(config.sourceAddress === undefined ? {} : { address: config.sourceAddress }),
      },
      () => socket.connect(remote, config.address),
    );
    return line;
  }

  /** Empty where the server is not asked over UDP. */
  #way(server: string, port: RadiusPort, number: number): string {
    const config = this.#servers.get(server);
    if (config === undefined) return '';
    const { address, sourceAddress } = config;
    const remote = port === 'auth' ? config.authPort : config.acctPort;
    return JSON.stringify([address, remote, sourceAddress, this.#sourcePort(server, port, number)]);
  }

  /**
   * The same on every node of the same configuration, so that a node that takes over sends from where the last
   * one did, and servers know its packets for the same (RFC 5080 §2.2.2).
   */
  #sourcePort(server: string, port: RadiusPort, number: number): number {
    const { servers, sourcePorts, maxSourcePorts } = this.#config;
    if (sourcePorts === undefined) return 0;
    const lane = 2 * servers.findIndex(({ name }) => name === server) + (port === 'acct' ? 1 : 0);
    return sourcePorts + lane * maxSourcePorts + number;
  }

  /**
   * A node that has just taken over may be a moment ahead of the address that comes to it, or of the sockets of
   * its last time: what it has to send again is not to wait for its next time for that.
   */
  #isForNow(error: Error): boolean {
    if (this.#config.sourcePorts === undefined || !('code' in error)) return false;
    return error.code === 'EADDRNOTAVAIL' || error.code === 'EADDRINUSE';
  }

  /** A socket that could not be bound or connected takes with it what waits for it; the next packet makes another. */
  #unusable(key: string, line: Line, server: string, error: Error): void {
    this.#log.warn('radius-socket-failed', { server, error: error.message });
    line.waiting = [];
    if (this.#lines.get(key) !== line) return;
    this.#lines.delete(key);
    line.socket.close();
  }

  #unsent(server: string, port: RadiusPort, error: Error | null): void {
    if (error === null) return;
    if ('code' in error && error.code === 'ECONNREFUSED') this.#refused(server, port);
    this.#log.debug('radius-send-failed', { server, error: error.message });
  }
}

function datagramServers({
  servers,
}: Pick<RadiusConfig, 'servers'>): ReadonlyMap<string, RadiusServerConfig> {
  return new Map(
    servers.filter(({ transport }) => transport === 'udp').map((server) => [server.name, server]),
  );
}

function close(socket: Socket): void {
  try {
    socket.close();
  } catch {
    // Closed already: it was about to be tried again.
  }
}

const RECEIVE_BUFFER = 1 << 20;
const RETRY_MS = 10;
/** Two seconds: as long as the client waits before it sends again. */
const MAX_TRIES = 200;
