/** Ports on which nobody is in: for guests, for the rejected, for the time without RADIUS. On virtual time. */
import { describe, expect, it } from 'vitest';
import { EapCode } from '../../../eapol/eap.ts';
import { AcctStatusType } from '../../../radius/values.ts';
import { World } from '../world.ts';

const { Start } = AcctStatusType;
const SHUT = { open: false, vlan: undefined, bridge: undefined };
const GUESTS = { open: true, vlan: undefined, bridge: 'br-guests' };
const REJECTED = { open: true, vlan: undefined, bridge: 'br-rejected' };
const CRITICAL = { open: true, vlan: undefined, bridge: 'br-critical' };

function world(
  authenticator: Readonly<Record<string, unknown>>,
  more: Readonly<Record<string, unknown>> = {},
) {
  const w = new World({
    vlan_bridges: { 99: 'br-guests', 98: 'br-rejected', 97: 'br-critical' },
    authenticator: { quiet_period: '1s', ...authenticator },
    ...more,
  });
  w.server.users.set('alice', []);
  return w;
}

describe('a port for guests', () => {
  it('is one where nobody speaks 802.1X for so long, and is open there to all', () => {
    const w = world({ guest_vlan: 99 });
    const printer = w.host('printer');
    w.pass(89_000);
    expect(w.switch.serviceOf('swp1')).toEqual(SHUT);
    w.pass(1_500);
    expect(w.switch.serviceOf('swp1')).toEqual(GUESTS);
    expect(w.switch.transmit(printer.place, 100)).toBe(true);
    expect(w.core.stores.sessions.size).toBe(0);
    expect(w.server.accounting(Start)).toEqual([]);
  });

  it('ends when somebody begins 802.1X, before it is known who that is', () => {
    const w = world({ guest_vlan: 99 });
    w.pass(91_000);
    const mallory = w.host('mallory');
    mallory.start();
    expect(w.switch.serviceOf('swp1')).toEqual(SHUT);
    expect(w.host('alice').login()).toMatchObject({ code: EapCode.Success });
    w.pass(500_000);
    expect(w.switch.serviceOf('swp1')).toEqual(SHUT);
  });

  it('comes again after the last one has logged off, and not while somebody is in', () => {
    const w = world({ guest_vlan: 99 });
    const alice = w.host('alice');
    alice.login();
    w.pass(100_000);
    expect(w.switch.serviceOf('swp1')).toEqual(SHUT);
    alice.logoff();
    w.pass(91_000);
    expect(w.switch.serviceOf('swp1')).toEqual(GUESTS);
    w.switch.setLink('swp1', false);
    expect(w.switch.serviceOf('swp1')).toEqual(SHUT);
  });

  it('is none on a port of which nothing is asked, nor where its VLAN is not there', () => {
    const w = world({});
    w.pass(500_000);
    expect(w.switch.serviceOf('swp1')).toEqual(SHUT);
    const other = world({ guest_vlan: 77 });
    other.pass(500_000);
    expect(other.switch.serviceOf('swp1')).toEqual(SHUT);
    expect(other.logged('fallback-not-there').length).toBeGreaterThan(0);
  });

  it('is one after a takeover too', () => {
    const w = world({ guest_vlan: 99 });
    w.pass(91_000);
    w.switch.setPortService('swp1', SHUT);
    w.takeOver();
    expect(w.switch.serviceOf('swp1')).toEqual(GUESTS);
    w.host('alice').login();
    expect(w.switch.serviceOf('swp1')).toEqual(SHUT);
  });

  it('channels are not for guests: a join there is refused', () => {
    const w = world({ guest_vlan: 99 });
    w.pass(91_000);
    w.host('printer').join('239.1.1.1');
    w.pass(5);
    expect(w.core.tally.of('swp1', 'refused/no-session')).toBe(1);
    expect(w.server.questions()).toEqual([]);
  });
});

describe('a port for the rejected', () => {
  it('is one after so many rejects in a row, and stays so until somebody logs in', () => {
    const w = world({ auth_fail_vlan: 98, auth_fail_after: 2, guest_vlan: 99 });
    const mallory = w.host('mallory');
    mallory.login();
    expect(w.switch.serviceOf('swp1')).toEqual(SHUT);
    w.pass(1_100);
    mallory.login();
    expect(w.switch.serviceOf('swp1')).toEqual(REJECTED);
    w.pass(200_000);
    expect(w.switch.serviceOf('swp1')).toEqual(REJECTED);
    const alice = w.host('alice');
    expect(alice.login()).toMatchObject({ code: EapCode.Success });
    expect(w.switch.serviceOf('swp1')).toEqual(SHUT);
    expect(w.switch.openHosts()).toEqual([alice.place]);
  });

  it('is none while somebody else is in on the port', () => {
    const w = world({ auth_fail_vlan: 98, auth_fail_after: 1 });
    w.host('alice').login();
    w.host('mallory').login();
    expect(w.switch.serviceOf('swp1')).toEqual(SHUT);
  });
});

describe('a port without RADIUS', () => {
  it('is open in the critical VLAN while no server answers, and asks again once one does', () => {
    const w = world({ critical_vlan: 97 });
    w.server.alive = false;
    const alice = w.host('alice');
    alice.login();
    w.pass(120_000);
    expect(w.core.radius.hasLoginServer()).toBe(false);
    expect(w.switch.serviceOf('swp1')).toEqual(CRITICAL);
    expect(w.switch.transmit(alice.place, 100)).toBe(true);
    expect(w.session(alice)).toBeUndefined();
    w.server.alive = true;
    for (let i = 0; i < 60 && w.session(alice) === undefined; i++) {
      w.pass(5_000);
      if (w.switch.serviceOf('swp1').open) alice.start();
      alice.answer();
    }
    expect(w.session(alice)).toBeDefined();
    expect(w.switch.serviceOf('swp1')).toEqual(SHUT);
  });

  it('is shut where no critical VLAN is configured', () => {
    const w = world({ guest_vlan: 99 });
    w.server.alive = false;
    w.host('alice').login();
    w.pass(40_000);
    expect(w.switch.serviceOf('swp1')).toEqual(SHUT);
  });
});
