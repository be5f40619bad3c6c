import { describe, expect, it } from 'vitest';
import { Admission } from '../../auth/admission/admission.ts';
import type { AdmissionAction, AdmissionOptions } from '../../auth/admission/admission-records.ts';
import { DecisionCache } from '../../auth/admission/decision-cache.ts';
import { GroupAuthorization } from '../../auth/admission/group-authorization.ts';
import type { LimitOptions } from '../../auth/rights/channel-limits.ts';
import { RecordType } from '../../igmp/group-record.ts';
import type { MembershipRecord } from '../../igmp/membership.ts';
import { AttributeType, integer } from '../../radius/attributes.ts';
import { RadiusCode } from '../../radius/packet.ts';
import type {
  ForwardingRecord,
  GrantRecord,
  OptimismRecord,
  PendingRecord,
  PreviewRecord,
  QuestionRecord,
  SessionRecord,
} from '../../session/records.ts';
import { Store } from '../../session/store.ts';

const { IsExclude, IsInclude, ToInclude, ToExclude, Allow, Block } = RecordType;
const NEWS = '239.1.1.1';
const FILM = '239.1.1.2';
const SSM = '232.1.1.1';
const ALICE = '02:00:00:00:00:0a';
const BOB = '02:00:00:00:00:0b';
const GMI = 2 * 125_000 + 10_000;

const NO_PREVIEW = { lengthMs: 0, intervalMs: 0, count: 0, resetMs: 0 };
const limits = (maxGroupsPerPort: number): LimitOptions => ({
  maxGroupsPerPort,
  maxGroupsPerVlan: undefined,
  maxGroupsPerAccount: undefined,
  maxKbpsPerAccount: undefined,
  maxKbpsPerPort: undefined,
  maxKbpsOfUplinks: undefined,
  preempt: false,
});

/** The gate with its stores, and a RADIUS server that is a list of permitted (account, group). */
class Gate {
  now = 1_000_000;
  readonly stores = {
    sessions: new Store<SessionRecord>('sessions'),
    memberships: new Store<MembershipRecord>('memberships'),
    grants: new Store<GrantRecord>('grants'),
    pending: new Store<PendingRecord>('pending'),
    forwardings: new Store<ForwardingRecord>('forwardings'),
    previews: new Store<PreviewRecord>('previews'),
    optimism: new Store<OptimismRecord>('optimism'),
  };
  readonly questions = new Store<QuestionRecord>('questions');
  readonly authorization = new GroupAuthorization(
    {
      defaultPermitMs: 300_000,
      maxPermitMs: 86_400_000,
      denyMs: 30_000,
      timeoutHoldMs: 5_000,
      silence: { mode: 'deny', holdMs: 60_000, staleMs: 0 },
      nativeVendor: 32473,
    },
    new DecisionCache(100),
    this.questions,
  );
  admission: Admission;
  readonly #options: AdmissionOptions;

  constructor(options: Partial<AdmissionOptions> = {}) {
    this.#options = {
      maxGroupsPerHost: 8,
      limits: limits(12),
      leave: { mode: 'by-host', lastMemberMs: 2000 },
      policy: { lists: [], profiles: new Map(), preview: NO_PREVIEW },
      optimism: { channels: [], waitMs: 0, count: 0, resetMs: 0, pauseMs: 0 },
      weigh: () => ({ kbps: 0, priority: 0 }),
      intervalMs: () => GMI,
      olderPresentMs: undefined,
      sourcesOf: () => [],
      ignoreIgmpV1: false,
      encodingCarriesSource: false,
      deliverToHost: false,
      monitors: () => false,
      letsThrough: () => false,
      placeElsewhere: () => undefined,
      ...options,
    };
    this.admission = new Admission(this.#options, this.stores, this.authorization);
    this.session('swp1', ALICE, 'alice');
  }

  session(port: string, mac: string, account: string): string {
    const key = `${port}/0/${mac}`;
    this.stores.sessions.put(key, {
      v: 1,
      key,
      port,
      vlan: 0,
      mac,
      account,
      userName: new TextEncoder().encode(account),
      acctSessionId: account,
      acctMultiSessionId: account,
      classes: [],
      state: undefined,
      server: 'r1',
      startedAt: this.now,
      authenticatedAt: this.now,
      endsAt: undefined,
      interimMs: undefined,
    });
    return key;
  }

  /** A new gate over the same records, as after a takeover. */
  resume(): void {
    this.admission = new Admission(this.#options, this.stores, this.authorization);
  }

  say(
    type: number,
    group: string,
    sources: string[] = [],
    mac = ALICE,
    port = 'swp1',
    version: 1 | 2 | 3 = 3,
  ) {
    this.admission.receive(this.now, { port, vlan: 0, mac }, version, { type, group, sources, auxWords: 0 });
    return this.admission.drainActions();
  }

  answer(question: string, permit: boolean, seconds?: number): AdmissionAction[] {
    const attributes = seconds === undefined ? [] : [integer(AttributeType.SessionTimeout, seconds)];
    const code = permit ? RadiusCode.AccessAccept : RadiusCode.AccessReject;
    const reply = { code, id: 1, authenticator: new Uint8Array(16), attributes };
    this.admission.decided(this.now, this.authorization.answered(this.now, question, reply));
    return this.admission.drainActions();
  }

  silence(question: string): AdmissionAction[] {
    this.admission.decided(this.now, this.authorization.unanswered(this.now, question, 'radius-timeout'));
    return this.admission.drainActions();
  }

  pass(ms: number): AdmissionAction[] {
    const until = this.now + ms;
    for (
      let next = this.admission.nextTimeout();
      next !== undefined && next <= until;
      next = this.admission.nextTimeout()
    ) {
      this.now = Math.max(next, this.now);
      this.admission.handleTimeout(this.now);
    }
    this.now = until;
    return this.admission.drainActions();
  }
}

const kinds = (actions: AdmissionAction[]) => actions.map((action) => action.kind);
const refusals = (actions: AdmissionAction[]) =>
  actions.flatMap((action) =>
    action.kind === 'refused' ? [`${action.refusal.group} ${action.refusal.reason}`] : [],
  );
const asked = (actions: AdmissionAction[]) => actions.flatMap((a) => (a.kind === 'ask' ? [a.question] : []));
const filters = (actions: AdmissionAction[]) =>
  actions.flatMap((a) => (a.kind === 'port-filter' ? [[a.port, a.group, a.filter]] : []));
const upstream = (actions: AdmissionAction[]) =>
  actions.flatMap((a) => (a.kind === 'upstream-filter' ? [[a.group, a.filter]] : []));
const any = { mode: 'exclude', sources: [] };

describe('the join gate', () => {
  it('asks, then grants, forwards, tells upstream, and only then starts accounting', () => {
    const gate = new Gate();
    const joined = gate.say(ToExclude, NEWS);
    expect(kinds(joined)).toEqual(['ask']);
    expect(gate.stores.grants.size).toBe(0);
    const permitted = gate.answer(`${NEWS}/*/alice`, true);
    expect(kinds(permitted)).toEqual(['port-filter', 'upstream-filter', 'granted']);
    expect(filters(permitted)).toEqual([['swp1', NEWS, any]]);
    expect([...gate.stores.grants.values()]).toMatchObject([{ account: 'alice', group: NEWS, by: 'radius' }]);
  });

  it('conformance 62: a denied join forwards nothing and tells upstream nothing', () => {
    const gate = new Gate();
    gate.say(ToExclude, NEWS);
    const denied = gate.answer(`${NEWS}/*/alice`, false);
    expect(kinds(denied)).toEqual(['refused']);
    expect(refusals(denied)).toEqual([`${NEWS} radius-reject`]);
    expect(gate.stores.forwardings.size).toBe(0);
    // Remembered: asking again costs no round trip until the denial runs out.
    expect(kinds(gate.say(IsExclude, NEWS))).toEqual(['refused']);
    gate.now += 30_001;
    expect(kinds(gate.say(IsExclude, NEWS))).toEqual(['ask']);
  });

  it('conformance 64: a MAC without a session is refused, also beside one that has one', () => {
    const gate = new Gate();
    gate.say(ToExclude, NEWS);
    gate.answer(`${NEWS}/*/alice`, true);
    expect(refusals(gate.say(ToExclude, NEWS, [], BOB))).toEqual([`${NEWS} no-session`]);
    expect(gate.stores.memberships.size).toBe(1);
  });

  it('conformance 63: the second host on a port is asked for itself', () => {
    const gate = new Gate();
    gate.session('swp1', BOB, 'bob');
    gate.say(ToExclude, NEWS);
    gate.answer(`${NEWS}/*/alice`, true);
    expect(asked(gate.say(ToExclude, NEWS, [], BOB))).toEqual([`${NEWS}/*/bob`]);
    const granted = gate.answer(`${NEWS}/*/bob`, true);
    // The port receives the channel already: nothing to program, but a grant and its accounting.
    expect(kinds(granted)).toEqual(['granted']);
    // By host: the port goes on until its last viewer leaves.
    expect(kinds(gate.say(ToInclude, NEWS))).toEqual(['revoked']);
    expect(kinds(gate.say(ToInclude, NEWS, [], BOB))).toEqual(['revoked', 'port-filter', 'upstream-filter']);
  });

  it('conformance 54: each record is judged on its own', () => {
    const gate = new Gate();
    gate.say(ToExclude, FILM);
    gate.answer(`${FILM}/*/alice`, false);
    gate.say(ToExclude, NEWS);
    const permitted = gate.answer(`${NEWS}/*/alice`, true);
    expect(filters(permitted)).toEqual([['swp1', NEWS, any]]);
    expect([...gate.stores.forwardings.values()].map((f) => f.group)).toEqual([NEWS]);
  });

  it('a source-specific IPv6 group needs a source', () => {
    const gate = new Gate();
    for (const group of ['ff3e::1', 'ff35::8000:1', 'ff3e:0:1::2'])
      expect(refusals(gate.say(ToExclude, group))).toEqual([`${group} ssm-needs-source`]);
    // Unicast-prefix-based (RFC 3306 §6), not source-specific: the second sixteen bits hold a prefix length.
    expect(asked(gate.say(ToExclude, 'ff3e:40:2001:db8::1'))).toHaveLength(1);
  });

  it('IGMPv1 reports count for nothing where they are to be ignored', () => {
    const gate = new Gate({ ignoreIgmpV1: true });
    expect(gate.say(IsExclude, NEWS, [], ALICE, 'swp1', 1)).toEqual([]);
    expect(gate.stores.memberships.size).toBe(0);
    expect(asked(gate.say(IsExclude, NEWS, [], ALICE, 'swp1', 2))).toHaveLength(1);
  });

  it('conformance 61: SSM groups need a source, and each source is granted for itself', () => {
    const gate = new Gate({ encodingCarriesSource: true });
    expect(refusals(gate.say(ToExclude, SSM))).toEqual([`${SSM} ssm-needs-source`]);
    expect(asked(gate.say(Allow, SSM, ['10.0.0.1', '10.0.0.2']))).toEqual([
      `${SSM}/10.0.0.1/alice`,
      `${SSM}/10.0.0.2/alice`,
    ]);
    gate.answer(`${SSM}/10.0.0.2/alice`, false);
    const granted = gate.answer(`${SSM}/10.0.0.1/alice`, true);
    expect(filters(granted)).toEqual([['swp1', SSM, { mode: 'include', sources: ['10.0.0.1'] }]]);
    expect(filters(gate.say(Block, SSM, ['10.0.0.1']))).toEqual([['swp1', SSM, undefined]]);
  });

  it('one request in flight per question, however many hosts ask', () => {
    const gate = new Gate();
    for (let port = 2; port <= 9; port++) gate.session(`swp${port}`, ALICE, 'alice');
    let requests = asked(gate.say(ToExclude, NEWS)).length;
    for (let port = 2; port <= 9; port++)
      requests += asked(gate.say(ToExclude, NEWS, [], ALICE, `swp${port}`)).length;
    expect(requests).toBe(1);
    const granted = gate.answer(`${NEWS}/*/alice`, true);
    expect(granted.filter((a) => a.kind === 'granted')).toHaveLength(9);
    // Upstream is told once of what all of them receive.
    expect(new Set(upstream(granted).map((u) => JSON.stringify(u))).size).toBe(1);
  });

  it('silence refuses, is remembered for a short time, and is then asked again', () => {
    const gate = new Gate();
    gate.say(ToExclude, NEWS);
    expect(refusals(gate.silence(`${NEWS}/*/alice`))).toEqual([`${NEWS} radius-timeout`]);
    expect(kinds(gate.say(IsExclude, NEWS))).toEqual(['refused']);
    gate.now += 5_001;
    expect(kinds(gate.say(IsExclude, NEWS))).toEqual(['ask']);
  });

  it('a leave before the answer wins: the late permit grants nothing', () => {
    const gate = new Gate();
    gate.say(ToExclude, NEWS);
    gate.say(ToInclude, NEWS);
    expect(gate.answer(`${NEWS}/*/alice`, true)).toEqual([]);
    expect(gate.stores.forwardings.size).toBe(0);
    expect(kinds(gate.say(ToExclude, NEWS))).toEqual(['port-filter', 'upstream-filter', 'granted']);
  });

  it('conformance 56: a wish that is not repeated ends with its channel', () => {
    const gate = new Gate();
    gate.say(ToExclude, NEWS);
    gate.answer(`${NEWS}/*/alice`, true, 3600);
    expect(gate.pass(GMI - 1)).toEqual([]);
    const ended = gate.pass(1);
    expect(ended.find((a) => a.kind === 'revoked')).toMatchObject({ cause: 'membership-timeout' });
    expect(filters(ended)).toEqual([['swp1', NEWS, undefined]]);
  });

  it('sources of an INCLUDE list end one by one', () => {
    const gate = new Gate();
    gate.say(Allow, SSM, ['10.0.0.1']);
    gate.answer(`${SSM}/*/alice`, true, 3600);
    gate.now += 100_000;
    gate.say(Allow, SSM, ['10.0.0.2']);
    const first = gate.pass(GMI - 100_000);
    expect(filters(first)).toEqual([['swp1', SSM, { mode: 'include', sources: ['10.0.0.2'] }]]);
    const second = gate.pass(100_000);
    expect(filters(second)).toEqual([['swp1', SSM, undefined]]);
  });

  it('asks again before a permission ends, and the channel goes on without a gap', () => {
    const gate = new Gate();
    gate.say(ToExclude, NEWS);
    gate.answer(`${NEWS}/*/alice`, true, 100);
    expect(asked(gate.pass(90_000))).toEqual([`${NEWS}/*/alice`]);
    gate.say(IsExclude, NEWS);
    expect(gate.answer(`${NEWS}/*/alice`, true, 100)).toEqual([]);
    expect(kinds(gate.pass(89_000))).toEqual([]);
    expect(gate.stores.grants.size).toBe(1);
  });

  it('asks first where a remembered permission is near its end, for a short one at half of its time', () => {
    const gate = new Gate();
    gate.say(ToExclude, NEWS);
    gate.answer(`${NEWS}/*/alice`, true, 100);
    gate.say(ToInclude, NEWS);
    gate.pass(89_000);
    expect(kinds(gate.say(ToExclude, NEWS))).toEqual(['port-filter', 'upstream-filter', 'granted']);
    gate.say(ToInclude, NEWS);
    gate.pass(1_000);
    expect(asked(gate.say(ToExclude, NEWS))).toEqual([`${NEWS}/*/alice`]);
    expect(gate.stores.grants.size).toBe(0);
    gate.answer(`${NEWS}/*/alice`, true, 6);
    expect(kinds(gate.pass(2_999))).toEqual([]);
    expect(asked(gate.pass(1))).toEqual([`${NEWS}/*/alice`]);
    expect(gate.stores.grants.size).toBe(1);
  });

  it('lets a remembered permission hold to its end where no server answers', () => {
    const gate = new Gate();
    gate.say(ToExclude, NEWS);
    gate.answer(`${NEWS}/*/alice`, true, 100);
    gate.say(ToInclude, NEWS);
    gate.pass(95_000);
    gate.say(ToExclude, NEWS);
    expect(kinds(gate.silence(`${NEWS}/*/alice`))).toEqual(['port-filter', 'upstream-filter', 'granted']);
    expect(kinds(gate.pass(5_000))).toContain('revoked');
  });

  it('a permission that is withdrawn stops the channel at once, one that cannot be renewed at its end', () => {
    const withdrawn = new Gate();
    withdrawn.say(ToExclude, NEWS);
    withdrawn.answer(`${NEWS}/*/alice`, true, 100);
    withdrawn.pass(90_000);
    const stopped = withdrawn.answer(`${NEWS}/*/alice`, false);
    expect(stopped.find((a) => a.kind === 'revoked')).toMatchObject({ cause: 'permission-withdrawn' });
    expect(filters(stopped)).toEqual([['swp1', NEWS, undefined]]);

    const silent = new Gate();
    silent.say(ToExclude, NEWS);
    silent.answer(`${NEWS}/*/alice`, true, 100);
    silent.pass(90_000);
    expect(silent.silence(`${NEWS}/*/alice`)).toEqual([]);
    const ended = silent.pass(10_000);
    expect(ended.find((a) => a.kind === 'revoked')).toMatchObject({ cause: 'permission-ended' });
  });

  it('a host that goes takes its channels and its questions with it', () => {
    const gate = new Gate();
    gate.say(ToExclude, NEWS);
    gate.answer(`${NEWS}/*/alice`, true);
    gate.say(ToExclude, FILM);
    gate.admission.endHost(0, `swp1/0/${ALICE}`, 'logoff', true);
    const ended = gate.admission.drainActions();
    expect(kinds(ended)).toEqual(['revoked', 'port-filter', 'upstream-filter']);
    expect(ended[0]).toMatchObject({ cause: 'logoff' });
    expect(gate.stores.pending.size + gate.stores.memberships.size + gate.stores.grants.size).toBe(0);
    gate.stores.sessions.delete(`swp1/0/${ALICE}`);
    expect(gate.answer(`${FILM}/*/alice`, true)).toEqual([]);
  });

  it('limits groups per host and per port', () => {
    const gate = new Gate({ maxGroupsPerHost: 2, limits: limits(3) });
    gate.session('swp1', BOB, 'bob');
    const group = (n: number) => `239.9.9.${n}`;
    for (const n of [1, 2]) gate.say(ToExclude, group(n));
    expect(refusals(gate.say(ToExclude, group(3)))).toEqual([`${group(3)} host-group-limit`]);
    for (const n of [1, 2]) gate.answer(`${group(n)}/*/alice`, true);
    for (const n of [4, 5]) gate.say(ToExclude, group(n), [], BOB);
    gate.answer(`${group(4)}/*/bob`, true);
    expect(refusals(gate.answer(`${group(5)}/*/bob`, true))).toEqual([`${group(5)} port-group-limit`]);
  });

  it('what never leaves the link is nobody’s channel', () => {
    const gate = new Gate();
    expect(gate.say(ToExclude, 'ff02::fb')).toEqual([]);
    expect(gate.say(ToExclude, '224.0.0.251')).toEqual([]);
    expect(gate.stores.memberships.size).toBe(0);
  });

  it('what the switch refuses is taken back and refused to the host', () => {
    const gate = new Gate();
    gate.say(ToExclude, NEWS);
    gate.answer(`${NEWS}/*/alice`, true);
    gate.admission.forwardingFailed('swp1', 0, NEWS);
    const actions = gate.admission.drainActions();
    expect(refusals(actions)).toEqual([`${NEWS} switch-failed`]);
    expect(filters(actions)).toEqual([['swp1', NEWS, undefined]]);
    expect(gate.stores.grants.size + gate.stores.memberships.size).toBe(0);
  });

  it('goes on from its records alone', () => {
    const gate = new Gate();
    gate.say(ToExclude, NEWS);
    gate.say(ToExclude, FILM);
    gate.answer(`${NEWS}/*/alice`, true, 3600);
    gate.resume();
    expect(kinds(gate.answer(`${FILM}/*/alice`, true, 3600))).toEqual([
      'port-filter',
      'upstream-filter',
      'granted',
    ]);
    const ended = gate.pass(GMI);
    expect(ended.filter((a) => a.kind === 'revoked')).toHaveLength(2);
    expect(gate.stores.forwardings.size).toBe(0);
  });

  it('an IGMPv1 host cannot leave by message, an IGMPv2 host can', () => {
    const gate = new Gate();
    gate.say(IsExclude, NEWS, [], ALICE, 'swp1', 1);
    gate.answer(`${NEWS}/*/alice`, true);
    expect(gate.say(ToInclude, NEWS, [], ALICE, 'swp1', 2)).toEqual([]);
    expect(gate.stores.grants.size).toBe(1);
    gate.say(IsExclude, FILM, [], ALICE, 'swp1', 2);
    gate.answer(`${FILM}/*/alice`, true);
    expect(kinds(gate.say(ToInclude, FILM, [], ALICE, 'swp1', 2))).toEqual([
      'revoked',
      'port-filter',
      'upstream-filter',
    ]);
  });

  it('a list said in one record keeps unwanted sources out', () => {
    const gate = new Gate();
    gate.say(ToExclude, NEWS);
    gate.answer(`${NEWS}/*/alice`, true);
    expect(filters(gate.say(Block, NEWS, ['10.0.0.9']))).toEqual([
      ['swp1', NEWS, { mode: 'exclude', sources: ['10.0.0.9'] }],
    ]);
    expect(filters(gate.say(IsInclude, NEWS, ['10.0.0.1']))).toEqual([
      ['swp1', NEWS, { mode: 'include', sources: ['10.0.0.1'] }],
    ]);
  });
});
