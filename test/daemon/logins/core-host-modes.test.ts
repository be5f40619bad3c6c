/** Who may be in beside whom on a port, and one MAC address on two ports: the whole core on virtual time. */
import { describe, expect, it } from 'vitest';
import { EapCode } from '../../../eapol/eap.ts';
import { AttributeType, firstInteger, text, vendorSpecific } from '../../../radius/attributes.ts';
import { AcctStatusType, TerminateCause, Vendor } from '../../../radius/values.ts';
import { type Host, World } from '../world.ts';

const { Start, Stop } = AcctStatusType;
const VOICE = vendorSpecific(Vendor.Cisco, 1, new TextEncoder().encode('device-traffic-class=voice'));
const SHARED = '06:00:00:00:00:99';

/** A world in which alice, bob and a telephone may log in on ports of this host mode. */
function world(hostMode: string, more: Readonly<Record<string, unknown>> = {}): World {
  const made = new World({ authenticator: { host_mode: hostMode, ...more } });
  made.server.users.set('alice', []).set('bob', []).set('phone', [VOICE]);
  return made;
}

function inside(w: World, name: string, port = 'swp1', mac?: string): Host {
  const host = w.host(name, port, 0, mac);
  expect(host.login()).toMatchObject({ code: EapCode.Success });
  expect(w.switch.isOpen(host.place)).toBe(true);
  return host;
}

function stopCauses(w: World): (number | undefined)[] {
  return w.server
    .accounting(Stop)
    .map(({ attributes }) => firstInteger(attributes, AttributeType.AcctTerminateCause));
}

describe('multi-auth', () => {
  it('each MAC address on a port logs in for itself and has an account of its own', () => {
    const w = world('multi-auth');
    const hosts = [inside(w, 'alice'), inside(w, 'bob'), inside(w, 'phone')];
    expect(hosts.map((host) => w.session(host)?.account)).toEqual(['alice', 'bob', 'phone']);
    hosts[0]?.logoff();
    expect(w.switch.openHosts()).toEqual([hosts[1]?.place, hosts[2]?.place]);
  });
});

describe('single-host', () => {
  it('lets one in; whoever else speaks is not even asked, with the reason counted and logged', () => {
    const w = world('single-host');
    const alice = inside(w, 'alice');
    const asked = w.server.logins().length;
    const bob = w.host('bob');
    expect(bob.login()).toBeUndefined();
    expect(w.server.logins()).toHaveLength(asked);
    expect(w.core.tally.of('swp1', 'drop/single-host')).toBe(1);
    expect(w.logged('host-refused')).toMatchObject([{ port: 'swp1', mac: bob.mac, reason: 'single-host' }]);
    expect(w.switch.openHosts()).toEqual([alice.place]);
    inside(w, 'bob', 'swp2', '06:00:00:00:00:0b');
  });

  it('gives the port to the next once the first has logged off', () => {
    const w = world('single-host');
    inside(w, 'alice').logoff();
    const bob = inside(w, 'bob');
    expect(w.switch.openHosts()).toEqual([bob.place]);
  });

  it('a host that only began to log in does not take the place, nor does a rejected one', () => {
    const w = world('single-host');
    const mallory = w.host('mallory');
    expect(mallory.login()).toMatchObject({ code: EapCode.Failure });
    w.host('idler').start();
    const alice = inside(w, 'alice');
    expect([...w.core.stores.authenticators.keys()]).toEqual([alice.key]);
  });

  it('of two that log in at the same time the second is rejected, whatever the server said', () => {
    const w = world('single-host');
    w.server.delayMs = 1_000;
    w.server.rounds = 0;
    const [alice, bob] = [w.host('alice'), w.host('bob')];
    alice.heard();
    alice.start();
    alice.identity(alice.heard().at(-1)?.id ?? -1);
    w.pass(500);
    bob.start();
    bob.identity(bob.heard().at(-1)?.id ?? -1);
    w.pass(2_000);
    expect(w.switch.openHosts()).toEqual([alice.place]);
    expect(w.session(bob)).toBeUndefined();
    expect(w.server.accounting(Start)).toHaveLength(1);
  });

  it('after a start with another host mode only the first stays in', () => {
    const w = world('multi-auth');
    const alice = inside(w, 'alice');
    const bob = inside(w, 'bob');
    w.takeOver({ authenticator: { host_mode: 'single-host' } });
    w.turn(() => w.core.dropChangedPorts(w.now));
    expect(w.session(alice)).toBeDefined();
    expect(w.session(bob)).toBeUndefined();
    expect(w.logged('session-ended')).toMatchObject([{ host: bob.key, cause: 'mode-changed' }]);
  });
});

describe('multi-host', () => {
  it('the first opens the port for all behind it, and shuts it again when it leaves', () => {
    const w = world('multi-host');
    const bob = w.host('bob');
    expect(w.switch.transmit(bob.place, 100)).toBe(false);
    const alice = inside(w, 'alice');
    expect(w.switch.transmit(bob.place, 100)).toBe(true);
    expect(w.switch.transmit({ ...bob.place, port: 'swp2' }, 100)).toBe(false);
    alice.logoff();
    expect(w.switch.transmit(bob.place, 100)).toBe(false);
    expect(w.switch.serviceOf('swp1').open).toBe(false);
  });

  it('conformance 64: whoever came in behind the first has no account and gets no channel', () => {
    const w = world('multi-host');
    w.server.permit('alice', '239.1.1.1');
    const alice = inside(w, 'alice');
    const bob = w.host('bob');
    expect(bob.login()).toBeUndefined();
    expect(w.core.tally.of('swp1', 'drop/multi-host')).toBe(1);
    bob.join('239.1.1.1');
    w.pass(10);
    expect(w.server.questions()).toEqual([]);
    expect(w.core.tally.of('swp1', 'refused/no-session')).toBe(1);
    expect(w.switch.forwardings()).toEqual([]);
    alice.join('239.1.1.1');
    w.pass(10);
    expect(w.server.questions()).toEqual(['alice 239.1.1.1']);
    expect(w.switch.forwardings()).toHaveLength(1);
    expect(w.server.accounting(Start)).toHaveLength(2);
  });

  it('a rejected host opens nothing; the reject of the first at its next login shuts the port', () => {
    const w = world('multi-host');
    expect(w.host('mallory').login()).toMatchObject({ code: EapCode.Failure });
    expect(w.switch.serviceOf('swp1').open).toBe(false);
    const alice = inside(w, 'alice');
    w.server.users.delete('alice');
    expect(alice.login()).toMatchObject({ code: EapCode.Failure });
    expect(w.switch.serviceOf('swp1').open).toBe(false);
  });

  it('the first is told that it is in only after the port is open, and not at all where that fails', () => {
    const w = world('multi-host');
    w.switch.fail('setPortService', 'EPERM');
    const alice = w.host('alice');
    expect(alice.login()?.code).toBe(EapCode.Request);
    expect(w.session(alice)).toBeUndefined();
    expect(w.switch.openHosts()).toEqual([]);
    expect(w.switch.serviceOf('swp1').open).toBe(false);
    inside(w, 'alice');
    expect(w.switch.serviceOf('swp1').open).toBe(true);
  });

  it('after a takeover the port is open again', () => {
    const w = world('multi-host');
    const alice = inside(w, 'alice');
    w.switch.setPortService('swp1', { open: false, vlan: undefined, bridge: undefined });
    w.takeOver();
    expect(w.switch.serviceOf('swp1').open).toBe(true);
    alice.logoff();
    expect(w.switch.serviceOf('swp1').open).toBe(false);
  });

  it('a lost link shuts the port', () => {
    const w = world('multi-host');
    inside(w, 'alice');
    w.switch.setLink('swp1', false);
    w.switch.setLink('swp1', true);
    expect(w.switch.serviceOf('swp1').open).toBe(false);
  });
});

describe('multi-domain', () => {
  it('lets one in for data and one for voice, as the server tells them apart', () => {
    const w = world('multi-domain');
    const phone = inside(w, 'phone');
    const alice = inside(w, 'alice');
    const bob = w.host('bob');
    expect(bob.login()).toBeUndefined();
    expect(w.core.tally.of('swp1', 'drop/multi-domain')).toBe(1);
    expect(w.switch.openHosts()).toEqual([phone.place, alice.place]);
    expect([w.session(phone)?.domain, w.session(alice)?.domain]).toEqual(['voice', 'data']);
  });

  it('a second host of a domain is rejected after it was accepted', () => {
    const w = world('multi-domain');
    const alice = inside(w, 'alice');
    const bob = w.host('bob');
    expect(bob.login()).toMatchObject({ code: EapCode.Failure });
    expect(w.logged('login-refused')).toMatchObject([{ account: 'bob', reason: 'multi-domain' }]);
    expect(w.switch.openHosts()).toEqual([alice.place]);
    expect(w.server.accounting(Start)).toHaveLength(1);
  });

  it('a host that changes its domain when it logs in again keeps to the rule', () => {
    const w = world('multi-domain');
    const phone = inside(w, 'phone');
    const alice = inside(w, 'alice');
    w.server.users.set('alice', [VOICE]);
    expect(alice.login()).toMatchObject({ code: EapCode.Failure });
    expect(w.switch.openHosts()).toEqual([phone.place]);
  });
});

describe('a MAC address on two ports', () => {
  it('deny: whoever comes second is not asked, and the first stays in', () => {
    const w = world('multi-auth');
    const alice = inside(w, 'alice', 'swp1', SHARED);
    const thief = w.host('alice', 'swp2', 0, SHARED);
    expect(thief.login()).toBeUndefined();
    expect(w.core.tally.of('swp2', 'drop/mac-on-other-port')).toBe(1);
    expect(w.switch.openHosts()).toEqual([alice.place]);
    expect(w.server.accounting(Stop)).toEqual([]);
  });

  it('deny: of two that log in at the same time the second is rejected', () => {
    const w = world('multi-auth');
    w.server.delayMs = 1_000;
    w.server.rounds = 0;
    const [first, second] = [w.host('alice', 'swp1', 0, SHARED), w.host('bob', 'swp2', 0, SHARED)];
    for (const host of [first, second]) {
      host.start();
      host.identity(host.heard().at(-1)?.id ?? -1);
    }
    w.pass(2_000);
    expect(w.switch.openHosts()).toEqual([first.place]);
    expect(w.logged('login-refused')).toMatchObject([{ account: 'bob', reason: 'mac-on-other-port' }]);
  });

  it('move: the same account brings it along, and its old session ends', () => {
    const w = world('multi-auth', { mac_move: 'move' });
    const before = inside(w, 'alice', 'swp1', SHARED);
    const after = inside(w, 'alice', 'swp2', SHARED);
    w.pass(5);
    expect(w.session(before)).toBeUndefined();
    expect(w.switch.openHosts()).toEqual([after.place]);
    expect(w.logged('session-ended')).toMatchObject([{ host: before.key, cause: 'moved' }]);
    expect(stopCauses(w)).toEqual([TerminateCause.LostCarrier]);
    const done = w.takeDone().filter((line) => /^(open|close)/.test(line));
    expect(done).toEqual([`open ${SHARED}`, `close ${SHARED}`, `open ${SHARED}`]);
  });

  it('move: another account with a borrowed MAC address puts nobody out', () => {
    const w = world('multi-auth', { mac_move: 'move' });
    const alice = inside(w, 'alice', 'swp1', SHARED);
    const thief = w.host('bob', 'swp2', 0, SHARED);
    expect(thief.login()).toMatchObject({ code: EapCode.Failure });
    expect(w.logged('login-refused')).toMatchObject([{ account: 'bob', reason: 'mac-on-other-port' }]);
    expect(w.switch.openHosts()).toEqual([alice.place]);
  });

  it('move: a login that is not finished moves nothing', () => {
    const w = world('multi-auth', { mac_move: 'move' });
    const alice = inside(w, 'alice', 'swp1', SHARED);
    const other = w.host('mallory', 'swp2', 0, SHARED);
    other.start();
    expect(w.switch.openHosts()).toEqual([alice.place]);
    expect(other.login()).toMatchObject({ code: EapCode.Failure });
    expect(w.switch.openHosts()).toEqual([alice.place]);
  });

  it('the account that the server names counts, not the one that the host claims', () => {
    const w = world('multi-auth', { mac_move: 'move' });
    w.server.users.set('alice', [text(AttributeType.UserName, 'household')]);
    w.server.users.set('bob', [text(AttributeType.UserName, 'household')]);
    inside(w, 'alice', 'swp1', SHARED);
    const after = inside(w, 'bob', 'swp2', SHARED);
    expect(w.switch.openHosts()).toEqual([after.place]);
  });

  it('after a takeover the rule still holds: who is where is read from the records', () => {
    const w = world('multi-auth');
    inside(w, 'alice', 'swp1', SHARED);
    w.takeOver({ authenticator: { host_mode: 'multi-auth' } });
    expect(w.host('bob', 'swp2', 0, SHARED).login()).toBeUndefined();
    expect(w.core.tally.of('swp2', 'drop/mac-on-other-port')).toBe(1);
  });
});
