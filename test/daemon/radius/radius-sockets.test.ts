import { createSocket } from 'node:dgram';
import { describe, expect, it } from 'vitest';
import type { Logger } from '../../../daemon/log/log.ts';
import { silentLog } from '../../../daemon/log/log.ts';
import { RadiusSockets } from '../../../daemon/radius/radius-sockets.ts';
import { loadNative } from '../../../switch/native.ts';
import { configOf } from '../world.ts';

function server(more: Readonly<Record<string, unknown>>, radius: Readonly<Record<string, unknown>> = {}) {
  const servers = [{ name: 'r1', address: '127.0.0.1', secret_file: 's', ...more }];
  return configOf({ radius: { servers, ...radius } }).radius;
}

/** Resolves when something has come about. */
async function until(come: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !come(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(come()).toBe(true);
}

describe('sockets towards RADIUS servers', () => {
  it('carry packets there and answers back', async () => {
    const remote = createSocket('udp4', (bytes, from) => remote.send(bytes.reverse(), from.port));
    await new Promise<void>((resolve) => remote.bind(0, '127.0.0.1', resolve));
    const heard: number[][] = [];
    const servers = server({ auth_port: remote.address().port });
    const sockets = new RadiusSockets(
      servers,
      (...[, , , many]) => heard.push(...many.map((bytes) => [...bytes])),
      silentLog,
    );
    sockets.send('r1', 'auth', 3, Uint8Array.of(1, 2, 3));
    await until(() => heard.length > 0);
    expect(heard).toEqual([[3, 2, 1]]);
    sockets.close();
    remote.close();
  });

  it('are not opened again by what is sent after their end', async () => {
    const seen: number[][] = [];
    const remote = createSocket('udp4', (bytes) => seen.push([...bytes]));
    await new Promise<void>((resolve) => remote.bind(0, '127.0.0.1', resolve));
    const config = server({ auth_port: remote.address().port });
    const ended = new RadiusSockets(config, () => {}, silentLog);
    ended.close();
    ended.send('r1', 'auth', 0, Uint8Array.of(1));
    const another = new RadiusSockets(config, () => {}, silentLog);
    another.send('r1', 'auth', 0, Uint8Array.of(2));
    await until(() => seen.length > 0);
    expect(seen).toEqual([[2]]);
    another.close();
    remote.close();
  });

  it('leave from the same ports on every node where they are fixed', async () => {
    const seen: number[] = [];
    const remote = createSocket('udp4', (_, from) => seen.push(from.port));
    await new Promise<void>((resolve) => remote.bind(0, '127.0.0.1', resolve));
    const ports = { auth_port: remote.address().port, acct_port: remote.address().port };
    const config = server(ports, { source_ports: 23450, max_source_ports: 16 });
    for (const node of [1, 2]) {
      const sockets = new RadiusSockets(config, () => {}, silentLog);
      sockets.send('r1', 'auth', 0, Uint8Array.of(1));
      await until(() => seen.length === 3 * node - 2);
      sockets.send('r1', 'auth', 5, Uint8Array.of(1));
      await until(() => seen.length === 3 * node - 1);
      sockets.send('r1', 'acct', 1, Uint8Array.of(1));
      await until(() => seen.length === 3 * node);
      sockets.close();
    }
    expect(seen).toEqual([23450, 23455, 23467, 23450, 23455, 23467]);
    remote.close();
  });

  it('wait a moment for their port where it is fixed', async () => {
    const seen: number[][] = [];
    const remote = createSocket('udp4', (bytes) => seen.push([...bytes]));
    await new Promise<void>((resolve) => remote.bind(0, '127.0.0.1', resolve));
    const before = createSocket('udp4');
    await new Promise<void>((resolve) => before.bind(23_600, '127.0.0.1', resolve));
    const ports = { auth_port: remote.address().port, source_address: '127.0.0.1' };
    const config = server(ports, { source_ports: 23_600, max_source_ports: 16 });
    const sockets = new RadiusSockets(config, () => {}, silentLog);
    sockets.send('r1', 'auth', 0, Uint8Array.of(1));
    sockets.send('r1', 'auth', 0, Uint8Array.of(2));
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(seen).toEqual([]);
    before.close();
    await until(() => seen.length === 2);
    expect(seen).toEqual([[1], [2]]);
    sockets.close();
    remote.close();
  });

  it('rest without losing anything, and another process goes on with them', async () => {
    const remote = createSocket('udp4');
    const from: number[] = [];
    remote.on('message', (bytes, { port }) => {
      from.push(port);
      remote.send(bytes, port);
    });
    await new Promise<void>((resolve) => remote.bind(0, '127.0.0.1', resolve));
    const servers = server({ auth_port: remote.address().port });
    const heard: string[] = [];
    const old = new RadiusSockets(
      servers,
      (...[, , , many]) => heard.push(...many.map(([first]) => `old ${first}`)),
      silentLog,
    );
    old.send('r1', 'auth', 0, Uint8Array.of(1));
    await until(() => heard.length === 1);
    old.rest();
    old.send('r1', 'auth', 0, Uint8Array.of(2));
    await until(() => from.length === 2);
    old.read();
    await until(() => heard.length === 2);
    old.rest();
    old.send('r1', 'auth', 0, Uint8Array.of(3));
    await until(() => from.length === 3);
    const copies = old.sockets().map((socket) => ({ ...socket, fd: loadNative().duplicate(socket.fd) }));
    old.close();
    const next = new RadiusSockets(
      servers,
      (...[, , , many]) => heard.push(...many.map(([first]) => `next ${first}`)),
      silentLog,
    );
    next.inherit(copies);
    next.open();
    next.read();
    next.send('r1', 'auth', 0, Uint8Array.of(4));
    await until(() => heard.length === 4);
    expect(heard).toEqual(['old 1', 'old 2', 'next 3', 'next 4']);
    expect(new Set(from).size).toBe(1);
    next.close();
    remote.close();
  });

  it('tell what came together at once, each octet for octet, and no more of one than a RADIUS packet has', async () => {
    const remote = createSocket('udp4');
    let answered = 0;
    remote.on('message', ([first = 0], { port }) => {
      remote.send(new Uint8Array(first === 9 ? 5000 : first).fill(first), port, () => answered++);
    });
    await new Promise<void>((resolve) => remote.bind(0, '127.0.0.1', resolve));
    const servers = server({ auth_port: remote.address().port });
    const heard: (readonly Uint8Array[])[] = [];
    const sockets = new RadiusSockets(servers, (...[, , , many]) => heard.push(many), silentLog);
    sockets.open();
    sockets.rest();
    for (const first of [3, 0, 9, 1]) sockets.send('r1', 'auth', 0, Uint8Array.of(first));
    await until(() => answered === 4);
    sockets.read();
    await until(() => heard.length > 0);
    expect(heard).toHaveLength(1);
    expect(heard[0]?.map(({ length }) => length)).toEqual([3, 0, 4096, 1]);
    expect(heard[0]?.map((bytes) => new Set(bytes))).toEqual([
      new Set([3]),
      new Set(),
      new Set([9]),
      new Set([1]),
    ]);
    // A copy is a copy: records keep parts of what came.
    const [first] = heard[0] ?? [];
    expect(first?.slice(1).buffer).not.toBe(first?.buffer);
    sockets.close();
    remote.close();
  });

  it('say that nobody listens there, and go on', async () => {
    const remote = createSocket('udp4');
    await new Promise<void>((resolve) => remote.bind(0, '127.0.0.1', resolve));
    const { port } = remote.address();
    await new Promise<void>((resolve) => remote.close(() => resolve()));
    const refused: string[] = [];
    const heard: number[] = [];
    const sockets = new RadiusSockets(
      server({ auth_port: port }),
      (...[, , , many]) => heard.push(...many.map(({ length }) => length)),
      silentLog,
      (...where) => refused.push(where.join(' ')),
    );
    sockets.send('r1', 'auth', 0, Uint8Array.of(1));
    await until(() => refused.length === 1);
    expect(refused).toEqual(['r1 auth']);
    const again = createSocket('udp4', (bytes, from) => again.send(bytes, from.port));
    await new Promise<void>((resolve) => again.bind(port, '127.0.0.1', resolve));
    sockets.send('r1', 'auth', 0, Uint8Array.of(1, 2));
    await until(() => heard.length > 0);
    expect(heard).toEqual([2]);
    sockets.close();
    again.close();
  });

  it('that lead elsewhere in the next process are not gone on with', () => {
    const old = new RadiusSockets(server({ auth_port: 40_001 }), () => {}, silentLog);
    old.open();
    const copies = old.sockets().map((socket) => ({ ...socket, fd: loadNative().duplicate(socket.fd) }));
    old.close();
    const next = new RadiusSockets(server({ auth_port: 40_002 }), () => {}, silentLog);
    next.inherit(copies);
    expect(next.sockets().map(({ name }) => name)).toEqual(['r1/acct/0']);
    next.close();
  });

  it('that cannot be bound say so each time, and keep nothing', async () => {
    const warnings: string[] = [];
    const log: Logger = { ...silentLog, warn: (event) => warnings.push(event) };
    // An address for documentation, which no machine has.
    const sockets = new RadiusSockets(server({ source_address: '192.0.2.77' }), () => {}, log);
    sockets.send('r1', 'auth', 0, Uint8Array.of(1));
    sockets.send('r1', 'auth', 0, Uint8Array.of(2));
    sockets.send('r1', 'auth', 0, Uint8Array.of(3));
    expect(warnings).toEqual(new Array(3).fill('radius-socket-failed'));
    expect(sockets.sockets()).toEqual([]);
    sockets.close();
  });
});
