/**
 * A TCP connection by its descriptor, so that another process can go on with it: what arrives while nobody reads waits in
 * the kernel for whoever reads next, and a process that leaves says nothing of it to the peer.
 */
import { Socket } from 'node:net';
import { errnoName, loadNative } from '../../switch/native.ts';
import { concatBytes } from '../../wire/bytes.ts';

/** Told of what arrives, and of the end. The octets are the listener's. */
export interface StreamEvents {
  readonly data: (bytes: Uint8Array) => void;
  readonly error: (error: Error) => void;
  /** The peer has closed it, or it is broken. */
  readonly closed: () => void;
}

export class StreamPort {
  readonly #fd: number;
  readonly #events: StreamEvents;
  /** Has a descriptor of its own. Undefined: nobody reads. */
  #reader: Socket | undefined;
  /** What the kernel had no room for, in order. */
  #unsent: Uint8Array[] = [];
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  /** Of a connection that is there; nobody reads before `read`. `unsent` leaves ahead of all that is written. */
  constructor(fd: number, unsent: Uint8Array, events: StreamEvents) {
    this.#fd = fd;
    this.#events = events;
    if (unsent.length > 0) this.#unsent.push(unsent);
  }

  /** Takes the connection of a socket that was connected here, on which nothing was written or read. */
  static of(socket: Socket, events: StreamEvents): StreamPort | string {
    // There is no other way to the descriptor under a socket of node.
    const { _handle: handle } = socket as unknown as { _handle?: { fd?: number } };
    const fd = loadNative().duplicate(handle?.fd ?? -1);
    socket.destroy();
    return fd < 0 ? errnoName(fd) : new StreamPort(fd, new Uint8Array(0), events);
  }

  /** Another descriptor of the connection, for another process. */
  get descriptor(): number {
    return this.#fd;
  }

  /** What was written and the kernel does not have yet. */
  get unsent(): Uint8Array {
    return concatBytes(...this.#unsent);
  }

  /** Begins to read. */
  read(): void {
    if (this.#reader !== undefined || this.#closed) return;
    const reader = new Socket({ fd: loadNative().duplicate(this.#fd), readable: true, writable: true });
    this.#reader = reader;
    const isCurrent = () => this.#reader === reader;
    reader.on('data', (bytes: Buffer) => isCurrent() && this.#events.data(bytes));
    reader.on('error', (error) => isCurrent() && this.#events.error(error));
    reader.on('close', () => {
      if (!isCurrent()) return;
      this.close();
      this.#events.closed();
    });
    this.#flush();
  }

  /** Reads no more; the connection stays open. What node had read and nobody has heard of, if anything. */
  rest(): Uint8Array {
    clearTimeout(this.#retry);
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader === undefined) return new Uint8Array(0);
    const unheard = reader.readableLength > 0 ? (reader.read() as Buffer | null) : null;
    reader.destroy();
    return unheard ?? new Uint8Array(0);
  }

  write(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#unsent.push(bytes);
    this.#flush();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#unsent = [];
    this.rest();
    loadNative().close(this.#fd);
  }

  /** A connection that is broken shows that to its reader. */
  #flush(): void {
    clearTimeout(this.#retry);
    for (let next = this.#unsent[0]; next !== undefined; next = this.#unsent[0]) {
      const sent = loadNative().socketSend(this.#fd, next);
      if (sent < 0) {
        if (errnoName(sent) === 'EAGAIN' && this.#reader !== undefined)
          this.#retry = setTimeout(() => this.#flush(), RETRY_MS);
        return;
      }
      if (sent < next.length) this.#unsent[0] = next.subarray(sent);
      else this.#unsent.shift();
    }
  }
}

/** For a peer that takes nothing at present. */
const RETRY_MS = 5;
