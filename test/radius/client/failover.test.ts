/** What becomes of requests whose server goes away: by Status-Server, by ICMP, by state that nobody has any more. */
import { describe, expect, it } from 'vitest';
import { radiusClientDefaults } from '../../../radius/client/client-types.ts';
import { RadiusCode } from '../../../radius/packet.ts';
import { toHex } from '../../../wire/bytes.ts';
import { accepting, NO_FAULTS, type Policy, secretOf, silent, World } from '../world.ts';

/** Servers that answer Status-Server. */
function probed(options: Partial<World['options']> = {}, delay: readonly [number, number] = [1, 1]): World {
  const servers = ['a', 'b'].map((name) => ({
    name,
    secret: secretOf(name),
    requireMessageAuthenticator: true,
    statusServer: true,
  }));
  return new World({ servers, ...options }, { ...NO_FAULTS, delay });
}

const isStatus = (code: number) => code === RadiusCode.StatusServer;
/** Says that it lives, and answers nothing else. */
const onlyStatus: Policy = (sent) => (isStatus(sent.packet.code) ? accepting(sent) : undefined);
const replies = (world: World) => world.events.filter((event) => event.kind === 'reply');
const gaveUp = (world: World) => world.events.filter((event) => event.kind === 'gave-up');

describe('a server that goes away', () => {
  it('conformance 34: is known within two seconds, and what it had in flight is answered by the next', () => {
    for (let seed = 1; seed <= 4; seed++) {
      const world = probed();
      for (let i = 0; i < 200; i++) world.access(`before${i}`);
      world.run(world.now + 10);
      expect(replies(world)).toHaveLength(200);
      world.policies.set('a', silent);
      const died = world.now;
      for (let i = 0; i < 500; i++) world.access(`t${i}`);
      world.run(died + 2_000);
      expect(replies(world)).toHaveLength(700);
      expect(world.client.isDead('a', 'auth')).toBe(true);
      const last = world.sent.filter(({ server, packet }) => server === 'b' && !isStatus(packet.code)).at(-1);
      expect((last?.at ?? Number.POSITIVE_INFINITY) - died).toBeLessThan(2_000);
    }
  });

  it('has its conversations told at once that they must begin anew, also where no other server lives', () => {
    for (const other of [accepting, silent]) {
      const world = probed();
      world.policies.set('a', silent);
      world.policies.set('b', other);
      if (other === silent) {
        world.access('to b', { server: 'b', pinned: true });
        world.run(world.now + 2_000);
        expect(world.client.isDead('b', 'auth')).toBe(true);
        world.events.length = 0;
      }
      world.access('eap', { server: 'a', pinned: true });
      world.run(world.now + 2_000);
      expect(gaveUp(world)).toMatchObject([{ token: 'eap', reason: 'radius-timeout', server: 'a' }]);
    }
  });

  it('that is slow and says so keeps everything that it was asked', () => {
    const world = probed();
    let slow = true;
    world.policies.set('a', (sent) => (isStatus(sent.packet.code) || !slow ? accepting(sent) : undefined));
    for (let i = 0; i < 50; i++) world.access(`t${i}`, { server: 'a', pinned: true });
    world.run(world.now + 12_000);
    expect(world.client.isDead('a', 'auth')).toBe(false);
    expect(gaveUp(world)).toEqual([]);
    slow = false;
    world.run(world.now + 12_000);
    expect(replies(world)).toHaveLength(50);
  });

  it('one lost probe does not make it dead', () => {
    const world = probed();
    let probes = 0;
    world.policies.set('a', (sent) =>
      isStatus(sent.packet.code) && ++probes > 1 ? accepting(sent) : undefined,
    );
    world.access('t', { server: 'a', pinned: true });
    world.run(world.now + 1_900);
    expect(probes).toBeGreaterThan(1);
    expect(world.client.isDead('a', 'auth')).toBe(false);
  });

  it('is asked every five seconds, and is back with its first answer', () => {
    const world = probed();
    world.policies.set('a', silent);
    world.access('t');
    world.run(world.now + 60_000);
    const probes = world.sent.filter(({ packet }) => isStatus(packet.code));
    expect(probes.length).toBeGreaterThan(11);
    expect(probes.length).toBeLessThan(16);
    world.policies.set('a', onlyStatus);
    world.run(world.now + 6_000);
    expect(world.client.isDead('a', 'auth')).toBe(false);
    expect(world.client.nextTimeout()).toBeUndefined();
  });

  it('an idle one is asked nothing', () => {
    const world = probed();
    world.access('t');
    world.run(world.now + 3_600_000);
    expect(world.sent).toHaveLength(1);
  });
});

describe('news that the host refuses datagrams (ICMP)', () => {
  it('have the server asked at once; when that is refused too, it is dead', () => {
    const world = probed();
    world.policies.set('a', silent);
    world.access('t');
    world.client.refused(world.now, 'a', 'auth');
    world.run(world.now + 1);
    expect(world.sent.map(({ packet }) => packet.code)).toEqual([
      RadiusCode.AccessRequest,
      RadiusCode.StatusServer,
    ]);
    world.client.refused(world.now, 'a', 'auth');
    world.run(world.now + 10);
    expect(world.client.isDead('a', 'auth')).toBe(true);
    expect(replies(world)).toMatchObject([{ token: 't', server: 'b' }]);
  });

  it('that somebody made up do no more than that', () => {
    const world = probed({}, [50, 50]);
    world.access('t');
    for (let i = 0; i < 10; i++) {
      world.client.refused(world.now, 'a', 'auth');
      world.run(world.now + 4);
      // Between the first and the answer one probe is on its way: a second refusal would settle it.
      if (i === 0) world.run(world.now + 60);
    }
    world.run(world.now + 200);
    expect(replies(world)).toMatchObject([{ token: 't', server: 'a' }]);
  });

  it('of a server that is not asked by Status-Server change nothing', () => {
    const world = new World({}, { ...NO_FAULTS, delay: [50, 50] });
    world.access('t');
    const before = JSON.stringify([...world.requests.values()]);
    for (let i = 0; i < 10; i++) world.client.refused(world.now, 'a', 'auth');
    expect(JSON.stringify([...world.requests.values()])).toBe(before);
    world.run();
    expect(replies(world)).toMatchObject([{ token: 't', server: 'a' }]);
  });
});

describe('a conversation whose server died since it last spoke', () => {
  it('is told so and not sent to a server that has forgotten it', () => {
    const world = probed();
    const stateSince = world.now;
    world.policies.set('a', silent);
    world.access('t');
    world.run(world.now + 2_000);
    world.policies.set('a', accepting);
    world.run(world.now + 10_000);
    expect(world.client.isDead('a', 'auth')).toBe(false);
    world.events.length = 0;
    const before = world.sent.length;
    world.access('old', { server: 'a', pinned: true, stateSince });
    world.access('new', { server: 'a', pinned: true, stateSince: world.now });
    world.run(world.now + 10);
    expect(gaveUp(world)).toMatchObject([{ token: 'old', reason: 'radius-timeout' }]);
    expect(replies(world)).toMatchObject([{ token: 'new' }]);
    expect(world.sent.slice(before)).toHaveLength(1);
  });
});

describe('load', () => {
  it('is shared by what is in flight where that is wanted, and dead servers get none', () => {
    const world = new World({ balance: true }, { ...NO_FAULTS, delay: [10, 10] });
    for (let i = 0; i < 100; i++) world.access(`t${i}`);
    const of = (name: string) => world.sent.filter(({ server }) => server === name).length;
    expect([of('a'), of('b')]).toEqual([50, 50]);
    world.run(world.now + 100);
    // With nothing in flight, each in turn.
    for (let i = 0; i < 10; i++) {
      world.access(`u${i}`);
      world.run(world.now + 100);
    }
    expect([of('a'), of('b')]).toEqual([55, 55]);
    world.policies.set('a', silent);
    for (let i = 0; i < 20; i++) world.access(`v${i}`);
    world.run(world.now + 30_000);
    expect(world.client.isDead('a', 'auth')).toBe(true);
    const before = of('a');
    for (let i = 0; i < 20; i++) world.access(`w${i}`);
    expect(of('a')).toBe(before);
  });

  it('conformance 23: 30,000 in flight at a server that takes 20 seconds for them are all answered, none twice', () => {
    const world = new World({
      auth: ['a'],
      patience: { ...radiusClientDefaults.patience, maxDurationMs: 60_000 },
    });
    let free = world.now;
    // One packet after the other, three in a millisecond, each way.
    world.faults = {
      ...NO_FAULTS,
      get delay(): readonly [number, number] {
        free = Math.max(free, world.now) + 1 / 3;
        return [free - world.now, free - world.now];
      },
    };
    const seen = new Set<string>();
    world.policies.set('a', (sent) => {
      const name = `${sent.socket}/${sent.packet.id}/${toHex(sent.packet.authenticator)}`;
      // A server answers a copy from memory (RFC 5080 §2.2.2): here it does so once.
      return seen.size === seen.add(name).size ? undefined : accepting(sent);
    });
    for (let i = 0; i < 30_000; i++) world.access(`t${i}`);
    expect(world.client.inFlight).toBe(30_000);
    const slots = new Set(world.sent.map(({ socket, packet }) => `${socket}/${packet.id}`));
    expect(slots.size).toBe(30_000);
    const begun = world.now;
    world.run();
    expect(world.now - begun).toBeGreaterThan(15_000);
    expect(new Set(replies(world).map((event) => 'token' in event && event.token)).size).toBe(30_000);
    expect(replies(world)).toHaveLength(30_000);
    expect(gaveUp(world)).toEqual([]);
  }, 120_000);
});
