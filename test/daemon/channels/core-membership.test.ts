/** What reports mean, by every version and of both families, where hosts share a port: the whole core on virtual time. */
import { describe, expect, it } from 'vitest';
import { RecordType } from '../../../igmp/group-record.ts';
import { AcctStatusType } from '../../../radius/values.ts';
import { accountOf, groupOf } from '../radius-server.ts';
import { groupMessages, groupPackets, type Host, World, wish } from '../world.ts';

const NEWS = '239.1.1.1';
const NEWS6 = 'ff15::101';
const SPORT = '232.1.1.1';
const SPORT6 = 'ff3e::1';
const [A, B] = ['198.51.100.7', '198.51.100.8'];
const [A6, B6] = ['2001:db8::7', '2001:db8::8'];
const { Start, Stop } = AcctStatusType;
/** The group membership interval by default, RFC 9776 §8.4. */
const GMI = 260_000;

/** alice and bob on one port; each may have what is named. */
function world(more?: Readonly<Record<string, unknown>>): { w: World; alice: Host; bob: Host } {
  const w = new World(more);
  const host = (name: string) => {
    w.server.users.set(name, []);
    w.server.permit(name, NEWS, NEWS6, SPORT, SPORT6);
    const made = w.host(name);
    made.login();
    expect(w.session(made)).toBeDefined();
    return made;
  };
  return { w, alice: host('alice'), bob: host('bob') };
}

const reached = (w: World, group: string, source = group.includes(':') ? A6 : A) =>
  w.switch.deliver(group, source, 100);
const told = (w: World, status: number, group: string) =>
  w.server
    .accounting(status)
    .filter((packet) => groupOf(packet) === group)
    .map((packet) => accountOf(packet));

describe('records of unknown types', () => {
  for (const group of [NEWS, NEWS6]) {
    it(`conformance 52: ${group}: say nothing, beside others in the report, and prolong nothing`, () => {
      const { w, alice } = world();
      const strange = { type: 77, group, sources: [], auxWords: 1 } as const;
      alice.report(strange);
      w.pass(5);
      expect([w.core.stores.memberships.size, w.server.questions()]).toEqual([0, []]);
      alice.report(strange, { ...wish(group), auxWords: 2 }, { ...strange, type: 0 });
      w.pass(GMI - 1000);
      expect(reached(w, group)).toEqual(['swp1']);
      alice.report(strange);
      w.pass(1000);
      expect(reached(w, group)).toEqual([]);
    });
  }
});

describe('hosts of older versions', () => {
  const v1 = { kind: 'report', version: 1, group: NEWS } as const;
  const v2 = { kind: 'report', version: 2, group: NEWS } as const;
  const leave = { kind: 'leave', group: NEWS } as const;

  it('conformance 55: of two on a port the IGMPv2 host leaves by message, the IGMPv1 host does not', () => {
    const { w, alice, bob } = world();
    alice.igmp(v1, NEWS);
    bob.igmp(v2, NEWS);
    w.pass(5);
    expect(told(w, Start, NEWS)).toEqual(['alice', 'bob']);
    for (const host of [alice, bob]) host.igmp(leave, '224.0.0.2');
    // The IGMPv1 host speaks IGMPv3 as well, or somebody in its name: that counts for as little.
    alice.report({ type: RecordType.ToInclude, group: NEWS, sources: [], auxWords: 0 });
    alice.report({ type: RecordType.Block, group: NEWS, sources: [B], auxWords: 0 });
    w.pass(5);
    expect(told(w, Stop, NEWS)).toEqual(['bob']);
    expect([reached(w, NEWS), reached(w, NEWS, B)]).toEqual([['swp1'], ['swp1']]);
    w.pass(GMI);
    expect(reached(w, NEWS)).toEqual([]);
    expect(told(w, Stop, NEWS)).toEqual(['bob', 'alice']);
  });

  it('conformance 55: an IGMPv2 host is one for the older host present interval, then its IGMPv3 counts', () => {
    const { w, alice } = world({ multicast: { older_version_present_interval: '100s' } });
    const block = { type: RecordType.Block, group: NEWS, sources: [B], auxWords: 0 };
    alice.igmp(v2, NEWS);
    w.pass(99_999);
    alice.report(block);
    expect(reached(w, NEWS, B)).toEqual(['swp1']);
    w.pass(1);
    alice.report(block);
    expect([reached(w, NEWS, A), reached(w, NEWS, B)]).toEqual([['swp1'], []]);
  });

  it('conformance 55: IGMPv1 counts for nothing where it is to be ignored, IGMPv2 as ever', () => {
    const { w, alice, bob } = world({ multicast: { igmpv1: 'ignore' } });
    alice.igmp(v1, NEWS);
    w.pass(5);
    expect(w.server.questions()).toEqual([]);
    bob.igmp(v2, NEWS);
    // Nor does one make an IGMPv1 host of it.
    bob.igmp(v1, NEWS);
    w.pass(5);
    expect(reached(w, NEWS)).toEqual(['swp1']);
    bob.igmp(leave, '224.0.0.2');
    expect(reached(w, NEWS)).toEqual([]);
  });
});

describe('the robustness variable', () => {
  const specific = (w: World) =>
    groupPackets(w).filter(
      ({ port, message, dst }) => port === 'swp1' && message.kind === 'query' && dst === NEWS,
    ).length;

  it('conformance 56: is how often a group is asked for after a leave, and how many queries a membership outlasts', () => {
    const { w, alice } = world({
      multicast: { robustness: 3, query_interval: '100s', query_response_interval: '4s', leave: 'normal' },
    });
    alice.join(NEWS);
    w.pass(303_999);
    expect(reached(w, NEWS)).toEqual(['swp1']);
    w.pass(1);
    expect(reached(w, NEWS)).toEqual([]);
    alice.join(NEWS);
    w.switch.takeSent();
    alice.leave(NEWS);
    w.pass(2999);
    expect(specific(w)).toBe(3);
    expect(reached(w, NEWS)).toEqual(['swp1']);
    w.pass(1);
    expect(reached(w, NEWS)).toEqual([]);
    w.pass(5000);
    expect(specific(w)).toBe(0);
  });
});

describe('a source-specific group', () => {
  for (const [group, a, b] of [
    [SPORT, A, B],
    [SPORT6, A6, B6],
  ] as const) {
    const any = (type: number, ...sources: readonly string[]) => ({ type, group, sources, auxWords: 0 });
    const older = (host: Host) => {
      if (group === SPORT6) host.mld({ kind: 'report', version: 1, group }, group);
      else for (const version of [1, 2] as const) host.igmp({ kind: 'report', version, group }, group);
    };
    const reports = group === SPORT ? 4 : 3;

    it(`conformance 61: ${group}: any-source wishes of every kind are refused and ask nothing`, () => {
      const { w, alice } = world();
      w.switch.takeSent();
      for (const type of [RecordType.ToExclude, RecordType.IsExclude]) alice.report(any(type, a));
      older(alice);
      w.pass(5);
      expect([reached(w, group, a), reached(w, group, b), w.server.questions()]).toEqual([[], [], []]);
      expect(w.core.tally.of('swp1', 'refused/ssm-needs-source')).toBe(reports);
      expect(groupMessages(w, 'up0', group === SPORT ? 4 : 6)).toEqual([]);
      expect(w.core.stores.memberships.size).toBe(0);
    });

    it(`conformance 61: ${group}: nor do they end what the host has of it by source (RFC 4604 §2.2)`, () => {
      const { w, alice } = world();
      alice.report(any(RecordType.ToInclude, a));
      w.pass(5);
      for (const type of [RecordType.ToExclude, RecordType.IsExclude]) alice.report(any(type));
      older(alice);
      w.pass(5);
      expect([reached(w, group, a), reached(w, group, b)]).toEqual([['swp1'], []]);
      // They do not prolong it either.
      w.pass(GMI - 10);
      expect(reached(w, group, a)).toEqual([]);
    });

    it(`conformance 61: ${group}: TO_IN, IS_IN and ALLOW are asked for source by source where the encoding can`, () => {
      const { w, alice } = world({ groups: { encoding: 'native' } });
      w.server.users.set('alice', []);
      const [TO_IN, IS_IN, ALLOW] = [RecordType.ToInclude, RecordType.IsInclude, RecordType.Allow];
      for (const [type, source] of [
        [TO_IN, a],
        [IS_IN, b],
        [ALLOW, `${a}1`],
      ] as const)
        alice.report(any(type, source));
      w.pass(5);
      const asked = w.core.stores.decisions.keys();
      expect([...asked].sort()).toEqual([a, `${a}1`, b].map((s) => `${group}/${s}/alice`).sort());
    });

    it(`conformance 63: ${group}: the second host is asked and accounted for itself, source by source`, () => {
      const { w, alice, bob } = world();
      w.server.permits.delete(`bob ${group}`);
      alice.report(any(RecordType.Allow, a));
      w.pass(5);
      bob.report(any(RecordType.Allow, a));
      w.pass(5);
      expect(w.server.questions()).toEqual([`alice ${group}`, `bob ${group}`]);
      expect([told(w, Start, group), w.core.stores.grants.size]).toEqual([['alice'], 1]);
      w.server.permit('bob', group);
      w.pass(30_000);
      bob.report(any(RecordType.Allow, a, b));
      w.pass(5);
      expect(told(w, Start, group)).toEqual(['alice', 'bob', 'bob']);
      expect([reached(w, group, a), reached(w, group, b)]).toEqual([['swp1'], ['swp1']]);
      alice.report(any(RecordType.Block, a));
      w.pass(5);
      expect([told(w, Stop, group), reached(w, group, a)]).toEqual([['alice'], ['swp1']]);
      bob.report(any(RecordType.Block, a));
      expect([reached(w, group, a), reached(w, group, b)]).toEqual([[], ['swp1']]);
    });
  }
});

describe('an any-source group of IPv6', () => {
  it('conformance 63: the second host is asked and accounted for itself', () => {
    const { w, alice, bob } = world();
    w.server.permits.delete(`bob ${NEWS6}`);
    for (const host of [alice, bob]) {
      host.join(NEWS6);
      w.pass(5);
    }
    expect(w.server.questions()).toEqual([`alice ${NEWS6}`, `bob ${NEWS6}`]);
    expect(w.logged('join-refused').map(({ account }) => account)).toEqual(['bob']);
    expect(told(w, Start, NEWS6)).toEqual(['alice']);
  });
});
