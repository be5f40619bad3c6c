/**
 * A UDP socket towards one server by its descriptor, so that another process can go on with it: what arrives while
 * nobody reads waits in the kernel for whoever reads next. What came together is told together.
 */
import { errnoName, loadNative, type Watch } from '../../switch/native.ts';
import type { DatagramPeer } from './datagram-port.ts';

/** Told of what arrives, and of what the kernel says of what was sent (ICMP, by the errno's name). The octets are the listener's. */
export interface ConnectedEvents {
  readonly messages: (many: readonly Uint8Array[]) => void;
  readonly error: (errno: string) => void;
}

export class ConnectedPort {
  readonly #events: ConnectedEvents;
  #fd: number;
  /** Undefined: nobody reads. */
  #watch: Watch | undefined;

  /** Of a socket that is there; nobody reads before `read`. */
  constructor(fd: number, events: ConnectedEvents) {
    this.#fd = fd;
    this.#events = events;
  }

  /** Binds a socket and connects it. The errno's name where it cannot. */
  static open(local: DatagramPeer, remote: DatagramPeer, events: ConnectedEvents): ConnectedPort | string {
    const { address, port } = remote;
    const fd = loadNative().udpOpen(local.address, local.port, address, port, RECEIVE_BUFFER);
    return fd < 0 ? errnoName(fd) : new ConnectedPort(fd, events);
  }

  /** Another descriptor of the socket, for another process. */
  get descriptor(): number {
    return this.#fd;
  }

  /** Begins to read. Throws the errno's name where the socket cannot be read. */
  read(): void {
    if (this.#watch !== undefined) return;
    const watch = loadNative().datagramWatch(this.#fd, (octets, lengths) => {
      if (typeof octets === 'number') this.#events.error(errnoName(octets));
      else this.#events.messages(split(octets, lengths));
    });
    if (typeof watch === 'number') throw new Error(`datagram socket: ${errnoName(watch)}`);
    this.#watch = watch;
  }

  /** Reads no more; the socket stays open. */
  rest(): void {
    const watch = this.#watch;
    if (watch === undefined) return;
    this.#watch = undefined;
    this.#fd = loadNative().duplicate(this.#fd);
    loadNative().unwatch(watch);
  }

  /** The errno's name where it was not sent. */
  send(bytes: Uint8Array): string | undefined {
    const sent = loadNative().socketSend(this.#fd, bytes);
    return sent < 0 ? errnoName(sent) : undefined;
  }

  close(): void {
    const watch = this.#watch;
    this.#watch = undefined;
    if (watch === undefined) loadNative().close(this.#fd);
    else loadNative().unwatch(watch);
  }
}

function split(octets: Uint8Array, lengths: Int32Array): Uint8Array[] {
  if (lengths.length === 1) return [octets];
  const many: Uint8Array[] = [];
  let at = 0;
  for (const length of lengths) {
    many.push(octets.subarray(at, at + length));
    at += length;
  }
  return many;
}

const RECEIVE_BUFFER = 1 << 20;
