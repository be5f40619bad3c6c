/**
 * The join gate: from "this host wants this channel" to "this port receives it", with a reason for every
 * no (patent 1). Each host is asked for itself, also when a neighbour already receives the group; each
 * record of a report is judged on its own; nothing flows without a grant record.
 *
 * Pure: it keeps its state in the stores handed to it and says what is to be done as actions.
 */
import type { GroupRecord } from '../igmp/group-record.ts';
import {
  type HostFilter,
  isLinkLocalGroup,
  isSourceSpecific,
  type MembershipRecord,
  wantedSources,
} from '../igmp/membership.ts';
import {
  channelKey,
  type DecisionRecord,
  type GrantRecord,
  type PendingRecord,
  type SessionRecord,
} from '../session/records.ts';
import type { IpAddress } from '../wire/address.ts';
import type {
  AdmissionAction,
  AdmissionOptions,
  AdmissionStores,
  RefusalReason,
  RevokeCause,
} from './admission-records.ts';
import { GrantTable } from './grant-table.ts';
import type { GroupAuthorization } from './group-authorization.ts';
import { MembershipTable, type Reporter } from './membership-table.ts';
import { PendingTable } from './pending-table.ts';

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #stores: AdmissionStores;
  readonly #authorization: GroupAuthorization;
  readonly #grants: GrantTable;
  readonly #memberships: MembershipTable;
  readonly #pending: PendingTable;
  #actions: AdmissionAction[] = [];

  /** Takes up the records that the stores hold already. */
  constructor(options: AdmissionOptions, stores: AdmissionStores, authorization: GroupAuthorization) {
    this.#options = options;
    this.#stores = stores;
    this.#authorization = authorization;
    this.#memberships = new MembershipTable(stores.memberships, options);
    this.#pending = new PendingTable(stores.pending);
    this.#grants = new GrantTable(stores, authorization, options.encodingCarriesSource, (action) =>
      this.#actions.push(action),
    );
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
      if (before !== undefined) this.#drop(before, 'leave');
      return;
    }
    const session = this.#stores.sessions.get(host);
    const why = this.#refusalOfAny(session, host, group, filter, before);
    if (why !== undefined || session === undefined) {
      if (before !== undefined) this.#drop(before, 'leave');
      for (const source of wantedSources(filter))
        this.#refuse(from, session?.account, group, source, why ?? 'no-session');
      return;
    }
    this.#reconcile(now, session, this.#memberships.keep(now, from, meant, filter), 'leave');
  }

  /** RADIUS has decided a question: all who wait for it are granted or refused. */
  decided(now: number, decision: DecisionRecord): void {
    for (const pending of this.#pending.ofQuestion(decision.key)) {
      this.#pending.remove(pending);
      const session = this.#stores.sessions.get(pending.host);
      const membership = this.#memberships.of(pending.host, pending.group);
      if (session === undefined || membership === undefined) continue;
      if (decision.permit) this.#grant(now, session, membership, pending.source, decision, 'radius');
      else this.#refuse(session, session.account, pending.group, pending.source, noReason(decision));
    }
    this.#grants.decided(now, decision);
  }

  /**
   * RADIUS gives the account rights to groups, or takes them, of its own accord: who plays by them stops at once,
   * who waits or was refused is let in. `groups` undefined: all that the account receives or waits for.
   */
  changeRights(
    now: number,
    account: string,
    groups: readonly IpAddress[] | undefined,
    permit: boolean,
  ): void {
    const sessions = [...this.#stores.sessions.values()].filter((session) => session.account === account);
    for (const group of groups ?? this.#groupsOf(account)) {
      for (const question of this.#questionsAbout(account, group, sessions))
        this.decided(now, this.#authorization.told(now, question, permit));
      if (!permit) continue;
      for (const session of sessions) {
        const membership = this.#memberships.of(session.key, group);
        if (membership !== undefined) this.#reconcile(now, session, membership, 'leave');
      }
    }
  }

  /** The host is out: all of its channels end with this cause. */
  endHost(host: string, cause: RevokeCause): void {
    for (const pending of this.#pending.ofHost(host)) this.#pending.remove(pending);
    for (const membership of this.#memberships.ofHost(host)) this.#drop(membership, cause);
  }

  /** The switch could not do it: the grants behind the forwarding end, and their hosts are refused. */
  forwardingFailed(port: string, vlan: number, group: IpAddress): void {
    for (const grant of this.#grants.behind(port, vlan, group)) {
      this.#grants.revoke(grant, 'switch-failed');
      const membership = this.#memberships.of(grant.host, group);
      if (membership !== undefined) this.#memberships.forget(membership);
      this.#refuse(grant, grant.account, group, grant.source, 'switch-failed');
    }
    this.#grants.update(port, vlan, group);
  }

  /** Lets wishes that were not repeated end, and permissions be asked for again before they end. */
  handleTimeout(now: number): void {
    this.#grants.handleTimeout(now);
    for (let due = this.#memberships.takeDue(now); due !== undefined; due = this.#memberships.takeDue(now)) {
      const session = this.#stores.sessions.get(due.host);
      const rest = session === undefined ? undefined : this.#memberships.expire(now, due);
      if (session === undefined || rest === undefined) this.#drop(due, 'membership-timeout');
      else this.#reconcile(now, session, rest, 'membership-timeout');
    }
  }

  nextTimeout(): number | undefined {
    const wishes = this.#memberships.nextTimeout();
    const grants = this.#grants.nextTimeout();
    if (wishes === undefined || grants === undefined) return wishes ?? grants;
    return Math.min(wishes, grants);
  }

  drainActions(): AdmissionAction[] {
    const actions = this.#actions;
    this.#actions = [];
    return actions;
  }

  /** Counts for `castgate show ports`. */
  channelsOfPort(port: string): number {
    return this.#grants.channelsOfPort(port);
  }

  /** What all ports of the VLAN together receive of the group. */
  upstreamFilter(vlan: number, group: IpAddress): HostFilter | undefined {
    return this.#grants.upstreamFilter(vlan, group);
  }

  /** What stands against every wish in the filter, before anything is asked. */
  #refusalOfAny(
    session: SessionRecord | undefined,
    host: string,
    group: IpAddress,
    filter: HostFilter,
    before: MembershipRecord | undefined,
  ): RefusalReason | undefined {
    if (session === undefined) return 'no-session';
    if (isSourceSpecific(group) && filter.mode === 'exclude') return 'ssm-needs-source';
    const limit = this.#options.maxGroupsPerHost;
    if (filter.sources.length > limit) return 'host-group-limit';
    if (before === undefined && this.#memberships.countOfHost(host) >= limit) return 'host-group-limit';
    return undefined;
  }

  /** Makes grants and questions follow what the membership wants. */
  #reconcile(now: number, session: SessionRecord, membership: MembershipRecord, cause: RevokeCause): void {
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
    session: SessionRecord,
    membership: MembershipRecord,
    source: IpAddress | undefined,
  ): void {
    const { host, group } = membership;
    const key = channelKey(host, group, source);
    if (this.#grants.has(key) || this.#pending.has(key)) return;
    const limit = this.#limitOf(membership);
    if (limit !== undefined) {
      this.#refuse(membership, session.account, group, source, limit);
      return;
    }
    const question = this.#grants.questionFor(session.account, group, source);
    const known = this.#authorization.lasting(now, question);
    if (known?.permit === true) {
      this.#grant(now, session, membership, source, known, 'cache');
      return;
    }
    if (known !== undefined) {
      this.#refuse(membership, session.account, group, source, noReason(known));
      return;
    }
    // A host that leaves before the answer gives up its place here, not the question that is on its way.
    const asked = this.#authorization.askedBy(host) >= this.#options.maxGroupsPerHost;
    if (asked && !this.#authorization.isAsked(question)) {
      this.#refuse(membership, session.account, group, source, 'host-group-limit');
      return;
    }
    const { account } = session;
    const pending: PendingRecord = { v: 1, key, host, group, source, account, question, since: now };
    this.#pending.add(pending);
    if (this.#authorization.ask(now, question, host)) {
      this.#actions.push({ kind: 'ask', question, session, group, source });
    }
  }

  /** Limits are counted over what is granted or waits for an answer. */
  #limitOf(membership: MembershipRecord): RefusalReason | undefined {
    const { host, port, vlan, group } = membership;
    const ofHost = this.#grants.countOfHost(host) + this.#pending.countOfHost(host);
    if (ofHost >= this.#options.maxGroupsPerHost) return 'host-group-limit';
    if (this.#grants.isForwarded(port, vlan, group)) return undefined;
    const full = this.#grants.channelsOfPort(port) >= this.#options.maxGroupsPerPort;
    return full ? 'port-group-limit' : undefined;
  }

  #grant(
    now: number,
    session: SessionRecord,
    membership: MembershipRecord,
    source: IpAddress | undefined,
    decision: DecisionRecord,
    by: 'radius' | 'cache',
  ): void {
    const { host, port, vlan, mac, group } = membership;
    if (!wantedSources(membership).includes(source)) return;
    const limit = this.#limitOf(membership);
    if (limit !== undefined) {
      this.#refuse(membership, session.account, group, source, limit);
      return;
    }
    const grant: GrantRecord = {
      v: 1,
      key: channelKey(host, group, source),
      host,
      port,
      vlan,
      mac,
      group,
      source,
      account: session.account,
      grantedAt: now,
      expiresAt: decision.expiresAt,
      by,
      classes: decision.classes,
    };
    const first = !this.#grants.isForwarded(port, vlan, group);
    this.#grants.add(now, grant);
    this.#grants.update(port, vlan, group);
    this.#actions.push({ kind: 'granted', grant, session, first });
  }

  /** The host wants nothing of the group any more. */
  #drop(membership: MembershipRecord, cause: RevokeCause): void {
    const { host, port, vlan, group } = membership;
    this.#memberships.forget(membership);
    for (const pending of this.#pending.ofMembership(membership.key)) this.#pending.remove(pending);
    for (const grant of this.#grants.of(host, group)) this.#grants.revoke(grant, cause);
    this.#grants.update(port, vlan, group);
  }

  /** Groups that the account receives or waits for. */
  #groupsOf(account: string): ReadonlySet<IpAddress> {
    const groups = new Set<IpAddress>();
    for (const records of [this.#stores.grants, this.#stores.pending]) {
      for (const record of records.values()) if (record.account === account) groups.add(record.group);
    }
    return groups;
  }

  /** Every question whose answer matters for the account's sessions and the group. */
  #questionsAbout(
    account: string,
    group: IpAddress,
    sessions: readonly SessionRecord[],
  ): ReadonlySet<string> {
    const questions = new Set([this.#grants.questionFor(account, group, undefined)]);
    for (const { key } of sessions) {
      const membership = this.#memberships.of(key, group);
      const wanted = membership === undefined ? [] : wantedSources(membership);
      for (const source of [...wanted, ...this.#grants.of(key, group).map((grant) => grant.source)])
        questions.add(this.#grants.questionFor(account, group, source));
    }
    return questions;
  }

  #refuse(
    from: Reporter,
    account: string | undefined,
    group: IpAddress,
    source: IpAddress | undefined,
    reason: RefusalReason,
  ): void {
    const { port, vlan, mac } = from;
    this.#actions.push({ kind: 'refused', refusal: { port, vlan, mac, account, group, source, reason } });
  }
}

function noReason(decision: DecisionRecord): RefusalReason {
  return decision.reason ?? 'radius-reject';
}
