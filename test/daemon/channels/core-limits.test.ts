/** Limits of channels that change, and that hosts of one account do not share; the whole core on virtual time. */
import { describe, expect, it } from 'vitest';
import { AttributeType, integer, text, vendorSpecific } from '../../../radius/attributes.ts';
import type { RadiusAttribute } from '../../../radius/packet.ts';
import { AcctStatusType, EricssonAttribute, ErrorCause, Vendor } from '../../../radius/values.ts';
import { DynamicClient, withClient } from '../radius/dynamic-client.ts';
import { groupOf } from '../radius-server.ts';
import { type Host, World } from '../world.ts';

const NATIVE = 32473;
const MAX_GROUPS = 7;
const MAX_KBPS = 8;
const SOURCE = '198.51.100.7';
const utf8 = (value: string) => new TextEncoder().encode(value);
const right = (words: string) => vendorSpecific(NATIVE, 5, utf8(words));
const number = (type: number, value: number, vendor: number = NATIVE) =>
  vendorSpecific(vendor, type, Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value));
const all = right('watch 224.0.0.0/4');
const alice = text(AttributeType.UserName, 'alice');
const channels = {
  rates: [
    { channels: ['239.1.0.0/16'], rate: 4000 },
    { channels: ['239.2.0.0/16'], rate: 1000 },
    { channels: ['239.3.0.0/16'], rate: 4000, priority: 5 },
  ],
};

function world(login: readonly RadiusAttribute[], more: Readonly<Record<string, unknown>> = {}): World {
  const made = new World({ ...withClient(), channels, ...more });
  made.server.users.set('alice', login);
  return made;
}

function inside(w: World, name = 'alice', port = 'swp1'): Host {
  const host = w.host(name, port);
  host.login('alice');
  expect(w.session(host)).toBeDefined();
  return host;
}

/** What a login brings from now on, and a login of the host with it. */
function again(w: World, host: Host, ...login: readonly RadiusAttribute[]): void {
  w.server.users.set('alice', login);
  host.login('alice');
  w.pass(5);
}

const plays = (w: World, ...groups: readonly string[]) =>
  groups.filter((group) => w.switch.deliver(group, SOURCE, 100).length > 0);
const refused = (w: World) => w.logged('join-refused').map(({ reason, detail }) => `${reason}: ${detail}`);
const ended = (w: World) => w.logged('channel-ended').map(({ group, cause }) => `${group} ${cause}`);
const THREE = ['239.1.1.1', '239.1.1.2', '239.1.1.3'];

describe('hosts of one account on one port, with unequal limits', () => {
  for (const [what, high, low, detail] of [
    ['numbers', number(MAX_GROUPS, 3), number(MAX_GROUPS, 1), 'account-group-limit: 3 of 1 groups'],
    [
      'bandwidth',
      number(MAX_KBPS, 12_000),
      number(MAX_KBPS, 4000),
      'account-bandwidth: 12000 of 4000 kbit/s',
    ],
    ['one family', number(103, 3, 25506), number(103, 1, 25506), 'account-group-limit: 3 of 1 IPv4 groups'],
  ] as const) {
    it(`${what}: the lower one does not get the other's channels, nor keeps them when that one leaves`, () => {
      const w = world([all, high]);
      const tv = inside(w);
      for (const group of THREE) tv.join(group);
      w.server.users.set('alice', [all, low]);
      const tablet = inside(w, 'alice-tablet');
      for (const group of THREE) tablet.join(group);
      expect(refused(w)).toEqual([detail, detail, detail]);
      expect(plays(w, ...THREE)).toEqual(THREE);
      tv.logoff();
      expect(plays(w, ...THREE)).toEqual([]);
      // Alone it may have what its own login allows.
      for (const group of THREE) tablet.join(group);
      expect(plays(w, ...THREE)).toEqual(THREE.slice(0, 1));
    });
  }

  it('what the lower one had first it keeps, also at its next login; the other one’s are left alone', () => {
    const w = world([all, number(MAX_GROUPS, 1)]);
    const tablet = inside(w, 'alice-tablet');
    tablet.join(THREE[0] ?? '');
    w.server.users.set('alice', [all, number(MAX_GROUPS, 3)]);
    const tv = inside(w);
    for (const group of THREE) tv.join(group);
    again(w, tablet, all, number(MAX_GROUPS, 1));
    expect(ended(w)).toEqual([]);
    expect(w.core.stores.grants.size).toBe(4);
  });

  it('the login of a lower one, and another of its logins, ends nothing of the other one', () => {
    const w = world([all, number(MAX_GROUPS, 3)]);
    const tv = inside(w);
    for (const group of THREE) tv.join(group);
    w.server.users.set('alice', [all, number(MAX_GROUPS, 1)]);
    const tablet = inside(w, 'alice-tablet', 'swp2');
    again(w, tablet, all, number(MAX_GROUPS, 1), integer(AttributeType.SessionTimeout, 900));
    expect(ended(w)).toEqual([]);
    expect(plays(w, ...THREE)).toEqual(THREE);
  });
});

describe('limits that are lowered', () => {
  const stopped = (w: World) => w.server.accounting(AcctStatusType.Stop).map(groupOf);

  it('by another login: the newest channels end at once, of bandwidth as of numbers, with their records', () => {
    for (const [before, after] of [
      [number(MAX_GROUPS, 3), number(MAX_GROUPS, 1)],
      [number(MAX_KBPS, 12_000), number(MAX_KBPS, 4000)],
      [number(MAX_KBPS, 12_000), number(MAX_KBPS, 7999)],
      [number(EricssonAttribute.McastMaxGroups, 3, Vendor.Ericsson), number(103, 1, 25506)],
    ] as const) {
      const w = world([all, before]);
      const tv = inside(w);
      for (const group of THREE) tv.join(group);
      again(w, tv, all, after);
      expect(plays(w, ...THREE)).toEqual(['239.1.1.1']);
      expect(ended(w)).toEqual(['239.1.1.2 permission-withdrawn', '239.1.1.3 permission-withdrawn']);
      expect(stopped(w)).toEqual(expect.arrayContaining(['239.1.1.2', '239.1.1.3']));
      expect(w.core.stores.grants.size).toBe(1);
    }
  });

  it('by another login that brings none: the switch’s own holds from then on', () => {
    const w = world([all, number(MAX_KBPS, 12_000), number(MAX_GROUPS, 3)], {
      limits: { bandwidth_per_account: 8000, groups_per_account: 9 },
    });
    const tv = inside(w);
    for (const group of THREE) tv.join(group);
    again(w, tv, all);
    expect(plays(w, ...THREE)).toEqual(THREE.slice(0, 2));
  });

  it('by CoA, of bandwidth too, and of all of the account’s hosts together', () => {
    const w = world([all, number(MAX_KBPS, 12_000)]);
    const client = new DynamicClient(w);
    const [tv, tablet] = [inside(w), inside(w, 'alice-tablet')];
    for (const group of THREE.slice(0, 2)) tv.join(group);
    for (const group of THREE.slice(1)) tablet.join(group);
    expect(client.coa(alice, number(MAX_KBPS, 8000))).toBe('ack');
    expect(plays(w, ...THREE)).toEqual(THREE.slice(0, 2));
    expect(client.coa(alice, number(MAX_GROUPS, 1))).toBe('ack');
    expect(plays(w, ...THREE)).toEqual(THREE.slice(0, 1));
    w.takeOver();
    tv.join('239.1.1.3');
    expect(refused(w).at(-1)).toBe('account-group-limit: 1 of 1 groups');
    expect(client.coa(alice, vendorSpecific(NATIVE, MAX_KBPS, Uint8Array.of(1)))).toBe(
      ErrorCause.InvalidAttributeValue,
    );
    expect(client.coa(alice, vendorSpecific(NATIVE, 6, utf8('gold')))).toBe(ErrorCause.UnsupportedAttribute);
  });

  it('the most important stay; a smaller one that still fits stays; what weighs nothing never ends for bandwidth', () => {
    const w = world([all, number(MAX_KBPS, 20_000)]);
    const tv = inside(w);
    const groups = ['239.1.1.1', '239.1.1.2', '239.2.1.1', '239.9.9.9', '239.3.1.1'];
    for (const group of groups) tv.join(group);
    again(w, tv, all, number(MAX_KBPS, 9000));
    expect(plays(w, ...groups)).toEqual(['239.1.1.1', '239.2.1.1', '239.9.9.9', '239.3.1.1']);
  });

  it('by a reload: of a profile, of accounts, of VLANs, ports and uplinks', () => {
    const gold = (kbps: number) => ({ profiles: { gold: { watch: ['239.0.0.0/8'], max_bandwidth: kbps } } });
    const limits = (more: object) => ({ ...gold(99_000), limits: more });
    for (const [file, left] of [
      [gold(8000), 2],
      [limits({ groups_per_vlan: 2 }), 2],
      [limits({ bandwidth_per_port: 8000 }), 2],
      [limits({ bandwidth_of_uplinks: 4000 }), 1],
      [limits({ bandwidth_of_uplinks: 12_000 }), 3],
    ] as const) {
      const w = world([vendorSpecific(NATIVE, 6, utf8('gold'))], gold(99_000));
      const [tv, upstairs] = [inside(w), inside(w, 'alice-upstairs', 'swp2')];
      for (const group of THREE) tv.join(group);
      upstairs.join(THREE[0] ?? '');
      w.reconfigure({ ...withClient(), channels, ...file });
      expect(plays(w, ...THREE)).toEqual(THREE.slice(0, left));
    }
  });
});

describe('rights that change while RADIUS is being asked', () => {
  it('stand above its answer: what they forbid meanwhile does not begin with it', () => {
    const w = world([]);
    w.server.permit('alice', '239.1.1.1');
    const tv = inside(w);
    w.server.delayMs = 300;
    tv.join('239.1.1.1');
    w.server.users.set('alice', [right('forbid 239.1.1.1')]);
    w.server.delayMs = 1;
    tv.login('alice');
    expect(w.session(tv)?.rights?.receive).toHaveLength(1);
    w.pass(1000);
    expect(w.server.questions()).toEqual(['alice 239.1.1.1']);
    expect(plays(w, '239.1.1.1')).toEqual([]);
    expect(w.logged('join-refused').map(({ reason }) => reason)).toEqual(['forbidden']);
  });

  it('what they let through meanwhile begins at once', () => {
    const w = world([]);
    const tv = inside(w);
    w.server.delayMs = 300;
    tv.join('239.1.1.1');
    w.server.users.set('alice', [all]);
    w.server.delayMs = 1;
    tv.login('alice');
    expect(plays(w, '239.1.1.1')).toEqual(['239.1.1.1']);
    w.pass(1000);
    expect(plays(w, '239.1.1.1')).toEqual(['239.1.1.1']);
    expect(ended(w)).toEqual([]);
  });
});
