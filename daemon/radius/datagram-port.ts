/**
 * A UDP socket that anybody may send to, by its descriptor, so that another process can go on with it: what arrives while nobody reads waits
 * in the kernel for whoever reads next.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { errnoName, loadNative } from '../../switch/native.ts';
import { type IpAddress, ipFamily } from '../../wire/address.ts';

export interface DatagramPeer {
  readonly address: IpAddress;
  readonly port: number;
}

/** Told of what arrives, and of what the kernel says of what was sent (ICMP). The octets are the listener's. */
export interface DatagramEvents {
  readonly message: (bytes: Uint8Array, from: RemoteInfo) => void;
  readonly error: (error: Error) => void;
}

export class DatagramPort {
  readonly #family: 4 | 6;
  readonly #events: DatagramEvents;
  #fd: number;
  /** Undefined: nobody reads. */
  #reader: Socket | undefined;

  /** Of a socket that is there; nobody reads before `read`. */
  constructor(fd: number, address: IpAddress, events: DatagramEvents) {
    this.#fd = fd;
    this.#family = ipFamily(address);
    this.#events = events;
  }

  /** Binds a socket. The errno's name where it cannot. */
  static open(local: DatagramPeer, events: DatagramEvents): DatagramPort | string {
    const fd = loadNative().udpOpen(local.address, local.port, '', 0, RECEIVE_BUFFER);
    return fd < 0 ? errnoName(fd) : new DatagramPort(fd, local.address, events);
  }

  /** Another descriptor of the socket, for another process. */
  get descriptor(): number {
    return this.#fd;
  }

  /** Begins to read. */
  read(): void {
    if (this.#reader !== undefined) return;
    const reader = createSocket({ type: this.#family === 4 ? 'udp4' : 'udp6' });
    reader.on('message', (bytes, from) => {
      if (this.#reader === reader) this.#events.message(bytes, from);
    });
    reader.on('error', (error) => {
      if (this.#reader === reader) this.#events.error(error);
    });
    this.#reader = reader;
    reader.bind({ fd: this.#fd });
  }

  /** Reads no more; the socket stays open. */
  rest(): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    this.#reader = undefined;
    this.#fd = loadNative().duplicate(this.#fd);
    reader.close();
  }

  /** While somebody reads. */
  sendTo({ address, port }: DatagramPeer, bytes: Uint8Array, failed: (error: Error) => void): void {
    this.#reader?.send(bytes, port, address, (error) => {
      if (error !== null) failed(error);
    });
  }

  close(): void {
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader === undefined) loadNative().close(this.#fd);
    else reader.close();
  }
}

const RECEIVE_BUFFER = 1 << 20;
