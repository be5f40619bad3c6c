/** The source map: joins without sources to source-specific groups, the whole core on virtual time. */
import { describe, expect, it } from 'vitest';
import { explain } from '../../../daemon/show/explain.ts';
import { RecordType } from '../../../igmp/group-record.ts';
import { vendorSpecific } from '../../../radius/attributes.ts';
import { AcctStatusType } from '../../../radius/values.ts';
import { groupOf } from '../radius-server.ts';
import { groupMessages, groupPackets, type Host, noWish, World, wish } from '../world.ts';

const { Start, Stop } = AcctStatusType;
const GMI = 260_000;
const right = (words: string) => vendorSpecific(32473, 5, new TextEncoder().encode(words));

/** Of each family: a group in the map, its two sources, another source, and a group that is not in it. */
const FAMILIES = [
  {
    family: 4,
    group: '232.1.1.1',
    a: '198.51.100.7',
    b: '198.51.100.8',
    c: '198.51.100.9',
    other: '232.2.1.1',
  },
  { family: 6, group: 'ff3e::1:1', a: '2001:db8::7', b: '2001:db8::8', c: '2001:db8::9', other: 'ff3e::2:1' },
] as const;
const map = [
  { groups: ['232.1.0.0/16', '232.1.1.0/24'], sources: ['198.51.100.7', '198.51.100.8'] },
  { groups: ['ff3e::1:0/112'], sources: ['2001:db8::8', '2001:db8::7'] },
];

function world(
  more: Readonly<Record<string, unknown>> = {},
  login = ['watch 224.0.0.0/4', 'watch ff00::/8'],
) {
  const w = new World({ multicast: { ssm_map: map }, ...more });
  w.server.users.set('alice', login.map(right)).set('bob', login.map(right));
  const host = (name: string) => {
    const made = w.host(name);
    made.login();
    expect(w.session(made)).toBeDefined();
    return made;
  };
  return { w, alice: host('alice'), bob: host('bob') };
}

const reached = (w: World, group: string, ...sources: readonly string[]) =>
  sources.map((source) => w.switch.deliver(group, source, 100).length);
const about = (w: World, status: number, group: string) =>
  w.server.accounting(status).filter((packet) => groupOf(packet) === group).length;
const refused = (w: World) =>
  w.logged('join-refused').map(({ group, source, reason }) => [group, source, reason]);
const upstream = (w: World, family: 4 | 6) =>
  groupMessages(w, 'up0', family).flatMap((m) => (m.kind === 'record-report' ? m.records : []));

describe.each(FAMILIES)('an IPv$family group that is in the map', ({ family, group, a, b, c, other }) => {
  const record = (type: number, ...sources: readonly string[]) => ({ type, group, sources, auxWords: 0 });
  /** A report and a leave of the version before last. */
  const report = (host: Host, version: 1 | 2 = 2) => {
    if (family === 6) host.mld({ kind: 'report', version: 1, group }, group);
    else host.igmp({ kind: 'report', version, group }, group);
  };
  const leave = (host: Host) => {
    if (family === 6) host.mld({ kind: 'leave', group }, 'ff02::2');
    else host.igmp({ kind: 'leave', group }, '224.0.0.2');
  };

  it('conformance 61: is asked for, forwarded, told upstream and accounted for source by source', () => {
    const { w, alice } = world({ groups: { encoding: 'native' }, multicast: { ssm_map: map } }, []);
    w.server.script = ({ packet }) => {
      const own = packet.attributes.some(({ value }) => Buffer.from(value).includes(a));
      const isQuestion =
        packet.code === 1 && packet.attributes.some(({ value }) => Buffer.from(value).includes(group));
      return isQuestion ? { code: own ? 2 : 3, attributes: [] } : 'policy';
    };
    w.switch.takeSent();
    report(alice);
    expect(reached(w, group, a, b)).toEqual([0, 0]);
    w.pass(5);
    expect([...w.core.stores.decisions.keys()].sort()).toEqual([
      `${group}/${a}/alice`,
      `${group}/${b}/alice`,
    ]);
    expect(reached(w, group, a, b, c)).toEqual([1, 0, 0]);
    expect(refused(w)).toEqual([[group, b, 'radius-reject']]);
    expect(upstream(w, family)).toEqual([record(RecordType.Allow, a)]);
    expect([...w.core.stores.grants.values()]).toMatchObject([{ group, source: a, by: 'radius' }]);
    leave(alice);
    expect(reached(w, group, a, b)).toEqual([0, 0]);
    w.pass(5);
    expect(upstream(w, family).at(-1)).toEqual(noWish(group));
  });

  it('by every kind of wish without sources; what it excludes is none of them', () => {
    for (const [wishes, expected] of [
      [(host: Host) => report(host), [1, 1, 0]],
      [(host: Host) => host.report(record(RecordType.IsExclude)), [1, 1, 0]],
      [(host: Host) => host.report(record(RecordType.ToExclude)), [1, 1, 0]],
      [(host: Host) => host.report(record(RecordType.ToExclude, b)), [1, 0, 0]],
      [(host: Host) => host.report(record(RecordType.ToExclude, a, b, c)), [0, 0, 0]],
      // What it names itself is its own business.
      [(host: Host) => host.report(record(RecordType.Allow, c)), [0, 0, 1]],
      [(host: Host) => host.report(record(RecordType.Allow, c), record(RecordType.ToExclude, a)), [0, 1, 1]],
    ] as const) {
      const { w, alice } = world();
      wishes(alice);
      w.pass(5);
      expect(reached(w, group, a, b, c)).toEqual(expected);
      expect(about(w, Start, group)).toBe(expected.reduce((sum: number, n) => sum + n, 0));
    }
  });

  it('goes on with what it says after that, and ends with TO_IN of nothing', () => {
    const { w, alice } = world();
    alice.report(record(RecordType.ToExclude));
    alice.report(record(RecordType.Block, a));
    expect(reached(w, group, a, b)).toEqual([0, 1]);
    alice.report(record(RecordType.Allow, a));
    expect(reached(w, group, a, b)).toEqual([1, 1]);
    alice.report(record(RecordType.ToInclude, b));
    expect(reached(w, group, a, b)).toEqual([0, 1]);
    alice.report(noWish(group));
    w.pass(5);
    expect([reached(w, group, a, b), about(w, Start, group), about(w, Stop, group)]).toEqual([[0, 0], 3, 3]);
  });

  it('ends where it is not said again, is prolonged where it is, also after a takeover', () => {
    const { w, alice } = world();
    report(alice);
    w.pass(GMI - 1000);
    report(alice);
    w.takeOver({ multicast: { ssm_map: map } });
    w.pass(GMI - 1000);
    expect(reached(w, group, a, b)).toEqual([1, 1]);
    leave(alice);
    expect(reached(w, group, a, b)).toEqual([0, 0]);
    report(alice);
    w.pass(GMI);
    expect(reached(w, group, a, b)).toEqual([0, 0]);
    expect(w.logged('channel-ended').at(-1)).toMatchObject({ cause: 'membership-timeout' });
  });

  it('normal leaves ask for the group: an older host knows no sources; the neighbour goes on', () => {
    const { w, alice, bob } = world({ multicast: { ssm_map: map, leave: 'normal' } });
    for (const host of [alice, bob]) report(host);
    w.pass(40_000);
    w.switch.takeSent();
    leave(alice);
    const asked = groupPackets(w).flatMap(({ message }) => (message.kind === 'query' ? [message] : []));
    expect(asked).toMatchObject([{ group, sources: [] }]);
    w.pass(2000);
    expect([about(w, Stop, group), reached(w, group, a, b)]).toEqual([2, [1, 1]]);
    leave(bob);
    w.pass(2000);
    expect(reached(w, group, a, b)).toEqual([0, 0]);
  });

  it('is no channel of strangers, nor beyond limits: each source counts', () => {
    const { w, alice } = world({ multicast: { ssm_map: map }, limits: { groups_per_account: 1 } });
    w.host('stranger').report(wish(group));
    report(alice);
    w.pass(5);
    expect(refused(w).map(([, , reason]) => reason)).toEqual([
      'no-session',
      'no-session',
      'account-group-limit',
    ]);
    expect(w.core.stores.grants.size).toBe(1);
  });

  it('conformance 61: a group that is not in it is refused as ever', () => {
    const { w, alice } = world();
    alice.report(wish(other));
    expect(refused(w)).toEqual([[other, undefined, 'ssm-needs-source']]);
    expect(w.core.stores.memberships.size).toBe(0);
  });

  it('follows a reload: sources go and come at once, and what the host named itself stays', () => {
    const { w, alice } = world();
    alice.report(record(RecordType.Allow, c));
    report(alice);
    const groups = [group];
    w.reconfigure({ multicast: { ssm_map: [{ groups, sources: [b] }] } });
    expect(reached(w, group, a, b, c)).toEqual([0, 1, 1]);
    w.pass(5);
    expect(about(w, Stop, group)).toBe(1);
    w.reconfigure({ multicast: { ssm_map: [{ groups, sources: [a, b] }] } });
    expect(reached(w, group, a, b, c)).toEqual([1, 1, 1]);
    w.reconfigure({});
    expect(reached(w, group, a, b, c)).toEqual([0, 0, 1]);
    leave(alice);
    report(alice);
    expect([reached(w, group, a, b, c), w.core.stores.memberships.size]).toEqual([[0, 0, 0], 0]);
  });

  it('castgate explain says what any source means', async () => {
    const { w, alice } = world({
      channels: { never: [`${group} from ${FAMILIES[family === 4 ? 0 : 1].a}`] },
      multicast: { ssm_map: map },
    });
    const by = {
      core: w.core,
      now: () => w.now,
      turn: (think: (now: number) => void) => w.turn(() => think(w.now)),
    };
    const { port, mac, vlan } = alice;
    const first = family === 4 ? a : b;
    const said = await explain({ port, mac, vlan, group }, by);
    expect(said).toMatchObject({ verdict: family === 4 ? 'refuse' : 'grant' });
    if ('refused' in said) throw new Error(said.refused);
    expect(said.steps[0]).toEqual({
      step: 'source map',
      answer: `any source means ${first}, ${first === a ? b : a}: of the first`,
    });
  });
});

describe('the longest prefix of the map', () => {
  it('counts', () => {
    const { w, alice } = world({
      multicast: {
        ssm_map: [
          { groups: ['232.0.0.0/8'], sources: ['198.51.100.1'] },
          { groups: ['232.7.7.7', '232.8.0.0/16'], sources: ['198.51.100.2'] },
        ],
      },
    });
    for (const group of ['232.7.7.7', '232.7.7.8', '232.8.1.1']) {
      alice.join(group);
      const [one, two] = reached(w, group, '198.51.100.1', '198.51.100.2');
      expect([group, one, two]).toEqual(group === '232.7.7.8' ? [group, 1, 0] : [group, 0, 1]);
    }
  });
});
