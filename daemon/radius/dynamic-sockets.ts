/**
 * The UDP sockets on which requests of dynamic authorization clients arrive (RFC 5176 §2.1). One for each
 * configured address; answers leave from where the request came in. An address that is not there yet, as that
 * of a standby, is tried again until it is.
 */
import type { DynamicAuthorizationConfig } from '../../config/dynamic-authorization.ts';
import { loadNative } from '../../switch/native.ts';
import type { IpAddress } from '../../wire/address.ts';
import type { DynamicPeer } from '../core/effects.ts';
import type { InheritedSocket } from '../inherited-sockets.ts';
import type { Logger } from '../log/log.ts';
import { DatagramPort } from './datagram-port.ts';

/** Told of every datagram; `socket` counts the listening sockets. The octets are the listener's. */
export type DynamicListener = (socket: number, from: DynamicPeer, bytes: Uint8Array) => void;

export class DynamicSockets {
  readonly #config: DynamicAuthorizationConfig;
  readonly #listener: DynamicListener;
  readonly #log: Logger;
  readonly #ports = new Map<number, DatagramPort>();
  readonly #retries = new Set<NodeJS.Timeout>();
  #open = false;
  /** Nobody reads. */
  #resting = false;

  constructor(config: DynamicAuthorizationConfig, listener: DynamicListener, log: Logger) {
    this.#config = config;
    this.#listener = listener;
    this.#log = log;
  }

  /** Listens, where there is a client at all. */
  open(): void {
    if (this.#config.clients.length === 0) return;
    this.#open = true;
    for (const [number, address] of this.#addresses().entries()) {
      if (!this.#ports.has(number)) this.#bind(number, address, true);
    }
  }

  /** Goes on with the sockets of the process before this one, which nobody reads before `read`. */
  inherit(sockets: readonly InheritedSocket[]): void {
    this.#resting = true;
    const wanted = this.#config.clients.length === 0 ? [] : this.#addresses();
    for (const { way, fd } of sockets) {
      const number = wanted.findIndex((address) => this.#way(address) === way);
      const address = wanted[number];
      if (address === undefined) loadNative().close(fd);
      else this.#ports.set(number, new DatagramPort(fd, address, this.#events(number, address)));
    }
  }

  /** Reads no more: what arrives waits in the sockets. */
  rest(): void {
    this.#resting = true;
    for (const port of this.#ports.values()) port.rest();
  }

  /** Reads (again). */
  read(): void {
    this.#resting = false;
    for (const port of this.#ports.values()) port.read();
  }

  /** The sockets that are open, for the process after this one. */
  sockets(): InheritedSocket[] {
    const addresses = this.#addresses();
    return [...this.#ports].map(([number, { descriptor }]) => {
      return { name: `dynamic/${number}`, way: this.#way(addresses[number] ?? ''), fd: descriptor };
    });
  }

  /** What cannot be sent is as good as lost on the way: the client asks again. */
  reply(socket: number, to: DynamicPeer, bytes: Uint8Array): void {
    const { address } = to;
    this.#ports.get(socket)?.sendTo(to, bytes, (error) => {
      this.#log.debug('dynamic-reply-failed', { address, error: error.message });
    });
  }

  close(): void {
    this.#open = false;
    for (const timer of this.#retries) clearTimeout(timer);
    this.#retries.clear();
    for (const port of this.#ports.values()) port.close();
    this.#ports.clear();
  }

  #addresses(): readonly IpAddress[] {
    const { listen } = this.#config;
    return listen.length > 0 ? listen : ANY_ADDRESS;
  }

  #way(address: IpAddress): string {
    return `${address} ${this.#config.port}`;
  }

  #bind(number: number, address: IpAddress, first: boolean): void {
    const { port } = this.#config;
    const opened = DatagramPort.open({ address, port }, this.#events(number, address));
    if (typeof opened !== 'string') {
      this.#ports.set(number, opened);
      if (!this.#resting) opened.read();
      return;
    }
    // Said once: a standby waits for its address for as long as the other node lives.
    this.#log[first ? 'warn' : 'debug']('dynamic-socket-failed', { address, port, error: opened });
    const retry = setTimeout(() => {
      this.#retries.delete(retry);
      if (this.#open) this.#bind(number, address, false);
    }, RETRY_MS);
    this.#retries.add(retry);
  }

  #events(number: number, address: IpAddress) {
    return {
      message: (bytes: Uint8Array, from: DynamicPeer) => this.#listener(number, from, bytes),
      error: (error: Error) => this.#log.debug('dynamic-socket-error', { address, error: error.message }),
    };
  }
}

const ANY_ADDRESS: readonly IpAddress[] = ['0.0.0.0', '::'];
const RETRY_MS = 500;
