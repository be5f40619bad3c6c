/** Ports in monitor mode: everything is decided as in `auto`, said, counted and kept, and nobody is kept out. On virtual time. */
import { describe, expect, it } from 'vitest';
import { coreReadings } from '../../../daemon/metrics/core-readings.ts';
import { groupRows, portRows, sessionRows } from '../../../daemon/show/show.ts';
import { EapCode } from '../../../eapol/eap.ts';
import { AttributeType, integer, octets } from '../../../radius/attributes.ts';
import { AcctStatusType, TerminationAction } from '../../../radius/values.ts';
import { EtherType } from '../../../wire/ethernet.ts';
import { groupMessages, type Host, World } from '../world.ts';

const { Start, Stop } = AcctStatusType;
const NEWS = '239.1.1.1';
const FILM = '239.1.1.2';
const SPORT = '232.1.1.1';
const SOURCE = '198.51.100.7';
const MONITORED = { open: true, vlan: undefined, bridge: undefined, monitored: true };
const SHUT = { open: false, vlan: undefined, bridge: undefined };
const MONITOR = { ports: { swp1: { mode: 'monitor' }, swp2: {}, swp3: {} } };
const AUTO = { ports: { swp1: {}, swp2: {}, swp3: {} } };

function world(more: Readonly<Record<string, unknown>> = {}): World {
  const w = new World({ ...MONITOR, authenticator: { quiet_period: '1s' }, ...more });
  w.server.users.set('alice', []).set('bob', []);
  w.server.permit('alice', NEWS);
  return w;
}

const passes = (w: World, host: Host) => w.switch.transmit(host.place, 100);
const reached = (w: World, group: string) => w.switch.deliver(group, SOURCE, 100);
const records = (w: World) =>
  Object.fromEntries([...w.core.stores.monitoredHosts.values()].map(({ key, reason }) => [key, reason]));
/** What every host sends before it can talk to another. */
const arp = (host: Host) => host.send(EtherType.Arp, new Uint8Array(28), 'ff:ff:ff:ff:ff:ff');
const metric = (w: World, name: string) =>
  [
    ...(coreReadings(() => w.core)
      .find((one) => one.name === name)
      ?.read() ?? []),
  ].filter(([n]) => n > 0);

describe('a port in monitor mode', () => {
  it('lets those in who log in, with session, accounting and channels, as in auto', () => {
    const w = world();
    const alice = w.host('alice');
    expect(alice.login()).toMatchObject({ code: EapCode.Success });
    alice.join(NEWS);
    w.pass(10);
    expect(w.session(alice)).toMatchObject({ account: 'alice' });
    expect(w.switch.isOpen(alice.place)).toBe(true);
    expect(reached(w, NEWS)).toEqual(['swp1']);
    expect(w.server.accounting(Start)).toHaveLength(2);
    expect(records(w)).toEqual({});
    expect(w.switch.serviceOf('swp1')).toEqual(MONITORED);
    expect(w.switch.serviceOf('swp2')).toEqual(SHUT);
  });

  it('lets through whom a server rejects, says so once, and counts it', () => {
    const w = world();
    const mallory = w.host('mallory');
    expect(mallory.login()).toMatchObject({ code: EapCode.Failure });
    expect(w.session(mallory)).toBeUndefined();
    expect(passes(w, mallory)).toBe(true);
    expect(passes(w, w.host('mallory', 'swp2'))).toBe(false);
    expect(records(w)).toEqual({ [mallory.key]: 'radius-reject' });
    w.pass(2_000);
    mallory.login();
    expect(w.logged('host-let-through')).toMatchObject([{ host: mallory.key, reason: 'radius-reject' }]);
    expect(metric(w, 'castgate_monitored_decisions_total')).toEqual([[2, 'swp1', 'radius-reject']]);
    expect(metric(w, 'castgate_monitored_hosts')).toEqual([[1, 'swp1']]);
    expect(w.server.accounting(Start)).toEqual([]);
  });

  it('lets through who never speaks 802.1X, from its first frame', () => {
    const w = world();
    const printer = w.host('printer');
    expect(passes(w, printer)).toBe(true);
    arp(printer);
    expect(records(w)).toEqual({ [printer.key]: 'not-authenticated' });
    expect(w.core.stores.authenticators.size).toBe(0);
    arp(w.host('printer', 'swp2'));
    expect(w.core.stores.monitoredHosts.size).toBe(1);
  });

  it('lets through whose login does not come to its end', () => {
    const w = world();
    const sleeper = w.host('sleeper');
    sleeper.start();
    expect(passes(w, sleeper)).toBe(true);
    w.pass(300_000);
    expect(records(w)).toEqual({ [sleeper.key]: 'no-answer' });
    expect(passes(w, sleeper)).toBe(true);
  });

  it('lets through for whom RADIUS is dead, and has it in mind no more when it lives and lets in', () => {
    const w = world();
    w.server.alive = false;
    const alice = w.host('alice');
    alice.login();
    w.pass(60_000);
    expect(records(w)).toEqual({ [alice.key]: expect.stringMatching(/^radius-/) });
    expect(passes(w, alice)).toBe(true);
    w.server.alive = true;
    w.pass(120_000);
    alice.login();
    expect(w.session(alice)).toBeDefined();
    expect(records(w)).toEqual({});
  });

  it('lets through whose MAC address a server rejects', () => {
    const w = world({ authenticator: { methods: 'mab', quiet_period: '1s' } });
    const printer = w.host('printer');
    arp(printer);
    w.pass(10);
    expect(records(w)).toEqual({ [printer.key]: 'radius-reject' });
    expect(passes(w, printer)).toBe(true);
  });

  it('lets through whom the host mode or a limit would keep out', () => {
    const w = world({ ports: { swp1: { mode: 'monitor', host_mode: 'single-host', max_hosts: 1 } } });
    const alice = w.host('alice');
    alice.login();
    const bob = w.host('bob');
    bob.start();
    expect(records(w)).toEqual({ [bob.key]: 'single-host' });
    expect(passes(w, bob)).toBe(true);
    expect(w.session(alice)).toBeDefined();
  });

  it('lets through whose session has ended, but for one that went', () => {
    const w = world();
    const alice = w.host('alice');
    const bob = w.host('bob');
    alice.login();
    bob.login();
    alice.logoff();
    expect(records(w)).toEqual({ [alice.key]: 'logoff' });
    expect(passes(w, alice)).toBe(true);
    w.pass(10);
    expect(w.server.accounting(Stop)).toHaveLength(1);
    w.switch.setLink('swp1', false);
    expect(records(w)).toEqual({});
    expect(w.switch.serviceOf('swp1')).toEqual(SHUT);
    w.switch.setLink('swp1', true);
    expect(w.switch.serviceOf('swp1')).toEqual(MONITORED);
  });

  it('is open again when its interface comes back', () => {
    const w = world();
    w.switch.removePort('swp1');
    w.switch.addPort('swp1');
    expect(w.switch.serviceOf('swp1')).toEqual(MONITORED);
  });

  it('is put into the VLAN of those who are in, and into no fallback', () => {
    const w = world({
      vlan_bridges: { 42: 'br-42', 99: 'br-guests' },
      authenticator: { guest_vlan: 99, quiet_period: '1s' },
    });
    w.server.users.set('alice', [
      integer(AttributeType.TunnelType, 13),
      integer(AttributeType.TunnelMediumType, 6),
      octets(AttributeType.TunnelPrivateGroupId, new TextEncoder().encode('42')),
    ]);
    w.pass(100_000);
    expect(w.switch.serviceOf('swp1')).toEqual(MONITORED);
    const alice = w.host('alice');
    alice.login();
    expect(w.switch.serviceOf('swp1')).toEqual({ ...MONITORED, bridge: 'br-42' });
    alice.logoff();
    expect(w.switch.serviceOf('swp1')).toEqual(MONITORED);
  });

  it('forgets who was not heard for an hour, and lets it through all the same', () => {
    const w = world();
    const printer = w.host('printer');
    arp(printer);
    w.pass(3_000_000);
    arp(printer);
    w.pass(3_000_000);
    expect(w.core.stores.monitoredHosts.size).toBe(1);
    w.pass(700_000);
    expect(w.core.stores.monitoredHosts.size).toBe(0);
    expect(passes(w, printer)).toBe(true);
  });

  it('shows whom it lets through, and why', () => {
    const w = world();
    const alice = w.host('alice');
    alice.login();
    w.host('mallory').login();
    const printer = w.host('printer');
    arp(printer);
    expect(portRows(w.core)[0]).toMatchObject({ mode: 'monitor', authorizedHosts: 1, monitoredHosts: 2 });
    const rows = [...sessionRows(w.core, w.switch)].map(({ mac, state, authorized, letThrough }) => [
      mac,
      state,
      authorized,
      letThrough,
    ]);
    expect(rows).toEqual([
      [alice.mac, 'AUTHENTICATED', true, null],
      [w.host('mallory').mac, 'HELD', false, 'radius-reject'],
      [printer.mac, 'MONITORED', false, 'not-authenticated'],
    ]);
  });
});

describe('the table of hosts that are let through', () => {
  const full = () => world({ authenticator: { max_monitored_hosts: 2, quiet_period: '1s' } });

  it('has a limit: who comes too late passes, is counted, and it is said once', () => {
    const w = full();
    const hosts = ['a', 'b', 'c', 'd'].map((name) => w.host(name));
    for (const host of hosts) arp(host);
    expect(w.core.stores.monitoredHosts.size).toBe(2);
    expect(hosts.map((host) => passes(w, host))).toEqual([true, true, true, true]);
    expect(w.logged('monitor-table-full')).toMatchObject([{ port: 'swp1', limit: 2 }]);
    expect(metric(w, 'castgate_monitored_unlisted_total')).toEqual([[1, 'swp1']]);
    expect(metric(w, 'castgate_monitored_decisions_total')).toEqual([[2, 'swp1', 'not-authenticated']]);
  });

  it('counts who has no place in it once a second, however much comes', () => {
    const w = full();
    for (const name of ['a', 'b']) arp(w.host(name));
    for (let frame = 0; frame < 100; frame++) {
      arp(w.host(`stranger ${frame % 10}`));
      w.pass(25);
    }
    expect(metric(w, 'castgate_monitored_unlisted_total')).toEqual([[3, 'swp1']]);
    expect(metric(w, 'castgate_monitored_decisions_total')).toEqual([[2, 'swp1', 'not-authenticated']]);
  });

  it('has room for the hosts of another port, whatever comes on one', () => {
    const w = new World({
      ports: { swp1: { mode: 'monitor' }, swp2: { mode: 'monitor' }, swp3: {} },
      authenticator: { max_monitored_hosts: 100, max_monitored_hosts_per_port: 3 },
    });
    for (let host = 0; host < 200; host++) arp(w.host(`stranger ${host}`));
    const other = w.host('other', 'swp2');
    arp(other);
    expect(w.core.subscribers.monitoredHostsOfPort('swp1')).toBe(3);
    expect(w.core.subscribers.monitoredHostsOfPort('swp2')).toBe(1);
    expect(w.logged('monitor-table-full')).toMatchObject([{ port: 'swp1', limit: 3 }]);
  });

  it('takes no place from who is in, nor from who logs in', () => {
    const w = full();
    const alice = w.host('alice');
    alice.login();
    for (const name of ['a', 'b', 'c']) arp(w.host(name));
    const bob = w.host('bob');
    bob.login();
    expect([w.session(alice), w.session(bob)]).toEqual([expect.anything(), expect.anything()]);
    expect(w.logged('session-ended')).toEqual([]);
  });

  it('refuses channels to who has no place in it, by name', () => {
    const w = full();
    for (const name of ['a', 'b']) arp(w.host(name));
    w.host('c').join(NEWS);
    expect(reached(w, NEWS)).toEqual([]);
    expect(w.logged('join-refused')).toMatchObject([{ reason: 'no-session' }]);
    expect(w.core.stores.memberships.size).toBe(0);
  });
});

describe('channels on a port in monitor mode', () => {
  it('reach who is not in: nobody is asked, and nobody accounts for them', () => {
    const w = world();
    const printer = w.host('printer');
    printer.join(NEWS);
    printer.join(SPORT, SOURCE);
    expect(reached(w, NEWS)).toEqual(['swp1']);
    expect(reached(w, SPORT)).toEqual(['swp1']);
    expect(groupMessages(w, 'up0').some(({ kind }) => kind === 'record-report')).toBe(true);
    w.pass(10);
    expect(w.server.questions()).toEqual([]);
    expect(w.server.accounting(Start)).toEqual([]);
    expect(w.logged('join-let-through').map(({ group, reason }) => [group, reason])).toEqual([
      [NEWS, 'no-session'],
      [SPORT, 'no-session'],
    ]);
    expect(metric(w, 'castgate_monitored_joins_total')).toEqual([[2, 'swp1', 'no-session']]);
    expect(metric(w, 'castgate_refused_joins_total')).toEqual([]);
    expect([...groupRows(w.core, w.switch)][0]).toMatchObject({
      ...{ state: 'granted', by: 'monitor', reason: 'no-session', account: null },
    });
    printer.leave(NEWS);
    expect(reached(w, NEWS)).toEqual([]);
    w.pass(10);
    expect(w.server.accounting(Stop)).toEqual([]);
  });

  it('reach who is in and would be refused them, unaccounted; those of its own as ever', () => {
    const w = world();
    const alice = w.host('alice');
    alice.login();
    alice.join(NEWS);
    alice.join(FILM);
    w.pass(10);
    expect([reached(w, NEWS), reached(w, FILM)]).toEqual([['swp1'], ['swp1']]);
    expect(w.server.questions()).toEqual([`alice ${NEWS}`, `alice ${FILM}`]);
    expect(w.server.accounting(Start)).toHaveLength(2);
    expect(w.logged('join-let-through')).toMatchObject([{ group: FILM, reason: 'radius-reject' }]);
    expect(w.logged('join-refused')).toEqual([]);
  });

  it('go on, as nobody, when their host logs off; and are its own when it logs in again', () => {
    const w = world();
    const alice = w.host('alice');
    alice.login();
    alice.join(NEWS);
    w.pass(10);
    alice.logoff();
    expect(reached(w, NEWS)).toEqual(['swp1']);
    expect([...w.core.stores.grants.values()]).toMatchObject([{ by: 'monitor', account: '' }]);
    w.pass(10);
    expect(w.server.accounting(Stop)).toHaveLength(2);
    alice.login();
    w.pass(10);
    expect(reached(w, NEWS)).toEqual(['swp1']);
    expect([...w.core.stores.grants.values()]).toMatchObject([{ by: 'cache', account: 'alice' }]);
    expect(w.server.accounting(Start)).toHaveLength(4);
  });

  it('go on when the server takes the permission back, and are accounted for until then', () => {
    const w = world();
    w.server.permits.set(`alice ${NEWS}`, [
      integer(AttributeType.SessionTimeout, 60),
      integer(AttributeType.TerminationAction, TerminationAction.RadiusRequest),
    ]);
    const alice = w.host('alice');
    alice.login();
    alice.join(NEWS);
    w.pass(10);
    w.server.permits.clear();
    w.pass(61_000);
    expect(reached(w, NEWS)).toEqual(['swp1']);
    expect([...w.core.stores.grants.values()]).toMatchObject([
      { by: 'monitor', account: 'alice', reason: 'permission-withdrawn' },
    ]);
    expect(w.server.accounting(Stop)).toHaveLength(1);
    w.server.permit('alice', NEWS);
    w.pass(31_000);
    alice.join(NEWS);
    w.pass(10);
    expect([...w.core.stores.grants.values()]).toMatchObject([{ by: 'radius', account: 'alice' }]);
    expect(w.server.accounting(Start)).toHaveLength(3);
  });

  it('are asked for in the VLANs of those who are not in either, and end where nobody answers', () => {
    const w = world();
    const printer = w.host('printer', 'swp1', 7);
    printer.join(NEWS);
    expect(w.switch.deliver(NEWS, SOURCE, 100, 7)).toEqual(['swp1']);
    w.switch.takeSent();
    w.pass(130_000);
    expect(groupMessages(w, 'swp1').some(({ kind }) => kind === 'query')).toBe(true);
    w.pass(300_000);
    expect(w.switch.deliver(NEWS, SOURCE, 100, 7)).toEqual([]);
  });

  it('may be sent by anybody there, and by nobody else who may not', () => {
    const w = world();
    const alice = w.host('alice');
    alice.login();
    const bob = w.host('bob', 'swp2');
    bob.login();
    expect(w.switch.passesGroup(alice.place, NEWS, '10.0.0.1')).toBe(true);
    expect(w.switch.passesGroup(bob.place, NEWS, '10.0.0.1')).toBe(false);
  });

  it('end with the port', () => {
    const w = world();
    w.host('printer').join(NEWS);
    w.switch.setLink('swp1', false);
    const { memberships, grants, forwardings } = w.core.stores;
    expect([memberships.size, grants.size, forwardings.size]).toEqual([0, 0, 0]);
  });
});

describe('monitor mode comes and goes by a reload', () => {
  function mixed(w: World) {
    const alice = w.host('alice');
    alice.login();
    alice.join(NEWS);
    w.pass(10);
    const printer = w.host('printer');
    arp(printer);
    printer.join(FILM);
    return { alice, printer };
  }

  it('auto, monitor, auto: who was only let through is out, who is in loses nothing', () => {
    const w = world(AUTO);
    const { alice, printer } = mixed(w);
    expect([passes(w, alice), passes(w, printer)]).toEqual([true, false]);
    expect([reached(w, NEWS), reached(w, FILM)]).toEqual([['swp1'], []]);
    const before = w.session(alice);
    const asked = w.server.asked.length;

    w.reconfigure(MONITOR);
    printer.join(FILM);
    expect([passes(w, alice), passes(w, printer)]).toEqual([true, true]);
    expect([reached(w, NEWS), reached(w, FILM)]).toEqual([['swp1'], ['swp1']]);
    expect(w.core.stores.monitoredHosts.size).toBe(1);

    w.takeDone();
    w.reconfigure(AUTO);
    expect([passes(w, alice), passes(w, printer)]).toEqual([true, false]);
    expect([reached(w, NEWS), reached(w, FILM)]).toEqual([['swp1'], []]);
    expect(w.core.stores.monitoredHosts.size).toBe(0);
    expect([...w.core.stores.grants.values()]).toMatchObject([{ account: 'alice', group: NEWS }]);
    expect([...w.core.stores.memberships.values()]).toMatchObject([{ host: alice.key }]);
    expect(w.session(alice)).toEqual(before);
    expect(w.server.asked).toHaveLength(asked);
    expect(w.logged('session-ended')).toEqual([]);
    expect(w.takeDone()).not.toContain(`close ${alice.mac}`);
  });

  it('what a host that is in was only let through ends too', () => {
    const w = world();
    const { alice } = mixed(w);
    alice.join(FILM);
    w.pass(10);
    w.reconfigure(AUTO);
    w.pass(10);
    expect(reached(w, FILM)).toEqual([]);
    expect(reached(w, NEWS)).toEqual(['swp1']);
  });
});

describe('a takeover, a restart and an upgrade', () => {
  for (const how of ['takeOver', 'takeOverFollowing'] as const) {
    it(`keep who is let through, why, and what it receives (${how})`, () => {
      const w = world();
      const mallory = w.host('mallory');
      mallory.login();
      mallory.join(NEWS);
      const before = records(w);
      w.switch.setPortService('swp1', SHUT);
      const found = w[how]();
      if (found !== undefined) expect(found.followed).toEqual(found.built);
      expect(records(w)).toEqual(before);
      expect(before).toEqual({ [mallory.key]: 'radius-reject' });
      expect(passes(w, mallory)).toBe(true);
      expect(reached(w, NEWS)).toEqual(['swp1']);
      mallory.leave(NEWS);
      expect(reached(w, NEWS)).toEqual([]);
      w.switch.setLink('swp1', false);
      expect(records(w)).toEqual({});
    });
  }
});
