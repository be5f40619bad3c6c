import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { firstInteger } from '../../../radius/attributes.ts';
import { RadiusCode } from '../../../radius/packet.ts';
import { signReply, verifyRequest } from '../../../radius/sign.ts';
import { toHex } from '../../../wire/bytes.ts';
import { utf8 } from '../arbitraries.ts';
import { accepting, NO_FAULTS, type Sent, secretOf, silent, World } from '../world.ts';

const waits = (sent: readonly Sent[]) => sent.slice(1).map((s, i) => s.at - (sent[i]?.at ?? 0));
const one = (world: World) => world.sent[0] as Sent;

describe('a request', () => {
  it('gets its reply, with the token its asker chose', () => {
    const world = new World();
    world.access('eap/swp1');
    world.run();
    expect(world.events).toMatchObject([
      { kind: 'reply', token: 'eap/swp1', server: 'a', reply: { code: RadiusCode.AccessAccept } },
    ]);
    expect(world.client.inFlight).toBe(0);
    expect(world.client.nextTimeout()).toBeUndefined();
    expect(world.requests.size).toBe(0);
  });

  it('in flight twice by one token is a bug', () => {
    const world = new World();
    world.access('t');
    expect(() => world.access('t')).toThrow(/in flight already/);
  });

  it('is cancelled: its answer then is nobody’s', () => {
    const world = new World({}, { ...NO_FAULTS, delay: [10, 10] });
    world.access('t');
    world.client.cancel(world.now, 't');
    world.client.cancel(world.now, 'never was');
    world.run();
    expect(world.events).toEqual([]);
    expect(world.discards).toEqual(['no-request']);
  });

  it('too long to be sent ends at once', () => {
    const world = new World();
    const attributes = Array.from({ length: 16 }, () => ({ type: 79, value: new Uint8Array(253) }));
    world.access('t', { attributes });
    expect(world.events).toEqual([{ kind: 'gave-up', token: 't', reason: 'radius-too-long' }]);
    const fits = [...attributes.slice(1), { type: 79, value: new Uint8Array(4096 - 20 - 18 - 15 * 255 - 2) }];
    world.access('u', { attributes: fits });
    expect(world.sent.at(-1)?.bytes.length).toBe(4096);
  });

  it('without a server ends at once', () => {
    const world = new World({ auth: [], acct: [] });
    world.access('t');
    world.access('u', { server: 'unheard-of', pinned: true });
    expect(world.events.map((e) => e.kind === 'gave-up' && e.reason)).toEqual([
      'radius-no-server',
      'radius-no-server',
    ]);
  });

  it('conformance 23: finds a full table, not an identifier in use', () => {
    const world = new World({ auth: ['a'], socketsPerServer: 2 });
    world.policies.set('a', silent);
    for (let i = 0; i < 513; i++) world.access(`t${i}`);
    expect(world.events).toEqual([{ kind: 'gave-up', token: 't512', reason: 'radius-table-full' }]);
    expect(new Set(world.sent.map((s) => `${s.socket}/${s.packet.id}`)).size).toBe(512);
    expect(new Set(world.sent.map((s) => toHex(s.packet.authenticator))).size).toBe(512);
    world.policies.set('a', accepting);
    world.run();
    expect(world.events.filter((e) => e.kind === 'reply')).toHaveLength(512);
  });

  it('30,000 at a time need 118 source ports', () => {
    const world = new World({ auth: ['a'] });
    for (let i = 0; i < 30_000; i++) {
      world.client.request(world.now, {
        list: 'auth',
        token: `t${i}`,
        code: RadiusCode.AccessRequest,
        attributes: [],
      });
    }
    const sockets = new Set(world.client.drainEvents().map((e) => (e.kind === 'send' ? e.socket : -1)));
    expect(sockets.size).toBe(118);
  });
});

describe('retransmission', () => {
  it('conformance 24: an unchanged request keeps identifier, authenticator, source port and every octet', () => {
    const world = new World({ auth: ['a'] });
    world.policies.set('a', silent);
    world.access('t');
    world.run();
    expect(world.sent.length).toBeGreaterThan(3);
    for (const sent of world.sent) {
      expect(toHex(sent.bytes)).toBe(toHex(one(world).bytes));
      expect(sent.socket).toBe(one(world).socket);
    }
  });

  it('conformance 25: waits 2, 4, 8, 16 s with 10 per cent of chance in each, and gives up after 30 s', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const world = new World({ auth: ['a'] }, NO_FAULTS, seed);
        world.policies.set('a', silent);
        const begin = world.now;
        world.access('t');
        world.run();
        const found = waits(world.sent);
        expect(Math.abs((found[0] ?? 0) - 2_000)).toBeLessThanOrEqual(200);
        let last = found[0] ?? 0;
        for (const wait of found.slice(1)) {
          // Where twice the last may pass the longest wait, it is that one with its chance, 14.4 to 17.6 s.
          expect(wait).toBeGreaterThanOrEqual(Math.min(last * 1.9, 14_400) - 0.001);
          expect(wait).toBeLessThanOrEqual((last * 2.1 > 16_000 ? 17_600 : last * 2.1) + 0.001);
          last = wait;
        }
        expect(found.length).toBeGreaterThanOrEqual(3);
        expect(world.events.at(-1)).toMatchObject({ kind: 'gave-up', token: 't', reason: 'radius-timeout' });
        expect(world.now - begin).toBeLessThanOrEqual(30_000);
        expect(world.client.inFlight).toBe(0);
      }),
      { numRuns: 50 },
    );
  });

  it('conformance 25: two requests sent together do not come back together', () => {
    const world = new World({ auth: ['a'] });
    world.policies.set('a', silent);
    for (let i = 0; i < 50; i++) world.access(`t${i}`);
    world.run(world.now + 3_000);
    const second = world.sent.slice(50).map((s) => s.at);
    expect(new Set(second).size).toBe(50);
    expect(Math.max(...second) - Math.min(...second)).toBeGreaterThan(300);
  });

  it('stays under the longest wait, and sends no more often than it may', () => {
    const patience = { initialMs: 100, maxIntervalMs: 300, maxCount: 6, maxDurationMs: 0, failoverTries: 9 };
    const world = new World({ auth: ['a'] });
    world.policies.set('a', silent);
    world.access('t', { patience });
    world.run();
    expect(world.sent).toHaveLength(6);
    for (const wait of waits(world.sent).slice(2)) {
      expect(wait).toBeGreaterThanOrEqual(270);
      expect(wait).toBeLessThanOrEqual(330);
    }
  });

  it('takes a shorter patience for questions about groups', () => {
    const world = new World({
      auth: ['a'],
      authorization: ['b'],
      servers: ['a', 'b'].map((name) => ({
        name,
        secret: secretOf(name),
        requireMessageAuthenticator: true,
      })),
    });
    world.policies.set('b', silent);
    const begin = world.now;
    world.access('g', {
      list: 'authorization',
      patience: { initialMs: 500, maxCount: 3, maxDurationMs: 2_000 },
    });
    world.run();
    expect(world.sent.map((s) => s.server)).toEqual(['b', 'b', 'b']);
    expect(world.now - begin).toBe(2_000);
  });

  it('conformance 39: accounting is sent until it is acknowledged, with a new identifier for each new delay', () => {
    const world = new World({ auth: ['a'] });
    world.policies.set('a', silent);
    const begin = world.now;
    world.accounting('acct/1', { eventAt: begin - 2_500 });
    world.run(begin + 600_000);
    expect(world.events.filter((e) => e.kind === 'gave-up')).toEqual([]);
    expect(world.sent.length).toBeGreaterThan(30);
    world.sent.forEach((sent, i) => {
      const delay = firstInteger(sent.packet.attributes, 41);
      expect(delay).toBe(Math.floor((sent.at - begin + 2_500) / 1000));
      const before = world.sent[i - 1];
      if (before === undefined) return;
      expect(sent.packet.id).not.toBe(before.packet.id);
      expect(toHex(sent.packet.authenticator)).not.toBe(toHex(before.packet.authenticator));
    });
    world.policies.set('a', accepting);
    world.run();
    expect(world.events.at(-1)).toMatchObject({ kind: 'reply', token: 'acct/1' });
    expect(world.requests.size).toBe(0);
  });

  it('conformance 24: accounting sent again within the same second stays the same packet', () => {
    const world = new World({ auth: ['a'] });
    world.policies.set('a', silent);
    world.accounting('t', { patience: { initialMs: 200, maxIntervalMs: 200 } });
    world.run(world.now + 700);
    expect(world.sent.length).toBeGreaterThan(2);
    expect(new Set(world.sent.map((s) => toHex(s.bytes))).size).toBe(1);
  });

  it('accounting is acknowledged by the answer to an earlier packet of it too', () => {
    // The round trip is longer than the first wait: the answer always comes to the packet before.
    const world = new World({ auth: ['a'] }, { ...NO_FAULTS, delay: [1_500, 1_500] });
    world.accounting('t');
    world.run();
    expect(world.sent).toHaveLength(2);
    expect(world.events.at(-1)).toMatchObject({ kind: 'reply', token: 't' });
    expect(world.discards).toEqual(['no-request']);
  });
});

describe('replies', () => {
  it('conformance 21: later copies of an answer are discarded, also once the identifier is used again', () => {
    const world = new World({ auth: ['a'], socketsPerServer: 1 });
    world.policies.set('a', silent);
    world.access('t');
    const bytes = world.reply(one(world), RadiusCode.AccessAccept);
    expect(world.receive('a', 'auth', 0, bytes)).toBeUndefined();
    expect(world.receive('a', 'auth', 0, bytes)).toBe('duplicate');
    for (let i = 0; i < 256; i++) world.access(`u${i}`);
    expect(world.sent.at(-1)?.packet.id).toBe(one(world).packet.id);
    expect(world.receive('a', 'auth', 0, bytes)).toBe('message-authenticator');
    expect(world.client.inFlight).toBe(256);
  });

  it('conformance 19: a discarded packet alters no timer, no record and no health', () => {
    const world = new World();
    world.policies.set('a', silent);
    world.access('t');
    const [sent] = world.sent as [Sent];
    const good = world.reply(sent, RadiusCode.AccessAccept);
    const before = JSON.stringify([...world.requests.entries(), ...world.servers.entries()]);
    const deadline = world.client.nextTimeout();
    world.now += 1_000;
    const flip = (at: number) => {
      const bytes = Uint8Array.from(good);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      return bytes;
    };
    expect(world.receive('a', 'auth', 0, flip(25))).toBe('message-authenticator');
    expect(world.receive('a', 'auth', 0, flip(5))).toBe('response-authenticator');
    expect(world.receive('a', 'auth', 0, flip(0))).toBe('message-authenticator');
    expect(world.receive('a', 'auth', 0, flip(1))).toBe('no-request');
    expect(world.receive('a', 'auth', 0, flip(2))).toBe('radius-bad-length');
    expect(world.receive('a', 'auth', 1, good)).toBe('no-request');
    expect(world.receive('a', 'acct', 0, good)).toBe('no-request');
    expect(world.receive('b', 'auth', 0, good)).toBe('no-request');
    expect(world.receive('c', 'auth', 0, good)).toBe('unknown-server');
    expect(world.receive('a', 'auth', 0, new Uint8Array(3))).toBe('radius-short-header');
    expect(world.receive('a', 'auth', 0, world.reply(sent, RadiusCode.AccountingResponse))).toBe(
      'unexpected-code',
    );
    expect(world.receive('a', 'auth', 0, world.reply(sent, RadiusCode.CoaAck))).toBe('unexpected-code');
    expect(JSON.stringify([...world.requests.entries(), ...world.servers.entries()])).toBe(before);
    expect(world.client.nextTimeout()).toBe(deadline);
    expect(world.events).toEqual([]);
    expect(world.receive('a', 'auth', 0, good)).toBeUndefined();
    expect(world.events).toHaveLength(1);
  });

  it('conformance 19: Message-Authenticator is required by server, and never of an Accounting-Response', () => {
    const servers = [
      { name: 'a', secret: secretOf('a'), requireMessageAuthenticator: true },
      { name: 'b', secret: secretOf('b'), requireMessageAuthenticator: false },
    ];
    const world = new World({ servers });
    world.policies.set('a', silent).set('b', silent);
    world.access('t', { server: 'a' });
    world.access('u', { server: 'b' });
    world.accounting('v', { server: 'a' });
    const unsigned = (i: number, code: number) => plainReply(world.sent[i] as Sent, code);
    expect(world.receive('a', 'auth', 0, unsigned(0, 2))).toBe('message-authenticator-missing');
    expect(world.receive('b', 'auth', 0, unsigned(1, 2))).toBeUndefined();
    expect(world.receive('a', 'acct', 0, unsigned(2, 5))).toBeUndefined();
  });

  it('conformance 18: an EAP-Message without Message-Authenticator is discarded also where none is required', () => {
    const world = new World({
      auth: ['a'],
      servers: [{ name: 'a', secret: secretOf('a'), requireMessageAuthenticator: false }],
    });
    world.policies.set('a', silent);
    world.access('t');
    const bytes = plainReply(one(world), 2, [{ type: 79, value: Uint8Array.of(3, 1, 0, 4) }]);
    expect(world.receive('a', 'auth', 0, bytes)).toBe('eap-without-message-authenticator');
  });
});

describe('servers', () => {
  const down = () => {
    const world = new World();
    world.policies.set('a', silent);
    return world;
  };

  it('fails over to the next server after some tries, with a new identifier and authenticator', () => {
    const world = down();
    const begin = world.now;
    world.access('t');
    world.run();
    expect(world.sent.map((s) => s.server)).toEqual(['a', 'a', 'b']);
    const [first, , third] = world.sent as [Sent, Sent, Sent];
    expect(toHex(third.packet.authenticator)).not.toBe(toHex(first.packet.authenticator));
    expect(world.events).toMatchObject([{ kind: 'reply', token: 't', server: 'b' }]);
    expect(world.now - begin).toBeLessThan(6_700);
  });

  it('asks the preferred server first', () => {
    const world = new World();
    world.access('t', { server: 'b' });
    world.run();
    expect(world.sent.map((s) => s.server)).toEqual(['b']);
  });

  it('never moves a pinned request', () => {
    const world = down();
    world.access('t', { server: 'a', pinned: true });
    world.run();
    expect(new Set(world.sent.map((s) => s.server))).toEqual(new Set(['a']));
    expect(world.events.at(-1)).toMatchObject({ kind: 'gave-up', token: 't', reason: 'radius-timeout' });
  });

  it('marks a silent server dead, leaves it with all that waits for it, and says so once', () => {
    const world = down();
    for (let i = 0; i < 40; i++) world.access(`t${i}`);
    world.access('pinned', { server: 'a', pinned: true });
    world.run();
    expect(world.events.filter((e) => e.kind === 'server-state')).toEqual([
      { kind: 'server-state', server: 'a', port: 'auth', state: 'dead' },
    ]);
    expect(world.events.filter((e) => e.kind === 'reply')).toHaveLength(40);
    expect(world.events.filter((e) => e.kind === 'gave-up')).toMatchObject([{ token: 'pinned' }]);
    expect(world.client.isDead('a', 'auth')).toBe(true);
    expect(world.client.isDead('a', 'acct')).toBe(false);
    // What comes now asks the other one at once.
    const before = world.sent.length;
    world.access('later');
    expect(world.sent.slice(before).map((s) => s.server)).toEqual(['b']);
  });

  it('does not take a server for dead that answers now and then', () => {
    const world = new World();
    let n = 0;
    world.policies.set('a', (sent) => (n++ % 3 === 0 ? accepting(sent) : undefined));
    for (let i = 0; i < 200; i++) {
      world.access(`t${i}`);
      world.run(world.now + 500);
    }
    expect(world.events.filter((e) => e.kind === 'server-state')).toEqual([]);
    world.run();
    expect(world.events.filter((e) => e.kind === 'reply')).toHaveLength(200);
  });

  it('tries a dead server again with one request at a time, and revives it by a valid answer', () => {
    const world = down();
    for (let i = 0; i < 4; i++) world.access(`t${i}`);
    world.run();
    expect(world.client.isDead('a', 'auth')).toBe(true);
    world.now += world.options.deadMs;
    const before = world.sent.length;
    world.access('trial');
    world.access('another');
    expect(world.sent.slice(before).map((s) => s.server)).toEqual(['a', 'b']);
    world.run();
    expect(world.events.at(-1)).toMatchObject({ kind: 'reply', token: 'trial', server: 'b' });
    world.policies.set('a', accepting);
    world.now += world.options.deadMs;
    world.access('revival');
    world.run();
    expect(world.events.slice(-2)).toMatchObject([
      { kind: 'server-state', server: 'a', port: 'auth', state: 'alive' },
      { kind: 'reply', token: 'revival', server: 'a' },
    ]);
    world.access('t');
    expect(world.sent.at(-1)?.server).toBe('a');
  });

  it('goes on asking when all are dead', () => {
    const world = down();
    world.policies.set('b', silent);
    for (let i = 0; i < 4; i++) world.access(`t${i}`);
    world.run();
    expect(world.client.isDead('a', 'auth') && world.client.isDead('b', 'auth')).toBe(true);
    world.policies.set('b', accepting);
    world.access('u');
    world.run();
    expect(world.events.at(-1)).toMatchObject({ kind: 'reply', token: 'u', server: 'b' });
    expect(world.client.isDead('b', 'auth')).toBe(false);
  });

  it('accounting goes round between dead servers with a growing wait', () => {
    const world = down();
    world.policies.set('b', silent);
    world.accounting('t');
    world.run(world.now + 300_000);
    const asked = world.sent.map((s) => s.server);
    expect(asked.slice(0, 4)).toEqual(['a', 'a', 'b', 'b']);
    expect(new Set(asked.slice(-6))).toEqual(new Set(['a', 'b']));
    for (const wait of waits(world.sent).slice(-5)) expect(wait).toBeGreaterThan(14_000);
  });

  it('conformance 34: probes by Status-Server, one packet each with a new identifier, answered by Accept only', () => {
    const names = ['a', 'b'];
    const servers = names.map((name) => ({
      name,
      secret: secretOf(name),
      requireMessageAuthenticator: true,
      statusServer: true,
    }));
    const world = new World({ servers, statusAttributes: [{ type: 32, value: utf8('nas1') }] });
    world.policies.set('a', silent);
    for (let i = 0; i < 4; i++) world.access(`t${i}`);
    world.run(world.now + 4 * world.options.deadMs);
    const probes = world.sent.filter((s) => s.packet.code === RadiusCode.StatusServer);
    expect(probes.length).toBeGreaterThanOrEqual(3);
    expect(new Set(probes.map((s) => s.packet.id)).size).toBe(probes.length);
    for (const { packet, server } of probes) {
      expect(server).toBe('a');
      expect(packet.attributes.map((a) => a.type)).toEqual([80, 32]);
    }
    expect(world.events.some((e) => e.kind === 'gave-up')).toBe(false);
    // No subscriber's request is spent on the dead server meanwhile.
    world.access('u');
    expect(world.sent.at(-1)?.server).toBe('b');
    world.policies.set('a', ({ packet }) =>
      packet.code === RadiusCode.StatusServer ? { code: RadiusCode.AccessReject } : undefined,
    );
    world.run(world.now + 2 * world.options.deadMs);
    expect(world.client.isDead('a', 'auth')).toBe(true);
    expect(world.discards).toContain('unexpected-code');
    world.policies.set('a', accepting);
    world.run();
    expect(world.client.isDead('a', 'auth')).toBe(false);
    expect(world.events.at(-1)).toMatchObject({ kind: 'server-state', server: 'a', state: 'alive' });
    expect(world.client.inFlight).toBe(0);
    expect(world.client.nextTimeout()).toBeUndefined();
  });
});

describe('the health of the accounting port', () => {
  it('conformance 34: is its own: an Accounting-Response alone answers its probe, and the other port stays as it was', () => {
    const server = {
      name: 'a',
      secret: secretOf('a'),
      requireMessageAuthenticator: true,
      statusServer: true,
    };
    const world = new World({ auth: ['a'], acct: ['a'], servers: [server] });
    world.policies.set('a', ({ port }) => (port === 'acct' ? undefined : { code: RadiusCode.AccessAccept }));
    world.accounting('record');
    world.access('login');
    world.run(world.now + 4 * world.options.deadMs);
    expect([world.client.isDead('a', 'acct'), world.client.isDead('a', 'auth')]).toEqual([true, false]);
    const probes = world.sent.filter((s) => s.port === 'acct' && s.packet.code === RadiusCode.StatusServer);
    expect(probes.length).toBeGreaterThanOrEqual(3);
    expect(new Set(probes.map(({ packet }) => packet.id)).size).toBe(probes.length);
    const answering = (code: number) =>
      world.policies.set('a', ({ packet }) =>
        packet.code === RadiusCode.StatusServer
          ? { code: code as typeof RadiusCode.AccessAccept }
          : undefined,
      );
    for (const wrong of [RadiusCode.AccessAccept, RadiusCode.AccessReject, RadiusCode.AccessChallenge]) {
      answering(wrong);
      world.run(world.now + 2 * world.options.deadMs);
      expect(world.client.isDead('a', 'acct')).toBe(true);
    }
    expect(world.discards.filter((why) => why === 'unexpected-code').length).toBeGreaterThanOrEqual(3);
    answering(RadiusCode.AccountingResponse);
    world.run(world.now + 2 * world.options.deadMs);
    expect(world.client.isDead('a', 'acct')).toBe(false);
  });
});

describe('another node', () => {
  it('knows an answer to a request that the first one sent', () => {
    const world = new World({}, { ...NO_FAULTS, delay: [50, 50] });
    world.access('t');
    world.accounting('u');
    world.client = world.makeClient();
    world.run();
    expect(world.events.filter((e) => e.kind === 'reply').map((e) => e.token)).toEqual(['t', 'u']);
    expect(world.sent).toHaveLength(2);
  });

  it('sends the same octets again at a takeover, and again when they would have been due', () => {
    const world = new World({ auth: ['a'] });
    world.policies.set('a', silent);
    world.access('t');
    world.run(world.now + 1_000);
    world.client = world.makeClient();
    world.client.resume(world.now);
    world.run(world.now + 2_000);
    expect(world.sent.map((s) => s.at - one(world).at)).toHaveLength(3);
    expect(new Set(world.sent.map((s) => toHex(s.bytes))).size).toBe(1);
    expect(world.sent[1]?.at).toBe(one(world).at + 1_000);
  });

  it('gives a request that ran out of time unheard time for one more answer, and to be sent again', () => {
    const world = new World({ auth: ['a'] });
    world.policies.set('a', silent);
    world.access('t');
    world.client = world.makeClient();
    world.now += 60_000;
    world.policies.set('a', accepting);
    world.client.resume(world.now);
    world.client.handleTimeout(world.now);
    world.run();
    expect(world.events).toMatchObject([{ kind: 'reply', token: 't' }]);
    expect(world.sent).toHaveLength(2);

    world.policies.set('a', silent);
    world.access('u');
    world.client = world.makeClient();
    world.now += 60_000;
    const resumedAt = world.now;
    world.client.resume(world.now);
    world.run();
    expect(world.events.at(-1)).toMatchObject({ kind: 'gave-up', token: 'u', reason: 'radius-timeout' });
    expect(world.now - resumedAt).toBeLessThanOrEqual(3 * world.options.patience.initialMs);
    expect(world.sent.filter(({ at }) => at > resumedAt).length).toBeGreaterThan(0);
  });

  it('goes on without a server that it does not know', () => {
    const world = new World();
    world.policies.set('a', silent);
    world.access('t');
    const options = { ...world.options, auth: ['b'], servers: world.options.servers.slice(1) };
    Object.assign(world.options, options);
    world.client = world.makeClient();
    world.run();
    expect(world.events.at(-1)).toMatchObject({ kind: 'reply', token: 't', server: 'b' });
  });

  it('keeps what the first one knew of dead servers', () => {
    const world = new World();
    world.policies.set('a', silent);
    for (let i = 0; i < 4; i++) world.access(`t${i}`);
    world.run();
    world.client = world.makeClient();
    world.access('u');
    expect(world.sent.at(-1)?.server).toBe('b');
  });

  it('its records are plain data', () => {
    const world = new World();
    world.access('t');
    for (const record of world.requests.values()) expect(structuredClone(record)).toEqual(record);
  });
});

describe('reconfigure', () => {
  it('leaves requests in flight alone where their server is as before', () => {
    const world = new World({}, { ...NO_FAULTS, delay: [50, 50] });
    world.access('t');
    world.client.reconfigure(world.now, { ...world.options, deadMs: 1 });
    world.run();
    expect(world.sent).toHaveLength(1);
    expect(world.events).toHaveLength(1);
  });

  it('sends anew where the server is gone', () => {
    const world = new World({}, { ...NO_FAULTS, delay: [50, 50] });
    world.access('t');
    world.client.reconfigure(world.now, {
      ...world.options,
      auth: ['b'],
      servers: world.options.servers.slice(1),
    });
    world.run();
    expect(world.sent.map((s) => s.server)).toEqual(['a', 'b']);
    expect(world.discards).toEqual(['unknown-server']);
    expect(world.events).toMatchObject([{ kind: 'reply', server: 'b' }]);
  });

  it('sends anew where the secret is another one, and believes the old one no more', () => {
    const world = new World({ auth: ['a'] });
    world.policies.set('a', silent);
    world.access('t');
    const secret = utf8('new');
    const servers = [{ name: 'a', secret, requireMessageAuthenticator: true }];
    world.client.reconfigure(world.now, { ...world.options, servers });
    expect(world.receive('a', 'auth', 0, world.reply(one(world), 2))).toBe('no-request');
    expect(world.client.nextTimeout()).toBe(world.now);
    world.client.handleTimeout(world.now);
    const [event] = world.client.drainEvents();
    if (event?.kind !== 'send') throw new Error('nothing sent');
    expect(verifyRequest(event.bytes, secret, { requireMessageAuthenticator: true })).toBe('ok');
  });

  it('gives up what has no server left', () => {
    const world = new World();
    world.access('t');
    world.client.reconfigure(world.now, { ...world.options, auth: [], acct: [], servers: [] });
    world.run();
    expect(world.events).toEqual([{ kind: 'gave-up', token: 't', reason: 'radius-no-server' }]);
  });
});

describe('a bad network', () => {
  it('every request ends once, with a true answer or a reason, whatever is lost, repeated, reordered or forged', () => {
    fc.assert(
      fc.property(
        fc.record({
          seed: fc.integer(),
          loss: fc.double({ min: 0, max: 0.6, noNaN: true }),
          repeat: fc.double({ min: 0, max: 0.5, noNaN: true }),
          forge: fc.double({ min: 0, max: 0.5, noNaN: true }),
          most: fc.double({ min: 1, max: 6_000, noNaN: true }),
        }),
        ({ seed, loss, repeat, forge, most }) => {
          const world = new World({}, { loss, repeat, forge, delay: [1, most] }, seed);
          const truth: string[] = [];
          // The server tells each request something of its own; only that may come back.
          const policy = (sent: Sent) => {
            const name = sent.packet.attributes.find((a) => a.type === 1)?.value ?? new Uint8Array();
            const code = sent.port === 'acct' ? 5 : name.length % 2 === 0 ? 2 : 3;
            return { code, attributes: [{ type: 18, value: name }] };
          };
          world.policies.set('a', policy).set('b', policy);
          for (let i = 0; i < 30; i++) {
            const token = `t${'x'.repeat(i % 3)}${i}`;
            truth.push(token);
            if (i % 3 === 0) world.accounting(token);
            else world.access(token);
            world.run(world.now + 700);
          }
          world.run();
          const ends = world.events.filter((e) => e.kind === 'reply' || e.kind === 'gave-up');
          expect(ends.map((e) => e.token).sort()).toEqual(truth.sort());
          for (const end of ends) {
            if (end.kind === 'gave-up') {
              expect(end.reason).toBe('radius-timeout');
              continue;
            }
            const said = end.reply.attributes.find((a) => a.type === 18)?.value;
            expect(said).toEqual(utf8(end.token));
          }
          const accounted = ends.filter((e) =>
            world.sent.some((s) => s.port === 'acct' && e.token === tokenOf(s)),
          );
          expect(accounted.every((e) => e.kind === 'reply')).toBe(true);
          expect(world.client.inFlight).toBe(0);
          expect(world.requests.size).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });
});

/** A right reply without Message-Authenticator. */
function plainReply(sent: Sent, code: number, attributes: Sent['packet']['attributes'] = []): Uint8Array {
  const { id, authenticator } = sent.packet;
  return signReply({ code, id, attributes }, authenticator, secretOf(sent.server), {
    messageAuthenticator: false,
  });
}

function tokenOf(sent: Sent): string {
  return new TextDecoder().decode(sent.packet.attributes.find((a) => a.type === 1)?.value);
}
