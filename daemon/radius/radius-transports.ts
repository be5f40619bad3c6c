/**
 * All sockets towards RADIUS as one: datagrams and connections to its servers, and those on which it asks itself
 * (RFC 5176). What arrives is told with where it came in, and what the core sends leaves by the same way.
 */
import type { Config } from '../../config/config.ts';
import type { RadiusPort } from '../../radius/client/request-record.ts';
import { nasAttributes } from '../../session/nas-attributes.ts';
import type { DatagramSender, DynamicPeer } from '../core/effects.ts';
import type { InheritedSocket } from '../inherited-sockets.ts';
import type { Logger } from '../log/log.ts';
import type { BackedUpStreams } from './backed-up-streams.ts';
import { type DynamicListener, DynamicSockets } from './dynamic-sockets.ts';
import { listensOn, streamsOf } from './radius-changes.ts';
import { type DatagramsListener, RadiusSockets } from './radius-sockets.ts';
import { RadiusStreams, type StreamListeners } from './radius-streams.ts';
import type { TicketShelf } from './tls-attempt.ts';

/** Who is told of what arrives. The octets are theirs. */
export interface TransportListeners extends StreamListeners {
  readonly datagrams: DatagramsListener;
  readonly dynamicRequest: DynamicListener;
  /** The host of a server refused a datagram (ICMP). */
  readonly refused: (server: string, port: RadiusPort) => void;
}

export class RadiusTransports implements DatagramSender {
  #config: Pick<Config, 'radius' | 'nas'>;
  readonly #listeners: TransportListeners;
  readonly #shelf: TicketShelf;
  readonly #log: Logger;
  readonly #datagrams: RadiusSockets;
  #streams: RadiusStreams;
  #dynamic: DynamicSockets;
  readonly #backedUp: BackedUpStreams | undefined;
  /** What is to be sent where no server can answer yet; undefined: they can. */
  #unreached: (() => void)[] | undefined;

  constructor(
    config: Pick<Config, 'radius' | 'nas'>,
    listeners: TransportListeners,
    shelf: TicketShelf,
    log: Logger,
    backedUp?: BackedUpStreams,
  ) {
    const { radius } = config;
    this.#config = config;
    this.#listeners = listeners;
    this.#shelf = shelf;
    this.#log = log;
    this.#backedUp = backedUp;
    this.#datagrams = new RadiusSockets(radius, listeners.datagrams, log, listeners.refused);
    this.#streams = this.#newStreams();
    this.#dynamic = new DynamicSockets(radius.dynamicAuthorization, listeners.dynamicRequest, log);
  }

  /**
   * Opens what every server needs. `reachable` false: the address that servers answer to is not here yet. Connections
   * that another node made are made ready; all else, and what is sent, waits for `reach`.
   */
  open(reachable = true): void {
    if (!reachable) this.#unreached = [];
    if (reachable) this.#datagrams.open();
    this.#openStreams();
    if (reachable) this.#dynamic.open();
  }

  /** What servers answer arrives here from now on. */
  reach(): void {
    const waiting = this.#unreached;
    if (waiting === undefined) return;
    this.#unreached = undefined;
    this.#backedUp?.reach();
    this.open();
    for (const send of waiting) send();
  }

  /** Goes on with the sockets of the process before this one; to be called ahead of `open`. */
  inherit(sockets: readonly InheritedSocket[]): void {
    const isDynamic = ({ name }: InheritedSocket) => name.startsWith('dynamic/');
    const isStream = ({ name }: InheritedSocket) => name.startsWith('stream/');
    this.#datagrams.inherit(sockets.filter((socket) => !isDynamic(socket) && !isStream(socket)));
    this.#streams.inherit(sockets.filter(isStream));
    this.#dynamic.inherit(sockets.filter(isDynamic));
  }

  /** Nothing is read any more: what arrives waits in the sockets. What comes over TLS waits in this process. */
  rest(): void {
    this.#datagrams.rest();
    this.#streams.rest();
    this.#dynamic.rest();
  }

  /** Reads (again). */
  read(): void {
    this.#datagrams.read();
    this.#streams.read();
    this.#dynamic.read();
  }

  /** The sockets that another process can go on with. */
  sockets(): InheritedSocket[] {
    return [...this.#datagrams.sockets(), ...this.#streams.sockets(), ...this.#dynamic.sockets()];
  }

  /** True where this is a connection that another process made, or this one, and that is there. */
  carries(server: string, port: RadiusPort, socket: number): boolean {
    return this.#streams.carries(server, port, socket);
  }

  /** Takes another configuration. Sockets and connections to which it says the same stay as they are. */
  reconfigure(config: Pick<Config, 'radius' | 'nas'>): void {
    const before = this.#config;
    this.#config = config;
    const reachable = this.#unreached === undefined;
    this.#datagrams.reconfigure(config.radius);
    if (reachable) this.#datagrams.open();
    this.#backedUp?.reconfigure(config.radius.servers, nasAttributes(config.nas));
    if (streamsOf(before) !== streamsOf(config)) {
      this.#streams.close();
      this.#streams = this.#newStreams();
    }
    this.#openStreams();
    const { dynamicAuthorization } = config.radius;
    if (listensOn(before.radius.dynamicAuthorization) !== listensOn(dynamicAuthorization)) {
      this.#dynamic.close();
      this.#dynamic = new DynamicSockets(dynamicAuthorization, this.#listeners.dynamicRequest, this.#log);
      if (reachable) this.#dynamic.open();
    }
  }

  #openStreams(): void {
    const { authentication, authorization, accounting } = this.#config.radius;
    const asks = [...authentication, ...authorization];
    const ports = (name: string) => [
      ...(asks.some((server) => server.name === name) ? (['auth'] as const) : []),
      ...(accounting.some((server) => server.name === name) ? (['acct'] as const) : []),
    ];
    const reachable = this.#unreached === undefined;
    this.#backedUp?.open(ports, reachable);
    if (reachable) this.#streams.open(ports);
  }

  #newStreams(): RadiusStreams {
    const { radius, nas } = this.#config;
    const others = radius.servers.filter(({ name }) => this.#backedUp?.has(name) !== true);
    return new RadiusStreams(others, nasAttributes(nas), this.#listeners, this.#shelf, this.#log);
  }

  send(server: string, port: RadiusPort, socket: number, bytes: Uint8Array): void {
    const isBackedUp = this.#backedUp?.has(server) === true;
    if (this.#unreached !== undefined && !isBackedUp) {
      this.#unreached.push(() => this.send(server, port, socket, bytes));
      return;
    }
    const stream = isBackedUp ? this.#backedUp : this.#streams;
    const way = stream?.has(server) === true ? stream : this.#datagrams;
    way.send(server, port, socket, bytes);
  }

  drop(server: string, port: RadiusPort, socket: number): void {
    if (this.#backedUp?.has(server) === true) this.#backedUp.drop(server, port, socket);
    else this.#streams.drop(server, port, socket);
  }

  reply(from: number, to: DynamicPeer, bytes: Uint8Array): void {
    this.#dynamic.reply(from, to, bytes);
  }

  close(): void {
    this.#unreached = undefined;
    this.#datagrams.close();
    this.#streams.close();
    this.#dynamic.close();
  }
}
