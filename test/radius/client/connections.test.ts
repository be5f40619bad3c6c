/** Requests over connections (RFC 6613): nothing twice on one of them, everything anew when it is gone. */
import { describe, expect, it } from 'vitest';
import { RadiusCode } from '../../../radius/packet.ts';
import { accepting, NO_FAULTS, secretOf, silent, World } from '../world.ts';

function streams(options: Partial<World['options']> = {}, delay: readonly [number, number] = [1, 1]): World {
  const servers = ['a', 'b'].map((name) => ({
    name,
    secret: secretOf(name),
    requireMessageAuthenticator: true,
    stream: true,
  }));
  return new World({ servers, ...options }, { ...NO_FAULTS, delay });
}

const replies = (world: World) => world.events.filter((event) => event.kind === 'reply');

describe('a request over a connection', () => {
  it('conformance 35: is not sent again on it, however long the answer takes', () => {
    const world = streams({ auth: ['a'], acct: ['a'] });
    world.policies.set('a', silent);
    world.access('t', { server: 'a', pinned: true });
    world.accounting('acct', { server: 'a', pinned: true });
    world.run(world.now + 29_000);
    expect(world.sent.map(({ port }) => port)).toEqual(['auth', 'acct']);
    expect(world.client.has('t')).toBe(true);
  });

  it('conformance 35: never has identifier 0, which is the watchdog’s, and needs a second connection for the 256th', () => {
    const world = streams({}, [50, 50]);
    for (let i = 0; i < 600; i++) world.access(`t${i}`);
    const slots = world.sent.map(({ socket, packet }) => [socket, packet.id] as const);
    expect(slots.filter(([, id]) => id === 0)).toEqual([]);
    expect(new Set(slots.map(([socket, id]) => `${socket}/${id}`)).size).toBe(600);
    expect(slots.map(([socket]) => socket)).toEqual(slots.map((_, i) => Math.floor(i / 255)));
    world.run(world.now + 100);
    expect(replies(world)).toHaveLength(600);
  });

  it('conformance 35: keeps to the connection of its conversation', () => {
    const world = streams({}, [50, 50]);
    for (let i = 0; i < 300; i++) world.access(`t${i}`);
    world.run(world.now + 100);
    world.access('next', { server: 'a', pinned: true, socket: 1 });
    expect(world.sent.at(-1)?.socket).toBe(1);
  });

  it('moves to another server when its own is silent', () => {
    const world = streams();
    world.policies.set('a', silent);
    world.access('t');
    world.run(world.now + 10_000);
    expect(world.sent.map(({ server }) => server)).toEqual(['a', 'b']);
    expect(replies(world)).toMatchObject([{ server: 'b' }]);
  });
});

describe('a connection that is gone', () => {
  it('takes nothing with it: all that was on it is sent anew at once', () => {
    const world = streams({}, [50, 50]);
    for (let i = 0; i < 300; i++) world.access(`t${i}`);
    const before = world.sent.slice();
    world.client.lost(world.now, 'a', 'auth', 0, 'closed');
    world.run(world.now + 1);
    const again = world.sent.slice(300);
    expect(again).toHaveLength(255);
    for (const sent of again) {
      const first = before.find(({ packet }) => packet.attributes.at(-1) === sent.packet.attributes.at(-1));
      expect(sent.packet.authenticator).not.toEqual(first?.packet.authenticator);
    }
    world.run(world.now + 200);
    const tokens = replies(world).map((event) => 'token' in event && event.token);
    expect(tokens).toHaveLength(300);
    expect(new Set(tokens).size).toBe(300);
    expect(world.client.inFlight).toBe(0);
  });

  it('that never came to be leaves its server dead until one does, and others answer', () => {
    const world = streams({
      servers: ['a', 'b'].map((name) => ({
        name,
        secret: secretOf(name),
        requireMessageAuthenticator: true,
        stream: true,
        statusServer: true,
      })),
    });
    world.policies.set('a', silent);
    world.access('t');
    world.access('eap', { server: 'a', pinned: true });
    world.client.lost(world.now, 'a', 'auth', 0, 'refused');
    world.run(world.now + 10);
    expect(world.client.isDead('a', 'auth')).toBe(true);
    expect(replies(world)).toMatchObject([{ token: 't', server: 'b' }]);
    expect(world.events).toContainEqual(
      expect.objectContaining({ kind: 'gave-up', token: 'eap', reason: 'radius-timeout' }),
    );
    world.policies.set('a', accepting);
    world.client.connected(world.now, 'a', 'auth');
    world.run(world.now + 10);
    expect(world.sent.at(-1)?.packet.code).toBe(RadiusCode.StatusServer);
    expect(world.client.isDead('a', 'auth')).toBe(false);
  });

  it('with all servers gone requests wait, and are sent when one is back', () => {
    const world = streams();
    world.policies.set('a', silent);
    world.policies.set('b', silent);
    world.access('t');
    world.client.lost(world.now, 'a', 'auth', 0, 'refused');
    world.run(world.now + 1);
    world.client.lost(world.now, 'b', 'auth', 0, 'refused');
    const sent = world.sent.length;
    world.run(world.now + 500);
    // No request for every refusal: its own wait goes on.
    expect(world.sent.length).toBeLessThanOrEqual(sent + 1);
    world.policies.set('a', accepting);
    world.policies.set('b', accepting);
    world.run(world.now + 20_000);
    expect(replies(world)).toMatchObject([{ token: 't' }]);
  });

  it('after a takeover everything is sent anew, as the connections were the other node’s', () => {
    const world = streams({}, [50, 50]);
    for (let i = 0; i < 10; i++) world.access(`t${i}`);
    world.client = world.makeClient();
    world.client.resume(world.now);
    world.run(world.now + 1);
    expect(world.sent).toHaveLength(20);
    world.run(world.now + 200);
    expect(replies(world)).toHaveLength(10);
  });
});
