/** A connection that changes hands, over the loopback: the peer sees one, with every octet once and in order. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { StreamPort } from '../../../daemon/radius/stream-port.ts';
import { loadNative } from '../../../switch/native.ts';

/** The peer: what came, and what became of its connections. */
class Peer {
  accepted = 0;
  readonly ends: string[] = [];
  readonly came: Buffer[] = [];
  socket: Socket | undefined;
  readonly #server: Server;

  private constructor(isReading: boolean) {
    this.#server = createServer((socket) => {
      this.accepted++;
      this.socket = socket;
      if (!isReading) socket.pause();
      socket.on('data', (bytes: Buffer) => this.came.push(bytes));
      socket.on('end', () => this.ends.push('end'));
      socket.on('error', (error) => this.ends.push(error.message));
    });
  }

  static async listen(isReading = true): Promise<Peer> {
    const peer = new Peer(isReading);
    await new Promise<void>((done) => peer.#server.listen(0, '127.0.0.1', done));
    return peer;
  }

  async connected(events: ConstructorParameters<typeof StreamPort>[2]): Promise<StreamPort> {
    const { port } = this.#server.address() as { port: number };
    const socket = connect({ host: '127.0.0.1', port });
    await new Promise<void>((done) => socket.once('connect', done));
    const stream = StreamPort.of(socket, events);
    if (typeof stream === 'string') throw new Error(stream);
    stream.read();
    await until(() => this.socket !== undefined);
    return stream;
  }

  close(): void {
    this.socket?.destroy();
    this.#server.close();
  }
}

const events = (data: (bytes: Uint8Array) => void = () => {}, closed = () => {}) => ({
  data,
  closed,
  error: () => {},
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

describe('a connection by its descriptor', () => {
  const closing: { close(): void }[] = [];
  afterEach(() => {
    for (const one of closing.splice(0)) one.close();
  });

  it('goes on with another owner: one connection, each octet once, whoever reads and writes', async () => {
    const peer = await Peer.listen();
    closing.push(peer);
    let heard = '';
    const hear = (bytes: Uint8Array) => {
      heard += Buffer.from(bytes).toString();
    };
    let stream = await peer.connected(events(hear));
    let said = '';
    let told = '';
    for (let i = 0; i < 20; i++) {
      stream.write(Buffer.from(`said ${i};`));
      said += `said ${i};`;
      const unheard = stream.rest();
      hear(unheard);
      // Nobody reads: it waits in the kernel.
      peer.socket?.write(`told ${i};`);
      told += `told ${i};`;
      const next = new StreamPort(loadNative().duplicate(stream.descriptor), stream.unsent, events(hear));
      stream.close();
      stream = next;
      stream.read();
      await until(() => heard === told && Buffer.concat(peer.came).toString() === said);
    }
    closing.push(stream);
    expect([peer.accepted, peer.ends]).toEqual([1, []]);
  });

  it('hands on what the kernel had no room for', async () => {
    const peer = await Peer.listen(false);
    closing.push(peer);
    const stream = await peer.connected(events());
    const parts = Array.from({ length: 400 }, (_, i) => Buffer.alloc(65_536, i % 251));
    for (const part of parts) stream.write(part);
    expect(stream.unsent.length).toBeGreaterThan(0);
    stream.rest();
    const next = new StreamPort(loadNative().duplicate(stream.descriptor), stream.unsent, events());
    closing.push(next);
    stream.close();
    next.write(Buffer.from('last'));
    next.read();
    const all = Buffer.concat([...parts, Buffer.from('last')]);
    peer.socket?.resume();
    let length = 0;
    await until(() => {
      length = peer.came.reduce((sum, { length: octets }) => sum + octets, 0);
      return length >= all.length;
    });
    expect(Buffer.concat(peer.came).equals(all)).toBe(true);
    expect([peer.accepted, peer.ends]).toEqual([1, []]);
  });

  it('tells of the end, and says it when it is closed', async () => {
    const peer = await Peer.listen();
    closing.push(peer);
    let ends = 0;
    const stream = await peer.connected(events(undefined, () => ends++));
    peer.socket?.end();
    await until(() => ends === 1);
    stream.write(Buffer.from('nobody hears it'));
    stream.close();
    await until(() => peer.ends.length > 0);
    expect([ends, peer.ends]).toEqual([1, ['end']]);
  });
});
