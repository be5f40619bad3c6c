/**
 * Ports in monitor mode: what a host would be refused there it receives all the same, by a grant that nobody gave and
 * that is no account's. So is what RADIUS or time takes away. A limit of the switch itself is a limit there too.
 */
import { wantedSources } from '../../igmp/membership.ts';
import { channelKey, type GrantRecord, type SessionRecord } from '../../session/records.ts';
import type { RecordMap } from '../../wire/records.ts';
import type { GrantTable } from '../grant-table.ts';
import type { MembershipTable } from '../membership-table.ts';
import type { AdmissionAction, RefusalReason, RevokeCause } from './admission-records.ts';
import type { ChannelWish } from './join-judge.ts';

export interface LetThroughParts {
  /** Ports in monitor mode. */
  readonly monitors: (port: string) => boolean;
  readonly sessions: RecordMap<SessionRecord>;
  readonly grants: GrantTable;
  readonly memberships: MembershipTable;
  readonly emit: (action: AdmissionAction) => void;
}

export class LetThrough {
  readonly #parts: LetThroughParts;
  /** What has just ended against the will of its host. */
  #ended: { readonly grant: GrantRecord; readonly cause: RevokeCause }[] = [];

  constructor(parts: LetThroughParts) {
    this.#parts = parts;
  }

  /** Whether a refusal for this reason is said and nothing else. */
  overrules(port: string, reason: RefusalReason): boolean {
    return this.#parts.monitors(port) && !SWITCH_LIMITS.has(reason);
  }

  /** The host receives what it wants. */
  admit(
    now: number,
    session: SessionRecord | undefined,
    { host, port, vlan, mac, group, source }: ChannelWish,
    reason: RefusalReason | RevokeCause,
    detail?: string,
  ): void {
    const { grants, emit } = this.#parts;
    const key = channelKey(host, group, source);
    const before = grants.get(key);
    const account = session?.account ?? '';
    const isNews = before?.reason !== reason || before.account !== account;
    if (isNews) {
      const grantedAt = before?.grantedAt ?? now;
      const grant = { v: 1, key, host, port, vlan, mac, group, source, account, grantedAt } as const;
      grants.add(now, { ...grant, by: 'monitor', reason, expiresAt: Infinity, classes: [] });
      grants.update(port, vlan, group);
    }
    const refusal = { port, vlan, mac, account: session?.account, group, source, reason, detail };
    emit({ kind: 'let-through', refusal, isNews });
  }

  /** A grant has ended. */
  ended(grant: GrantRecord, cause: RevokeCause): void {
    if (UNWANTED.has(cause) && this.#parts.monitors(grant.port)) this.#ended.push({ grant, cause });
  }

  /** What has ended meanwhile, and is still wanted, is let through from now on. */
  goOnWithEnded(now: number): void {
    const ended = this.#ended;
    this.#ended = [];
    const { memberships, grants, sessions } = this.#parts;
    for (const { grant, cause } of ended) {
      const membership = memberships.of(grant.host, grant.group);
      if (membership === undefined || grants.has(grant.key)) continue;
      if (!wantedSources(membership).includes(grant.source)) continue;
      this.admit(now, sessions.get(grant.host), { ...membership, source: grant.source }, cause);
    }
  }
}

/** Ends of a grant that its host did not ask for, and that are no end of the host itself. */
const UNWANTED: ReadonlySet<RevokeCause> = new Set([
  'permission-ended',
  'permission-withdrawn',
  'preview-ended',
  'preempted',
]);

/** Refusals that say nothing of who may have what. */
const SWITCH_LIMITS: ReadonlySet<RefusalReason> = new Set([
  'ssm-needs-source',
  'host-group-limit',
  'switch-failed',
]);
