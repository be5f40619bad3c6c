import { connect, createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { HaConfig } from '../../../config/config.ts';
import { dial, knock, Link, LinkServer } from '../../../daemon/ha/link.ts';

const servers: LinkServer[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function config(node: string, port: number, key = 1): HaConfig {
  return {
    node,
    address: '127.0.0.1',
    peer: '127.0.0.1',
    port,
    key: new Uint8Array(32).fill(key),
    mode: 'sync',
    leaseMs: 250,
    aloneAfterMs: 1000,
    standbyFirst: false,
    vrrpInstance: 'v',
    notifyFifo: undefined,
    priorityFile: undefined,
  };
}

async function listening(port: number): Promise<Link[]> {
  const links: Link[] = [];
  const server = new LinkServer(config('a', port), (link) => links.push(link));
  servers.push(server);
  expect(await server.open()).toBe(undefined);
  return links;
}

async function until(come: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !come(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(come()).toBe(true);
}

describe('the link between two nodes', () => {
  it('carries octets both ways, and tells the end', async () => {
    const port = await freePort();
    const accepted = await listening(port);
    const link = await dial(config('b', port), 2000);
    if (!(link instanceof Link)) throw new Error(link.why);
    await until(() => accepted.length === 1);
    const heard: number[] = [];
    const ended: string[] = [];
    accepted[0]?.listen(
      (octets) => accepted[0]?.send([octets, Uint8Array.of(9)]),
      (why) => ended.push(why),
    );
    link.listen(
      (octets) => heard.push(...octets),
      () => {},
    );
    link.send([Uint8Array.of(1, 2), Uint8Array.of(3)]);
    await until(() => heard.length === 4);
    expect(heard).toEqual([1, 2, 3, 9]);
    link.destroy();
    await until(() => ended.length === 1);
  });

  it('calls back once when the kernel has taken all, however often it was asked to', async () => {
    const port = await freePort();
    const accepted = await listening(port);
    const link = await dial(config('b', port), 2000);
    if (!(link instanceof Link)) throw new Error(link.why);
    await until(() => accepted.length === 1);
    for (let round = 1; round <= 2; round++) {
      let drained = 0;
      link.send([new Uint8Array(16 << 20)]);
      for (let i = 0; i < 20; i++) link.onceDrained(() => drained++);
      expect(link.waiting).toBeGreaterThan(0);
      accepted[0]?.listen(
        () => {},
        () => {},
      );
      await until(() => drained > 0);
      expect(drained).toBe(1);
    }
    link.destroy();
  });

  it('is not given to whoever has another key, the own name or no TLS', async () => {
    const port = await freePort();
    const accepted = await listening(port);
    expect(await dial(config('b', port, 2), 2000)).toMatchObject({ failed: 'unreachable' });
    expect(await dial(config('a', port), 2000)).toMatchObject({ failed: 'unreachable' });
    const plain = connect(port, '127.0.0.1', () => plain.write('GET / HTTP/1.0\r\n\r\n'));
    plain.on('error', () => {});
    await new Promise((resolve) => plain.once('close', resolve));
    expect(accepted).toEqual([]);
    expect(await dial(config('b', port), 2000)).toBeInstanceOf(Link);
  });

  it('tells a kernel without a castgate from one that does not answer', async () => {
    const port = await freePort();
    expect(await dial(config('b', port), 2000)).toMatchObject({ failed: 'refused' });
    expect(await knock(config('b', port), 2000)).toBe('refused');
    const mute = createServer(() => {});
    await new Promise<void>((resolve) => mute.listen(port, '127.0.0.1', resolve));
    expect(await dial(config('b', port), 100)).toMatchObject({ failed: 'unreachable' });
    expect(await knock(config('b', port), 2000)).toBe('listens');
    mute.close();
  });
});
