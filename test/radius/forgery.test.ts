/**
 * Answers that somebody else made. What Blast-RADIUS gives a forger is an answer of a code of his choice whose
 * Response Authenticator is right; what it does not give him is a Message-Authenticator.
 */
import { describe, expect, it } from 'vitest';
import { RadiusCode } from '../../radius/packet.ts';
import { signReply } from '../../radius/sign.ts';
import { utf8 } from './arbitraries.ts';
import { NO_FAULTS, secretOf, World } from './world.ts';

/** Everything that a forged answer could change. */
const state = (world: World) =>
  JSON.stringify([
    [...world.requests.values()],
    [...world.servers.values()],
    world.client.nextTimeout(),
    world.client.inFlight,
    world.events,
  ]);

/** The forger's Accept in the place of a Reject: Proxy-State holds the octets of the collision. */
function blast(world: World, messageAuthenticator: boolean): Uint8Array {
  const [sent] = world.sent;
  if (sent === undefined) throw new Error('nothing was sent');
  const attributes = [{ type: 33, value: new Uint8Array(224).fill(0x5a) }];
  const reply = { code: RadiusCode.AccessAccept, id: sent.packet.id, attributes };
  return signReply(reply, sent.packet.authenticator, secretOf('a'), { messageAuthenticator });
}

function asked(required: boolean): World {
  const servers = ['a', 'b'].map((name) => ({
    name,
    secret: secretOf(name),
    requireMessageAuthenticator: required,
  }));
  const world = new World({ servers }, { ...NO_FAULTS, delay: [500, 500] });
  world.access('t', { attributes: [{ type: 1, value: utf8('eve') }] });
  return world;
}

describe('a Blast-RADIUS style forgery', () => {
  it('conformance 17, 18, 19: is discarded, and changes no timer, no record and no health', () => {
    const world = asked(true);
    const before = state(world);
    expect(world.receive('a', 'auth', 0, blast(world, false))).toBe('message-authenticator-missing');
    // With a Message-Authenticator that the forger cannot compute.
    const guessed = blast(world, true);
    guessed.fill(0x11, 22, 38);
    expect(world.receive('a', 'auth', 0, guessed)).toBe('message-authenticator');
    expect(state(world)).toBe(before);
    world.run();
    expect(world.events).toMatchObject([{ kind: 'reply', token: 't' }]);
  });

  it('would get in where a server is configured as an old one: the reason for the warning', () => {
    const world = asked(false);
    expect(world.receive('a', 'auth', 0, blast(world, false))).toBeUndefined();
    expect(world.events).toMatchObject([{ kind: 'reply', token: 't' }]);
  });

  it('conformance 21, 23: neither another server, port, source port nor identifier makes it better', () => {
    const world = asked(true);
    const before = state(world);
    const right = blast(world, true);
    const otherId = Uint8Array.from(right);
    otherId[1] = ((right[1] ?? 0) + 1) & 0xff;
    for (const [server, port, socket, bytes] of [
      ['b', 'auth', 0, right],
      ['a', 'acct', 0, right],
      ['a', 'auth', 1, right],
      ['a', 'auth', 0, otherId],
      ['nobody', 'auth', 0, right],
    ] as const)
      expect(world.receive(server, port, socket, bytes)).toBeDefined();
    expect(state(world)).toBe(before);
    expect(world.receive('a', 'auth', 0, right)).toBeUndefined();
    // Played again it is a duplicate.
    const after = state(world);
    expect(world.receive('a', 'auth', 0, right)).toBe('duplicate');
    expect(state(world)).toBe(after);
  });
});
