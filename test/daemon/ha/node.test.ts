import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeClaim } from '../../../daemon/ha/claim.ts';
import type { NodeEstate } from '../../../daemon/ha/estate.ts';
import { orderHandlers } from '../../../daemon/operator/orders.ts';
import { decodeEap } from '../../../eapol/eap.ts';
import { EapolType } from '../../../eapol/eapol.ts';
import { loadNative } from '../../../switch/native.ts';
import { toHex } from '../../../wire/bytes.ts';
import { isMalformed } from '../../../wire/malformed.ts';
import { type TestNode, TestPair, until } from './pair.ts';

const ALICE = '06:00:00:00:00:01';
const BOB = '06:00:00:00:00:02';
const NEWS = '239.1.1.1';
const pairs: TestPair[] = [];

async function open(more: Readonly<Record<string, unknown>> = {}): Promise<TestPair> {
  const pair = await TestPair.open(more);
  pairs.push(pair);
  pair.server.users.set('alice', []);
  pair.server.users.set('bob', []);
  pair.server.permit('alice', NEWS);
  for (const { node } of [pair.a, pair.b]) expect(await node.start()).toBe(undefined);
  return pair;
}

/** Node a serves, b is in step. */
async function serving(more: Readonly<Record<string, unknown>> = {}): Promise<TestPair> {
  const pair = await open(more);
  expect(await pair.a.promote()).toEqual({ role: 'active' });
  await until(() => pair.a.row.state === 'in-step');
  return pair;
}

/** As another process gets it. */
function copied(estate: NodeEstate): NodeEstate {
  return { ...estate, guard: estate.guard && loadNative().duplicate(estate.guard) };
}

afterEach(async () => {
  for (const pair of pairs.splice(0)) await pair.close();
});

describe('a node of two', () => {
  it('serves only when it is told to, and then keeps the other one in step', async () => {
    const pair = await open();
    expect([pair.a.row.role, pair.b.row.role]).toEqual(['standby', 'standby']);
    expect([pair.a.weight, pair.b.weight]).toEqual([-100, -100]);
    expect([pair.a.bridge.isUnfenced, pair.b.bridge.isUnfenced]).toEqual([false, false]);
    expect(pair.a.node.idle).toMatch(/standby/);
    await pair.a.promote();
    expect(pair.a.bridge.isUnfenced).toBe(true);
    await until(() => pair.b.row.state === 'in-step');
    await pair.login('swp1', ALICE, 'alice');
    pair.join('swp1', ALICE, NEWS);
    await until(() => pair.b.bridge.forwarding('swp1', 0, NEWS) !== undefined);
    // The standby's switch is ready, and carries nothing.
    expect(pair.b.bridge.isOpen({ port: 'swp1', vlan: 0, mac: ALICE })).toBe(true);
    expect(pair.b.bridge.deliver(NEWS, '10.0.0.1', 100)).toEqual([]);
    // Output commit: the standby knew before the active forwarded.
    await until(() => pair.a.bridge.forwarding('swp1', 0, NEWS) !== undefined);
    expect(pair.a.bridge.deliver(NEWS, '10.0.0.1', 100)).toEqual(['swp1']);
    await until(() => pair.a.row.lagRecords === 0 && pair.a.row.change === pair.b.row.change);
    expect(pair.a.row.digest).toBe(pair.b.row.digest);
    // One that is busy says what it is worth a moment later.
    await until(() => pair.a.weight === 0 && pair.b.weight === 0);
    expect(pair.unread.every(({ by }) => by === 'a')).toBe(true);
  });

  it('keeps a port shut that was shut on the other one, and opens it on both', async () => {
    const pair = await serving();
    const order = (at: TestNode, verb: string) => orderHandlers(at.node)[verb]?.({ port: 'swp1' });
    expect(await order(pair.a, 'port-shut')).toEqual({ done: ['swp1'] });
    await until(() => !pair.a.bridge.isUp('swp1') && !pair.b.bridge.isUp('swp1'));
    expect(await pair.b.promote()).toEqual({ role: 'active' });
    pair.b.bridge.setLink('swp1', true);
    await until(() => !pair.b.bridge.isUp('swp1'));
    await until(() => pair.b.row.state === 'in-step');
    expect(await order(pair.b, 'port-open')).toEqual({ done: ['swp1'] });
    await until(() => pair.a.bridge.isUp('swp1') && pair.b.bridge.isUp('swp1'));
    await pair.login('swp1', ALICE, 'alice');
  });

  it('hands over when the other one is told to serve: nobody logs in again, no record is written twice', async () => {
    const pair = await serving();
    await pair.login('swp1', ALICE, 'alice');
    pair.join('swp1', ALICE, NEWS);
    await until(() => pair.server.accounting(1).length === 2);
    const logins = pair.server.logins().length;
    expect(await pair.b.promote()).toEqual({ role: 'active' });
    expect([pair.a.row.role, pair.b.row.role]).toEqual(['standby', 'active']);
    expect([pair.a.bridge.isUnfenced, pair.b.bridge.isUnfenced]).toEqual([false, true]);
    expect(pair.b.bridge.deliver(NEWS, '10.0.0.1', 100)).toEqual(['swp1']);
    expect(pair.b.row.epoch).toBe(2);
    await until(() => pair.b.row.state === 'in-step');
    // And on: a's switch still is what b's records say.
    pair.eapol('swp1', ALICE, EapolType.Logoff);
    await until(() => pair.server.accounting(2).length === 2);
    await until(() => pair.a.bridge.openHosts().length === 0 && pair.a.bridge.forwardings().length === 0);
    expect(pair.server.logins().length).toBe(logins);
    // Status 7 is Accounting-On: once, at the very beginning. What was in flight may come again, as it was.
    const told = (status: number) =>
      new Set(pair.server.accounting(status).map(({ authenticator }) => toHex(authenticator))).size;
    expect([1, 2, 7].map(told)).toEqual([2, 2, 1]);
    expect(pair.b.row.lastTakeover.map(({ step }) => step)).toContain('other node asked');
  });

  it('goes on with a login that has begun', async () => {
    const pair = await serving();
    pair.eapol('swp2', BOB, EapolType.Start);
    const asked = decodeEap(await pair.heard(BOB));
    if (isMalformed(asked)) throw new Error(asked.malformed);
    pair.respond('swp2', BOB, asked.id, asked.type ?? 0, 'bob');
    const challenge = decodeEap(await pair.heard(BOB));
    if (isMalformed(challenge)) throw new Error(challenge.malformed);
    await pair.b.promote();
    // The new node says its question again, and takes the answer to it.
    const again = decodeEap(await pair.heard(BOB));
    expect(again).toEqual(challenge);
    pair.respond('swp2', BOB, challenge.id, challenge.type ?? 0, 'bob');
    await until(() => pair.b.bridge.isOpen({ port: 'swp2', vlan: 0, mac: BOB }));
    expect(pair.server.logins().length).toBe(2);
  });

  it('that stops hands over, and tells keepalived of the other one', async () => {
    const pair = await serving();
    await pair.login('swp1', ALICE, 'alice');
    await pair.a.node.stop(false);
    expect(pair.a.bridge.isUnfenced).toBe(false);
    await until(() => pair.b.weight === 100);
    expect(await pair.b.promote()).toEqual({ role: 'active' });
    expect(pair.b.node.serving?.core.stores.sessions.size).toBe(1);
    expect(pair.b.weight).toBe(0);
  });

  it('that stands by goes on in another process with its records, and nobody waits for it meanwhile', async () => {
    const pair = await serving({ alone_after: '60s' });
    await pair.login('swp1', ALICE, 'alice');
    await until(() => pair.b.bridge.isOpen({ port: 'swp1', vlan: 0, mac: ALICE }));
    const before = pair.b;
    const estate = await before.node.rest();
    expect(before.row).toMatchObject({ role: 'resting', weight: -100 });
    expect(await before.promote()).toEqual({ refused: expect.stringMatching(/upgrade/) });
    expect(estate.saved?.fed.stores.sessions.size).toBe(1);
    await pair.login('swp2', BOB, 'bob');
    const after = pair.anotherB();
    expect(await after.node.standIn(copied(estate))).toBe(undefined);
    await until(() => after.row.state === 'in-step' && pair.a.row.state === 'in-step');
    await until(() => after.node.standing.otherNode === 'a');
    expect(after.node.standing).toMatchObject({ role: 'standby', otherServes: true });
    await until(() => after.weight === 0);
    expect(after.bridge.isUnfenced).toBe(false);
    // Each of the two has the guard: it speaks when both are gone.
    before.node.closed();
    expect(await after.promote()).toEqual({ role: 'active' });
    expect(after.node.serving?.core.stores.sessions.size).toBe(2);
    expect(after.weight).toBe(0);
    expect(pair.server.logins().length).toBe(4);
  });

  it('serves with what the process before had where the other node dies before it has joined', async () => {
    const pair = await serving();
    await pair.login('swp1', ALICE, 'alice');
    await until(() => pair.b.bridge.isOpen({ port: 'swp1', vlan: 0, mac: ALICE }));
    const estate = await pair.b.node.rest();
    pair.uplinkWire = false;
    await pair.a.node.stop(true);
    const before = pair.b;
    const after = pair.anotherB();
    expect(await after.node.standIn(copied(estate))).toBe(undefined);
    expect(await after.promote()).toEqual({ role: 'active' });
    expect(after.node.serving?.core.stores.sessions.size).toBe(1);
    before.node.closed();
  });

  it('stands by again where no other process does', async () => {
    const pair = await serving();
    await pair.login('swp1', ALICE, 'alice');
    for (let i = 0; i < 2; i++) {
      await pair.b.node.rest();
      await until(() => pair.a.row.state === 'away');
      expect(await pair.b.node.goOn()).toBe(undefined);
      await until(() => pair.a.row.state === 'in-step' && pair.b.weight === 0);
    }
    expect(await pair.b.promote()).toEqual({ role: 'active' });
    expect(pair.b.node.serving?.core.stores.sessions.size).toBe(1);
    expect(pair.server.logins().length).toBe(2);
  });

  it('is not waited for where it stands by and stops', async () => {
    const pair = await serving({ alone_after: '60s' });
    await pair.b.node.stop(false);
    await until(() => pair.a.row.alone);
    expect(pair.a.log).toContainEqual(
      expect.objectContaining({ event: 'alone', why: 'the standby has left' }),
    );
    await pair.login('swp1', ALICE, 'alice');
  });

  it('gives way to a later epoch at once, and takes no effect of its own any more', async () => {
    const pair = await serving();
    await pair.login('swp1', ALICE, 'alice');
    const claim = encodeClaim(
      { node: 'b', epoch: 9, at: Date.now(), alone: false },
      '02:00:00:00:00:01',
      new Uint8Array(32).fill(5),
    );
    pair.a.bridge.receive('up0', 0, claim);
    expect(pair.a.row.role).toBe('standby');
    expect(pair.a.bridge.isUnfenced).toBe(false);
    expect(pair.a.log.map(({ event }) => event)).toContain('superseded');
    expect(pair.a.weight).toBe(-100);
    // It does not come back as long as that one may be there, and then under an epoch beyond.
    expect(await pair.a.promote()).toMatchObject({ refused: expect.stringContaining('node b serves') });
    await until(() => pair.a.row.role === 'active');
    expect(pair.a.row.epoch).toBe(10);
    // Nobody has sent it newer records than its own.
    expect(pair.a.node.serving?.core.stores.sessions.size).toBe(1);
  });

  it('serves again when it is told so while it hands over: keepalived says its word once', async () => {
    const pair = await serving();
    void pair.a.demote();
    await pair.a.promote();
    await until(() => pair.a.row.role === 'active' && pair.a.bridge.isUnfenced);
    expect(pair.b.row.role).toBe('standby');
  });

  it('that stops refuses no connection before it has handed over: that would say that it is dead', async () => {
    const pair = await serving();
    await pair.login('swp1', ALICE, 'alice');
    // What the other node has not acknowledged yet is waited for.
    pair.join('swp1', ALICE, NEWS);
    const stopping = pair.a.node.stop(false);
    const how = await new Promise((resolve) => {
      const socket = connect({ host: '127.0.0.11', port: pair.linkPort });
      socket.on('connect', () => resolve('connected'));
      socket.on('error', (cause) => resolve(cause.message));
      socket.on('close', () => socket.destroy());
    });
    expect(how).toBe('connected');
    await stopping;
    await until(() => pair.b.log.some(({ event }) => event === 'active-released'));
  });

  it('stands by again after a takeover that failed, and serves when it is told so again', async () => {
    const pair = await serving();
    const { bridge } = pair.b;
    const renew = bridge.renewLease.bind(bridge);
    bridge.renewLease = () => {
      throw new Error('a bug');
    };
    expect(await pair.b.promote()).toMatchObject({ refused: expect.stringContaining('failed') });
    expect([bridge.isUnfenced, pair.b.weight]).toEqual([false, -100]);
    bridge.renewLease = renew;
    await until(() => pair.b.row.role === 'active' && bridge.isUnfenced);
  });

  it('stands by once when a later epoch is claimed while it hands over', async () => {
    const pair = await serving();
    const claim = encodeClaim(
      { node: 'b', epoch: 9, at: Date.now(), alone: false },
      '02:00:00:00:00:01',
      new Uint8Array(32).fill(5),
    );
    const handedOver = pair.a.demote();
    pair.a.bridge.receive('up0', 0, claim);
    await handedOver;
    expect(pair.a.row.role).toBe('standby');
    expect(pair.a.log.filter(({ event }) => event === 'standing-by').length).toBe(1);
  });

  it('takes no notice of claims without the key, of its own name or from before', async () => {
    const pair = await serving();
    const mac = '02:00:00:00:00:01';
    const key = new Uint8Array(32).fill(5);
    for (const claim of [
      encodeClaim({ node: 'b', epoch: 9, at: Date.now(), alone: false }, mac, new Uint8Array(32)),
      encodeClaim({ node: 'a', epoch: 9, at: Date.now(), alone: false }, mac, key),
      encodeClaim({ node: 'b', epoch: 1, at: Date.now(), alone: false }, mac, key).fill(0, 20),
      encodeClaim({ node: 'A', epoch: 1, at: Date.now(), alone: false }, mac, key),
    ]) {
      pair.a.bridge.receive('up0', 0, claim);
    }
    expect(pair.a.row.role).toBe('active');
    expect(pair.a.row.epoch).toBe(1);
  });

  it('does not serve beside one that went on alone, as long as that one is heard', async () => {
    const pair = await serving({ lease: '60ms', alone_after: '200ms' });
    // Without its dialer b falls behind: the link is gone, the uplink is not.
    await pair.b.node.stop(false);
    await until(() => pair.a.row.alone && pair.a.row.state === 'away');
    await pair.login('swp1', ALICE, 'alice');
    expect(pair.a.row.alone).toBe(true);
    expect(pair.a.bridge.isUnfenced).toBe(true);
  });

  it('does nothing any more after it was frozen, until it knows that nobody took over', async () => {
    const pair = await serving({ lease: '60ms', alone_after: '1s' });
    const until_ = performance.now() + 150;
    while (performance.now() < until_);
    expect(pair.a.bridge.isUnfenced).toBe(false);
    await until(() => pair.a.log.some(({ event }) => event === 'daemon-was-frozen'));
    // Nobody did: it goes on under the same epoch, or was replaced and stands by.
    await until(() => pair.a.bridge.isUnfenced);
    expect(pair.a.row.epoch).toBe(1);
  });

  it('that freezes in the moment in which it has taken over carries nothing for longer than any other', async () => {
    const pair = await open({ lease: '60ms', alone_after: '1s' });
    // No timer has had its turn since: the lease of the takeover itself is longer by far.
    expect(await pair.a.promote()).toEqual({ role: 'active' });
    expect(pair.a.bridge.isUnfenced).toBe(true);
    const until_ = performance.now() + 100;
    while (performance.now() < until_);
    expect(pair.a.bridge.isUnfenced).toBe(false);
  });
});
