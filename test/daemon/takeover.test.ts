/** What a core does with records that another node, or another version, has left to it. */
import { describe, expect, it } from 'vitest';
import { RecordType } from '../../igmp/group-record.ts';
import { World } from './world.ts';

const NEWS = '239.1.1.1';
const FILM = '239.1.1.2';

/** alice may receive both channels. */
function world(more?: Readonly<Record<string, unknown>>): World {
  const made = new World(more);
  made.server.users.set('alice', []);
  made.server.permit('alice', NEWS, FILM);
  return made;
}

describe('records of a later version', () => {
  it('keep the fields that this one does not know, also where they are written again', () => {
    const w = world();
    const alice = w.host('alice');
    alice.login();
    alice.join(NEWS);
    w.pass(10);
    const { sessions, memberships, grants, forwardings, upstreamGroups, accountingRecords } = w.core.stores;
    const stores = [sessions, memberships, grants, forwardings, upstreamGroups, accountingRecords];
    for (const store of stores) {
      expect(store.size).toBeGreaterThan(0);
      for (const [key, record] of [...store.entries()]) {
        store.put(key, Object.assign({ ...record }, { tomorrow: key }) as never);
      }
    }
    alice.login();
    alice.join(NEWS);
    w.pass(60_000);
    alice.report({ type: RecordType.ToExclude, group: NEWS, sources: ['10.9.0.1'], auxWords: 0 });
    w.pass(60_000);
    expect(forwardings.get(`swp1/0/${NEWS}`)?.sources).toEqual(['10.9.0.1']);
    for (const store of stores) {
      for (const [key, record] of store.entries()) expect(record).toHaveProperty('tomorrow', key);
    }
  });
});
