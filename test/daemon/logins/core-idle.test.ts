/** Sessions that end because nobody is there, and logins again that are spread out: the core on virtual time. */
import { describe, expect, it } from 'vitest';
import { AttributeType, firstInteger, integer } from '../../../radius/attributes.ts';
import { AcctStatusType, TerminateCause } from '../../../radius/values.ts';
import { World } from '../world.ts';

const { Stop } = AcctStatusType;

function world(more: Readonly<Record<string, unknown>> = {}): World {
  const made = new World(more);
  made.server.users.set('alice', [integer(AttributeType.IdleTimeout, 60)]).set('bob', []);
  return made;
}

describe('Idle-Timeout', () => {
  it('ends the session of a host that neither sent nor received for so long, by the counters', () => {
    const w = world();
    const alice = w.host('alice');
    alice.login();
    for (let i = 0; i < 10; i++) {
      w.pass(30_000);
      w.switch.transmit(alice.place, 100);
    }
    expect(w.session(alice)).toBeDefined();
    w.switch.transmitTo(0, alice.mac, 100);
    w.pass(50_000);
    expect(w.session(alice)).toBeDefined();
    w.pass(30_000);
    expect(w.session(alice)).toBeUndefined();
    expect(w.switch.openHosts()).toEqual([]);
    const [stop] = w.server.accounting(Stop);
    expect(firstInteger(stop?.attributes ?? [], AttributeType.AcctTerminateCause)).toBe(
      TerminateCause.IdleTimeout,
    );
    expect(w.logged('session-ended')).toMatchObject([{ cause: 'idle-timeout' }]);
    alice.login();
    expect(w.session(alice)).toBeDefined();
  });

  it('is as configured where the server says nothing, and the server has the last word', () => {
    const w = world({ authenticator: { idle_timeout: '20s' } });
    const [alice, bob] = [w.host('alice'), w.host('bob', 'swp2')];
    alice.login();
    bob.login();
    w.pass(30_000);
    expect(w.session(bob)).toBeUndefined();
    expect(w.session(alice)).toBeDefined();
    const never = world();
    const other = never.host('bob');
    other.login();
    never.pass(3_000_000);
    expect(never.session(other)).toBeDefined();
  });

  it('who receives a channel is not idle', () => {
    const w = world({ multicast: { query_interval: '1000s' } });
    w.server.permits.set('alice 239.1.1.1', [integer(AttributeType.SessionTimeout, 3_600)]);
    const alice = w.host('alice');
    alice.login();
    alice.join('239.1.1.1');
    w.pass(200_000);
    expect(w.session(alice)).toBeDefined();
    alice.leave('239.1.1.1');
    w.pass(100_000);
    expect(w.session(alice)).toBeUndefined();
  });

  it('goes on after a takeover', () => {
    const w = world();
    const alice = w.host('alice');
    alice.login();
    w.takeOver();
    w.pass(80_000);
    expect(w.session(alice)).toBeUndefined();
  });
});

describe('re-authentication by the local period', () => {
  it('comes a little early, for each host at another time, so that hosts of one moment do not stay together', () => {
    const w = new World({ authenticator: { max_hosts_per_port: 64, reauth_period: '1000s' } });
    const hosts = Array.from({ length: 40 }, (_, i) => w.host(`host ${i}`));
    for (const host of hosts) {
      w.server.users.set(host.name, []);
      host.login();
    }
    const at = hosts.map((host) => (w.core.stores.authenticators.get(host.key)?.reAuthWhen ?? 0) - w.now);
    expect(Math.min(...at)).toBeGreaterThan(890_000);
    expect(Math.max(...at)).toBeLessThanOrEqual(1_000_000);
    expect(Math.max(...at) - Math.min(...at)).toBeGreaterThan(50_000);
  });
});
