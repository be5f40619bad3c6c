/**
 * The grants, and what follows from them: what each port receives, what upstream is told, and when a
 * permission must be asked for again. Nothing is forwarded that is not the merge of grants.
 */
import type { HostFilter, MembershipRecord } from '../igmp/membership.ts';
import { membershipKey } from '../igmp/membership.ts';
import { type GrantedShare, mergeShares } from '../igmp/port-filter.ts';
import { KeyIndex } from '../session/key-index.ts';
import { type DecisionRecord, forwardingKey, type GrantRecord } from '../session/records.ts';
import type { IpAddress, Mac } from '../wire/address.ts';
import { DeadlineHeap } from '../wire/deadline-heap.ts';
import type { RecordMap } from '../wire/records.ts';
import type { AdmissionAction, AdmissionStores, RevokeCause } from './admission/admission-records.ts';
import { type GroupAuthorization, questionKey, renewalLeadMs } from './admission/group-authorization.ts';
import { ForwardingTable } from './forwarding-table.ts';
import type { ChannelUse } from './rights/channel-use.ts';

export interface GrantOptions {
  /** Whether the group encoding tells the server the source: then each (S,G) is a question of its own. */
  readonly encodingCarriesSource: boolean;
  /** What one host alone of a port is granted goes to its MAC address. */
  readonly deliverToHost: boolean;
}

export class GrantTable {
  readonly #stores: AdmissionStores;
  readonly #records: RecordMap<GrantRecord>;
  readonly #authorization: GroupAuthorization;
  readonly #encodingCarriesSource: boolean;
  readonly #deliverToHost: boolean;
  readonly #use: ChannelUse;
  readonly #emit: (action: AdmissionAction) => void;
  readonly #forwardings: ForwardingTable;
  readonly #ofHost = new KeyIndex();
  readonly #ofMembership = new KeyIndex();
  readonly #ofForwarding = new KeyIndex();
  readonly #ofQuestion = new KeyIndex();
  /** Of those that RADIUS is still being asked about. */
  readonly #aheadOf = new KeyIndex();
  readonly #aheadOfHost = new KeyIndex();
  readonly #deadlines = new DeadlineHeap();

  /** Takes up the records that the stores hold already. */
  constructor(
    stores: AdmissionStores,
    authorization: GroupAuthorization,
    { encodingCarriesSource, deliverToHost }: GrantOptions,
    use: ChannelUse,
    emit: (action: AdmissionAction) => void,
  ) {
    this.#stores = stores;
    this.#records = stores.grants;
    this.#authorization = authorization;
    this.#encodingCarriesSource = encodingCarriesSource;
    this.#deliverToHost = deliverToHost;
    this.#use = use;
    this.#emit = emit;
    this.#forwardings = new ForwardingTable(stores.forwardings);
    for (const record of stores.grants.values()) this.#index(record.grantedAt, record);
    stores.grants.follow((_, before, after) => {
      const isOther = before?.account !== after?.account || isApart(before) || isApart(after);
      if (before !== undefined && isOther) this.#unindex(before);
      if (after !== undefined) this.#index(after.grantedAt, after);
    });
  }

  has(key: string): boolean {
    return this.#records.has(key);
  }

  get(key: string): GrantRecord | undefined {
    return this.#records.get(key);
  }

  countOfHost(host: string): number {
    return this.#ofHost.count(host);
  }

  /** Of those, the ones that RADIUS is still being asked about. */
  countAheadOfHost(host: string): number {
    return this.#aheadOfHost.count(host);
  }

  /** The host's grants for one group. */
  of(host: string, group: IpAddress): GrantRecord[] {
    return this.#resolve(this.#ofMembership.keys(membershipKey(host, group)));
  }

  /** All hosts' grants behind what a port receives of a group. */
  behind(port: string, vlan: number, group: IpAddress): GrantRecord[] {
    return this.#resolve(this.#ofForwarding.keys(forwardingKey(port, vlan, group)));
  }

  /** What all ports of the VLAN together receive of the group. */
  upstreamFilter(vlan: number, group: IpAddress): HostFilter | undefined {
    return this.#forwardings.ofAll(vlan, group);
  }

  /** Groups that the port receives. */
  channelsOfPort(port: string): number {
    return this.#forwardings.countOfPort(port);
  }

  /** Whether the port receives the group already, from whatever source. */
  isForwarded(port: string, vlan: number, group: IpAddress): boolean {
    return this.#forwardings.of(port, vlan, group) !== undefined;
  }

  /** Whether somebody's permission rests on the question. */
  isBehind(question: string): boolean {
    return this.#ofQuestion.count(question) > 0;
  }

  /** The key of the question whose answer permits this. */
  questionFor(account: string, group: IpAddress, source: IpAddress | undefined): string {
    return questionKey(account, group, this.#encodingCarriesSource ? source : undefined);
  }

  /** Keeps a new grant. What the port receives follows with update(). */
  add(now: number, grant: GrantRecord): void {
    this.#records.put(grant.key, grant);
    this.#index(now, grant);
  }

  /** Ends a grant. What the port receives follows with update(). */
  revoke(grant: GrantRecord, cause: RevokeCause): void {
    if (!this.#records.delete(grant.key)) return;
    this.#unindex(grant);
    this.#emit({ kind: 'revoked', grant, cause });
  }

  /** Takes a grant out of the table without ending it: another one stands in its place in the same turn, or none does. */
  setAside(grant: GrantRecord): void {
    this.#records.delete(grant.key);
    this.#unindex(grant);
  }

  /** Makes the port, and upstream, follow the grants that there are for the group. */
  update(port: string, vlan: number, group: IpAddress): void {
    const merged = this.#merged(port, vlan, group);
    const to = this.#deliverToHost && merged !== undefined ? this.#onlyHost(port, vlan, group) : undefined;
    const received = merged === undefined || to === undefined ? merged : { ...merged, to };
    const isAhead = this.#aheadOf.count(forwardingKey(port, vlan, group)) > 0;
    const told = isAhead ? this.#merged(port, vlan, group, false) : received;
    const changes = this.#forwardings.set(port, vlan, group, received, told);
    const filter = this.#forwardings.of(port, vlan, group);
    if (changes.received) this.#emit({ kind: 'port-filter', port, vlan, group, filter });
    if (!changes.told) return;
    this.#emit({ kind: 'upstream-filter', vlan, group, filter: this.#forwardings.ofAll(vlan, group) });
  }

  /**
   * RADIUS was asked again: the permission goes on, or ends now. Silence leaves it to its end. Lists and rights stand
   * above an answer, but not above what RADIUS `told` of its own accord.
   */
  decided(now: number, decision: DecisionRecord, told: boolean): void {
    for (const grant of this.#resolve(this.#ofQuestion.keys(decision.key))) {
      if (grant.by === 'optimistic' || (!told && !isByAnswer(grant))) continue;
      if (decision.reason === 'radius-reject' || decision.reason === 'radius-bad-accept')
        this.#end(grant, 'permission-withdrawn');
      else if (isRenewable(grant) && decision.permit && decision.expiresAt > grant.expiresAt) {
        const renewed: GrantRecord = { ...grant, expiresAt: decision.expiresAt };
        this.#records.put(grant.key, renewed);
        this.#arm(now, renewed);
      }
    }
  }

  /** Asks again for permissions that are near their end, and ends those that are at it. */
  handleTimeout(now: number): void {
    for (;;) {
      const key = this.#deadlines.takeDue(now);
      if (key === undefined) return;
      const grant = this.#records.get(key);
      if (grant !== undefined) this.#expire(now, grant);
    }
  }

  nextTimeout(): number | undefined {
    return this.#deadlines.next();
  }

  #expire(now: number, grant: GrantRecord): void {
    if (grant.expiresAt <= now) {
      this.#end(grant, endOf(grant));
      return;
    }
    this.#deadlines.set(grant.key, grant.expiresAt);
    const session = this.#stores.sessions.get(grant.host);
    const question = this.#questionOf(grant);
    if (session === undefined || !this.#authorization.ask(now, question, grant.host)) return;
    this.#emit({ kind: 'ask', question, session, group: grant.group, source: grant.source });
  }

  /** A host that still wants the channel is judged again by its next report. */
  #end(grant: GrantRecord, cause: RevokeCause): void {
    this.revoke(grant, cause);
    this.update(grant.port, grant.vlan, grant.group);
  }

  #index(now: number, grant: GrantRecord): void {
    this.#ofHost.add(grant.host, grant.key);
    this.#ofMembership.add(membershipKey(grant.host, grant.group), grant.key);
    this.#ofForwarding.add(forwardingKey(grant.port, grant.vlan, grant.group), grant.key);
    this.#arm(now, grant);
    // What is only let through is no account's: it uses up no limit, and no answer is about it.
    if (grant.by === 'monitor') return;
    if (grant.by === 'optimistic') {
      this.#aheadOf.add(forwardingKey(grant.port, grant.vlan, grant.group), grant.key);
      this.#aheadOfHost.add(grant.host, grant.key);
    }
    this.#ofQuestion.add(this.#questionOf(grant), grant.key);
    this.#use.add(grant);
  }

  #unindex(grant: GrantRecord): void {
    this.#ofHost.remove(grant.host, grant.key);
    this.#ofMembership.remove(membershipKey(grant.host, grant.group), grant.key);
    this.#ofForwarding.remove(forwardingKey(grant.port, grant.vlan, grant.group), grant.key);
    this.#deadlines.set(grant.key, undefined);
    if (grant.by === 'monitor') return;
    if (grant.by === 'optimistic') {
      this.#aheadOf.remove(forwardingKey(grant.port, grant.vlan, grant.group), grant.key);
      this.#aheadOfHost.remove(grant.host, grant.key);
    }
    this.#ofQuestion.remove(this.#questionOf(grant), grant.key);
    this.#use.remove(grant);
  }

  #arm(now: number, grant: GrantRecord): void {
    const { key, expiresAt } = grant;
    if (expiresAt === Infinity) this.#deadlines.set(key, undefined);
    else
      this.#deadlines.set(key, isRenewable(grant) ? expiresAt - renewalLeadMs(expiresAt - now) : expiresAt);
  }

  #questionOf(grant: GrantRecord): string {
    return this.questionFor(grant.account, grant.group, grant.source);
  }

  /** The MAC address behind all of the grants; undefined where there are several. */
  #onlyHost(port: string, vlan: number, group: IpAddress): Mac | undefined {
    let only: Mac | undefined;
    for (const key of this.#ofForwarding.keys(forwardingKey(port, vlan, group))) {
      const mac = this.#records.get(key)?.mac;
      if (only !== undefined && mac !== only) return undefined;
      only = mac;
    }
    return only;
  }

  /** What the grants behind the port add up to; `all` false: without those that RADIUS is still being asked about. */
  #merged(port: string, vlan: number, group: IpAddress, all = true): HostFilter | undefined {
    const shares: GrantedShare[] = [];
    for (const key of this.#ofForwarding.keys(forwardingKey(port, vlan, group))) {
      const grant = this.#records.get(key);
      if (grant === undefined || (!all && grant.by === 'optimistic')) continue;
      const excluded = this.#excludedBy(grant);
      // One host that receives every source settles it, however many others there are.
      if (grant.source === undefined && excluded.length === 0) return { mode: 'exclude', sources: NONE };
      shares.push({ source: grant.source, excluded });
    }
    return mergeShares(shares);
  }

  #excludedBy(grant: GrantRecord): readonly IpAddress[] {
    if (grant.source !== undefined) return NONE;
    const membership: MembershipRecord | undefined = this.#stores.memberships.get(
      membershipKey(grant.host, grant.group),
    );
    return membership?.mode === 'exclude' ? membership.sources : NONE;
  }

  #resolve(keys: readonly string[]): GrantRecord[] {
    const grants: GrantRecord[] = [];
    for (const key of keys) {
      const grant = this.#records.get(key);
      if (grant !== undefined) grants.push(grant);
    }
    return grants;
  }
}

/** Grants that are kept apart from those that somebody gave. */
function isApart(grant: GrantRecord | undefined): boolean {
  return grant?.by === 'monitor' || grant?.by === 'optimistic';
}

function endOf({ by, access }: GrantRecord): RevokeCause {
  if (by === 'optimistic') return 'unanswered';
  return access === 'preview' ? 'preview-ended' : 'permission-ended';
}

/** What RADIUS permitted when it was asked. */
function isByAnswer({ by }: GrantRecord): boolean {
  return by === 'radius' || by === 'cache';
}

/** What RADIUS permitted to watch. */
function isRenewable(grant: GrantRecord): boolean {
  return isByAnswer(grant) && grant.access !== 'preview';
}

const NONE: readonly IpAddress[] = [];
