/** What the core does when something refuses, is full or is silent; floods and limits of hosts. */
import { describe, expect, it } from 'vitest';
import { EapCode } from '../../../eapol/eap.ts';
import { AttributeType, firstInteger } from '../../../radius/attributes.ts';
import { AcctStatusType, TerminateCause } from '../../../radius/values.ts';
import { groupOf } from '../radius-server.ts';
import { Host, World } from '../world.ts';

const NEWS = '239.1.1.1';
const SOURCE = '198.51.100.7';
const { Start, Stop } = AcctStatusType;

function world(more?: Readonly<Record<string, unknown>>): World {
  const made = new World(more);
  made.server.users.set('alice', []).set('bob', []);
  made.server.permit('alice', NEWS);
  made.server.permit('bob', NEWS);
  return made;
}

function inside(w: World, name: string, port = 'swp1'): Host {
  const host = w.host(name, port);
  host.login();
  expect(w.session(host)).toBeDefined();
  return host;
}

const reached = (w: World) => w.switch.deliver(NEWS, SOURCE, 100);
const causeOf = (w: World, group: string | undefined) => {
  const stop = w.server.accounting(Stop).find((packet) => groupOf(packet) === group);
  return firstInteger(stop?.attributes ?? [], AttributeType.AcctTerminateCause);
};

describe('a switch that refuses', () => {
  it('to open a host: no EAP-Success, no session, and the books say why', () => {
    const w = world();
    const alice = w.host('alice');
    w.switch.fail('openHost', 'ENOMEM');
    alice.login();
    expect(w.takeDone().filter((done) => done.includes('success'))).toEqual([]);
    expect(w.session(alice)).toBeUndefined();
    expect(w.core.stores.authenticators.has(alice.key)).toBe(false);
    expect(w.switch.openHosts()).toEqual([]);
    expect(w.logged('session-ended')[0]).toMatchObject({ cause: 'switch-failed' });
    w.pass(5);
    expect(w.server.accounting(Start)).toHaveLength(1);
    expect(causeOf(w, undefined)).toBe(TerminateCause.NasError);
    expect(alice.login()).toMatchObject({ code: EapCode.Success });
    expect(w.switch.isOpen(alice.place)).toBe(true);
  });

  it('to forward: the grant is taken back, the join refused, and the next one tried again', () => {
    const w = world();
    const alice = inside(w, 'alice');
    w.switch.fail('setForwarding', 'ENOSPC');
    alice.join(NEWS);
    w.pass(5);
    expect(w.core.stores.grants.size).toBe(0);
    expect(w.core.stores.forwardings.size).toBe(0);
    expect(w.core.stores.memberships.size).toBe(0);
    expect(w.logged('join-refused')[0]).toMatchObject({
      account: 'alice',
      group: NEWS,
      reason: 'switch-failed',
    });
    expect(w.logged('channel-ended')[0]).toMatchObject({ cause: 'switch-failed' });
    expect(reached(w)).toEqual([]);
    w.pass(5);
    expect(causeOf(w, NEWS)).toBe(TerminateCause.NasError);
    alice.join(NEWS);
    w.pass(5);
    expect(reached(w)).toEqual(['swp1']);
  });

  it('to forward for the second host on the port: both are told, neither is half in', () => {
    const w = world();
    const alice = inside(w, 'alice');
    const bob = inside(w, 'bob');
    alice.join(NEWS, SOURCE);
    w.pass(5);
    expect(reached(w)).toEqual(['swp1']);
    w.switch.fail('setForwarding', 'EIO');
    bob.join(NEWS);
    w.pass(5);
    expect(reached(w)).toEqual([]);
    expect(w.core.stores.grants.size).toBe(0);
    expect(w.switch.forwarding('swp1', 0, NEWS)).toBeUndefined();
  });

  it('to send a frame: the host asks again, nothing else happens', () => {
    const w = world();
    const alice = w.host('alice');
    w.switch.fail('sendFrame', 'ENOBUFS', 2);
    expect(alice.login()).toBeUndefined();
    expect(alice.login()).toBeUndefined();
    expect(alice.login()).toMatchObject({ code: EapCode.Success });
  });

  it('on a port that has just gone: nothing is left of the host', () => {
    const w = world();
    const alice = w.host('alice');
    w.server.delayMs = 10;
    alice.heard();
    alice.start();
    alice.identity(alice.heard()[0]?.id ?? -1);
    w.pass(5);
    w.switch.removePort('swp1');
    w.pass(100);
    expect(w.core.stores.authenticators.size).toBe(0);
    expect(w.core.stores.conversations.size).toBe(0);
    expect(w.core.radius.inFlight('r1')).toBe(0);
  });
});

describe('many hosts', () => {
  it('10,000 EAPOL-Starts of as many addresses do not move a host that is in, nor keep one out that logs in', () => {
    const w = world();
    const alice = inside(w, 'alice');
    const bob = inside(w, 'bob');
    bob.logoff();
    for (let i = 0; i < 5_000; i++) stranger(w, i).start();
    w.switch.takeSent();
    bob.start();
    for (let i = 5_000; i < 5_010; i++) stranger(w, i).start();
    expect(bob.answer()).toMatchObject({ code: EapCode.Success });
    for (let i = 5_010; i < 10_000; i++) stranger(w, i).start();
    expect(w.session(alice)).toBeDefined();
    expect(w.session(bob)).toBeDefined();
    expect(w.switch.openHosts()).toEqual([alice.place, bob.place]);
    expect(w.core.stores.authenticators.size).toBe(w.config.authenticator.maxHostsPerPort);
    expect(w.core.subscribers.hostsOfPort('swp1')).toBe(w.config.authenticator.maxHostsPerPort);
    expect(w.server.logins()).toHaveLength(6);
  });

  it('a full port takes no more: who said who it is does not give way, authenticated or not', () => {
    const w = world({ ports: { swp1: { max_hosts: 2 }, swp2: {} } });
    const alice = inside(w, 'alice');
    const mallory = w.host('mallory');
    expect(mallory.login()).toMatchObject({ code: EapCode.Failure });
    const bob = w.host('bob');
    expect(bob.login()).toBeUndefined();
    expect(w.core.tally.of('swp1', 'drop/port-host-limit')).toBe(1);
    expect(w.session(alice)).toBeDefined();
    const elsewhere = w.host('bob', 'swp2');
    expect(elsewhere.login()).toMatchObject({ code: EapCode.Success });
  });

  it('who never said who it is gives way, the longest silent one first', () => {
    const w = world({ ports: { swp1: { max_hosts: 2 } } });
    const [first, second] = [stranger(w, 1), stranger(w, 2)];
    first.start();
    second.start();
    const alice = inside(w, 'alice');
    expect(w.core.stores.authenticators.has(first.key)).toBe(false);
    expect(w.core.stores.authenticators.has(second.key)).toBe(true);
    expect(w.session(alice)).toBeDefined();
  });

  it('the limit of the whole switch holds over its ports', () => {
    const w = world({ authenticator: { max_hosts: 2, max_hosts_per_port: 2 } });
    inside(w, 'alice');
    inside(w, 'bob', 'swp2');
    const third = w.host('alice', 'swp3', 0, '06:00:00:00:00:03');
    third.heard();
    third.start();
    expect(third.heard()).toEqual([]);
    expect(w.core.tally.of('swp3', 'drop/switch-host-limit')).toBe(1);
    expect(w.core.stores.authenticators.size).toBe(2);
  });
});

describe('silent servers', () => {
  const two = {
    radius: {
      servers: [
        { name: 'r1', address: '198.18.0.2', secret_file: 's' },
        { name: 'r2', address: '198.18.0.3', secret_file: 's' },
      ],
    },
  };

  it('a login goes to the second server when the first is silent, and its join too', () => {
    const w = world(two);
    w.server.script = ({ server }) => (server === 'r1' ? undefined : 'policy');
    const alice = w.host('alice');
    alice.heard();
    alice.start();
    alice.identity(alice.heard()[0]?.id ?? -1);
    w.pass(20_000);
    expect(alice.answer()).toMatchObject({ code: EapCode.Success });
    expect(w.session(alice)?.server).toBe('r2');
    alice.join(NEWS);
    w.pass(5);
    expect(reached(w)).toEqual(['swp1']);
  });

  it('all of them: the login ends, no frame says that it succeeded or failed, and the host is asked again', () => {
    const w = world();
    w.server.alive = false;
    const alice = w.host('alice');
    alice.login();
    w.pass(31_000);
    expect(w.logged('login-refused')[0]).toMatchObject({ account: 'alice', reason: 'radius-timeout' });
    const heard = alice.heard();
    expect(heard.map(({ code }) => code)).toEqual([EapCode.Request]);
    w.server.alive = true;
    const request = heard[0];
    alice.identity(request?.id ?? -1);
    w.pass(5);
    expect(alice.answer()).toMatchObject({ code: EapCode.Success });
  });

  it('those who are in stay in, with the channels that they have', () => {
    const w = world();
    const alice = inside(w, 'alice');
    alice.join(NEWS);
    w.pass(5);
    w.server.alive = false;
    for (let i = 0; i < 4; i++) {
      w.pass(60_000);
      alice.join(NEWS);
    }
    expect(w.session(alice)).toBeDefined();
    expect(reached(w)).toEqual(['swp1']);
    // The permission of five minutes cannot be renewed: it ends with its time.
    w.pass(60_000);
    expect(reached(w)).toEqual([]);
    expect(w.logged('channel-ended')[0]).toMatchObject({ cause: 'permission-ended' });
  });
});

describe('a bug while a port is served', () => {
  it('shuts that port: nobody behind it stays in, the others go on', () => {
    const w = world();
    const alice = inside(w, 'alice');
    const bob = inside(w, 'bob', 'swp2');
    w.turn(() => w.core.shutPort(w.now, 'swp1'));
    expect(w.session(alice)).toBeUndefined();
    expect(w.switch.openHosts()).toEqual([bob.place]);
  });
});

/** A host that says nothing more after its EAPOL-Start. */
function stranger(w: World, n: number): Host {
  const hex = n.toString(16).padStart(6, '0');
  return new Host(
    w,
    `stranger-${n}`,
    'swp1',
    0,
    `0a:00:00:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4)}`,
  );
}
