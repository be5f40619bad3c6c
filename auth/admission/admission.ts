/**
 * The join gate: from "this host wants this channel" to "this port receives it", with a reason for every
 * no (patent 1). Each host is asked for itself, also when a neighbour already receives the group; each
 * record of a report is judged on its own; nothing flows without a grant record.
 *
 * Pure: it keeps its state in the stores handed to it and says what is to be done as actions.
 */
import type { GroupRecord } from '../../igmp/group-record.ts';
import {
  type HostFilter,
  isLinkLocalGroup,
  isSourceSpecific,
  type MembershipRecord,
  wantedSources,
} from '../../igmp/membership.ts';
import { channelKey, type DecisionRecord, hostKey, type SessionRecord } from '../../session/records.ts';
import type { IpAddress } from '../../wire/address.ts';
import { GrantTable } from '../grant-table.ts';
import { MembershipTable, type Reporter } from '../membership-table.ts';
import { ChannelLimits } from '../rights/channel-limits.ts';
import { ChannelPolicy } from '../rights/channel-policy.ts';
import { ChannelUse } from '../rights/channel-use.ts';
import { Optimism } from '../rights/optimism.ts';
import { Previews } from '../rights/previews.ts';
import type {
  AdmissionAction,
  AdmissionOptions,
  AdmissionStores,
  RefusalReason,
  RevokeCause,
} from './admission-records.ts';
import { type GroupAuthorization, readQuestionKey } from './group-authorization.ts';
import { JoinJudge, type Note, type Verdict } from './join-judge.ts';
import { Leaves } from './leaves.ts';
import { LetThrough } from './let-through.ts';
import { PendingTable } from './pending-table.ts';
import { RightsChanges } from './rights-changes.ts';
import { Settling } from './settling.ts';

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #stores: AdmissionStores;
  readonly #authorization: GroupAuthorization;
  readonly #grants: GrantTable;
  readonly #memberships: MembershipTable;
  readonly #pending: PendingTable;
  readonly #previews: Previews;
  readonly #optimism: Optimism;
  readonly #judge: JoinJudge;
  readonly #letThrough: LetThrough;
  readonly #settling: Settling;
  readonly #leaves: Leaves;
  readonly #changes: RightsChanges;
  #actions: AdmissionAction[] = [];

  /** Takes up the records that the stores hold already. */
  constructor(options: AdmissionOptions, stores: AdmissionStores, authorization: GroupAuthorization) {
    this.#options = options;
    this.#stores = stores;
    this.#authorization = authorization;
    this.#memberships = new MembershipTable(stores.memberships, options);
    this.#pending = new PendingTable(stores.pending);
    const emit = (action: AdmissionAction) => this.#actions.push(action);
    const use = new ChannelUse(options.weigh);
    this.#grants = new GrantTable(stores, authorization, options, use, (action) => {
      emit(action);
      if (action.kind === 'revoked') this.#letThrough.ended(action.grant, action.cause);
    });
    const [grants, memberships, pending] = [this.#grants, this.#memberships, this.#pending];
    const { sessions } = stores;
    this.#letThrough = new LetThrough({ monitors: options.monitors, sessions, grants, memberships, emit });
    const policy = new ChannelPolicy(options.policy);
    const limits = new ChannelLimits(options.limits, use);
    this.#previews = new Previews(stores.previews);
    this.#optimism = new Optimism(options.optimism, stores.optimism);
    this.#judge = new JoinJudge({
      ...{ maxGroupsPerHost: options.maxGroupsPerHost, previews: this.#previews, optimism: this.#optimism },
      ...{ grants, pending, authorization, policy, limits },
    });
    this.#settling = new Settling({
      ...{ options, authorization, grants, pending, emit },
      ...{ previews: this.#previews, optimism: this.#optimism, letThrough: this.#letThrough },
    });
    this.#leaves = new Leaves({
      ...{ options: options.leave, grants, memberships, emit },
      drop: (membership) => this.#drop(membership, 'leave'),
    });
    this.#changes = new RightsChanges({
      ...{ stores, authorization, grants, memberships, pending, policy, limits, emit },
      told: (now, decision) => this.decided(now, decision, true),
      reconcile: (now, session, membership) => this.#reconcile(now, session, membership, 'leave'),
      withdraw: (keys) => this.#settling.end(keys, 'permission-withdrawn'),
    });
  }

  /**
   * One record of a report. `version` is that of the message in IGMP's counting (1, 2 or 3): reports of
   * older versions come as EXCLUDE {}, leaves as TO_IN {}.
   */
  receive(now: number, from: Reporter, version: 1 | 2 | 3, record: GroupRecord): void {
    const { group } = record;
    if (isLinkLocalGroup(group) || (version === 1 && this.#options.ignoreIgmpV1)) return;
    const meant = this.#memberships.read(now, from, version, record);
    if (meant === undefined) return;
    const { host, before, filter } = meant;
    if (filter === undefined) {
      if (before !== undefined) this.#leaves.leave(now, before);
      return;
    }
    const session = this.#stores.sessions.get(host);
    const mayWish = session !== undefined || this.#options.letsThrough(now, from);
    const why = this.#refusalOfAny(mayWish, host, group, filter, before);
    if (why !== undefined) {
      // RFC 4604 §2.2: such a record is ignored, also where the host has sources of the group.
      if (before !== undefined && why !== 'ssm-needs-source') this.#drop(before, 'leave');
      const reason = why === 'no-session' ? (this.#options.placeElsewhere(from) ?? why) : why;
      for (const source of wantedSources(filter))
        this.#settling.refuse(from, session?.account, group, source, reason);
      return;
    }
    const lingering = this.#leaves.lingering(now, from, meant, filter);
    const kept = lingering?.filter ?? filter;
    this.#reconcile(now, session, this.#memberships.keep(now, from, meant, kept, lingering), 'leave');
    this.#letThrough.goOnWithEnded(now);
  }

  /** Why a host may have a channel or not, step by step, by what is known now. Changes nothing, asks nobody. */
  explain(
    now: number,
    from: Reporter,
    group: IpAddress,
    source: IpAddress | undefined,
    note: Note,
  ): Verdict | 'granted' | 'waiting' {
    const mapped = source === undefined && isSourceSpecific(group) ? this.#options.sourcesOf(group) : [];
    if (mapped.length > 0) {
      note('source map', `any source means ${mapped.join(', ')}: of the first`);
      return this.explain(now, from, group, mapped[0], note);
    }
    const host = hostKey(from.port, from.vlan, from.mac);
    const key = channelKey(host, group, source);
    const { port, vlan, mac } = from;
    const session = this.#stores.sessions.get(host);
    const membership = this.#memberships.of(host, group);
    const wanted = wantedSources(membership).includes(source);
    note('membership', wanted ? 'the host wants it' : 'the host has not asked for it, or has left');
    if (isLinkLocalGroup(group)) note('group', 'never leaves the link: passed without being asked for');
    const grant = this.#grants.get(key);
    if (grant?.by === 'optimistic') {
      note('open meanwhile', `until RADIUS answers, for ${grant.expiresAt - now} ms at most`);
      return 'waiting';
    }
    if (grant !== undefined) {
      note('grant', `for ${Math.floor((now - grant.grantedAt) / 1000)} s, by ${grant.by}`);
      return 'granted';
    }
    if (this.#pending.has(key)) return 'waiting';
    if (session === undefined) note('elsewhere', this.#options.placeElsewhere(from) ?? 'nowhere else either');
    return this.#judge.judge(now, session, { host, port, vlan, mac, group, source }, note);
  }

  /** Puts the question of an explanation to RADIUS, where it is not there yet; undefined where nobody is in. */
  askAbout(now: number, host: string, group: IpAddress, source: IpAddress | undefined): string | undefined {
    const session = this.#stores.sessions.get(host);
    if (session === undefined) return undefined;
    const question = this.#grants.questionFor(session.account, group, source);
    if (this.#authorization.ask(now, question, host))
      this.#actions.push({ kind: 'ask', question, session, group, source });
    return question;
  }

  /** RADIUS has decided a question, or `told` it unasked: all who wait for it are granted or refused. */
  decided(now: number, decision: DecisionRecord, told = false): void {
    if (decision.reason === 'radius-reject' || decision.reason === 'radius-bad-accept')
      this.#optimism.refused(now, readQuestionKey(decision.key).account);
    for (const pending of this.#pending.ofQuestion(decision.key)) {
      this.#pending.remove(pending);
      const session = this.#stores.sessions.get(pending.host);
      const membership = this.#memberships.of(pending.host, pending.group);
      if (session === undefined || membership === undefined) continue;
      if (!wantedSources(membership).includes(pending.source)) continue;
      const ahead = this.#grants.get(pending.key);
      // It must not stand in its own way under a limit.
      if (ahead?.by === 'optimistic') this.#grants.setAside(ahead);
      const wish = { ...membership, source: pending.source };
      this.#settling.settle(now, session, wish, this.#judge.decided(now, session, wish, decision, 'radius'));
      if (ahead?.by === 'optimistic' && !this.#grants.has(pending.key)) this.#settling.takeBack(ahead);
    }
    this.#grants.decided(now, decision, told);
    this.#letThrough.goOnWithEnded(now);
  }

  /**
   * RADIUS gives the account rights to groups, or takes them, of its own accord. `groups` undefined: all that the
   * account receives, waits for, or has asked for.
   */
  changeRights(
    now: number,
    account: string,
    groups: readonly IpAddress[] | undefined,
    permit: boolean,
  ): void {
    this.#changes.byRadius(now, account, groups, permit);
  }

  /** The host's session has other rights than before: what it receives by them is judged again. */
  rightsChanged(now: number, host: string): void {
    const session = this.#stores.sessions.get(host);
    if (session === undefined) return;
    this.#changes.ofSession(now, session);
    this.#letThrough.goOnWithEnded(now);
  }

  /**
   * The host is out: all of its channels end with this cause. `stays`: it is still there, and where its port is in
   * monitor mode it goes on receiving them, as nobody.
   */
  endHost(now: number, host: string, cause: RevokeCause, stays: boolean): void {
    for (const pending of this.#pending.ofHost(host)) this.#pending.remove(pending);
    for (const membership of this.#memberships.ofHost(host)) {
      if (!stays || !this.#options.letsThrough(now, membership)) {
        this.#drop(membership, cause);
        continue;
      }
      for (const grant of this.#grants.of(host, membership.group)) this.#grants.revoke(grant, cause);
      this.#reconcile(now, undefined, membership, cause);
    }
    if (cause === 'reauthentication-failed') this.#withdrawQuestions(host);
  }

  /**
   * The configuration was another one: who is not in wants nothing where nobody is let through any more, and the limits
   * of ports, VLANs and uplinks may be lower ones. What wishes mean by the source map follows the map.
   */
  reconfigured(now: number): void {
    for (const membership of [...this.#stores.memberships.values()]) {
      const session = this.#stores.sessions.get(membership.host);
      if (session === undefined && !this.#options.monitors(membership.port)) {
        this.#drop(membership, 'mode-changed');
        continue;
      }
      const remapped = this.#memberships.remap(membership);
      if (remapped === undefined) this.#drop(membership, 'permission-withdrawn');
      else if (remapped !== membership) this.#reconcile(now, session, remapped, 'permission-withdrawn');
    }
    this.#changes.ofSwitch();
  }

  /** The switch could not do it: the grants behind the forwarding end, and their hosts are refused. */
  forwardingFailed(port: string, vlan: number, group: IpAddress): void {
    for (const grant of this.#grants.behind(port, vlan, group)) {
      this.#grants.revoke(grant, 'switch-failed');
      const membership = this.#memberships.of(grant.host, group);
      if (membership !== undefined) {
        this.#memberships.forget(membership);
        for (const pending of this.#pending.ofMembership(membership.key)) this.#pending.remove(pending);
      }
      this.#settling.refuse(grant, grant.account, group, grant.source, 'switch-failed');
    }
    this.#grants.update(port, vlan, group);
  }

  /** Nobody asked hosts of the VLAN lately: what they want holds until then at least, so that they can say it. */
  keepWishes(vlan: number, family: 4 | 6, until: number): void {
    this.#memberships.extend(vlan, family, until);
  }

  /** Lets wishes that were not repeated end, and permissions be asked for again before they end. */
  handleTimeout(now: number): void {
    this.#grants.handleTimeout(now);
    this.#previews.handleTimeout(now);
    this.#optimism.handleTimeout(now);
    for (let due = this.#memberships.takeDue(now); due !== undefined; due = this.#memberships.takeDue(now)) {
      const session = this.#stores.sessions.get(due.host);
      const mayWish = session !== undefined || this.#options.monitors(due.port);
      const rest = mayWish ? this.#memberships.expire(now, due) : undefined;
      if (rest === undefined) this.#drop(due, 'membership-timeout');
      else this.#reconcile(now, session, rest, 'membership-timeout');
    }
    this.#letThrough.goOnWithEnded(now);
  }

  nextTimeout(): number | undefined {
    let next: number | undefined;
    for (const part of [this.#memberships, this.#grants, this.#previews, this.#optimism]) {
      const at = part.nextTimeout();
      if (at !== undefined && (next === undefined || at < next)) next = at;
    }
    return next;
  }

  drainActions(): AdmissionAction[] {
    const actions = this.#actions;
    this.#actions = [];
    return actions;
  }

  /** Counts for `castgate show ports`. */
  channelsOfHost(host: string): number {
    return this.#grants.countOfHost(host);
  }

  channelsOfPort(port: string): number {
    return this.#grants.channelsOfPort(port);
  }

  /** What all ports of the VLAN together receive of the group. */
  upstreamFilter(vlan: number, group: IpAddress): HostFilter | undefined {
    return this.#grants.upstreamFilter(vlan, group);
  }

  /** What stands against every wish in the filter, before anything is asked. */
  #refusalOfAny(
    mayWish: boolean,
    host: string,
    group: IpAddress,
    filter: HostFilter,
    before: MembershipRecord | undefined,
  ): RefusalReason | undefined {
    if (!mayWish) return 'no-session';
    if (isSourceSpecific(group) && filter.mode === 'exclude') return 'ssm-needs-source';
    const limit = this.#options.maxGroupsPerHost;
    if (filter.sources.length > limit) return 'host-group-limit';
    if (before === undefined && this.#memberships.countOfHost(host) >= limit) return 'host-group-limit';
    return undefined;
  }

  /** Makes grants and questions follow what the membership wants. */
  #reconcile(
    now: number,
    session: SessionRecord | undefined,
    membership: MembershipRecord,
    cause: RevokeCause,
  ): void {
    const { host, port, vlan, group } = membership;
    const wanted = wantedSources(membership);
    for (const grant of this.#grants.of(host, group)) {
      if (!wanted.includes(grant.source)) this.#grants.revoke(grant, cause);
    }
    for (const pending of this.#pending.ofMembership(membership.key)) {
      if (!wanted.includes(pending.source)) this.#pending.remove(pending);
    }
    for (const source of wanted) this.#admit(now, session, membership, source);
    this.#grants.update(port, vlan, group);
  }

  #admit(
    now: number,
    session: SessionRecord | undefined,
    membership: MembershipRecord,
    source: IpAddress | undefined,
  ): void {
    const key = channelKey(membership.host, membership.group, source);
    const grant = this.#grants.get(key);
    if (grant !== undefined && grant.by !== 'monitor') return;
    if (grant !== undefined && !this.#options.monitors(membership.port))
      this.#grants.revoke(grant, 'permission-withdrawn');
    if (this.#pending.has(key)) return;
    const wish = { ...membership, source };
    this.#settling.settle(now, session, wish, this.#judge.judge(now, session, wish));
  }

  /** The host wants nothing of the group any more. */
  #drop(membership: MembershipRecord, cause: RevokeCause): void {
    const { host, port, vlan, group } = membership;
    this.#memberships.forget(membership);
    for (const pending of this.#pending.ofMembership(membership.key)) this.#pending.remove(pending);
    for (const grant of this.#grants.of(host, group)) this.#grants.revoke(grant, cause);
    this.#grants.update(port, vlan, group);
  }

  /** After a reject nothing more is asked for the session (RFC 5080), unless somebody else waits for it. */
  #withdrawQuestions(host: string): void {
    for (const question of this.#authorization.questionsOf(host)) {
      if (this.#pending.ofQuestion(question).length > 0 || this.#grants.isBehind(question)) continue;
      this.#authorization.withdraw(question);
      this.#actions.push({ kind: 'withdraw', question });
    }
  }
}
