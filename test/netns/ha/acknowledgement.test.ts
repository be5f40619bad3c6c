/** What leaves on a connection that is backed up, by a real queue of the kernel: no acknowledgement before its time. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { ConnectionBackup } from '../../../connection-backup/linux/connection-backup.ts';
import { ConnectionGuard } from '../../../connection-backup/linux/connection-guard.ts';
import { octetsAcknowledged } from '../../../connection-backup/linux/repair.ts';
import type { ConnectionRecord, PlaceRecord, SentRecord } from '../../../connection-backup/records.ts';
import { plus } from '../../../connection-backup/sequence.ts';
import { Store } from '../../../session/store.ts';
import { loadNative } from '../../../switch/native.ts';
import { Namespaces, pause, until, whyNoNamespaces } from '../namespaces.ts';

const reason = whyNoNamespaces();

describe.skipIf(reason !== undefined)(`acknowledgements ${reason ?? ''}`, () => {
  let lab: Namespaces;
  beforeAll(async () => {
    lab = await Namespaces.create('cgt-ack');
    await lab.add('n');
    // For the whole file: its sockets are to be there, and nobody else's.
    loadNative().enterNetwork(lab.path('n'));
  });
  afterAll(() => lab.dispose());

  /** A connection that is made, and the server's end of it. Its records go nowhere. */
  async function connected() {
    const native = loadNative();
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const remote = { address: '127.0.0.1', port: address.port };
    const guard = ConnectionGuard.open(native, [
      { local: '127.0.0.1', remote: remote.address, port: remote.port },
    ]);
    if (typeof guard === 'string') throw new Error(guard);
    guard.obey(() => true);
    const connections = new Store<ConnectionRecord>('connections');
    const came: string[] = [];
    const backup = new ConnectionBackup({
      native,
      guard,
      stores: {
        connections,
        places: new Store<PlaceRecord>('places'),
        sent: new Store<SentRecord>('sent'),
      },
      boundary: (octets) => octets.length,
      now: () => performance.now(),
      turn: (think) => think(),
      told: () => {},
    });
    onTestFinished(() => {
      backup.stop();
      guard.close(true);
      server.close();
    });
    const accepted = once(server, 'connection');
    await new Promise<void>((opened) => {
      backup.open('c', '127.0.0.1', remote, {
        opened,
        continued: () => {},
        received: (messages) => came.push(...messages.map(String)),
        broken: () => {},
        lost: () => {},
      });
    });
    const [peer] = (await accepted) as [Socket];
    const record = connections.get('c');
    if (record === undefined) throw new Error('no record');
    const { _handle: handle } = peer as unknown as { _handle: { fd: number } };
    return { backup, guard, peer, record, came, acknowledged: () => octetsAcknowledged(native, handle.fd) };
  }

  it('wait until the standby has seen it: of this very connection, and no octet beyond', async () => {
    const { backup, guard, peer, record, came, acknowledged } = await connected();
    const before = acknowledged();
    peer.write(Uint8Array.of(1, 2, 3));
    await until('the octets', () => came.length === 1);
    await pause(120);
    expect(acknowledged() - before).toBe(0);
    const { local, remote, receivedFrom } = record;
    guard.seen({ local, remote, receivedFrom: plus(receivedFrom, 1), awaited: plus(receivedFrom, 3) });
    guard.seen({ local, remote: { ...remote, port: 1 }, receivedFrom, awaited: plus(receivedFrom, 3) });
    guard.seen({ local, remote, receivedFrom, awaited: plus(receivedFrom, 2) });
    await pause(300);
    expect(acknowledged() - before).toBe(0);
    guard.seen({ local, remote, receivedFrom, awaited: plus(receivedFrom, 3) });
    await until('the acknowledgement', () => acknowledged() - before === 3);
    // And no less by the records than without a tap.
    peer.write(Uint8Array.of(4));
    await until('one more octet', () => came.length === 2);
    await pause(120);
    expect(acknowledged() - before).toBe(3);
    backup.sealed(1);
    backup.committed(1);
    await until('its acknowledgement', () => acknowledged() - before === 4);
  });
});
