/** Floods of EAPOL from made-up addresses: the whole core on virtual time. */
import { describe, expect, it } from 'vitest';
import { LoginPace } from '../../../auth/login-pace.ts';
import { EapCode } from '../../../eapol/eap.ts';
import { type Host, World } from '../world.ts';

function world(authenticator: Readonly<Record<string, unknown>> = {}): World {
  const made = new World({ authenticator });
  made.server.users.set('alice', []).set('bob', []).set('carol', []);
  return made;
}

function stranger(w: World, i: number, port = 'swp1'): Host {
  const hex = i.toString(16).padStart(6, '0');
  return w.host(`nobody ${i}`, port, 0, `06:ff:ff:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4)}`);
}

describe('a flood of EAPOL-Starts', () => {
  it('10,000 a second from as many addresses: a subscriber who was in before logs in within a second', () => {
    const w = world();
    const alice = w.host('alice');
    alice.login();
    alice.logoff();
    w.switch.takeSent();
    let sent = 0;
    const flood = (ms: number) => {
      for (let i = 0; i < ms; i++) {
        for (let n = 0; n < 10; n++) stranger(w, sent++).start();
        w.pass(1);
      }
    };
    flood(3_000);
    const began = w.now;
    alice.heard();
    alice.start();
    for (let i = 0; i < 20 && w.session(alice) === undefined; i++) {
      const request = alice.heard().at(-1);
      if (request?.code === EapCode.Request && request.type === 1) alice.identity(request.id);
      else if (request?.code === EapCode.Request) alice.respond(request.id, 4, Uint8Array.of(1, 1));
      flood(10);
    }
    expect(w.session(alice)).toBeDefined();
    expect(w.now - began).toBeLessThan(1_000);
    const began100 = sent - w.core.tally.of('swp1', 'drop/login-rate');
    // Two seconds' worth at once, then a hundred a second.
    expect(began100).toBeLessThan(200 + 100 * (sent / 10_000) + 10);
    expect(w.core.stores.authenticators.size).toBeLessThanOrEqual(w.config.authenticator.maxHostsPerPort);
  });

  it('a subscriber on another port who was never in before logs in meanwhile', () => {
    const w = world({ login_rate: 30, login_rate_per_port: 1000 });
    for (let i = 0; i < 5_000; i++) stranger(w, i, 'swp2').start();
    expect(w.core.tally.of('swp2', 'drop/login-rate')).toBeGreaterThan(4_900);
    expect(w.host('alice', 'swp1').login()).toMatchObject({ code: EapCode.Success });
  });

  it('one address alone: its Starts are counted too, and others do not wait for it', () => {
    const w = world();
    const mallory = w.host('mallory', 'swp1');
    for (let i = 0; i < 1_000; i++) mallory.start();
    expect(w.core.tally.of('swp1', 'drop/login-rate')).toBeGreaterThan(900);
    expect(w.host('alice', 'swp1').login()).toMatchObject({ code: EapCode.Success });
  });

  it('a full port evicts nobody who is in, and makes room for who was in before', () => {
    const w = world({ max_hosts_per_port: 4 });
    const alice = w.host('alice');
    const bob = w.host('bob');
    alice.login();
    bob.login();
    bob.logoff();
    // Strangers who say a name take all places and wait for a server that does not answer.
    w.server.alive = false;
    for (let i = 0; i < 20; i++) {
      const other = stranger(w, i);
      w.switch.takeSent();
      other.start();
      const request = other.heard().at(-1);
      if (request !== undefined) other.identity(request.id);
    }
    expect(w.core.stores.authenticators.size).toBe(4);
    expect(w.core.tally.of('swp1', 'drop/port-host-limit')).toBeGreaterThan(10);
    w.server.alive = true;
    expect(bob.login()).toMatchObject({ code: EapCode.Success });
    expect(w.switch.openHosts()).toEqual([alice.place, bob.place]);
  });

  it('who was in before is known after a takeover too', () => {
    const w = world({ login_rate_per_port: 1, login_rate: 2 });
    const alice = w.host('alice');
    alice.login();
    alice.logoff();
    w.takeOver();
    for (let i = 0; i < 100; i++) stranger(w, i).start();
    expect(alice.login()).toMatchObject({ code: EapCode.Success });
  });
});

describe('LoginPace', () => {
  it('gives each port its part whatever others take, and no port more than its own rate', () => {
    const pace = new LoginPace({ perPort: 50, whole: 100, ports: 5 });
    const taken = (port: string, now: number) => {
      let n = 0;
      while (n < 10_000 && pace.admitsStranger(now, port)) n++;
      return n;
    };
    // Its own part (2 s of 10 a second), and what is for all (2 s of 50 a second), up to its own rate (2 s of 50).
    expect(taken('swp1', 0)).toBe(100);
    expect(taken('swp2', 0)).toBe(40);
    for (const port of ['swp3', 'swp4', 'swp5']) expect(taken(port, 0)).toBe(20);
    expect(taken('swp1', 1_000)).toBe(50);
    expect(taken('swp2', 1_000)).toBe(20);
    expect(taken('swp2', 500)).toBe(0);
  });
});

describe('a port that the switch holds back', () => {
  it('is counted each time, and said once for a flood', () => {
    const w = world();
    const event = { kind: 'held-back', port: 'swp2' } as const;
    for (let i = 0; i < 40; i++) {
      w.turn(() => w.core.switchEvent(w.now, event));
      w.pass(250);
    }
    expect(w.core.tally.of('swp2', 'held-back')).toBe(40);
    expect(w.logged('port-floods')).toHaveLength(1);
    w.pass(11_000);
    w.turn(() => w.core.switchEvent(w.now, event));
    expect(w.logged('port-floods')).toHaveLength(2);
  });
});
