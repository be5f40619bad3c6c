/**
 * The UDP sockets on which requests of dynamic authorization clients arrive (RFC 5176 §2.1). One for each
 * configured address; answers leave from where the request came in. An address that is not there yet, as that
 * of a standby, is tried again until it is.
 */
import { createSocket, type Socket } from 'node:dgram';
import type { DynamicAuthorizationConfig } from '../config/dynamic-authorization.ts';
import { type IpAddress, ipFamily } from '../wire/address.ts';
import type { DynamicPeer } from './effects.ts';
import type { Logger } from './log.ts';

/** Told of every datagram; `socket` counts the listening sockets. The octets are the listener's. */
export type DynamicListener = (socket: number, from: DynamicPeer, bytes: Uint8Array) => void;

export class DynamicSockets {
  readonly #config: DynamicAuthorizationConfig;
  readonly #listener: DynamicListener;
  readonly #log: Logger;
  readonly #sockets = new Map<number, Socket>();
  readonly #retries = new Set<NodeJS.Timeout>();
  #open = false;

  constructor(config: DynamicAuthorizationConfig, listener: DynamicListener, log: Logger) {
    this.#config = config;
    this.#listener = listener;
    this.#log = log;
  }

  /** Listens, where there is a client at all. */
  open(): void {
    if (this.#config.clients.length === 0) return;
    this.#open = true;
    const { listen } = this.#config;
    const addresses = listen.length > 0 ? listen : ANY_ADDRESS;
    for (const [number, address] of addresses.entries()) this.#bind(number, address, true);
  }

  /** What cannot be sent is as good as lost on the way: the client asks again. */
  reply(socket: number, { address, port }: DynamicPeer, bytes: Uint8Array): void {
    this.#sockets.get(socket)?.send(bytes, port, address, (error) => {
      if (error !== null) this.#log.debug('dynamic-reply-failed', { address, error: error.message });
    });
  }

  close(): void {
    this.#open = false;
    for (const timer of this.#retries) clearTimeout(timer);
    this.#retries.clear();
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
  }

  #bind(number: number, address: IpAddress, first: boolean): void {
    if (!this.#open) return;
    const ipv6 = ipFamily(address) === 6;
    const socket = createSocket({ type: ipv6 ? 'udp6' : 'udp4', ipv6Only: ipv6 });
    let bound = false;
    socket.on('message', (bytes, from) => this.#listener(number, from, bytes));
    socket.on('error', (error) => {
      if (bound) return;
      const { port } = this.#config;
      // Said once: a standby waits for its address for as long as the other node lives.
      this.#log[first ? 'warn' : 'debug']('dynamic-socket-failed', { address, port, error: error.message });
      socket.close();
      if (!this.#open) return;
      const retry = setTimeout(() => {
        this.#retries.delete(retry);
        this.#bind(number, address, false);
      }, RETRY_MS);
      this.#retries.add(retry);
    });
    socket.bind({ port: this.#config.port, address }, () => {
      bound = true;
      if (this.#open) this.#sockets.set(number, socket);
      else socket.close();
    });
  }
}

const ANY_ADDRESS: readonly IpAddress[] = ['0.0.0.0', '::'];
const RETRY_MS = 500;
