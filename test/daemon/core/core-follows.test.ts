/** A core that follows the records of another one until it is its turn. */
import { describe, expect, it } from 'vitest';
import { EapCode } from '../../../eapol/eap.ts';
import { AttributeType, octets, text } from '../../../radius/attributes.ts';
import type { RadiusAttribute } from '../../../radius/packet.ts';
import { World } from '../world.ts';

const NEWS = '239.1.1.1';
const FILM = '239.1.1.2';

function vlan(number: number): readonly RadiusAttribute[] {
  return [
    octets(AttributeType.TunnelType, Uint8Array.of(0, 0, 0, 13)),
    octets(AttributeType.TunnelMediumType, Uint8Array.of(0, 0, 0, 6)),
    text(AttributeType.TunnelPrivateGroupId, String(number)),
  ];
}

function world(): World {
  const made = new World();
  made.server.users.set('alice', []);
  made.server.users.set('bob', []);
  made.server.permit('alice', NEWS, FILM);
  made.server.permit('bob', NEWS);
  return made;
}

describe('a core that follows', () => {
  it('has derived from the records what a core derives that is built from them', () => {
    const w = world();
    const alice = w.host('alice');
    const bob = w.host('bob', 'swp2');
    alice.login();
    bob.login();
    for (const group of [NEWS, FILM]) alice.join(group);
    bob.join(NEWS);
    w.pass(1_000);
    alice.leave(FILM);
    bob.logoff();
    w.pass(30_000);
    w.host('carol', 'swp3').start();
    const { followed, built } = w.takeOverFollowing();
    expect(followed).toEqual(built);
    expect(followed).toMatchObject({ hosts: [1, 0, 1], vlans: [[0], [], []], channels: [1, 0] });
  });

  it('knows the VLAN that the hosts of a port have brought, also one that was changed or has left', () => {
    const w = new World({
      authenticator: { quiet_period: '0s' },
      vlan_bridges: { 42: 'br-lab', 43: 'br-office' },
    });
    w.server.users
      .set('alice', vlan(42))
      .set('bob', vlan(42))
      .set('carol', vlan(43))
      .set('dave', [])
      .set('erin', vlan(43));
    const alice = w.host('alice');
    for (const host of [alice, w.host('bob')]) expect(host.login()?.code).toBe(EapCode.Success);
    w.host('dave', 'swp2').login();
    w.server.users.set('alice', vlan(43));
    w.host('bob').logoff();
    expect(alice.login()?.code).toBe(EapCode.Success);
    w.host('dave', 'swp2').logoff();
    w.takeOverFollowing();
    expect(w.host('bob').login()?.code).toBe(EapCode.Failure);
    expect(w.host('carol').login()?.code).toBe(EapCode.Success);
    expect(w.host('erin', 'swp2').login()?.code).toBe(EapCode.Success);
    expect(w.switch.serviceOf('swp1').bridge).toBe('br-office');
  });

  it('goes on with sessions, channels and deadlines as if it had always served', () => {
    const w = world();
    const alice = w.host('alice');
    alice.login();
    alice.join(NEWS);
    w.pass(10);
    const id = w.session(alice)?.acctSessionId;
    w.takeDone();
    w.takeOverFollowing();
    expect(w.session(alice)?.acctSessionId).toBe(id);
    alice.join(FILM);
    w.pass(10);
    expect(w.core.channels.channelsOfHost(alice.key)).toBe(2);
    // Nobody says it again: the wish ends by the deadline that the first core had set.
    w.pass(600_000);
    expect(w.core.channels.channelsOfHost(alice.key)).toBe(0);
    alice.logoff();
    expect(w.session(alice)).toBeUndefined();
    expect(alice.login()?.code).toBe(EapCode.Success);
  });

  it('takes up requests in flight, each answered once', () => {
    const w = world();
    w.server.delayMs = 50;
    const alice = w.host('alice');
    alice.start();
    alice.identity(alice.heard().at(-1)?.id ?? 0);
    const [asked] = [...w.core.stores.radiusRequests.values()].map(({ token }) => token);
    expect(asked).toBeDefined();
    w.takeOverFollowing();
    w.pass(200);
    expect(w.core.stores.radiusRequests.has(asked ?? '')).toBe(false);
    expect(alice.answer()?.code).toBe(EapCode.Success);
    expect(w.logged('session-started')).toHaveLength(1);
  });

  it('does not follow its own changes once it serves', () => {
    const w = world();
    w.takeOverFollowing();
    let told = 0;
    w.core.stores.sessions.follow(() => told++);
    w.host('alice').login();
    expect(w.core.stores.sessions.size).toBe(1);
    expect(told).toBe(0);
  });
});
