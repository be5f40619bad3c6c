/** VLANs from RADIUS: a port is put into one, or into the bridge that stands for it. The core on virtual time. */
import { describe, expect, it } from 'vitest';
import { EapCode } from '../../../eapol/eap.ts';
import { AttributeType, firstInteger, octets, text } from '../../../radius/attributes.ts';
import type { RadiusAttribute } from '../../../radius/packet.ts';
import { AcctStatusType, TerminateCause } from '../../../radius/values.ts';
import { type Host, World } from '../world.ts';

const { Start, Stop } = AcctStatusType;
const BRIDGES = { authenticator: { quiet_period: '0s' }, vlan_bridges: { 42: 'br-lab', 43: 'br-office' } };

function vlan(number: number): readonly RadiusAttribute[] {
  return [
    octets(AttributeType.TunnelType, Uint8Array.of(0, 0, 0, 13)),
    octets(AttributeType.TunnelMediumType, Uint8Array.of(0, 0, 0, 6)),
    text(AttributeType.TunnelPrivateGroupId, String(number)),
  ];
}

function world(more: Readonly<Record<string, unknown>> = BRIDGES, bridge = {}): World {
  const w = new World(more, 1, bridge);
  w.server.users.set('alice', vlan(42)).set('bob', vlan(43)).set('carol', vlan(42)).set('dave', []);
  return w;
}

function inside(w: World, name: string): Host {
  const host = w.host(name);
  expect(host.login()).toMatchObject({ code: EapCode.Success });
  expect(w.switch.isOpen(host.place)).toBe(true);
  return host;
}

describe('a VLAN from the Access-Accept', () => {
  it('conformance 30: the port is put into it before the host is opened and told', () => {
    const w = world({}, { vlans: true });
    const alice = inside(w, 'alice');
    expect(w.switch.serviceOf('swp1')).toEqual({ open: false, vlan: 42, bridge: undefined });
    alice.logoff();
    expect(w.switch.serviceOf('swp1')).toEqual({ open: false, vlan: undefined, bridge: undefined });
    expect(w.switch.serviceOf('swp2').vlan).toBeUndefined();
  });

  it('a bridge stands for it where the bridge has no VLANs', () => {
    const w = world();
    inside(w, 'alice');
    expect(w.switch.serviceOf('swp1')).toEqual({ open: false, vlan: undefined, bridge: 'br-lab' });
  });

  it('conformance 13: one that is not there is a reject, and nothing is opened or accounted for', () => {
    const w = world({});
    const alice = w.host('alice');
    expect(alice.login()).toMatchObject({ code: EapCode.Failure });
    expect(w.logged('login-refused')).toMatchObject([{ account: 'alice', reason: 'accept-vlan' }]);
    expect(w.switch.openHosts()).toEqual([]);
    expect(w.server.accounting(Start)).toEqual([]);
  });

  it('a switch that cannot put the port there keeps the host out, and it does not hear of a success', () => {
    const w = world();
    w.switch.fail('setPortService', 'ENODEV');
    const alice = w.host('alice');
    expect(alice.login()?.code).not.toBe(EapCode.Success);
    expect(w.switch.openHosts()).toEqual([]);
    expect(w.session(alice)).toBeUndefined();
  });

  it('hosts of one port share it: who brings another one, or none, is rejected', () => {
    const w = world();
    const alice = inside(w, 'alice');
    const carol = inside(w, 'carol');
    for (const name of ['bob', 'dave']) {
      expect(w.host(name).login()).toMatchObject({ code: EapCode.Failure });
      expect(w.logged('login-refused').at(-1)).toMatchObject({ account: name, reason: 'other-vlan' });
    }
    expect(w.switch.openHosts()).toEqual([alice.place, carol.place]);
    alice.logoff();
    expect(w.switch.serviceOf('swp1').bridge).toBe('br-lab');
    carol.logoff();
    expect(w.switch.serviceOf('swp1').bridge).toBeUndefined();
    inside(w, 'bob');
    expect(w.switch.serviceOf('swp1').bridge).toBe('br-office');
  });

  it('another one at re-authentication is no logoff: the session goes on, under another id for accounting', () => {
    const w = world();
    const alice = inside(w, 'alice');
    w.server.users.set('alice', vlan(43));
    w.takeDone();
    expect(alice.login()).toMatchObject({ code: EapCode.Success });
    expect(w.switch.serviceOf('swp1').bridge).toBe('br-office');
    expect(w.takeDone().filter((line) => line.startsWith('close'))).toEqual([]);
    w.pass(5);
    const causes = w.server
      .accounting(Stop)
      .map(({ attributes }) => firstInteger(attributes, AttributeType.AcctTerminateCause));
    expect(causes).toEqual([TerminateCause.ServiceUnavailable]);
    expect(w.session(alice)).toMatchObject({ assignedVlan: 43 });
  });

  it('a takeover puts the port there again', () => {
    const w = world();
    inside(w, 'alice');
    w.switch.setPortService('swp1', { open: false, vlan: undefined, bridge: undefined });
    w.takeOver();
    expect(w.switch.serviceOf('swp1').bridge).toBe('br-lab');
  });

  it('a host that tags its frames is in the VLAN of its tag, and gets in where RADIUS says the same', () => {
    const w = world({}, { vlans: true });
    const tagged = w.host('alice', 'swp1', 42);
    expect(tagged.login()).toMatchObject({ code: EapCode.Success });
    expect(w.switch.serviceOf('swp1').vlan).toBeUndefined();
    const other = w.host('alice', 'swp2', 7);
    expect(other.login()).toMatchObject({ code: EapCode.Failure });
    expect(w.logged('login-refused')).toMatchObject([{ reason: 'other-vlan' }]);
  });
});
