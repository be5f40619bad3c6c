/**
 * The join gate: from "this host wants this channel" to "this port receives it", with a reason for every
 * no (patent 1). Each host is asked for itself, also when a neighbour already receives the group; each
 * record of a report is judged on its own; nothing flows without a grant record.
 *
 * Pure: it keeps its state in the stores handed to it and says what is to be done as actions.
 */
import type { GroupRecord } from '../igmp/group-record.ts';
import { RecordType } from '../igmp/group-record.ts';
import {
  filterAfter,
  type HostFilter,
  inCompatibilityMode,
  isLinkLocalGroup,
  isSourceSpecific,
  type MembershipRecord,
  membershipIntervalMs,
  membershipKey,
  wantedSources,
} from '../igmp/membership.ts';
import { KeyIndex } from '../session/key-index.ts';
import {
  channelKey,
  type DecisionRecord,
  type GrantRecord,
  hostKey,
  type PendingRecord,
  type SessionRecord,
} from '../session/records.ts';
import { type IpAddress, ipFamily, type Mac } from '../wire/address.ts';
import { DeadlineHeap } from '../wire/deadline-heap.ts';
import type {
  AdmissionAction,
  AdmissionOptions,
  AdmissionStores,
  RefusalReason,
  RevokeCause,
} from './admission-records.ts';
import { GrantTable } from './grant-table.ts';
import type { GroupAuthorization } from './group-authorization.ts';

/** Where a report came from. */
export interface Reporter {
  readonly port: string;
  readonly vlan: number;
  readonly mac: Mac;
}

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #stores: AdmissionStores;
  readonly #authorization: GroupAuthorization;
  readonly #intervalMs: number;
  readonly #grants: GrantTable;
  readonly #membershipsOfHost = new KeyIndex();
  readonly #pendingOfHost = new KeyIndex();
  readonly #pendingOfMembership = new KeyIndex();
  readonly #pendingOfQuestion = new KeyIndex();
  readonly #deadlines = new DeadlineHeap();
  #actions: AdmissionAction[] = [];

  /** Takes up the records that the stores hold already. */
  constructor(options: AdmissionOptions, stores: AdmissionStores, authorization: GroupAuthorization) {
    this.#options = options;
    this.#stores = stores;
    this.#authorization = authorization;
    this.#intervalMs = membershipIntervalMs(options.timers);
    this.#grants = new GrantTable(stores, authorization, options.encodingCarriesSource, (action) =>
      this.#actions.push(action),
    );
    for (const record of stores.memberships.values()) this.#indexMembership(record);
    for (const record of stores.pending.values()) {
      this.#indexPending(record);
    }
  }

  /**
   * One record of a report. `version` is that of the message in IGMP's counting (1, 2 or 3): reports of
   * older versions come as EXCLUDE {}, leaves as TO_IN {}.
   */
  receive(now: number, from: Reporter, version: 1 | 2 | 3, record: GroupRecord): void {
    const { group } = record;
    const host = hostKey(from.port, from.vlan, from.mac);
    const session = this.#stores.sessions.get(host);
    if (isLinkLocalGroup(group)) return;
    const key = membershipKey(host, group);
    const before = this.#stores.memberships.get(key);
    const v1Until = version === 1 ? now + this.#intervalMs : (before?.v1Until ?? 0);
    const v2Until = version === 2 ? now + this.#intervalMs : (before?.v2Until ?? 0);
    const meant = inCompatibilityMode(record, v1Until > now, v2Until > now && version === 3);
    if (meant === undefined) return;
    const filter = filterAfter(before, meant);
    if (filter === undefined) {
      if (before !== undefined) this.#drop(before, 'leave');
      return;
    }
    const why = this.#refusalOfAny(session, host, group, filter, before);
    if (why !== undefined || session === undefined) {
      if (before !== undefined) this.#drop(before, 'leave');
      for (const source of wantedSources(filter))
        this.#refuse(from, session?.account, group, source, why ?? 'no-session');
      return;
    }
    const sourceUntil = this.#sourceDeadlines(now, filter, meant, before);
    const expiresAt = filter.mode === 'include' ? Math.min(...sourceUntil) : now + this.#intervalMs;
    const membership: MembershipRecord = {
      ...before,
      v: 1,
      key,
      host,
      port: from.port,
      vlan: from.vlan,
      mac: from.mac,
      group,
      mode: filter.mode,
      sources: filter.sources,
      sourceUntil,
      expiresAt,
      v1Until,
      v2Until,
    };
    this.#stores.memberships.put(key, membership);
    this.#indexMembership(membership);
    this.#reconcile(now, session, membership, 'leave');
  }

  /** RADIUS has decided a question: all who wait for it are granted or refused. */
  decided(now: number, decision: DecisionRecord): void {
    const waiting = this.#pendingOfQuestion.keys(decision.key);
    for (const key of waiting) {
      const pending = this.#stores.pending.get(key);
      if (pending === undefined) continue;
      this.#dropPending(key);
      const session = this.#stores.sessions.get(pending.host);
      const membership = this.#stores.memberships.get(membershipKey(pending.host, pending.group));
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
        const membership = this.#stores.memberships.get(membershipKey(session.key, group));
        if (membership !== undefined) this.#reconcile(now, session, membership, 'leave');
      }
    }
  }

  /** The host is out: all of its channels end with this cause. */
  endHost(host: string, cause: RevokeCause): void {
    for (const key of this.#pendingOfHost.keys(host)) this.#dropPending(key);
    for (const key of this.#membershipsOfHost.keys(host)) {
      const membership = this.#stores.memberships.get(key);
      if (membership !== undefined) this.#drop(membership, cause);
    }
  }

  /** The switch could not do it: the grants behind the forwarding end, and their hosts are refused. */
  forwardingFailed(port: string, vlan: number, group: IpAddress): void {
    for (const grant of this.#grants.behind(port, vlan, group)) {
      this.#grants.revoke(grant, 'switch-failed');
      const membership = this.#stores.memberships.get(membershipKey(grant.host, group));
      if (membership !== undefined) this.#forget(membership);
      this.#refuse(grant, grant.account, group, grant.source, 'switch-failed');
    }
    this.#grants.update(port, vlan, group);
  }

  /** Lets wishes that were not repeated end, and permissions be asked for again before they end. */
  handleTimeout(now: number): void {
    this.#grants.handleTimeout(now);
    for (;;) {
      const key = this.#deadlines.takeDue(now);
      if (key === undefined) return;
      this.#expireMembership(now, key);
    }
  }

  nextTimeout(): number | undefined {
    const wishes = this.#deadlines.next();
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
    if (ipFamily(group) === 6) return 'mld-not-supported';
    if (isSourceSpecific(group) && filter.mode === 'exclude') return 'ssm-needs-source';
    const limit = this.#options.maxGroupsPerHost;
    if (filter.sources.length > limit) return 'host-group-limit';
    if (before === undefined && this.#membershipsOfHost.count(host) >= limit) return 'host-group-limit';
    return undefined;
  }

  #sourceDeadlines(
    now: number,
    filter: HostFilter,
    record: GroupRecord,
    before: MembershipRecord | undefined,
  ): readonly number[] {
    if (filter.mode === 'exclude') return [];
    const said = new Set(record.type === RecordType.Block ? [] : record.sources);
    return filter.sources.map((source) => {
      if (said.has(source)) return now + this.#intervalMs;
      const index = before?.sources.indexOf(source) ?? -1;
      return before?.sourceUntil[index] ?? now + this.#intervalMs;
    });
  }

  /** Makes grants and questions follow what the membership wants. */
  #reconcile(now: number, session: SessionRecord, membership: MembershipRecord, cause: RevokeCause): void {
    const { host, port, vlan, group } = membership;
    const wanted = wantedSources(membership);
    for (const grant of this.#grants.of(host, group)) {
      if (!wanted.includes(grant.source)) this.#grants.revoke(grant, cause);
    }
    for (const key of this.#pendingOfMembership.keys(membership.key)) {
      const pending = this.#stores.pending.get(key);
      if (pending !== undefined && !wanted.includes(pending.source)) this.#dropPending(key);
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
    if (this.#grants.has(key) || this.#stores.pending.has(key)) return;
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
    this.#stores.pending.put(key, pending);
    this.#indexPending(pending);
    if (this.#authorization.ask(now, question, host)) {
      this.#actions.push({ kind: 'ask', question, session, group, source });
    }
  }

  /** Limits are counted over what is granted or waits for an answer. */
  #limitOf(membership: MembershipRecord): RefusalReason | undefined {
    const { host, port, vlan, group } = membership;
    const ofHost = this.#grants.countOfHost(host) + this.#pendingOfHost.count(host);
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
    this.#forget(membership);
    for (const key of this.#pendingOfMembership.keys(membership.key)) this.#dropPending(key);
    for (const grant of this.#grants.of(host, group)) this.#grants.revoke(grant, cause);
    this.#grants.update(port, vlan, group);
  }

  #forget(membership: MembershipRecord): void {
    this.#stores.memberships.delete(membership.key);
    this.#membershipsOfHost.remove(membership.host, membership.key);
    this.#deadlines.set(membership.key, undefined);
  }

  #dropPending(key: string): void {
    const pending = this.#stores.pending.get(key);
    if (pending === undefined) return;
    this.#stores.pending.delete(key);
    this.#pendingOfHost.remove(pending.host, key);
    this.#pendingOfMembership.remove(membershipKey(pending.host, pending.group), key);
    this.#pendingOfQuestion.remove(pending.question, key);
  }

  #expireMembership(now: number, key: string): void {
    const membership = this.#stores.memberships.get(key);
    if (membership === undefined) return;
    const kept = membership.sources.flatMap((source, i) => {
      const until = membership.sourceUntil[i] ?? 0;
      return until > now ? [{ source, until }] : [];
    });
    const session = this.#stores.sessions.get(membership.host);
    if (membership.mode === 'exclude' || kept.length === 0 || session === undefined) {
      this.#drop(membership, 'membership-timeout');
      return;
    }
    const next: MembershipRecord = {
      ...membership,
      sources: kept.map((k) => k.source),
      sourceUntil: kept.map((k) => k.until),
      expiresAt: Math.min(...kept.map((k) => k.until)),
    };
    this.#stores.memberships.put(key, next);
    this.#indexMembership(next);
    this.#reconcile(now, session, next, 'membership-timeout');
  }

  #indexPending(record: PendingRecord): void {
    this.#pendingOfHost.add(record.host, record.key);
    this.#pendingOfMembership.add(membershipKey(record.host, record.group), record.key);
    this.#pendingOfQuestion.add(record.question, record.key);
  }

  #indexMembership(record: MembershipRecord): void {
    this.#membershipsOfHost.add(record.host, record.key);
    this.#deadlines.set(record.key, record.expiresAt);
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
      const membership = this.#stores.memberships.get(membershipKey(key, group));
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
