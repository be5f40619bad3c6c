/**
 * Rights that change while channels play: by RADIUS of its own accord (RFC 5176), by another login, by another
 * configuration. What they no longer allow ends at once, and what they allow begins where somebody waits for it.
 */
import { type MembershipRecord, wantedSources } from '../../igmp/membership.ts';
import type { DecisionRecord, GrantRecord, PreviewTerms, SessionRecord } from '../../session/records.ts';
import type { IpAddress } from '../../wire/address.ts';
import type { GrantTable } from '../grant-table.ts';
import type { MembershipTable } from '../membership-table.ts';
import { amendedRights } from '../rights/amended-rights.ts';
import type { ChannelLimits } from '../rights/channel-limits.ts';
import type { ChannelPolicy } from '../rights/channel-policy.ts';
import type { AdmissionAction, AdmissionStores } from './admission-records.ts';
import type { GroupAuthorization } from './group-authorization.ts';
import type { PendingTable } from './pending-table.ts';

export interface RightsChangesParts {
  readonly stores: AdmissionStores;
  readonly authorization: GroupAuthorization;
  readonly grants: GrantTable;
  readonly memberships: MembershipTable;
  readonly pending: PendingTable;
  readonly policy: ChannelPolicy;
  readonly limits: ChannelLimits;
  readonly emit: (action: AdmissionAction) => void;
  /** RADIUS has told the answer to a question unasked. */
  readonly told: (now: number, decision: DecisionRecord) => void;
  /** Makes grants and questions follow what a membership wants. */
  readonly reconcile: (now: number, session: SessionRecord, membership: MembershipRecord) => void;
  /** Ends these grants: the permission is withdrawn. */
  readonly withdraw: (grants: readonly string[]) => void;
}

export class RightsChanges {
  readonly #parts: RightsChangesParts;

  constructor(parts: RightsChangesParts) {
    this.#parts = parts;
  }

  /**
   * RADIUS gives the account rights to groups, or takes them: who plays by them stops at once, who waits or was
   * refused is let in. `groups` undefined: all that the account receives, waits for, or has asked for.
   */
  byRadius(now: number, account: string, groups: readonly IpAddress[] | undefined, permit: boolean): void {
    const { stores, authorization, memberships, emit, told, reconcile } = this.#parts;
    let sessions = [...stores.sessions.values()].filter((session) => session.account === account);
    const named = groups ?? [...this.#groupsOf(account)];
    sessions = sessions.map((session) => this.#amend(session, named, permit));
    for (const group of named) {
      for (const question of this.#questionsAbout(account, group, sessions)) {
        if (authorization.isAsked(question)) emit({ kind: 'withdraw', question });
        told(now, authorization.told(now, question, permit));
      }
      if (!permit) continue;
      for (const session of sessions) {
        const membership = memberships.of(session.key, group);
        if (membership !== undefined) reconcile(now, session, membership);
      }
    }
  }

  /** The session has other rights than before: what its host receives by them is judged again. */
  ofSession(now: number, session: SessionRecord): void {
    const { stores, grants, memberships, pending, policy, limits, reconcile, withdraw } = this.#parts;
    const host = session.key;
    const isOfHost = (key: string) => stores.grants.get(key)?.host === host;
    withdraw(limits.excess(session, policy.limitsOf(session), isOfHost));
    for (const waiting of pending.ofHost(host)) {
      // Lists and rights stand above an answer; where they speak now, nobody waits for it any more.
      if (policy.rule(session, waiting.group, waiting.source).kind !== 'ask') pending.remove(waiting);
    }
    for (const membership of memberships.ofHost(host)) {
      for (const grant of grants.of(host, membership.group)) {
        if (grant.by !== 'monitor' && !this.#holds(session, grant))
          grants.revoke(grant, 'permission-withdrawn');
      }
      reconcile(now, session, membership);
    }
  }

  /** The limits of ports, VLANs and uplinks may be lower ones. */
  ofSwitch(): void {
    this.#parts.withdraw(this.#parts.limits.excessOfSwitch());
  }

  #holds(session: SessionRecord, grant: GrantRecord): boolean {
    const ruling = this.#parts.policy.rule(session, grant.group, grant.source);
    if (ruling.kind === 'ask') return grant.by !== 'rights' && grant.by !== 'always-list';
    return ruling.kind === 'permit' && isSame(ruling.preview, grant.access);
  }

  /** Rights that came with a login say the same from now on, as far as they cover the groups. */
  #amend(session: SessionRecord, groups: readonly IpAddress[], permit: boolean): SessionRecord {
    const rights = amendedRights(session, groups, permit, this.#parts.policy);
    if (rights === undefined) return session;
    const amended: SessionRecord = { ...session, rights };
    this.#parts.stores.sessions.put(session.key, amended);
    return amended;
  }

  /** Groups that the account receives, waits for, or has asked for so that an answer is known. */
  #groupsOf(account: string): ReadonlySet<IpAddress> {
    const { authorization, stores } = this.#parts;
    const groups = new Set(authorization.questionsAbout(account, undefined).map(({ group }) => group));
    for (const records of [stores.grants, stores.pending]) {
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
    const { authorization, grants, memberships } = this.#parts;
    const questions = new Set(authorization.questionsAbout(account, group).map(({ key }) => key));
    questions.add(grants.questionFor(account, group, undefined));
    for (const { key } of sessions) {
      const membership = memberships.of(key, group);
      const wanted = membership === undefined ? [] : wantedSources(membership);
      for (const source of [...wanted, ...grants.of(key, group).map((grant) => grant.source)])
        questions.add(grants.questionFor(account, group, source));
    }
    return questions;
  }
}

/** Whether a grant of this kind is what a ruling permits. */
function isSame(preview: PreviewTerms | undefined, access: GrantRecord['access']): boolean {
  return (preview === undefined) === (access !== 'preview');
}
