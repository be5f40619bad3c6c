/**
 * What becomes of a verdict: a question to RADIUS, perhaps with the channel open meanwhile, a grant, or a refusal. Pure:
 * it changes the stores and says what is to be done as actions.
 */
import type { GrantRecord, SessionRecord } from '../../session/records.ts';
import { channelKey } from '../../session/records.ts';
import type { IpAddress } from '../../wire/address.ts';
import type { GrantTable } from '../grant-table.ts';
import type { Reporter } from '../membership-table.ts';
import type { Optimism } from '../rights/optimism.ts';
import type { Previews } from '../rights/previews.ts';
import type { AdmissionAction, AdmissionOptions, RefusalReason, RevokeCause } from './admission-records.ts';
import type { GroupAuthorization } from './group-authorization.ts';
import type { ChannelWish, Verdict } from './join-judge.ts';
import type { LetThrough } from './let-through.ts';
import type { PendingTable } from './pending-table.ts';

export interface SettlingParts {
  readonly options: Pick<AdmissionOptions, 'monitors' | 'placeElsewhere'>;
  readonly authorization: GroupAuthorization;
  readonly grants: GrantTable;
  readonly pending: PendingTable;
  readonly previews: Previews;
  readonly optimism: Optimism;
  readonly letThrough: LetThrough;
  readonly emit: (action: AdmissionAction) => void;
}

export class Settling {
  readonly #parts: SettlingParts;

  constructor(parts: SettlingParts) {
    this.#parts = parts;
  }

  /** Does what was decided about a wish. `session` undefined: of a host that is not in, which can only be refused. */
  settle(now: number, session: SessionRecord | undefined, wish: ChannelWish, verdict: Verdict): void {
    const { host, group, source } = wish;
    if (verdict.kind === 'refuse') {
      this.#turnDown(now, session, wish, verdict.reason, verdict.detail);
      return;
    }
    if (session === undefined) throw new Error(`a ${verdict.kind} for ${host}, which is not in`);
    const { account } = session;
    switch (verdict.kind) {
      case 'ask': {
        const { question } = verdict;
        const key = channelKey(host, group, source);
        this.#parts.pending.add({ v: 1, key, host, group, source, account, question, since: now });
        if (this.#parts.authorization.ask(now, question, host))
          this.#parts.emit({ kind: 'ask', question, session, group, source });
        if (verdict.opensUntil !== undefined) this.#openAhead(now, session, wish, verdict.opensUntil);
        return;
      }
      case 'grant':
        this.#grant(now, session, wish, verdict);
        return;
    }
  }

  /** A join that was opened ahead is closed: the answer was no. */
  takeBack(grant: GrantRecord): void {
    this.#parts.grants.update(grant.port, grant.vlan, grant.group);
    this.#parts.emit({ kind: 'revoked', grant, cause: 'refused' });
  }

  /** Ends grants by their keys; of those that are none any more, nothing happens. */
  end(keys: readonly string[], cause: RevokeCause): void {
    for (const key of keys) {
      const grant = this.#parts.grants.get(key);
      if (grant === undefined) continue;
      this.#parts.grants.revoke(grant, cause);
      this.#parts.grants.update(grant.port, grant.vlan, grant.group);
    }
  }

  /** Tells of a refusal. */
  refuse(
    from: Reporter,
    account: string | undefined,
    group: IpAddress,
    source: IpAddress | undefined,
    reason: RefusalReason,
    detail?: string,
  ): void {
    const { port, vlan, mac } = from;
    const refusal = { port, vlan, mac, account, group, source, reason, detail };
    this.#parts.emit({ kind: 'refused', refusal });
  }

  /** Opens a join that RADIUS is being asked about. A port in monitor mode is not in need of that. */
  #openAhead(
    now: number,
    { account }: SessionRecord,
    { host, port, vlan, mac, group, source }: ChannelWish,
    expiresAt: number,
  ): void {
    if (this.#parts.options.monitors(port)) return;
    this.#parts.optimism.opened(now, account);
    const key = channelKey(host, group, source);
    const isAlone = !this.#parts.grants.isForwarded(port, vlan, group);
    const grant: GrantRecord = {
      ...{ v: 1, key, host, port, vlan, mac, group, source, account, grantedAt: now, expiresAt },
      ...{ by: 'optimistic', isAlone, classes: [] },
    };
    this.#parts.grants.add(now, grant);
    this.#parts.grants.update(port, vlan, group);
    this.#parts.emit({ kind: 'opened-ahead', grant });
  }

  /** Refused, but where the port lets through what it refuses. */
  #turnDown(
    now: number,
    session: SessionRecord | undefined,
    wish: ChannelWish,
    reason: RefusalReason,
    detail: string | undefined,
  ): void {
    const why = reason === 'no-session' ? (this.#parts.options.placeElsewhere(wish) ?? reason) : reason;
    if (this.#parts.letThrough.overrules(wish.port, reason))
      this.#parts.letThrough.admit(now, session, wish, why, detail);
    else this.refuse(wish, session?.account, wish.group, wish.source, why, detail);
  }

  #grant(
    now: number,
    session: SessionRecord,
    { host, port, vlan, mac, group, source }: ChannelWish,
    { by, expiresAt, classes, preview, victims }: Extract<Verdict, { kind: 'grant' }>,
  ): void {
    const { account } = session;
    this.end(victims, 'preempted');
    if (preview?.begins === true) this.#parts.previews.begin(now, account, group, preview.terms);
    const access = preview === undefined ? 'watch' : 'preview';
    const key = channelKey(host, group, source);
    const grant: GrantRecord = {
      ...{ v: 1, key, host, port, vlan, mac, group, source, account, grantedAt: now, expiresAt },
      ...{ by, access, classes },
    };
    const first = !this.#parts.grants.isForwarded(port, vlan, group);
    this.#parts.grants.add(now, grant);
    this.#parts.grants.update(port, vlan, group);
    this.#parts.emit({ kind: 'granted', grant, session, first });
  }
}
