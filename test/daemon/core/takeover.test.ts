/** What a core does with records that another node, or another version, has left to it. */
import { describe, expect, it } from 'vitest';
import { EapCode } from '../../../eapol/eap.ts';
import { RecordType } from '../../../igmp/group-record.ts';
import { World } from '../world.ts';

const NEWS = '239.1.1.1';
const FILM = '239.1.1.2';

/** alice may receive both channels. */
function world(more?: Readonly<Record<string, unknown>>): World {
  const made = new World(more);
  made.server.users.set('alice', []);
  made.server.permit('alice', NEWS, FILM);
  return made;
}

describe('a takeover', () => {
  it('asks a host again what it was asked last, and goes on with its answer', () => {
    const w = world();
    w.server.rounds = 2;
    const alice = w.host('alice');
    alice.start();
    const asked = alice.heard().at(-1);
    w.takeOver();
    expect(alice.heard().map(({ bytes }) => bytes)).toEqual([asked?.bytes]);
    alice.identity(asked?.id ?? 0);
    w.pass(w.server.delayMs + 1);
    const challenge = alice.heard().at(-1);
    expect(challenge?.type).not.toBe(asked?.type);
    w.takeOver();
    expect(alice.heard().map(({ bytes }) => bytes)).toEqual([challenge?.bytes]);
    alice.respond(challenge?.id ?? 0, challenge?.type ?? 0, Uint8Array.of(1, 0x55));
    w.pass(w.server.delayMs + 1);
    expect(alice.answer()?.code).toBe(EapCode.Success);
  });

  it('tells a host again how its login ended a moment ago, and not an old story', () => {
    const w = world();
    const alice = w.host('alice');
    const mallory = w.host('mallory', 'swp2');
    expect(alice.login()?.code).toBe(EapCode.Success);
    expect(mallory.login()?.code).toBe(EapCode.Failure);
    w.pass(5_000);
    w.takeOver();
    expect(alice.heard().map(({ code }) => code)).toEqual([EapCode.Success]);
    w.takeOver();
    expect(mallory.heard().map(({ code }) => code)).toEqual([EapCode.Failure]);
    w.pass(5_000);
    w.takeOver();
    expect(alice.heard()).toEqual([]);
    w.takeOver();
    expect(mallory.heard()).toEqual([]);
    expect(w.session(alice)).toBeDefined();
  });
});

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
