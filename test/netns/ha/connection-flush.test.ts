/** A connection over the loopback, with a guard that only notes what it is asked. Needs root for TCP_REPAIR. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { ConnectionBackup } from '../../../connection-backup/linux/connection-backup.ts';
import type { ConnectionGuard, Flow } from '../../../connection-backup/linux/connection-guard.ts';
import type { ConnectionRecord, PlaceRecord, SentRecord } from '../../../connection-backup/records.ts';
import type { Segment } from '../../../connection-backup/segment.ts';
import { Store } from '../../../session/store.ts';
import { loadNative } from '../../../switch/native.ts';

const NOTHING = { opened: () => {}, continued: () => {}, broken: () => {}, lost: () => {} };

/** A connection that is made, and the server's end of it. `judge`: what happens when the guard is to judge. */
async function connected(judge: (flow: Flow) => void, received: (messages: readonly Uint8Array[]) => void) {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  let flow: Flow | undefined;
  const guard = {
    counts: { continued: 0, fellBack: {}, takenUp: 0, held: 0, dropped: 0 },
    add: (_local: unknown, _remote: unknown, hold: Flow['hold']) => {
      flow = { hold, receivedFrom: undefined, waiting: [] };
      return flow;
    },
    remove: () => {},
    release: () => {},
    poll: () => flow !== undefined && judge(flow),
  };
  const backup = new ConnectionBackup({
    native: loadNative(),
    guard: guard as unknown as ConnectionGuard,
    stores: {
      connections: new Store<ConnectionRecord>('connections'),
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
    server.close();
  });
  const accepted = once(server, 'connection');
  const remote = { address: '127.0.0.1', port: address.port };
  await new Promise<void>((opened) => {
    backup.open('c', '127.0.0.1', remote, { ...NOTHING, opened, received });
  });
  const [peer] = (await accepted) as [Socket];
  return { backup, peer };
}

it('what the kernel was given is judged before the event loop has its turn', async () => {
  let judged = 0;
  const { backup, peer } = await connected(
    () => judged++,
    () => {},
  );
  const heard = once(peer, 'data');
  expect(backup.write('c', new TextEncoder().encode('one'), true)).toBe(true);
  backup.sealed(1);
  expect(judged).toBe(0);
  backup.committed(1);
  expect(judged).toBe(1);
  expect(String((await heard)[0])).toBe('one');
});

it('what has come is taken up at once where a segment waits that acknowledges it', async () => {
  const came: string[] = [];
  const { backup, peer } = await connected(
    ({ waiting }) => waiting.push({ id: 1, segment: {} as Segment }),
    (messages) => came.push(...messages.map(String)),
  );
  peer.write(Uint8Array.of(7, 8));
  // Without an await in between: what is looked for is not the event loop's doing.
  for (let change = 1; change < 500 && came.length === 0; change++) {
    backup.write('c', Uint8Array.of(1), true);
    backup.sealed(change);
    backup.committed(change);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
  }
  expect(came).toEqual(['7,8']);
});
