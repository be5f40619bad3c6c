/**
 * Whether a host may have a channel, step by step: who it is, whether the group can be had at all, the lists and
 * rights, what RADIUS said before, previews, limits. `castgate explain` goes the same way as a join, with a
 * pen in its hand.
 */
import { isSourceSpecific } from '../../igmp/membership.ts';
import type { DecisionRecord, GrantRecord, PreviewTerms, SessionRecord } from '../../session/records.ts';
import type { IpAddress, Mac } from '../../wire/address.ts';
import type { GrantTable } from '../grant-table.ts';
import type { ChannelLimits } from '../rights/channel-limits.ts';
import type { ChannelPolicy } from '../rights/channel-policy.ts';
import type { Optimism } from '../rights/optimism.ts';
import type { Previews } from '../rights/previews.ts';
import type { RefusalReason } from './admission-records.ts';
import type { GroupAuthorization } from './group-authorization.ts';
import type { PendingTable } from './pending-table.ts';

/** One host's wish for one channel. */
export interface ChannelWish {
  readonly host: string;
  readonly port: string;
  readonly vlan: number;
  readonly mac: Mac;
  readonly group: IpAddress;
  /** Undefined for (*,G). */
  readonly source: IpAddress | undefined;
}

/** What becomes of it. */
export type Verdict =
  | {
      readonly kind: 'grant';
      readonly by: GrantRecord['by'];
      readonly expiresAt: number;
      readonly classes: readonly Uint8Array[];
      /** A preview that begins with it, or goes on (`begins` false). */
      readonly preview: { readonly terms: PreviewTerms; readonly begins: boolean } | undefined;
      /** Grants of less priority that end for it. */
      readonly victims: readonly string[];
    }
  | { readonly kind: 'refuse'; readonly reason: RefusalReason; readonly detail: string | undefined }
  /** `opensUntil`: meanwhile it may be open until then. */
  | { readonly kind: 'ask'; readonly question: string; readonly opensUntil: number | undefined };

/** Is told of each step and its answer. */
export type Note = (step: string, answer: string) => void;

export interface JudgeParts {
  readonly maxGroupsPerHost: number;
  readonly grants: GrantTable;
  readonly pending: PendingTable;
  readonly authorization: GroupAuthorization;
  readonly policy: ChannelPolicy;
  readonly previews: Previews;
  readonly optimism: Optimism;
  readonly limits: ChannelLimits;
}

export class JoinJudge {
  readonly #parts: JudgeParts;

  constructor(parts: JudgeParts) {
    this.#parts = parts;
  }

  /** A wish that is new. */
  judge(now: number, session: SessionRecord | undefined, wish: ChannelWish, note?: Note): Verdict {
    const { policy, authorization, grants } = this.#parts;
    note?.('session', session === undefined ? 'nobody is in there' : `account ${session.account}`);
    if (session === undefined) return refuse('no-session');
    const lacks = lacksSource(wish);
    note?.('group', lacks ? 'source-specific, and the wish names no source' : 'can be had');
    if (lacks) return refuse('ssm-needs-source');
    const ruling = policy.rule(session, wish.group, wish.source);
    note?.('lists and rights', ruling.kind === 'refuse' ? ruling.reason : sayRuling(ruling));
    if (ruling.kind === 'refuse') return refuse(ruling.reason);
    if (ruling.kind === 'permit') {
      const { by, preview } = ruling;
      return this.#fitting(now, session, wish, { by, expiresAt: Infinity, classes: [] }, preview, note);
    }
    const question = grants.questionFor(session.account, wish.group, wish.source);
    const known = authorization.lasting(now, question);
    note?.('remembered answer', known === undefined ? 'none that lasts' : sayDecision(now, known));
    if (known !== undefined) return this.decided(now, session, wish, known, 'cache', note);
    const limit = this.#limit(session, wish, note);
    if (limit !== undefined && limit.kind === 'refuse') return limit;
    // A host that leaves before the answer gives up its place here, not the question that is on its way.
    const asked = authorization.askedBy(wish.host);
    const max = this.#parts.maxGroupsPerHost;
    if (asked >= max && !authorization.isAsked(question))
      return refuse('host-group-limit', `${asked} of ${max} questions`);
    note?.('RADIUS', authorization.isAsked(question) ? 'is being asked' : 'is to be asked');
    // What makes room only by ending others waits for the answer.
    const opensUntil =
      limit === undefined
        ? this.#parts.optimism.until(now, session.account, wish.group, wish.source)
        : undefined;
    if (opensUntil !== undefined) note?.('meanwhile', `open for ${opensUntil - now} ms`);
    return { kind: 'ask', question, opensUntil };
  }

  /** A wish whose question is answered. */
  decided(
    now: number,
    session: SessionRecord,
    wish: ChannelWish,
    decision: DecisionRecord,
    by: 'radius' | 'cache',
    note?: Note,
  ): Verdict {
    if (!decision.permit) return refuse(decision.reason ?? 'radius-reject');
    const { preview, expiresAt, classes } = decision;
    const terms =
      preview === undefined ? undefined : this.#parts.policy.previewTerms(session.rights, preview);
    return this.#fitting(now, session, wish, { by, expiresAt, classes }, terms, note);
  }

  #fitting(
    now: number,
    session: SessionRecord,
    wish: ChannelWish,
    permit: { by: GrantRecord['by']; expiresAt: number; classes: readonly Uint8Array[] },
    terms: PreviewTerms | undefined,
    note: Note | undefined,
  ): Verdict {
    let { expiresAt } = permit;
    let preview: { terms: PreviewTerms; begins: boolean } | undefined;
    if (terms !== undefined) {
      const ruling = this.#parts.previews.rule(now, session.account, wish.group, terms);
      note?.(
        'preview',
        ruling.kind === 'refuse' ? `${ruling.reason}: ${ruling.detail}` : sayPreview(now, ruling),
      );
      if (ruling.kind === 'refuse') return refuse(ruling.reason, ruling.detail);
      expiresAt = Math.min(expiresAt, ruling.until);
      preview = { terms, begins: ruling.isNew };
    }
    const limit = this.#limit(session, wish, note);
    if (limit?.kind === 'refuse') return limit;
    return { kind: 'grant', ...permit, expiresAt, preview, victims: limit?.victims ?? [] };
  }

  /** Limits are counted over what is granted; the host's also over what waits for an answer. */
  #limit(
    session: SessionRecord,
    wish: ChannelWish,
    note: Note | undefined,
  ):
    | { kind: 'refuse'; reason: RefusalReason; detail: string }
    | { kind: 'room'; victims: readonly string[] }
    | undefined {
    const { grants, pending, limits, policy, maxGroupsPerHost } = this.#parts;
    const { host } = wish;
    // What is open while it waits is one.
    const ofHost = grants.countOfHost(host) + pending.countOfHost(host) - grants.countAheadOfHost(host);
    if (ofHost >= maxGroupsPerHost) {
      const detail = `${ofHost} of ${maxGroupsPerHost} groups`;
      note?.('limits', `host-group-limit: ${detail}`);
      return { kind: 'refuse', reason: 'host-group-limit', detail };
    }
    const channel = { ...wish, account: session.account };
    const refusal = limits.refusal(session, policy.limitsOf(session), channel);
    if (refusal === undefined) {
      note?.('limits', 'it fits');
      return undefined;
    }
    const { reason, detail } = refusal;
    const victims = limits.victims(refusal, channel);
    if (victims !== undefined) {
      note?.('limits', `${reason}: ${detail}; ${victims.length} of less priority end for it`);
      return { kind: 'room', victims };
    }
    note?.('limits', `${reason}: ${detail}`);
    return { kind: 'refuse', reason, detail };
  }
}

function lacksSource({ group, source }: ChannelWish): boolean {
  return source === undefined && isSourceSpecific(group);
}

function refuse(reason: RefusalReason, detail?: string): Verdict {
  return { kind: 'refuse', reason, detail };
}

function sayRuling(ruling: { kind: 'ask' } | { kind: 'permit'; by: string; preview: unknown }): string {
  if (ruling.kind === 'ask') return 'say nothing of it: ask';
  return ruling.preview === undefined ? `permitted (${ruling.by})` : `preview (${ruling.by})`;
}

function sayDecision(now: number, { permit, reason, expiresAt }: DecisionRecord): string {
  const left = `for ${Math.ceil((expiresAt - now) / 1000)} s more`;
  return permit ? `permitted ${left}` : `${reason} ${left}`;
}

function sayPreview(now: number, { until, isNew }: { until: number; isNew: boolean }): string {
  return `${isNew ? 'begins' : 'goes on'}, ${Math.ceil((until - now) / 1000)} s`;
}
