/** Packet filters from RADIUS: with the login, by CoA while the session runs, and with another configuration. */
import { describe, expect, it } from 'vitest';
import { parseFilterRule } from '../../../auth/filter/ip-filter-rule.ts';
import { EapCode } from '../../../eapol/eap.ts';
import { AttributeType, integer, octets, text } from '../../../radius/attributes.ts';
import type { RadiusAttribute } from '../../../radius/packet.ts';
import { ErrorCause } from '../../../radius/values.ts';
import type { FilterRule } from '../../../session/filter-rule.ts';
import { DynamicClient, withClient } from '../radius/dynamic-client.ts';
import { type Host, World } from '../world.ts';

const T = AttributeType;
const WEB = 'permit in tcp from any to any 80';
const DNS = 'permit in udp from any to any 53';
const FILTERS = { filters: { web: { rules: [WEB] }, dns: { rules: [DNS] } } };
const userName = (name: string) => text(T.UserName, name);
const id = (name: string) => text(T.FilterId, name);
const literal = (value: string) => octets(T.NasFilterRule, new TextEncoder().encode(value));

function rule(line: string): FilterRule {
  const read = parseFilterRule(line);
  if ('problem' in read) throw new Error(read.problem);
  return read;
}

function vlan(number: number): readonly RadiusAttribute[] {
  return [
    octets(T.TunnelType, Uint8Array.of(0, 0, 0, 13)),
    octets(T.TunnelMediumType, Uint8Array.of(0, 0, 0, 6)),
    text(T.TunnelPrivateGroupId, String(number)),
  ];
}

function world(user: readonly RadiusAttribute[], more: Readonly<Record<string, unknown>> = {}): World {
  const w = new World({ ...withClient(), ...FILTERS, ...more }, 1, { vlans: true });
  w.server.users.set('alice', user).set('bob', []);
  return w;
}

function inside(w: World, name = 'alice', port = 'swp1'): Host {
  const host = w.host(name, port);
  expect(host.login(name.replace(/-.*/, ''))).toMatchObject({ code: EapCode.Success });
  return host;
}

/** What the switch holds the host to. */
const filterAt = (w: World, host: Host) =>
  w.switch.openHosts().find(({ mac }) => mac === host.place.mac)?.filter;

describe('a filter from the Access-Accept', () => {
  it('by name and by its rules: the port is opened with it', () => {
    for (const attribute of [id('web'), literal(WEB)]) {
      const w = world([attribute]);
      const alice = inside(w);
      expect(filterAt(w, alice)).toEqual([rule(WEB)]);
      expect(w.session(alice)?.filter?.rules).toEqual([rule(WEB)]);
    }
  });

  it('conformance 13: one that is not there or cannot be carried out is a reject', () => {
    for (const [attribute, reason] of [
      [id('mail'), 'accept-filter-unknown'],
      [literal('permit in ip from assigned to any'), 'accept-filter-rule'],
      [literal('permit everything'), 'accept-filter-rule'],
    ] as const) {
      const w = world([attribute]);
      const alice = w.host('alice');
      expect(alice.login()).toMatchObject({ code: EapCode.Failure });
      expect(w.switch.openHosts()).toEqual([]);
      expect(w.logged('login-refused')).toMatchObject([{ account: 'alice', reason }]);
    }
  });

  it('a name that is not there counts as none where the configuration says so', () => {
    const w = world([id('mail')], { authenticator: { unknown_filter: 'ignore' } });
    expect(filterAt(w, inside(w))).toBeUndefined();
  });

  it('a port that one login opens for all has no filters', () => {
    const w = world([id('web')], { authenticator: { host_mode: 'multi-host' } });
    expect(w.host('alice').login()).toMatchObject({ code: EapCode.Failure });
    expect(w.logged('login-refused')).toMatchObject([{ reason: 'filter-for-all' }]);
  });

  it('another configuration changes the rules under a name, and keeps those of a name that is gone', () => {
    const w = world([id('web')]);
    const alice = inside(w);
    w.reconfigure({ ...withClient(), filters: { web: { rules: [DNS] } } });
    expect(filterAt(w, alice)).toEqual([rule(DNS)]);
    w.reconfigure({ ...withClient(), filters: {} });
    expect(filterAt(w, alice)).toEqual([rule(DNS)]);
  });

  it('a later login brings another one, or none', () => {
    const w = world([id('web')]);
    const alice = inside(w);
    w.server.users.set('alice', [id('dns')]);
    alice.login();
    expect(filterAt(w, alice)).toEqual([rule(DNS)]);
    w.server.users.set('alice', []);
    alice.login();
    expect(filterAt(w, alice)).toBeUndefined();
  });
});

describe('a filter and a VLAN by CoA', () => {
  it('conformance 48: change in a session that goes on', () => {
    const w = world([id('web')]);
    const client = new DynamicClient(w);
    const alice = inside(w);
    const before = w.session(alice)?.acctSessionId;
    expect(client.coa(userName('alice'), id('dns'), ...vlan(42))).toBe('ack');
    expect(filterAt(w, alice)).toEqual([rule(DNS)]);
    expect(w.switch.serviceOf('swp1').vlan).toBe(42);
    expect(client.coa(userName('alice'), literal(`${WEB}\0${DNS}`))).toBe('ack');
    expect(filterAt(w, alice)).toEqual([rule(WEB), rule(DNS)]);
    expect(w.switch.serviceOf('swp1').vlan).toBe(42);
    expect(client.coa(userName('alice'), literal('\0'))).toBe('ack');
    expect(filterAt(w, alice)).toBeUndefined();
    expect(w.session(alice)?.acctSessionId).toBe(before);
  });

  it('conformance 48: what cannot be given changes nothing, in no session', () => {
    const w = world([id('web')], { vlan_bridges: {} });
    const client = new DynamicClient(w);
    inside(w);
    inside(w, 'alice-2', 'swp2');
    const before = JSON.stringify([...w.core.stores.sessions.values()]);
    const other = integer(T.SessionTimeout, 60);
    for (const wrong of [
      [id('mail')],
      [literal('permit all')],
      [text(T.TunnelPrivateGroupId, '42')],
      vlan(4095),
    ]) {
      expect(client.coa(userName('alice'), other, ...wrong)).toBe(ErrorCause.InvalidAttributeValue);
      expect(client.coa(...wrong, userName('alice'), other)).toBe(ErrorCause.InvalidAttributeValue);
    }
    // Bob is on alice's port and was not named.
    inside(w, 'bob');
    const three = JSON.stringify([...w.core.stores.sessions.values()]);
    expect(client.coa(userName('alice'), other, ...vlan(42))).toBe(ErrorCause.ResourcesUnavailable);
    expect(JSON.stringify([...w.core.stores.sessions.values()])).toBe(three);
    expect(three.startsWith(before.slice(0, -1))).toBe(true);
    expect(client.coa(text(T.NasPortId, 'swp1'), ...vlan(42))).toBe('ack');
    expect(w.switch.serviceOf('swp1').vlan).toBe(42);
  });

  it('without VLANs in the bridge a VLAN is refused', () => {
    const w = new World({ ...withClient(), ...FILTERS });
    w.server.users.set('alice', []);
    inside(w);
    expect(new DynamicClient(w).coa(userName('alice'), ...vlan(42))).toBe(ErrorCause.InvalidAttributeValue);
  });
});
