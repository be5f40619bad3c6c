/** What an operator's orders do to who is in. */
import { beforeEach, describe, expect, it } from 'vitest';
import { orderHandlers } from '../../../daemon/operator/orders.ts';
import { type Host, World } from '../world.ts';
import { IDLE, nodeOf } from './node.ts';

const NEWS = '239.1.1.1';
const FILM = '239.1.1.2';

let w: World;
let alice: Host;
let bob: Host;

beforeEach(() => {
  w = new World();
  for (const name of ['alice', 'bob']) w.server.users.set(name, []);
  w.server.permit('alice', NEWS, FILM);
  w.server.permit('bob', NEWS);
  alice = w.host('alice', 'swp1');
  bob = w.host('bob', 'swp2');
  for (const host of [alice, bob]) host.login();
  alice.join(NEWS);
  alice.join(FILM);
  bob.join(NEWS);
  w.pass(100);
  expect(w.core.stores.grants.size).toBe(3);
});

function order(verb: string, params: Record<string, unknown> = {}): unknown {
  return orderHandlers(nodeOf(w))[verb]?.(params);
}

describe('orders', () => {
  it('reauth has a host authenticate again, and takes nothing from it', () => {
    expect(order('reauth', { account: 'alice' })).toEqual({ done: [alice.key] });
    expect(alice.answer()?.code).toBe(3);
    expect(w.logged('session-renewed')).toMatchObject([{ host: alice.key }]);
    expect(w.core.stores.grants.size).toBe(3);
  });

  it('disconnect ends the sessions of a port, and what they received', () => {
    expect(order('disconnect', { port: 'swp1' })).toEqual({ done: [alice.key] });
    expect(w.session(alice)).toBeUndefined();
    expect(w.session(bob)).toBeDefined();
    expect([...w.core.stores.grants.values()].map(({ account }) => account)).toEqual(['bob']);
    expect(w.logged('session-ended')).toMatchObject([{ host: alice.key, cause: 'admin-reset' }]);
    expect(w.takeDone()).toContain(`close ${alice.mac}`);
  });

  it('disconnect takes a MAC address in capitals', () => {
    expect(order('disconnect', { mac: bob.mac.toUpperCase() })).toEqual({ done: [bob.key] });
  });

  it('revoke takes one channel of an account, and the next join is refused for a while', () => {
    w.takeDone();
    expect(order('revoke', { account: 'alice', group: NEWS })).toEqual({ done: [`${alice.key}/${NEWS}/*`] });
    expect(w.takeDone()).toContain(`stop ${NEWS} on swp1`);
    alice.join(NEWS);
    w.pass(100);
    expect([...w.core.stores.grants.values()].map(({ account, group }) => `${account} ${group}`)).toEqual([
      `alice ${FILM}`,
      `bob ${NEWS}`,
    ]);
  });

  it('clear has the next join ask RADIUS again', () => {
    alice.leave(FILM);
    const before = w.server.questions().length;
    alice.join(FILM);
    expect(w.server.questions().length).toBe(before);
    alice.leave(FILM);
    expect(order('clear', { account: 'alice', group: FILM })).toEqual({ done: [`${FILM}/*/alice`] });
    alice.join(FILM);
    expect(w.server.questions().length).toBe(before + 1);
    expect(order('clear', { all: true })).toEqual({ done: expect.arrayContaining([`${NEWS}/*/alice`]) });
    expect(w.core.stores.grants.size).toBe(2);
  });

  it('port-shut ends sessions and takes the link down; port-open sets it up again', () => {
    expect(order('port-shut', { port: 'swp1' })).toEqual({ done: ['swp1'] });
    expect(w.session(alice)).toBeUndefined();
    expect(w.logged('session-ended')).toMatchObject([{ cause: 'port-disabled' }]);
    expect(w.core.stores.ports.get('swp1')?.up).toBe(false);
    expect(order('port-open', { port: 'swp1' })).toEqual({ done: ['swp1'] });
    expect(w.core.stores.ports.get('swp1')?.up).toBe(true);
    expect(alice.login()?.code).toBe(3);
  });

  it.each([
    ['disconnect', {}, 'say whom: --port, --mac, --account, or --all for everybody'],
    ['reauth', { account: 'nobody' }, 'no host is meant by that'],
    ['disconnect', { mac: '02:00' }, "'02:00' is not a MAC address: write it as 02:00:00:00:00:01"],
    ['disconnect', { port: 7 }, 'port is a text'],
    ['revoke', { group: NEWS }, 'channels belong to accounts: name one with --account'],
    ['revoke', { account: 'alice', group: '10.0.0.1' }, "'10.0.0.1' is not the address of a multicast group"],
    ['revoke', { account: 'bob', group: FILM }, `bob receives ${FILM}`],
    ['clear', {}, 'say whom: --port, --mac, --account, or --all for everybody'],
    ['clear', { account: 'eve' }, 'no decision is remembered about that'],
    ['port-shut', { port: 'up0' }, "'up0' is no subscriber port (there are: swp1, swp2, swp3)"],
  ])('%s %j is refused: %s', (verb, params, refused) => {
    expect(order(verb, params)).toMatchObject({ refused: expect.stringContaining(refused) });
    expect(w.core.stores.sessions.size).toBe(2);
    expect(w.core.stores.grants.size).toBe(3);
  });

  it('everybody is meant only where that is said', () => {
    expect(order('disconnect', { all: true })).toEqual({ done: [alice.key, bob.key] });
  });

  it('are refused by a node that stands by', () => {
    expect(orderHandlers(IDLE)['disconnect']?.({ all: true })).toEqual({ refused: 'this node is standby' });
  });
});
