/**
 * The sessions of hosts that are in: their records, what the switch and accounting are told of their begin
 * and end, and when their time is over. Whoever let a host in (802.1X) asks for it here.
 */
import type { LoginTerms } from '../../auth/access-accept.ts';
import type { SessionChange } from '../../auth/dynamic/changes.ts';
import type { SessionIds } from '../../auth/login.ts';
import { sendRights } from '../../auth/rights/send-rights.ts';
import { accountText } from '../../session/account.ts';
import type { SessionFilter } from '../../session/filter-rule.ts';
import { KeyIndex } from '../../session/key-index.ts';
import type { ChannelRange, SessionRecord, SessionRights } from '../../session/records.ts';
import type { HostPlace } from '../../switch/switch.ts';
import type { Mac } from '../../wire/address.ts';
import { DeadlineHeap } from '../../wire/deadline-heap.ts';
import { newAcctSessionId } from '../accounting/books.ts';
import type { SessionEnd } from '../accounting/end-cause.ts';
import { openingOfSession } from '../core/data-plane.ts';
import type { CoreParts } from '../core/parts.ts';
import { Acquaintances } from './host/acquaintances.ts';
import { IdleWatch } from './host/idle-watch.ts';
import { OnlineHandshake } from './host/online-handshake.ts';
import { idsOf, newSessionIds } from './host/session-ids.ts';
import { assignedVlan, PortServices } from './port-services.ts';
import { PortVlans } from './port-vlans.ts';

/** Who is told of sessions. */
export interface SessionPeers {
  sessionStarted(now: number, session: SessionRecord): void;
  /** The host authenticated again; its session goes on. `isOther`: with another authorization, under another id. */
  sessionRenewed(now: number, session: SessionRecord, isOther: boolean): void;
  /** The session goes: channels end, counters are read, then it is no more. */
  sessionEnding(now: number, session: SessionRecord, cause: SessionEnd): void;
  /** Whether the host is granted a channel. */
  receivesChannels(host: string): boolean;
  /** It is no more. */
  sessionEnded(now: number, session: SessionRecord, cause: SessionEnd): void;
}

/** A host that is let in. */
export interface Admission {
  /** hostKey(port, vlan, mac). */
  readonly key: string;
  readonly place: HostPlace;
  /** What it called itself; the Access-Accept may name another account. */
  readonly userName: Uint8Array;
  readonly terms: LoginTerms;
  /** The server that let it in. */
  readonly server: string;
  /** Ids for a session that begins. */
  readonly ids: SessionIds;
  readonly method: 'dot1x' | 'mab';
}

export class Sessions {
  readonly #parts: CoreParts;
  readonly #peers: SessionPeers;
  readonly #services: PortServices;
  readonly #idle: IdleWatch;
  readonly #handshake: OnlineHandshake;
  readonly #acquaintances: Acquaintances;
  readonly #ends = new DeadlineHeap();
  readonly #ofPort = new KeyIndex();
  /** By MAC address: one may be on several ports, and in several VLANs. */
  readonly #ofMac = new KeyIndex();
  readonly #vlans = new PortVlans();

  /** Takes up the records that the store holds already. */
  constructor(parts: CoreParts, peers: SessionPeers) {
    this.#parts = parts;
    this.#peers = peers;
    this.#idle = new IdleWatch(parts, (host) => peers.receivesChannels(host));
    this.#handshake = new OnlineHandshake(parts);
    this.#acquaintances = new Acquaintances(parts.stores.acquaintances, parts.config.authenticator.maxHosts);
    this.#services = new PortServices(parts, {
      isOccupied: (port) => this.countOfPort(port) > 0,
      assignedVlan: (port) => this.#assignedVlan(port),
    });
    for (const session of parts.stores.sessions.values()) this.#index(session);
    parts.stores.sessions.follow((key, before, after) => {
      this.#ends.set(key, after?.endsAt);
      this.#ofPort.move(key, before?.port, after?.port);
      this.#ofMac.move(key, before?.mac, after?.mac);
      this.#vlans.move(before, after);
    });
  }

  get(key: string): SessionRecord | undefined {
    return this.#parts.stores.sessions.get(key);
  }

  ofPort(port: string): SessionRecord[] {
    return this.#named(this.#ofPort.keys(port));
  }

  countOfPort(port: string): number {
    return this.#ofPort.count(port);
  }

  /** The VLANs that somebody on the port is in; 0 where their frames have no tag. */
  vlansOfPort(port: string): readonly number[] {
    return this.#vlans.tags(port);
  }

  /** Whether an untagged host of the port, other than this one, has brought another VLAN than `vlan`. */
  isInOtherVlan(port: string, vlan: number | undefined, but: string): boolean {
    const own = this.get(but);
    return this.#vlans.hasOther(port, vlan, own?.port === port ? own : undefined);
  }

  ofMac(vlan: number, mac: Mac): SessionRecord[] {
    return this.#named(this.#ofMac.keys(mac)).filter((session) => session.vlan === vlan);
  }

  /** Where else the address of a host is in, that is not in here. */
  placeElsewhere({ port, mac }: HostPlace): 'other-port' | 'other-vlan' | undefined {
    const [first, ...others] = this.#named(this.#ofMac.keys(mac));
    if (first === undefined) return undefined;
    return [first, ...others].some((session) => session.port === port) ? 'other-vlan' : 'other-port';
  }

  /** After records were taken up: ports are served as the configuration has it now. */
  resume(now: number): void {
    this.#services.resume();
    this.#handshake.resume(now);
    for (const session of [...this.#parts.stores.sessions.values()]) {
      const sends = this.#sendsBy(session.rights);
      const filter = this.#filterBy(session.filter);
      if (isSame(session.sends, sends) && isSame(session.filter, filter)) continue;
      this.#parts.stores.sessions.put(session.key, { ...session, sends, filter });
      this.#open({ ...session, sends, filter });
    }
  }

  /** Begins the host's session, or goes on with it where it is the same account's. */
  admit(now: number, { key, place, terms, server, ...admission }: Admission): void {
    const userName = terms.userName ?? admission.userName;
    const account = accountText(userName);
    const before = this.get(key);
    if (before !== undefined && before.account !== account) this.end(now, key, 'account-changed');
    const kept = before?.account === account ? before : undefined;
    const assignedVlan = place.vlan === 0 ? terms.vlan : undefined;
    const isOther = kept !== undefined && !isSameAuthorization(kept, { ...terms, assignedVlan });
    const session: SessionRecord = {
      ...kept,
      v: 1,
      key,
      port: place.port,
      vlan: place.vlan,
      mac: place.mac,
      account,
      userName,
      ...idsOf(kept ?? (before === undefined ? admission.ids : newSessionIds(this.#parts, now, place.mac))),
      ...(isOther ? { acctSessionId: newAcctSessionId(this.#parts) } : {}),
      classes: terms.classes,
      state: terms.state,
      chargeableUserIdentity: terms.chargeableUserIdentity,
      server,
      startedAt: kept?.startedAt ?? now,
      authenticatedAt: now,
      withoutRadiusSince: undefined,
      endsAt: terms.endsAfterMs === undefined ? undefined : now + terms.endsAfterMs,
      interimMs: terms.interimMs,
      rights: terms.rights,
      sends: this.#sendsBy(terms.rights),
      domain: terms.domain,
      method: admission.method,
      assignedVlan,
      idleMs: terms.idleMs ?? this.#parts.ports.get(place.port)?.idleTimeoutMs,
      filter: terms.filter,
    };
    this.#parts.stores.sessions.put(key, session);
    this.#index(session, kept);
    this.#idle.follow(now, session);
    this.#handshake.follow(now, session);
    this.#acquaintances.meet(key);
    this.#services.follow(place.port, key);
    this.#open(session);
    if (isOther) {
      const { acctSessionId: session } = kept;
      this.#parts.log.info('authorization-changed', { host: key, account, session });
    }
    if (kept === undefined) this.#peers.sessionStarted(now, session);
    else this.#peers.sessionRenewed(now, session, isOther);
    this.#parts.log.info(kept === undefined ? 'session-started' : 'session-renewed', {
      host: key,
      account,
      server,
      session: session.acctSessionId,
      method: session.method,
    });
  }

  /** Other terms from now on; false where there is no such session. */
  change(now: number, key: string, change: SessionChange): boolean {
    const before = this.get(key);
    if (before === undefined) return false;
    const { timeout, classes, idleMs, limits, rights, filter, vlan } = change;
    const endsAt = timeout?.next === 'end' ? now + timeout.ms : undefined;
    const terms = rights ?? before.rights;
    const changed = limits === undefined ? terms : { ...(terms ?? NO_RIGHTS), ...limits };
    const session: SessionRecord = {
      ...before,
      classes: classes ?? before.classes,
      rights: changed,
      sends: this.#sendsBy(changed),
      idleMs: idleMs ?? before.idleMs,
      endsAt: timeout === undefined ? before.endsAt : endsAt,
      filter: filter === undefined ? before.filter : filter === 'none' ? undefined : filter,
      assignedVlan: vlan === undefined || before.vlan !== 0 ? before.assignedVlan : vlan,
    };
    this.#parts.stores.sessions.put(key, session);
    this.#vlans.move(before, session);
    this.#ends.set(key, session.endsAt);
    if (idleMs !== undefined) this.#idle.follow(now, session);
    if (vlan !== undefined) this.#services.follow(session.port, key);
    if (!isSame(before.sends, session.sends) || !isSame(before.filter, session.filter)) this.#open(session);
    this.#peers.sessionRenewed(now, session, false);
    return true;
  }

  /** The host is no longer in; one that was not is no error. */
  end(now: number, key: string, cause: SessionEnd): void {
    const session = this.get(key);
    if (session === undefined) return;
    this.#peers.sessionEnding(now, session, cause);
    this.#parts.stores.sessions.delete(key);
    this.#ends.set(key, undefined);
    this.#idle.forget(key);
    this.#handshake.forget(key);
    this.#ofPort.remove(session.port, key);
    this.#ofMac.remove(session.mac, key);
    this.#vlans.move(session, undefined);
    this.#parts.effect({ kind: 'close-host', host: placeOfSession(session) });
    this.#services.follow(session.port);
    this.#parts.log.info('session-ended', {
      host: key,
      account: session.account,
      session: session.acctSessionId,
      cause,
    });
    this.#peers.sessionEnded(now, session, cause);
  }

  /** Something else than its sessions has changed how the port is to be served. */
  serve(port: string): void {
    this.#services.follow(port);
  }

  /** A re-authentication of the host is due that no server answers: since when that is so; undefined: it is not in. */
  withoutRadius(now: number, key: string): number | undefined {
    const session = this.get(key);
    if (session === undefined || session.withoutRadiusSince !== undefined) return session?.withoutRadiusSince;
    this.#parts.stores.sessions.put(key, { ...session, withoutRadiusSince: now });
    const { account, acctSessionId } = session;
    this.#parts.log.warn('without-radius', { host: key, account, session: acctSessionId });
    return now;
  }

  /** Whether the host was in before. */
  wasIn(key: string): boolean {
    return this.#acquaintances.has(key);
  }

  /** A session whose host has been idle for too long; it is still to be ended. */
  takeIdle(now: number): SessionRecord | undefined {
    return this.#idle.takeIdle(now);
  }

  /** A frame of a host that is not EAPOL. */
  heard(key: string, host: HostPlace, etherType: number, payload: Uint8Array): void {
    this.#handshake.heard(key, host, etherType, payload);
  }

  /** A session whose host answers no more; it is still to be ended. */
  takeGone(now: number): SessionRecord | undefined {
    return this.#handshake.takeGone(now);
  }

  /** A session whose time is over (Session-Timeout with Termination-Action Default); it is still to be ended. */
  takeTimedOut(now: number): SessionRecord | undefined {
    for (let key = this.#ends.takeDue(now); key !== undefined; key = this.#ends.takeDue(now)) {
      const session = this.get(key);
      if (session !== undefined) return session;
    }
    return undefined;
  }

  nextTimeout(): number | undefined {
    let next = this.#ends.next();
    for (const watch of [this.#idle, this.#handshake]) {
      const at = watch.nextTimeout();
      if (at !== undefined && (next === undefined || at < next)) next = at;
    }
    return next;
  }

  #open(session: SessionRecord): void {
    this.#parts.effect({ kind: 'open-host', key: session.key, host: openingOfSession(session) });
  }

  #sendsBy(rights: SessionRights | undefined): readonly ChannelRange[] | undefined {
    return sendRights(rights, this.#parts.config.channels.policy.profiles);
  }

  /** The rules that the configuration has now under the filter's names; a name that is gone keeps its old ones. */
  #filterBy(filter: SessionFilter | undefined): SessionFilter | undefined {
    if (filter === undefined || filter.ids.length === 0) return filter;
    const { named } = this.#parts.config.filters;
    const found = filter.ids.map((id) => named.get(id));
    const rules = found.every((each) => each !== undefined) ? found.flat() : undefined;
    return rules === undefined || isSame(filter.rules, rules) ? filter : { ...filter, rules };
  }

  #index(session: SessionRecord, before?: SessionRecord): void {
    const { key, port, mac, endsAt } = session;
    this.#ends.set(key, endsAt);
    this.#ofPort.add(port, key);
    this.#ofMac.add(mac, key);
    this.#vlans.move(before, session);
  }

  /** The VLAN that the port's hosts have brought; while it is being changed, that of the first one. */
  #assignedVlan(port: string): number | undefined {
    const vlans = this.#vlans.assigned(port);
    return vlans.length > 1 ? assignedVlan(this.ofPort(port)) : vlans[0];
  }

  #named(keys: readonly string[]): SessionRecord[] {
    return keys.flatMap((key) => this.get(key) ?? []);
  }
}

/** Of who logged in without any: everything is asked. */
const NO_RIGHTS: SessionRights = {
  receive: [],
  send: [],
  preview: {},
  others: undefined,
  maxGroups: undefined,
  maxGroups4: undefined,
  maxGroups6: undefined,
  maxKbps: undefined,
  profile: undefined,
};

/** What RADIUS lets the host have, apart from how long. */
function isSameAuthorization(
  a: Pick<SessionRecord, 'rights' | 'filter' | 'assignedVlan'>,
  b: Pick<SessionRecord, 'rights' | 'filter' | 'assignedVlan'>,
): boolean {
  return a.assignedVlan === b.assignedVlan && isSame(a.rights, b.rights) && isSame(a.filter, b.filter);
}

function isSame(a: object | undefined, b: object | undefined): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

function placeOfSession({ port, vlan, mac }: SessionRecord): HostPlace {
  return { port, vlan, mac };
}
