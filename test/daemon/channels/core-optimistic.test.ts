/** Joins that are opened before RADIUS has answered: the whole core on virtual time. */
import { describe, expect, it } from 'vitest';
import { grantGrace } from '../../../daemon/core/grace.ts';
import { groupRows } from '../../../daemon/show/show.ts';
import { AttributeType, firstInteger, vendorSpecific } from '../../../radius/attributes.ts';
import { AcctStatusType } from '../../../radius/values.ts';
import { DynamicClient, withClient } from '../radius/dynamic-client.ts';
import { groupOf } from '../radius-server.ts';
import { groupMessages, type Host, World } from '../world.ts';

const NEWS = '239.1.1.1';
const NEWS6 = 'ff15::101';
const VAULT = '239.1.1.3';
const SOURCE = '198.51.100.7';
const { Start, Stop } = AcctStatusType;
const right = (words: string) => vendorSpecific(32473, 5, new TextEncoder().encode(words));
const optimistic = {
  channels: ['239.0.0.0/8', 'ff15::/16'],
  wait: '300ms',
  count: 3,
  reset: '1m',
  pause: '10m',
};

function world(more: Readonly<Record<string, unknown>> = {}, delayMs = 100): World {
  const w = new World({ ...withClient(), channels: { optimistic }, ...more });
  w.server.users.set('alice', []).set('bob', []);
  w.server.permit('alice', NEWS, NEWS6);
  w.server.permit('bob', NEWS);
  w.server.delayMs = delayMs;
  return w;
}

function inside(w: World, name = 'alice', port = 'swp1'): Host {
  const host = w.host(name, port);
  const { delayMs } = w.server;
  w.server.delayMs = 1;
  host.login(name.replace(/-.*/, ''));
  w.pass(5);
  w.server.delayMs = delayMs;
  expect(w.session(host)).toBeDefined();
  w.switch.takeSent();
  return host;
}

const reached = (w: World, group: string, octets = 100) => w.switch.deliver(group, SOURCE, octets);
const told = (w: World) => groupMessages(w, 'up0').filter(({ kind }) => kind === 'record-report');
const books = (w: World, status: number) =>
  w.server.accounting(status).filter((packet) => groupOf(packet) !== undefined);
const count = (w: World, what: string, port = 'swp1') => w.core.tally.of(port, what);
const takenBack = (w: World) => w.logged('join-taken-back').map(({ group, cause }) => `${group} ${cause}`);

describe('an optimistic join', () => {
  it('is none where no channel is configured to be', () => {
    const w = world({ channels: {} });
    const alice = inside(w);
    alice.join(NEWS);
    expect(reached(w, NEWS)).toEqual([]);
    w.pass(110);
    expect([reached(w, NEWS), w.core.stores.optimism.size]).toEqual([['swp1'], 0]);
    alice.join(VAULT);
    w.pass(110);
    expect(w.core.stores.optimism.size).toBe(0);
  });

  for (const group of [NEWS, NEWS6]) {
    it(`${group}: flows at once, goes on without a gap when permitted, and is accounted for from then on`, () => {
      const w = world();
      const alice = inside(w);
      alice.join(group);
      expect(reached(w, group, 500)).toEqual(['swp1']);
      expect(books(w, Start)).toEqual([]);
      // Routers hear of it when it is granted.
      expect(groupMessages(w, 'up0', group === NEWS ? 4 : 6)).toEqual([]);
      w.takeDone();
      w.pass(110);
      expect(w.takeDone().filter((done) => /^(forward|stop)/.test(done))).toEqual([]);
      expect(w.logged('join-granted')).toMatchObject([{ group, by: 'radius' }]);
      w.pass(400);
      expect(reached(w, group, 70)).toEqual(['swp1']);
      alice.leave(group);
      w.pass(1000);
      expect(books(w, Start)).toHaveLength(1);
      // What passed before was nobody's: the record has what came after the permit.
      const [stop] = books(w, Stop);
      expect(firstInteger(stop?.attributes ?? [], AttributeType.AcctOutputOctets)).toBe(70);
      expect([count(w, 'optimistic/opened'), count(w, 'optimistic-octets')]).toEqual([1, 0]);
    });
  }

  it('is told to routers when it is granted, and never when it is not', () => {
    const w = world();
    const alice = inside(w);
    alice.join(NEWS);
    w.pass(99);
    expect(told(w)).toEqual([]);
    w.pass(10);
    expect(told(w)).toMatchObject([{ records: [{ group: NEWS }] }]);
    alice.join(VAULT);
    expect(reached(w, VAULT)).toEqual(['swp1']);
    w.pass(5000);
    expect(told(w).filter((m) => JSON.stringify(m).includes(VAULT))).toEqual([]);
  });

  it('conformance 62: is taken back at once when refused, counted, never told upstream, and no other follows', () => {
    const w = world();
    const alice = inside(w);
    alice.join(VAULT);
    for (let i = 0; i < 3; i++) expect(reached(w, VAULT, 200)).toEqual(['swp1']);
    w.pass(110);
    expect(reached(w, VAULT)).toEqual([]);
    expect(w.logged('join-taken-back')).toMatchObject([{ cause: 'refused', packets: 3, octets: 600 }]);
    expect([count(w, 'optimistic/refused'), count(w, 'optimistic-packets')]).toEqual([1, 3]);
    expect(count(w, 'optimistic-octets')).toBe(600);
    expect(w.logged('join-refused')).toMatchObject([{ group: VAULT, reason: 'radius-reject' }]);
    expect([books(w, Start), told(w), w.logged('channel-ended')]).toEqual([[], [], []]);
    // Nor is another channel of the account opened so for a while, here or elsewhere.
    const upstairs = inside(w, 'alice-2', 'swp2');
    w.pass(500_000);
    upstairs.join(NEWS);
    expect(reached(w, NEWS)).toEqual([]);
    w.pass(110);
    expect(reached(w, NEWS)).toEqual(['swp2']);
    upstairs.leave(NEWS);
    w.pass(400_000);
    alice.join('239.7.7.7');
    expect(reached(w, '239.7.7.7')).toEqual(['swp1']);
  });

  it('is taken back when the answer is late, and opened again by the answer', () => {
    const w = world({}, 1000);
    const alice = inside(w);
    alice.join(NEWS);
    w.pass(299);
    expect(reached(w, NEWS)).toEqual(['swp1']);
    w.pass(1);
    expect(reached(w, NEWS)).toEqual([]);
    expect([takenBack(w), count(w, 'optimistic/unanswered')]).toEqual([[`${NEWS} unanswered`], 1]);
    // Saying it again does not open it again.
    alice.join(NEWS);
    expect(reached(w, NEWS)).toEqual([]);
    w.pass(710);
    expect(reached(w, NEWS)).toEqual(['swp1']);
    expect(books(w, Start)).toHaveLength(1);
  });

  it('no server at all: it is over in the same moment as the question', () => {
    const w = world();
    const alice = inside(w);
    w.server.alive = false;
    alice.join(NEWS);
    w.pass(300);
    expect(reached(w, NEWS)).toEqual([]);
    w.pass(120_000);
    expect([reached(w, NEWS), w.core.stores.grants.size]).toEqual([[], 0]);
  });

  it('is one of a few in a period, however often the host leaves and comes back, and whoever of the account', () => {
    const w = world({}, 1000);
    const hosts = [inside(w), inside(w, 'alice-2', 'swp2')];
    let leaked = 0;
    for (let i = 0; i < 8; i++) {
      const host = hosts[i % 2] as Host;
      host.join(`239.5.5.${i}`);
      leaked += reached(w, `239.5.5.${i}`).length;
      host.leave(`239.5.5.${i}`);
      expect(reached(w, `239.5.5.${i}`)).toEqual([]);
    }
    expect(leaked).toBe(3);
    expect(count(w, 'optimistic/given-up') + count(w, 'optimistic/given-up', 'swp2')).toBe(3);
    // What it was refused meanwhile counts, although it did not wait for that.
    w.pass(61_000);
    hosts[0]?.join('239.5.6.1');
    expect(reached(w, '239.5.6.1')).toEqual([]);
    w.pass(610_000);
    hosts[0]?.join('239.5.6.2');
    expect(reached(w, '239.5.6.2')).toEqual(['swp1']);
  });

  it('is none of what lists, rights, limits or a remembered answer forbid, of strangers, or of other channels', () => {
    const w = world({
      channels: { optimistic, never: ['239.9.0.0/16'] },
      limits: { groups_per_account: 1, preempt: true },
    });
    w.server.users.set('bob', [right('forbid 239.8.0.0/16')]);
    const [alice, bob] = [inside(w), inside(w, 'bob', 'swp2')];
    alice.join('239.9.1.1');
    bob.join('239.8.1.1');
    alice.join('225.1.1.1');
    w.host('stranger', 'swp3').join(NEWS);
    for (const group of ['239.9.1.1', '239.8.1.1', '225.1.1.1', NEWS]) expect(reached(w, group)).toEqual([]);
    alice.join(NEWS);
    expect(reached(w, NEWS)).toEqual(['swp1']);
    // It counts under limits while it is open, and does not stand in its own way.
    alice.join(NEWS6);
    expect(reached(w, NEWS6)).toEqual([]);
    w.pass(110);
    expect([reached(w, NEWS), w.logged('join-granted').length]).toEqual([['swp1'], 1]);
    bob.join(VAULT);
    w.pass(110);
    w.pass(5000);
    bob.join(VAULT);
    expect(reached(w, VAULT)).toEqual([]);
  });

  it('beside a viewer on the port leaks nothing more, and ends without him', () => {
    const w = world();
    const [alice, bob] = [inside(w), inside(w, 'bob')];
    w.server.permits.delete(`bob ${NEWS}`);
    alice.join(NEWS);
    w.pass(110);
    bob.join(NEWS);
    w.takeDone();
    expect(reached(w, NEWS)).toEqual(['swp1']);
    w.pass(110);
    expect([reached(w, NEWS), takenBack(w)]).toEqual([['swp1'], [`${NEWS} refused`]]);
    expect([count(w, 'optimistic-octets'), w.takeDone().filter((d) => /^(stop|forward)/.test(d))]).toEqual([
      0,
      [],
    ]);
    // The other way round: who is granted it while another is being asked goes on.
    alice.leave(NEWS);
    w.pass(700_000);
    w.server.delayMs = 200;
    bob.join(NEWS);
    w.server.delayMs = 50;
    alice.join(NEWS);
    w.pass(60);
    expect(told(w)).not.toEqual([]);
    w.pass(200);
    expect([reached(w, NEWS), w.core.stores.grants.size]).toEqual([['swp1'], 1]);
  });

  it('ends with its host, and with a revoke by CoA', () => {
    const w = world({}, 200);
    const client = new DynamicClient(w);
    const alice = inside(w);
    alice.join(VAULT);
    alice.logoff();
    expect([reached(w, VAULT), w.core.stores.grants.size]).toEqual([[], 0]);
    const again = inside(w);
    w.pass(1_000_000);
    again.join(NEWS);
    expect(reached(w, NEWS)).toEqual(['swp1']);
    const revoke = vendorSpecific(9, 1, new TextEncoder().encode('castgate:channels=revoke'));
    const userName = { type: AttributeType.UserName, value: new TextEncoder().encode('alice') };
    expect(client.coa(userName, revoke)).toBe('ack');
    expect(reached(w, NEWS)).toEqual([]);
    w.pass(1000);
    expect([reached(w, NEWS), books(w, Start)]).toEqual([[], []]);
  });

  it('counts once under the limit of its host', () => {
    const w = world({ channels: { optimistic }, multicast: { max_groups_per_host: 2 } });
    const alice = inside(w);
    for (const group of [NEWS, VAULT]) alice.join(group);
    expect([reached(w, NEWS), reached(w, VAULT)]).toEqual([['swp1'], ['swp1']]);
    expect(w.logged('join-refused')).toEqual([]);
    w.pass(110);
    expect([reached(w, NEWS), reached(w, VAULT)]).toEqual([['swp1'], []]);
  });

  it('is shown as waiting, and explained as that', () => {
    const w = world();
    const alice = inside(w);
    alice.join(NEWS);
    expect([...groupRows(w.core, w.switch)].map(({ state, by, group }) => [state, by, group])).toEqual([
      ['waiting', 'optimistic', NEWS],
    ]);
    const { port, vlan, mac } = alice;
    const said = w.core.channels.explain(w.now, { port, vlan, mac }, NEWS, undefined);
    expect([said.verdict, said.steps.at(-1)?.step]).toEqual(['waiting', 'open meanwhile']);
  });
});

describe('an optimistic join that the switch refuses', () => {
  it('is a wish no more: the answer that was awaited finds nobody, and the next join is asked anew', () => {
    const w = world();
    const alice = inside(w);
    w.switch.fail('setForwarding', 'ENOMEM');
    alice.join(NEWS);
    expect(takenBack(w)).toEqual([`${NEWS} switch-failed`]);
    expect([w.core.stores.memberships.size, w.core.stores.pending.size]).toEqual([0, 0]);
    w.pass(110);
    expect([reached(w, NEWS), books(w, Start)]).toEqual([[], []]);
    alice.join(NEWS);
    expect(reached(w, NEWS)).toEqual(['swp1']);
  });
});

describe('a takeover between opening and answer', () => {
  for (const [what, group, answered] of [
    ['permitted: it goes on, and is accounted for', NEWS, true],
    ['refused: it is taken back', VAULT, false],
  ] as const) {
    it(what, () => {
      const w = world({}, 200);
      const alice = inside(w);
      alice.join(group);
      w.pass(50);
      w.takeOver();
      expect([reached(w, group), told(w)]).toEqual([['swp1'], []]);
      w.pass(200);
      expect(reached(w, group)).toEqual(answered ? ['swp1'] : []);
      expect(books(w, Start)).toHaveLength(answered ? 1 : 0);
      expect(told(w).length > 0).toBe(answered);
    });
  }

  it('unanswered: the deadline is the record’s, whoever serves, with grace for others alone', () => {
    const w = world({}, 5000);
    const alice = inside(w);
    alice.join(NEWS);
    w.pass(250);
    grantGrace(w.core.stores, w.now, 20_000);
    w.takeOver();
    w.pass(49);
    expect(reached(w, NEWS)).toEqual(['swp1']);
    w.pass(1);
    expect(reached(w, NEWS)).toEqual([]);
    expect(takenBack(w)).toEqual([`${NEWS} unanswered`]);
  });

  it('the count and the refusal of the account go on', () => {
    const w = world();
    const alice = inside(w);
    alice.join(VAULT);
    w.pass(110);
    w.takeOver();
    alice.join(NEWS);
    expect(reached(w, NEWS)).toEqual([]);
    w.pass(900_000);
    expect(w.core.stores.optimism.size).toBe(0);
  });
});
