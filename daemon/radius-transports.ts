/**
 * All sockets towards RADIUS as one: those to its servers and those on which it asks itself (RFC 5176). What
 * arrives is told with where it came in, and what the core sends leaves by the same way.
 */
import type { RadiusConfig } from '../config/config.ts';
import type { RadiusPort } from '../radius/request-record.ts';
import { type DynamicListener, DynamicSockets } from './dynamic-sockets.ts';
import type { DatagramSender, DynamicPeer } from './effects.ts';
import type { Logger } from './log.ts';
import { type DatagramListener, RadiusSockets } from './radius-sockets.ts';

/** Who is told of what arrives. The octets are theirs. */
export interface TransportListeners {
  readonly datagram: DatagramListener;
  readonly dynamicRequest: DynamicListener;
}

export class RadiusTransports implements DatagramSender {
  readonly #datagrams: RadiusSockets;
  readonly #dynamic: DynamicSockets;

  constructor(config: RadiusConfig, listeners: TransportListeners, log: Logger) {
    this.#datagrams = new RadiusSockets(config, listeners.datagram, log);
    this.#dynamic = new DynamicSockets(config.dynamicAuthorization, listeners.dynamicRequest, log);
  }

  open(): void {
    this.#datagrams.open();
    this.#dynamic.open();
  }

  send(server: string, port: RadiusPort, socket: number, bytes: Uint8Array): void {
    this.#datagrams.send(server, port, socket, bytes);
  }

  reply(from: number, to: DynamicPeer, bytes: Uint8Array): void {
    this.#dynamic.reply(from, to, bytes);
  }

  close(): void {
    this.#datagrams.close();
    this.#dynamic.close();
  }
}
