/** Rights to channels: preloaded at the login, by profiles, lists and answers; limits; the whole core on virtual time. */
import { describe, expect, it } from 'vitest';
import { Core } from '../../../daemon/core/core.ts';
import { silentLog } from '../../../daemon/log/log.ts';
import { AttributeType, firstInteger, integer, vendorSpecific } from '../../../radius/attributes.ts';
import type { RadiusAttribute } from '../../../radius/packet.ts';
import { RadiusCode } from '../../../radius/packet.ts';
import { AcctStatusType, TerminateCause } from '../../../radius/values.ts';
import { ipBytes } from '../../../wire/address.ts';
import { configOf, type Host, World } from '../world.ts';

const NATIVE = 32473;
const utf8 = (value: string) => new TextEncoder().encode(value);
const right = (words: string) => vendorSpecific(NATIVE, 5, utf8(words));
const number = (type: number, value: number, vendor = NATIVE) =>
  vendorSpecific(vendor, type, Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value));
const h3c = (group: string) =>
  vendorSpecific(25506, group.includes(':') ? 100 : 98, ipBytes(group) ?? new Uint8Array());
const SOURCE = '198.51.100.7';

function world(alice: readonly RadiusAttribute[], more?: Readonly<Record<string, unknown>>): World {
  const made = new World(more);
  made.server.users.set('alice', alice).set('bob', []);
  return made;
}

function inside(w: World, name = 'alice', port = 'swp1'): Host {
  const host = w.host(name, port);
  host.login(name.replace(/-.*/, ''));
  expect(w.session(host)).toBeDefined();
  return host;
}

const reached = (w: World, group: string, source = SOURCE) => w.switch.deliver(group, source, 100);
const refusals = (w: World) =>
  w.logged('join-refused').map(({ account, group, reason }) => `${account} ${group} ${reason}`);
const details = (w: World) => w.logged('join-refused').map(({ reason, detail }) => `${reason}: ${detail}`);
const ended = (w: World) => w.logged('channel-ended').map(({ group, cause }) => `${group} ${cause}`);

describe('rights to send', () => {
  const GROUPS = ['239.9.1.1', '239.8.1.1', 'ff15::901', '232.1.1.1'];
  const passes = (w: World, { place }: Host, from = SOURCE) =>
    GROUPS.filter((group) => w.switch.passesGroup(place, group, from));

  it('conformance 60: come with the login and its profile; nobody else may send', () => {
    const profiles = { studio: { send: ['239.8.0.0/16'] } };
    const w = world(
      [
        right('send 239.9.1.1'),
        right('send ff15::/16'),
        right(`send 232.1.1.1 from ${SOURCE}`),
        vendorSpecific(NATIVE, 6, utf8('studio')),
      ],
      { profiles },
    );
    const [alice, bob] = [inside(w), inside(w, 'bob', 'swp2')];
    expect(passes(w, alice)).toEqual(GROUPS);
    expect(passes(w, alice, '198.51.100.8')).toEqual(GROUPS.slice(0, 3));
    expect(passes(w, bob)).toEqual([]);
    // To send is not to receive.
    alice.join('239.9.1.1');
    w.pass(5);
    expect(w.server.questions()).toEqual(['alice 239.9.1.1']);
    w.switch.setLink('swp1', false);
    expect(passes(w, alice)).toEqual([]);
  });

  it('Ericsson’s attribute: none, or all groups', () => {
    for (const [value, many] of [
      [1, 0],
      [2, GROUPS.length],
      [3, GROUPS.length],
    ] as const) {
      const w = world([number(33, value, 2352)]);
      expect(passes(w, inside(w))).toHaveLength(many);
    }
  });

  it('change with the next login of the session, and end with it', () => {
    const w = world([right('send 239.9.1.1')]);
    const alice = inside(w);
    w.server.users.set('alice', [right('send 239.8.0.0/16')]);
    alice.login('alice');
    expect(passes(w, alice)).toEqual(['239.8.1.1']);
    w.server.users.set('alice', []);
    alice.login('alice');
    expect(passes(w, alice)).toEqual([]);
    expect(w.core.stores.sessions.size).toBe(1);
  });

  it('are in the records: a node that goes on opens its hosts with them, by the profiles as they are now', () => {
    const profiles = { studio: { send: ['239.8.0.0/16'] } };
    const w = world([right('send 239.9.1.1'), vendorSpecific(NATIVE, 6, utf8('studio'))], { profiles });
    const alice = inside(w);
    const sendsAfter = (config: Readonly<Record<string, unknown>>) => {
      const random = (length: number) => new Uint8Array(length);
      const stores = w.replayed();
      const core = new Core(configOf(config), { readings: w.switch, log: silentLog, random, stores });
      core.resume(w.now, 'kept');
      const openings = core.drainEffects().filter((effect) => effect.kind === 'open-host');
      return openings.map(({ key, host }) => [key, host.sends?.map(({ group }) => group)]);
    };
    expect(sendsAfter({ profiles })).toEqual([[alice.key, ['239.9.1.1', '239.8.0.0']]]);
    expect(sendsAfter({ profiles: { studio: {} } }).at(-1)).toEqual([alice.key, ['239.9.1.1']]);
  });
});

describe('rights that come with the login', () => {
  it('let a join through in the same turn, without a question: groups, prefixes, sources, both families', () => {
    const w = world([
      h3c('239.1.1.1'),
      h3c('ff15::101'),
      right('watch 239.2.0.0/16'),
      right(`watch 232.0.0.0/8 from ${SOURCE}`),
    ]);
    const alice = inside(w);
    for (const group of ['239.1.1.1', '239.2.77.1', 'ff15::101']) {
      alice.join(group);
      expect(reached(w, group)).toEqual(['swp1']);
    }
    alice.join('232.1.1.1', SOURCE);
    expect(reached(w, '232.1.1.1')).toEqual(['swp1']);
    expect(w.server.questions()).toEqual([]);
    expect(w.logged('join-granted').map(({ by }) => by)).toEqual(['rights', 'rights', 'rights', 'rights']);
    // What no right covers is asked for.
    alice.join('232.1.1.1', '198.51.100.8');
    alice.join('239.3.1.1');
    w.pass(5);
    expect(w.server.questions()).toEqual(['alice 232.1.1.1', 'alice 239.3.1.1']);
  });

  it('Huawei’s and Ericsson’s attributes count too', () => {
    const w = world([
      vendorSpecific(2011, 98, ipBytes('239.1.1.1') ?? new Uint8Array()),
      vendorSpecific(2011, 97, utf8(`${SOURCE} 232.1.1.1`)),
      number(34, 1, 2352),
    ]);
    const alice = inside(w);
    alice.join('239.1.1.1');
    alice.join('232.1.1.1', SOURCE);
    alice.join('239.9.9.9');
    w.pass(5);
    expect(w.server.questions()).toEqual([]);
    expect([reached(w, '239.1.1.1'), reached(w, '232.1.1.1')]).toEqual([['swp1'], ['swp1']]);
    expect(refusals(w)).toEqual(['alice 239.9.9.9 forbidden']);
  });

  it('forbid more specific channels, and all others where they say so', () => {
    const w = world([right('watch 239.0.0.0/8'), right('forbid 239.1.1.1'), right('others forbid')]);
    const alice = inside(w);
    alice.join('239.1.1.1');
    alice.join('239.1.1.2');
    alice.join('ff15::1');
    w.pass(5);
    expect([reached(w, '239.1.1.1'), reached(w, '239.1.1.2')]).toEqual([[], ['swp1']]);
    expect(refusals(w)).toEqual(['alice 239.1.1.1 forbidden', 'alice ff15::1 forbidden']);
    expect(w.server.questions()).toEqual([]);
  });

  it('by the name of a profile, which the login’s own rights specify', () => {
    const profiles = { gold: { watch: ['239.1.0.0/16'], forbid: ['239.1.9.0/24'], others: 'forbid' } };
    const w = world([vendorSpecific(NATIVE, 6, utf8('gold')), right('watch 239.1.9.9')], { profiles });
    const alice = inside(w);
    for (const group of ['239.1.1.1', '239.1.9.1', '239.1.9.9', '239.5.5.5']) alice.join(group);
    expect(
      ['239.1.1.1', '239.1.9.1', '239.1.9.9', '239.5.5.5'].map((group) => reached(w, group).length),
    ).toEqual([1, 0, 1, 0]);
  });

  it('that cannot be read, or name a profile that is not there, make a reject of the Accept', () => {
    for (const [bad, why] of [
      [right('watch everything'), 'accept-rights'],
      [right('may 239.1.1.1'), 'accept-rights'],
      [right('others maybe'), 'accept-rights'],
      [number(7, 3), undefined],
      [vendorSpecific(NATIVE, 7, Uint8Array.of(1)), 'accept-rights'],
      [vendorSpecific(25506, 98, Uint8Array.of(1, 2, 3)), 'accept-rights'],
      [vendorSpecific(NATIVE, 6, utf8('silver')), 'accept-profile'],
      [vendorSpecific(2011, 93, utf8('silver')), 'accept-profile'],
    ] as const) {
      const w = world([bad]);
      const host = w.host('alice');
      host.login();
      expect([why, w.session(host) === undefined]).toEqual([why, why !== undefined]);
    }
  });

  it('are part of the session: after a takeover they hold, after another login the new ones do', () => {
    const w = world([right('watch 239.1.1.1'), right('watch 239.1.1.2')]);
    const alice = inside(w);
    w.takeOver();
    alice.join('239.1.1.1');
    alice.join('239.1.1.2');
    expect([reached(w, '239.1.1.1'), reached(w, '239.1.1.2')]).toEqual([['swp1'], ['swp1']]);
    w.server.users.set('alice', [right('watch 239.1.1.2'), right('others forbid')]);
    alice.login();
    w.pass(5);
    expect([reached(w, '239.1.1.1'), reached(w, '239.1.1.2')]).toEqual([[], ['swp1']]);
    expect(ended(w)).toEqual(['239.1.1.1 permission-withdrawn']);
    expect(w.server.questions()).toEqual([]);
  });

  it('end with the session and not before', () => {
    const w = world([right('watch 239.1.1.1')], { multicast: { membership_interval: '7d' } });
    const alice = inside(w);
    alice.join('239.1.1.1');
    w.pass(50 * 60_000);
    expect(reached(w, '239.1.1.1')).toEqual(['swp1']);
    alice.logoff();
    expect(reached(w, '239.1.1.1')).toEqual([]);
  });
});

describe('the switch’s own lists', () => {
  it('always, ask, never: before rights and RADIUS, the longest prefix first', () => {
    const channels = {
      always: ['239.1.0.0/16'],
      ask: ['239.1.5.0/24'],
      never: ['239.1.6.6', '239.9.0.0/16'],
    };
    const w = world([right('watch 239.9.9.9')], { channels });
    w.server.permit('alice', '239.1.5.5');
    const alice = inside(w);
    for (const group of ['239.1.1.1', '239.1.5.5', '239.1.5.6', '239.1.6.6', '239.9.9.9']) alice.join(group);
    expect([reached(w, '239.1.1.1'), reached(w, '239.1.5.5')]).toEqual([['swp1'], []]);
    w.pass(5);
    expect(reached(w, '239.1.5.5')).toEqual(['swp1']);
    expect(w.server.questions()).toEqual(['alice 239.1.5.5', 'alice 239.1.5.6']);
    expect(refusals(w)).toEqual([
      'alice 239.1.6.6 never-list',
      'alice 239.9.9.9 never-list',
      'alice 239.1.5.6 radius-reject',
    ]);
    // Who is not in has nothing of the list that says always.
    w.host('stranger', 'swp2').join('239.1.1.1');
    expect(reached(w, '239.1.1.1')).toEqual(['swp1']);
  });
});

describe('encodings', () => {
  it('native asks for each source by itself, with VLAN and family', () => {
    const w = world([], { groups: { encoding: 'native' } });
    const said: string[] = [];
    w.server.script = ({ packet }) => {
      const own = packet.attributes
        .filter(({ type }) => type === AttributeType.VendorSpecific)
        .map(({ value }) => value);
      const isQuestion = packet.code === RadiusCode.AccessRequest && own.length > 0;
      if (!isQuestion) return 'policy';
      const words = own.map((value) => {
        expect([...value.subarray(0, 4)]).toEqual([0, 0, 126, 217]);
        const body = value.subarray(6);
        const type = value[4] ?? 0;
        return type === 3 || type === 4 ? `${type}=${body[3]}` : `${type}=${new TextDecoder().decode(body)}`;
      });
      said.push(words.join(' '));
      const good = words.includes(`2=${SOURCE}`);
      return { code: good ? RadiusCode.AccessAccept : RadiusCode.AccessReject, attributes: [] };
    };
    const alice = inside(w);
    alice.join('232.1.1.1', SOURCE, '198.51.100.8');
    w.pass(5);
    expect(said).toEqual([`1=232.1.1.1 4=4 3=0 2=${SOURCE}`, '1=232.1.1.1 4=4 3=0 2=198.51.100.8']);
    expect([reached(w, '232.1.1.1'), reached(w, '232.1.1.1', '198.51.100.8')]).toEqual([['swp1'], []]);
    alice.join('ff15::1');
    w.pass(5);
    expect(said.at(-1)).toBe('1=ff15::1 4=6 3=0');
  });

  it('dlink asks with Framed-IP-Address, and accounts without it', () => {
    const w = world([], { groups: { encoding: 'dlink' } });
    w.server.script = ({ packet }) => {
      const group = packet.attributes.find(({ type }) => type === AttributeType.FramedIpAddress)?.value;
      if (packet.code !== RadiusCode.AccessRequest || group === undefined) return 'policy';
      const good = group.join('.') === '239.1.1.1';
      return { code: good ? RadiusCode.AccessAccept : RadiusCode.AccessReject, attributes: [] };
    };
    const alice = inside(w);
    alice.join('239.1.1.1');
    alice.join('239.1.1.2');
    alice.join('ff15::1');
    w.pass(5);
    expect(reached(w, '239.1.1.1')).toEqual(['swp1']);
    expect(refusals(w)).toEqual(['alice ff15::1 encoding-lacks-family', 'alice 239.1.1.2 radius-reject']);
    for (const { attributes } of w.server.accounting())
      expect(attributes.some(({ type }) => type === AttributeType.FramedIpAddress)).toBe(false);
  });
});

describe('while RADIUS is silent', () => {
  const silent = (mode: string, more: object = {}) => {
    const groups = { when_silent: mode, silent_permit: '1m', silent_stale: '10m', patience: '2s', ...more };
    const w = world([], { groups });
    w.server.permits.set('alice 239.1.1.1', [integer(AttributeType.SessionTimeout, 60)]);
    const alice = inside(w);
    alice.join('239.1.1.1');
    alice.join('239.1.1.2');
    w.pass(5);
    w.server.alive = false;
    return { w, alice };
  };

  it('deny: what was permitted goes on to its end, and nothing new begins', () => {
    const { w, alice } = silent('deny');
    w.pass(59_000);
    expect(reached(w, '239.1.1.1')).toEqual(['swp1']);
    w.pass(1000);
    expect(reached(w, '239.1.1.1')).toEqual([]);
    alice.join('239.1.1.3');
    w.pass(10_000);
    expect(refusals(w).at(-1)).toMatch(/239.1.1.3 radius-(timeout|no-server)/);
  });

  it('cached: what they last said yes to goes on without a gap, for its time; nothing else begins', () => {
    const { w, alice } = silent('cached', { deny: '0s' });
    for (let minutes = 0; minutes < 9; minutes++) {
      w.pass(60_000);
      alice.join('239.1.1.1');
      expect(reached(w, '239.1.1.1')).toEqual(['swp1']);
    }
    expect(ended(w)).toEqual([]);
    alice.leave('239.1.1.1');
    alice.join('239.1.1.1');
    alice.join('239.1.1.2');
    alice.join('239.1.1.3');
    w.pass(10_000);
    expect([1, 2, 3].map((n) => reached(w, `239.1.1.${n}`).length)).toEqual([1, 0, 0]);
    w.pass(4 * 60_000);
    expect(reached(w, '239.1.1.1')).toEqual([]);
  });

  it('permit-known: everybody who is in, but to what they last said no to; their first word ends it', () => {
    const { w, alice } = silent('permit-known');
    w.pass(40_000);
    alice.join('239.1.1.2');
    alice.join('239.1.1.3');
    w.host('stranger', 'swp2').join('239.1.1.3');
    w.pass(10_000);
    expect([1, 2, 3].map((n) => reached(w, `239.1.1.${n}`))).toEqual([['swp1'], [], ['swp1']]);
    w.server.alive = true;
    w.pass(120_000);
    expect(reached(w, '239.1.1.3')).toEqual([]);
    expect(ended(w)).toContain('239.1.1.3 permission-withdrawn');
    expect(reached(w, '239.1.1.1')).toEqual(['swp1']);
  });
});

describe('limits', () => {
  const all = right('watch 224.0.0.0/4');

  it('of a login take no channel from another host of the account that is in already', () => {
    const w = world([all, number(7, 2)]);
    const first = inside(w);
    first.join('239.1.1.1');
    first.join('239.1.1.2');
    w.server.users.set('alice', [all, number(7, 1)]);
    inside(w, 'alice-tablet', 'swp2');
    w.pass(5);
    expect(ended(w)).toEqual([]);
    expect([reached(w, '239.1.1.1'), reached(w, '239.1.1.2')]).toEqual([['swp1'], ['swp1']]);
  });

  it('of an account: each port by itself, from the switch or from the login; the refusal has the counts', () => {
    const w = world([all, number(7, 2)]);
    const alice = inside(w);
    for (const n of [1, 2, 3]) alice.join(`239.1.1.${n}`);
    expect(details(w)).toEqual(['account-group-limit: 2 of 2 groups']);
    expect(w.core.tally.of('swp1', 'refused/account-group-limit')).toBe(1);
    alice.leave('239.1.1.1');
    alice.join('239.1.1.3');
    expect(reached(w, '239.1.1.3')).toEqual(['swp1']);
  });

  it('of an account count a channel once for each port, and each source of a group', () => {
    const w = world([all], { limits: { groups_per_account: 3 } });
    const tv = inside(w);
    const second = inside(w, 'alice-2');
    const upstairs = inside(w, 'alice-3', 'swp2');
    for (const host of [tv, second, upstairs]) host.join('239.1.1.1');
    tv.join('232.1.1.1', '198.51.100.7', '198.51.100.8');
    expect(w.core.stores.grants.size).toBe(4);
    expect(details(w)).toEqual(['account-group-limit: 3 of 3 groups']);
  });

  it('of one family', () => {
    const w = world([all, right('watch ff00::/8'), number(103, 1, 25506), number(101, 0, 25506)]);
    const alice = inside(w);
    for (const group of ['239.1.1.1', '239.1.1.2', 'ff15::1']) alice.join(group);
    expect(details(w)).toEqual([
      'account-group-limit: 1 of 1 IPv4 groups',
      'account-group-limit: 0 of 0 IPv6 groups',
    ]);
  });

  it('of a VLAN and of a port: a channel counts once however many receive it', () => {
    const w = world([all], { limits: { groups_per_vlan: 2 }, multicast: { max_groups_per_port: 64 } });
    const alice = inside(w);
    const other = inside(w, 'alice-2', 'swp2');
    for (const host of [alice, other]) for (const n of [1, 2]) host.join(`239.1.1.${n}`);
    expect(w.core.stores.grants.size).toBe(4);
    other.join('239.1.1.3');
    expect(details(w)).toEqual(['vlan-group-limit: 2 of 2 groups']);
  });

  it('of bandwidth, by the table of rates: account, port, uplinks', () => {
    const channels = {
      rates: [
        { channels: ['239.1.0.0/16'], rate: 8000 },
        { channels: ['239.2.0.0/16'], rate: 2000 },
      ],
    };
    for (const [limits, reason] of [
      [{ bandwidth_per_account: 17_000 }, 'account-bandwidth'],
      [{ bandwidth_per_port: 17_000 }, 'port-bandwidth'],
      [{ bandwidth_of_uplinks: 17_000 }, 'uplink-bandwidth'],
    ] as const) {
      const w = world([all], { channels, limits });
      const alice = inside(w);
      // Two viewers on one port weigh once.
      const beside = inside(w, 'alice-2');
      for (const host of [alice, beside]) for (const n of [1, 2]) host.join(`239.1.1.${n}`);
      expect(w.core.stores.grants.size).toBe(4);
      alice.join('239.1.1.3');
      alice.join('239.2.1.1');
      // A channel that is in no line of the table weighs nothing.
      alice.join('239.9.9.9');
      expect(details(w)).toEqual([
        `${reason}: 16000 + 8000 of 17000 kbit/s`,
        `${reason}: 16000 + 2000 of 17000 kbit/s`,
      ]);
      expect(reached(w, '239.9.9.9')).toEqual(['swp1']);
    }
  });

  it('pre-empt the least important, where that is configured and is enough', () => {
    const rates = [
      { channels: ['239.1.0.0/16'], rate: 4000 },
      { channels: ['239.2.0.0/16'], rate: 4000, priority: 3 },
      { channels: ['239.3.0.0/16'], rate: 8000, priority: 5 },
    ];
    const limits = { bandwidth_per_account: 12_000, preempt: true };
    const w = world([all], { channels: { rates }, limits });
    const alice = inside(w);
    for (const group of ['239.1.1.1', '239.1.1.2', '239.2.1.1']) alice.join(group);
    // Of equal priority nothing ends.
    alice.join('239.1.1.3');
    expect(details(w)).toEqual(['account-bandwidth: 12000 + 4000 of 12000 kbit/s']);
    alice.join('239.3.1.1');
    w.pass(5);
    expect(ended(w)).toEqual(['239.1.1.2 preempted', '239.1.1.1 preempted']);
    expect(['239.2.1.1', '239.3.1.1'].map((group) => reached(w, group))).toEqual([['swp1'], ['swp1']]);
    const stops = w.server.accounting(AcctStatusType.Stop);
    expect(stops.map(({ attributes }) => firstInteger(attributes, AttributeType.AcctTerminateCause))).toEqual(
      [TerminateCause.PortPreempted, TerminateCause.PortPreempted],
    );
    // 8,000 more would need 239.3.1.1 itself to end.
    alice.join('239.3.1.2');
    expect(ended(w)).toHaveLength(2);
    expect(details(w).at(-1)).toBe('account-bandwidth: 12000 + 8000 of 12000 kbit/s');
  });

  it('count the same after a takeover', () => {
    const w = world([all, number(7, 2)]);
    const alice = inside(w);
    for (const n of [1, 2]) alice.join(`239.1.1.${n}`);
    w.takeOver();
    alice.join('239.1.1.3');
    expect(details(w)).toEqual(['account-group-limit: 2 of 2 groups']);
  });
});

describe('previews', () => {
  const previews = { length: '30s', interval: '1m', count: 2, reset: '10m' };

  it('end after their length, come again after a pause, so many in a period', () => {
    const w = world([right('preview 239.1.1.0/24')], { previews });
    const alice = inside(w);
    const look = () => {
      alice.join('239.1.1.1');
      return reached(w, '239.1.1.1').length === 1;
    };
    expect(look()).toBe(true);
    w.pass(29_999);
    expect(reached(w, '239.1.1.1')).toEqual(['swp1']);
    w.pass(1);
    expect(reached(w, '239.1.1.1')).toEqual([]);
    expect(ended(w)).toEqual(['239.1.1.1 preview-ended']);
    w.pass(59_000);
    expect(look()).toBe(false);
    w.pass(1000);
    expect(look()).toBe(true);
    w.pass(90_000);
    expect(look()).toBe(false);
    expect(details(w)).toEqual([
      'preview-interval: again in 1 s',
      'preview-count: 2 of 2 previews, again in 420 s',
    ]);
    // Another group of the range has a count of its own.
    alice.join('239.1.1.2');
    expect(reached(w, '239.1.1.2')).toEqual(['swp1']);
    w.pass(420_000);
    expect(look()).toBe(true);
    expect(w.server.questions()).toEqual([]);
  });

  it('go on with who leaves and comes back, on another host and after a takeover', () => {
    const w = world([right('preview 239.1.1.1')], { previews });
    const alice = inside(w);
    const second = inside(w, 'alice-2', 'swp2');
    alice.join('239.1.1.1');
    w.pass(10_000);
    alice.leave('239.1.1.1');
    w.takeOver();
    w.pass(10_000);
    second.join('239.1.1.1');
    expect(reached(w, '239.1.1.1')).toEqual(['swp2']);
    w.pass(9_999);
    expect(reached(w, '239.1.1.1')).toEqual(['swp2']);
    w.pass(1);
    expect(reached(w, '239.1.1.1')).toEqual([]);
    expect([...w.core.stores.previews.values()].map(({ used }) => used)).toEqual([1]);
    w.pass(15 * 60_000);
    expect(w.core.stores.previews.size).toBe(0);
  });

  it('by the answer of RADIUS, with times of its own', () => {
    const w = world([]);
    w.server.permits.set('alice 239.1.1.1', [vendorSpecific(NATIVE, 9, utf8('preview')), number(10, 5)]);
    w.server.permits.set('alice 239.1.1.2', [vendorSpecific(NATIVE, 9, utf8('forbid'))]);
    w.server.permits.set('alice 239.1.1.3', [vendorSpecific(NATIVE, 9, utf8('perhaps'))]);
    const alice = inside(w);
    for (const n of [1, 2, 3]) alice.join(`239.1.1.${n}`);
    w.pass(5);
    expect([1, 2, 3].map((n) => reached(w, `239.1.1.${n}`).length)).toEqual([1, 0, 0]);
    expect(refusals(w)).toEqual(['alice 239.1.1.2 radius-reject', 'alice 239.1.1.3 radius-bad-accept']);
    w.pass(5000);
    expect(reached(w, '239.1.1.1')).toEqual([]);
    expect(ended(w)).toEqual(['239.1.1.1 preview-ended']);
  });
});
