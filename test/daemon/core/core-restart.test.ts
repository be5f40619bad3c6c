/** What a warm restart keeps when the configuration or the ports are not as they were. */
import { describe, expect, it } from 'vitest';
import { Core } from '../../../daemon/core/core.ts';
import { silentLog } from '../../../daemon/log/log.ts';
import { MemorySwitch } from '../../../switch/memory-switch.ts';
import { configOf, type Host, World } from '../world.ts';

const NEWS = '239.1.1.1';

/** alice is in on swp1 and receives news, bob is in on swp2. */
function world(): { w: World; alice: Host; bob: Host } {
  const w = new World();
  w.server.users.set('alice', []).set('bob', []);
  w.server.permit('alice', NEWS);
  const [alice, bob] = [w.host('alice'), w.host('bob', 'swp2')];
  alice.login();
  bob.login();
  alice.join(NEWS);
  w.pass(5);
  expect(w.switch.deliver(NEWS, '198.51.100.7', 100)).toEqual(['swp1']);
  return { w, alice, bob };
}

/** A daemon of this configuration goes on with the records of the last one. */
function restarted(w: World, more: Readonly<Record<string, unknown>>, stores = w.replayed()): Core {
  const random = (length: number) => new Uint8Array(length).fill(7);
  const core = new Core(configOf(more), { readings: w.switch, log: silentLog, random, stores });
  core.dropChangedPorts(w.now);
  core.resume(w.now, 'kept');
  return core;
}

/** Hosts and channels that the switch is told to have. */
function opened(core: Core): string[] {
  return core.drainEffects().flatMap((effect) => {
    if (effect.kind === 'open-host') return [effect.key];
    return effect.kind === 'forward' && effect.filter !== undefined ? [`${effect.port} ${effect.group}`] : [];
  });
}

describe('a warm restart', () => {
  it('keeps hosts and channels under the same configuration', () => {
    const { w, alice, bob } = world();
    expect(opened(restarted(w, {})).sort()).toEqual([alice.key, bob.key, `swp1 ${NEWS}`].sort());
  });

  it('keeps nobody in on a port that is forced shut by now', () => {
    const { w, alice, bob } = world();
    const core = restarted(w, { ports: { swp1: { mode: 'force-unauthorized' }, swp2: {}, swp3: {} } });
    expect(opened(core)).toEqual([bob.key]);
    expect([...core.stores.sessions.values()].map(({ key }) => key)).toEqual([bob.key]);
    expect(core.stores.grants.size).toBe(0);
    expect(core.stores.authenticators.has(alice.key)).toBe(false);
  });

  it('lets a host log in on a port that was forced shut before', () => {
    const w = new World({ ports: { swp1: { mode: 'force-unauthorized' }, swp2: {}, swp3: {} } });
    const alice = w.host('alice');
    alice.start();
    expect(w.core.stores.authenticators.get(alice.key)?.pae).toBe('FORCE_UNAUTH');
    expect(restarted(w, {}).stores.authenticators.has(alice.key)).toBe(false);
  });

  it('keeps everybody in at the node that has taken over, whose links have other numbers', () => {
    const { w, alice, bob } = world();
    const other = new MemorySwitch({ ports: ['swp1', 'swp2', 'swp3'], uplinks: ['up0'] }, () => {});
    other.setLink('swp1', false);
    other.setLink('swp1', true);
    expect(other.linkId('swp1')).not.toBe(w.switch.linkId('swp1'));
    const options = { readings: other, log: silentLog, random: (length: number) => new Uint8Array(length) };
    const taken = new Core(configOf({}), { ...options, stores: w.replayed() });
    taken.resume(w.now, 'new');
    const again = new Core(configOf({}), { ...options, stores: taken.stores });
    again.dropChangedPorts(w.now);
    expect([...again.stores.sessions.values()].map(({ key }) => key)).toEqual([alice.key, bob.key]);
    other.setLink('swp2', false);
    other.setLink('swp2', true);
    const later = new Core(configOf({}), { ...options, stores: again.stores });
    later.dropChangedPorts(w.now);
    expect([...later.stores.sessions.values()].map(({ key }) => key)).toEqual([alice.key]);
  });

  it('keeps nobody in who came in after a bug had shut the port, where the cable was out meanwhile', () => {
    const { w, alice, bob } = world();
    w.turn(() => w.core.shutPort(w.now, 'swp1'));
    alice.login();
    expect(w.session(alice)).toBeDefined();
    const before = w.replayed();
    w.switch.setLink('swp1', false);
    expect(w.session(alice)).toBeUndefined();
    w.switch.setLink('swp1', true);
    const core = restarted(w, {}, before);
    expect(opened(core)).toEqual([bob.key]);
  });

  it('says the end of a login again only to those who may not have heard it from the node before', () => {
    const { w, alice } = world();
    const options = {
      readings: w.switch,
      log: silentLog,
      random: (length: number) => new Uint8Array(length),
    };
    const toldAgain = (saidUntil: number | undefined) => {
      const core = new Core(configOf({}), { ...options, stores: w.replayed() });
      core.resume(w.now, 'new', true, saidUntil);
      return core.drainEffects().filter((effect) => effect.kind === 'frame' && effect.port === 'swp1').length;
    };
    const authenticatedAt = w.session(alice)?.authenticatedAt ?? 0;
    const silent = toldAgain(authenticatedAt + 1_000);
    expect(toldAgain(authenticatedAt)).toBe(silent + 1);
    expect(toldAgain(undefined)).toBe(silent + 1);
    w.pass(11_000);
    expect(toldAgain(undefined)).toBe(toldAgain(w.now));
  });
});
