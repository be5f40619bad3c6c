/** Answers of a RADIUS server that verify, and yet cannot be taken as they are. */
import { describe, expect, it } from 'vitest';
import { AttributeType, integer, octets } from '../../../radius/attributes.ts';
import { RadiusCode } from '../../../radius/packet.ts';
import { challenge, eapOf } from '../radius-server.ts';
import { type Host, World } from '../world.ts';

const NEWS = '239.1.1.1';
const SHORT = octets(AttributeType.SessionTimeout, new Uint8Array(3));
const NO_TIME = integer(AttributeType.SessionTimeout, 0);

function world(): { w: World; alice: Host } {
  const w = new World();
  w.server.users.set('alice', []);
  const alice = w.host('alice');
  alice.login();
  w.takeDone();
  return { w, alice };
}

describe('an Access-Accept to a group question', () => {
  it.each([
    ['of a wrong attribute length', SHORT],
    ['for no time', NO_TIME],
  ])('%s permits nothing', (_, attribute) => {
    const { w, alice } = world();
    w.server.permits.set(`alice ${NEWS}`, [attribute]);
    alice.join(NEWS);
    w.pass(5);
    expect(w.takeDone().filter((done) => done.startsWith('forward'))).toEqual([]);
    expect(w.logged('join-refused')).toMatchObject([{ group: NEWS, reason: 'radius-bad-accept' }]);
  });

  it('that cannot be read ends a permission that was to be renewed', () => {
    const { w, alice } = world();
    w.server.permits.set(`alice ${NEWS}`, [integer(AttributeType.SessionTimeout, 100)]);
    alice.join(NEWS);
    w.pass(5);
    expect(w.core.stores.grants.size).toBe(1);
    w.server.permits.set(`alice ${NEWS}`, [SHORT]);
    w.pass(91_000);
    expect(w.core.stores.grants.size).toBe(0);
    expect(w.logged('channel-ended')).toMatchObject([{ cause: 'permission-withdrawn' }]);
  });
});

describe('an answer to a login', () => {
  it('that accepts for no time lets nobody in, and does not go round in circles', () => {
    const { w } = world();
    w.server.users.set('bob', [NO_TIME]);
    const bob = w.host('bob', 'swp2');
    bob.login();
    expect(w.session(bob)).toBeUndefined();
    expect(w.takeDone().filter((done) => done.startsWith('open'))).toEqual([]);
    expect(w.logged('login-refused')).toMatchObject([{ account: 'bob', reason: 'accept-for-no-time' }]);
  });

  it('that challenges with Session-Timeout 0 leaves the host its usual time', () => {
    const { w } = world();
    w.server.users.set('bob', []);
    let challenges = 0;
    w.server.script = ({ packet }) => {
      const eap = packet.code === RadiusCode.AccessRequest ? eapOf(packet) : undefined;
      if (eap === undefined || ++challenges > 1) return 'policy';
      const asked = challenge((eap.id + 1) & 0xff, new TextEncoder().encode('state 1'));
      return { ...asked, attributes: [...asked.attributes, NO_TIME] };
    };
    const bob = w.host('bob', 'swp2');
    bob.start();
    const id = bob.heard().at(-1)?.id ?? 0;
    bob.identity(id);
    w.pass(1000);
    expect(w.core.stores.authenticators.get(bob.key)?.eap).toBe('IDLE2');
    bob.answer();
    expect(w.session(bob)).toBeDefined();
  });
});
