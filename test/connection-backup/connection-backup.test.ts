/** A takeover with records that no connection can be continued from. */
import { afterEach, expect, it } from 'vitest';
import type { BackupEvent } from '../../connection-backup/linux/connection.ts';
import { ConnectionBackup } from '../../connection-backup/linux/connection-backup.ts';
import type { ConnectionGuard } from '../../connection-backup/linux/connection-guard.ts';
import type { ConnectionRecord, PlaceRecord, SentRecord } from '../../connection-backup/records.ts';
import { Store } from '../../session/store.ts';
import type { Native } from '../../switch/native.ts';

const closing: ConnectionBackup[] = [];
afterEach(() => {
  for (const backup of closing.splice(0)) backup.stop();
});

it('falls back with its reason where what was sent does not follow on each other, and throws nothing', async () => {
  const stores = {
    connections: new Store<ConnectionRecord>('connections'),
    places: new Store<PlaceRecord>('places'),
    sent: new Store<SentRecord>('sent'),
  };
  stores.connections.put('c', {
    v: 1,
    key: 'c',
    local: { address: '192.0.2.1', port: 40_000 },
    remote: { address: '192.0.2.2', port: 1813 },
    sentFrom: 1000,
    receivedFrom: 2000,
    options: { mss: 1460, windowScale: undefined, sack: true, timestamps: false },
    timestamp: { value: 0, at: 0, perMs: 1 },
    peerWindow: 65_535,
    ownWindow: 65_535,
  });
  stores.places.put('c', { v: 1, key: 'c', received: 0, rest: new Uint8Array(0), acknowledged: 10 });
  const octets = new Uint8Array(20);
  stores.sent.put('c#30', { v: 1, key: 'c#30', connection: 'c', begin: 30, end: 50, octets });
  const told: BackupEvent[] = [];
  const counts = { continued: 0, fellBack: {}, takenUp: 0, held: 0, dropped: 0 };
  let asked = 0;
  const guard = {
    counts,
    add: (_local: unknown, _remote: unknown, hold: unknown) => ({
      hold,
      receivedFrom: undefined,
      waiting: [],
    }),
    remove: () => {},
    release: () => {},
    poll: () => {},
    seenOf: () => new Uint8Array(0),
    question: () => {
      asked++;
      throw new Error('nobody is to be asked');
    },
  };
  const backup = new ConnectionBackup({
    native: {} as Native,
    guard: guard as unknown as ConnectionGuard,
    stores,
    boundary: () => 'more',
    now: () => 0,
    turn: (think) => think(),
    told: (event) => told.push(event),
  });
  closing.push(backup);
  const lost: string[] = [];
  backup.resume(() => ({
    opened: () => lost.push('opened'),
    continued: () => lost.push('continued'),
    received: () => lost.push('received'),
    broken: () => lost.push('broken'),
    lost: (why) => lost.push(why),
  }));
  // Its owner takes his own records up first.
  expect(lost).toEqual([]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(lost).toEqual(['closed']);
  expect(told).toEqual([{ kind: 'fell-back', key: 'c', why: 'damaged' }]);
  expect(counts.fellBack).toEqual({ damaged: 1 });
  expect([stores.connections.size, stores.places.size, stores.sent.size, asked]).toEqual([0, 0, 0, 0]);
});
