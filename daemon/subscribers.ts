/**
 * Who gets onto the ports: EAPOL frames to the authenticators, their actions to RADIUS, the switch and
 * accounting, and the session records that say who is in. A session is there exactly as long as its
 * authenticator is authorized.
 */

import { multiSessionId } from '../accounting/multi-session-id.ts';
import { Login, type LoginAnswer, type LoginRequest, type SessionIds } from '../auth/login.ts';
import type { PortConfig } from '../config/config.ts';
import { Authenticator, nextAuthenticatorTimeout } from '../eapol/authenticator.ts';
import type { AuthenticatorAction, UnauthorizeCause } from '../eapol/authenticator-actions.ts';
import { type AuthenticatorRecord, initialAuthenticator } from '../eapol/authenticator-record.ts';
import { decodeEap, EapCode, type EapPacket, EapType } from '../eapol/eap.ts';
import { decodeEapol, EapolType } from '../eapol/eapol.ts';
import type { RadiusPacket } from '../radius/packet.ts';
import { accountText } from '../session/account.ts';
import { KeyIndex } from '../session/key-index.ts';
import { hostKey, type SessionRecord } from '../session/records.ts';
import type { Mac } from '../wire/address.ts';
import { DeadlineHeap } from '../wire/deadline-heap.ts';
import { isMalformed } from '../wire/malformed.ts';
import { newAcctSessionId } from './books.ts';
import { eapFrame, PAE_GROUP_ADDRESS } from './eapol-frames.ts';
import type { SessionEnd } from './end-cause.ts';
import { type CoreParts, placeOf } from './parts.ts';
import { PortHellos } from './port-hellos.ts';

/** What subscribers need of the rest of the core. */
export interface SubscriberPeers {
  askLogin(now: number, request: LoginRequest): void;
  cancel(now: number, token: string): void;
  sessionStarted(now: number, session: SessionRecord): void;
  /** The host authenticated again; its session goes on. */
  sessionRenewed(session: SessionRecord): void;
  /** The session goes: channels end, counters are read, then it is no more. */
  sessionEnding(now: number, session: SessionRecord, cause: SessionEnd): void;
}

export class Subscribers {
  readonly #parts: CoreParts;
  readonly #peers: SubscriberPeers;
  readonly #login: Login;
  readonly #ofPort = new KeyIndex();
  readonly #deadlines = new DeadlineHeap();
  readonly #sessionEnds = new DeadlineHeap();
  readonly #hellos: PortHellos;

  /** Takes up the records that the stores hold already. */
  constructor(parts: CoreParts, peers: SubscriberPeers) {
    this.#parts = parts;
    this.#peers = peers;
    this.#login = new Login(parts.config.nas, parts.stores.conversations);
    this.#hellos = new PortHellos(
      parts,
      (port) => this.#ofPort.count(port) === 0,
      (port, request) => this.#send(port, 0, PAE_GROUP_ADDRESS, request, undefined),
    );
    for (const record of parts.stores.authenticators.values()) {
      this.#ofPort.add(record.port, record.key);
      this.#deadlines.set(record.key, nextAuthenticatorTimeout(record));
    }
    for (const session of parts.stores.sessions.values()) this.#sessionEnds.set(session.key, session.endsAt);
  }

  /** An EAPOL frame's payload from a host on a subscriber port. */
  receive(now: number, port: PortConfig, vlan: number, mac: Mac, payload: Uint8Array): void {
    const { tally } = this.#parts;
    tally.count(port.name, 'eapol-rx');
    const pdu = decodeEapol(payload);
    if (isMalformed(pdu)) {
      tally.count(port.name, `drop/${pdu.malformed}`);
      return;
    }
    const record = this.#parts.stores.authenticators.get(hostKey(port.name, vlan, mac));
    switch (pdu.type) {
      case EapolType.Start:
        if (record !== undefined) this.#run(now, record, (machine) => machine.receiveStart(now));
        // Also where this Start was one too many: who speaks is not silent, and is asked anew.
        if (!this.#parts.stores.authenticators.has(hostKey(port.name, vlan, mac))) {
          this.#begin(now, port, vlan, mac, undefined);
        }
        return;
      case EapolType.Logoff:
        if (record !== undefined) this.#run(now, record, (machine) => machine.receiveLogoff(now));
        return;
      case EapolType.Packet: {
        const eap = decodeEap(pdu.body);
        if (isMalformed(eap)) tally.count(port.name, `drop/${eap.malformed}`);
        else this.#receiveEap(now, port, vlan, mac, record, eap);
        return;
      }
      default:
        tally.count(port.name, 'drop/eapol-type-not-supported');
    }
  }

  /** A verified answer of a RADIUS server to a login. */
  answered(now: number, token: string, server: string, reply: RadiusPacket): void {
    const answer = this.#login.answered(token, server, reply);
    const record = answer && this.#parts.stores.authenticators.get(answer.host);
    if (answer === undefined || record === undefined) return;
    const { verdict, why } = answer;
    if (verdict.kind === 'reject' || why !== undefined) {
      this.#refused(record, why ?? 'radius-reject', server);
    }
    this.#run(now, record, (machine) => machine.receiveVerdict(now, verdict), answer);
  }

  /** No RADIUS server answered a login. */
  unanswered(now: number, token: string, reason: string): void {
    const host = this.#login.unanswered(token);
    const record = host === undefined ? undefined : this.#parts.stores.authenticators.get(host);
    if (record === undefined) return;
    this.#refused(record, reason, undefined);
    this.#run(now, record, (machine) => machine.receiveVerdict(now, { kind: 'timeout' }));
  }

  /** The port came up: whoever is behind it is asked who it is. */
  portUp(now: number, port: PortConfig): void {
    this.#hellos.portUp(now, port);
    this.#parts.log.info('port-up', { port: port.name });
  }

  /** The port went down or away: everybody behind it is out. */
  portDown(now: number, port: string): void {
    this.#hellos.portDown(port);
    for (const key of this.#ofPort.keys(port)) this.#end(now, key, 'lost-carrier');
    this.#parts.log.info('port-down', { port });
  }

  /** Ends hosts whose authenticator began under another mode of the port than the configured one. */
  endOtherModes(now: number): void {
    for (const { key, port, portControl } of [...this.#parts.stores.authenticators.values()]) {
      const mode = this.#parts.ports.get(port)?.mode;
      if (mode !== undefined && mode !== portControl) this.#end(now, key, 'mode-changed');
    }
  }

  /** The switch could not open the port for the host: it is not in. */
  openFailed(now: number, key: string): void {
    this.#end(now, key, 'switch-failed');
  }

  /** Asks the host to authenticate again; false where there is no such host. */
  reauthenticate(now: number, key: string): boolean {
    const record = this.#parts.stores.authenticators.get(key);
    if (record?.pae !== 'AUTHENTICATED') return false;
    this.#run(now, record, (machine) => machine.reAuthenticate(now));
    return true;
  }

  /** Says again what hosts were told last, where that was a moment ago or is a question to them. */
  resume(now: number): void {
    for (const record of [...this.#parts.stores.authenticators.values()]) {
      if (now - this.#toldAt(record) < STILL_NEWS_MS)
        this.#run(now, record, (machine) => machine.repeat(now));
    }
  }

  /** Ends every session, for a clean stop. */
  shutdown(now: number): void {
    for (const key of [...this.#parts.stores.sessions.values()].map((session) => session.key)) {
      this.#end(now, key, 'shutdown');
    }
  }

  handleTimeout(now: number): void {
    for (let key = this.#deadlines.takeDue(now); key !== undefined; key = this.#deadlines.takeDue(now)) {
      const record = this.#parts.stores.authenticators.get(key);
      if (record !== undefined) this.#run(now, record, (machine) => machine.handleTimeout(now));
    }
    for (let key = this.#sessionEnds.takeDue(now); key !== undefined; key = this.#sessionEnds.takeDue(now)) {
      this.#sessionTimedOut(now, key);
    }
    this.#hellos.handleTimeout(now);
  }

  nextTimeout(): number | undefined {
    let next: number | undefined;
    for (const at of [this.#deadlines.next(), this.#sessionEnds.next(), this.#hellos.nextTimeout()]) {
      if (at !== undefined && (next === undefined || at < next)) next = at;
    }
    return next;
  }

  hostsOfPort(port: string): number {
    return this.#ofPort.count(port);
  }

  authorizedHostsOfPort(port: string): number {
    return this.#ofPort.keys(port).filter((key) => this.#parts.stores.sessions.has(key)).length;
  }

  #receiveEap(
    now: number,
    port: PortConfig,
    vlan: number,
    mac: Mac,
    record: AuthenticatorRecord | undefined,
    eap: EapPacket,
  ): void {
    const { tally } = this.#parts;
    if (eap.code !== EapCode.Response) {
      tally.count(port.name, 'drop/eap-not-a-response');
      return;
    }
    if (record === undefined) {
      const helloId = this.#hellos.idOf(port.name);
      const answersHello = eap.type === EapType.Identity && eap.id === helloId;
      if (answersHello) this.#begin(now, port, vlan, mac, eap);
      else tally.count(port.name, 'drop/eap-not-asked-for');
      return;
    }
    this.#run(now, record, (machine) => {
      if (!machine.receiveResponse(now, eap)) tally.count(port.name, 'drop/eap-stale');
    });
  }

  /** A host that is not known yet. */
  #begin(now: number, port: PortConfig, vlan: number, mac: Mac, hello: EapPacket | undefined): void {
    if (!this.#makeRoom(now, port)) {
      this.#parts.tally.count(port.name, 'drop/host-limit');
      return;
    }
    const key = hostKey(port.name, vlan, mac);
    const lastId = this.#parts.random(1)[0] ?? 0;
    const record = initialAuthenticator(key, port.name, vlan, mac, port.mode, lastId);
    this.#ofPort.add(port.name, key);
    this.#run(now, record, (machine) => {
      if (hello === undefined) machine.begin(now);
      else machine.beginWithIdentity(now, hello);
    });
  }

  /**
   * Room for one more host: a host that never said who it is gives way, one that did never does. False
   * where all places are taken by such.
   */
  #makeRoom(now: number, port: PortConfig): boolean {
    const { stores, config } = this.#parts;
    const full =
      this.#ofPort.count(port.name) >= port.maxHosts ||
      stores.authenticators.size >= config.authenticator.maxHosts;
    if (!full) return true;
    for (const key of this.#ofPort.keys(port.name)) {
      const record = stores.authenticators.get(key);
      if (record === undefined || record.authorized || record.identity !== undefined) continue;
      this.#end(now, key, 'lost-carrier');
      return true;
    }
    return false;
  }

  #run(
    now: number,
    record: AuthenticatorRecord,
    verb: (machine: Authenticator) => void,
    answer?: LoginAnswer,
  ): void {
    const port = this.#parts.ports.get(record.port);
    if (port === undefined) return;
    const machine = new Authenticator(record, port);
    verb(machine);
    const actions = machine.drainActions();
    this.#parts.stores.authenticators.put(record.key, record);
    this.#deadlines.set(record.key, machine.nextTimeout());
    // The port is opened, and the records are there, before the host hears that it is in.
    if (actions.some((action) => action.kind === 'authorize')) this.#authorize(now, record, answer);
    for (const action of actions) this.#act(now, port, record, action);
  }

  #act(now: number, port: PortConfig, record: AuthenticatorRecord, action: AuthenticatorAction): void {
    const { log, tally } = this.#parts;
    switch (action.kind) {
      case 'send-eap':
        this.#send(port, record.vlan, record.mac, action.eap, record.key);
        return;
      case 'ask-server': {
        const place = placeOf(this.#parts, record.port, record.mac);
        const ids = this.#idsOf(now, record, action.first);
        this.#peers.askLogin(
          now,
          this.#login.ask(record.key, place, action.eap, action.identity, action.first, ids),
        );
        return;
      }
      case 'abort-server': {
        const token = this.#login.tokenFor(record.key);
        if (token !== undefined) this.#peers.cancel(now, token);
        if (action.why === 'timeout') this.#refused(record, 'radius-timeout', undefined);
        return;
      }
      case 'authorize':
        return;
      case 'unauthorize':
        this.#endSession(now, record.key, SESSION_END[action.cause]);
        return;
      case 'remove':
        this.#forget(record.key);
        return;
      case 'transition':
        log.debug('authenticator', { host: record.key, from: action.from, to: action.to });
        return;
      case 'count':
        tally.count(record.port, action.counter);
        return;
    }
  }

  /** When a host heard last how its login ended; one that is in the middle of it is always to be told. */
  #toldAt(record: AuthenticatorRecord): number {
    if (record.pae === 'AUTHENTICATED') {
      return this.#parts.stores.sessions.get(record.key)?.authenticatedAt ?? Number.NEGATIVE_INFINITY;
    }
    if (record.pae !== 'HELD') return Number.POSITIVE_INFINITY;
    const quietPeriodMs = this.#parts.ports.get(record.port)?.quietPeriodMs ?? 0;
    return (record.quietWhile ?? 0) - quietPeriodMs;
  }

  #authorize(now: number, record: AuthenticatorRecord, answer: LoginAnswer | undefined): void {
    if (answer?.terms === undefined) throw new Error(`authorized without an Access-Accept: ${record.key}`);
    const { terms } = answer;
    const userName = terms.userName ?? answer.userName;
    const account = accountText(userName);
    const before = this.#parts.stores.sessions.get(record.key);
    if (before !== undefined && before.account !== account)
      this.#endSession(now, record.key, 'account-changed');
    const kept = before?.account === account ? before : undefined;
    const session: SessionRecord = {
      ...kept,
      v: 1,
      key: record.key,
      port: record.port,
      vlan: record.vlan,
      mac: record.mac,
      account,
      userName,
      ...idsOf(kept ?? (before === undefined ? answer.ids : this.#newIds(now, record))),
      classes: terms.classes,
      state: terms.state,
      server: answer.server,
      startedAt: kept?.startedAt ?? now,
      authenticatedAt: now,
      endsAt: terms.endsAfterMs === undefined ? undefined : now + terms.endsAfterMs,
      interimMs: terms.interimMs,
    };
    this.#parts.stores.sessions.put(session.key, session);
    this.#sessionEnds.set(session.key, session.endsAt);
    this.#parts.effect({ kind: 'open-host', key: session.key, host: placeOfSession(session) });
    if (kept === undefined) this.#peers.sessionStarted(now, session);
    else this.#peers.sessionRenewed(session);
    this.#parts.log.info(kept === undefined ? 'session-started' : 'session-renewed', {
      host: session.key,
      account,
      server: answer.server,
      session: session.acctSessionId,
    });
  }

  /** A login came to nothing. What only the server's policy decided is no cause for worry. */
  #refused(record: AuthenticatorRecord, reason: string, server: string | undefined): void {
    const userName = this.#parts.stores.conversations.get(record.key)?.userName;
    const account = userName === undefined ? undefined : accountText(userName);
    const level = reason === 'radius-reject' ? 'info' : 'warn';
    this.#parts.log[level]('login-refused', { host: record.key, account, server, reason });
  }

  #endSession(now: number, key: string, cause: SessionEnd): void {
    const session = this.#parts.stores.sessions.get(key);
    if (session === undefined) return;
    this.#peers.sessionEnding(now, session, cause);
    this.#parts.stores.sessions.delete(key);
    this.#sessionEnds.set(key, undefined);
    this.#parts.effect({ kind: 'close-host', host: placeOfSession(session) });
    this.#parts.log.info('session-ended', { host: key, account: session.account, cause });
  }

  /** The host is out, whatever state its authenticator is in. */
  #end(now: number, key: string, cause: SessionEnd): void {
    const token = this.#login.tokenFor(key);
    if (token !== undefined) this.#peers.cancel(now, token);
    this.#endSession(now, key, cause);
    this.#forget(key);
  }

  #forget(key: string): void {
    const record = this.#parts.stores.authenticators.get(key);
    if (record !== undefined) this.#ofPort.remove(record.port, key);
    this.#parts.stores.authenticators.delete(key);
    this.#login.forget(key);
    this.#deadlines.set(key, undefined);
  }

  /** Session-Timeout with Termination-Action Default: out, and asked to log in anew. */
  #sessionTimedOut(now: number, key: string): void {
    const session = this.#parts.stores.sessions.get(key);
    const port = session && this.#parts.ports.get(session.port);
    this.#end(now, key, 'session-timeout');
    if (session !== undefined && port !== undefined)
      this.#begin(now, port, session.vlan, session.mac, undefined);
  }

  #idsOf(now: number, record: AuthenticatorRecord, first: boolean): SessionIds {
    const session = this.#parts.stores.sessions.get(record.key);
    if (session !== undefined) return idsOf(session);
    const conversation = first ? undefined : this.#parts.stores.conversations.get(record.key);
    return conversation === undefined ? this.#newIds(now, record) : idsOf(conversation);
  }

  #newIds(now: number, record: AuthenticatorRecord): SessionIds {
    const bridgeMac = this.#parts.readings.macOf(undefined) ?? record.mac;
    return {
      acctSessionId: newAcctSessionId(this.#parts),
      acctMultiSessionId: multiSessionId(bridgeMac, record.mac, now),
    };
  }

  #send(port: PortConfig, vlan: number, to: Mac, eap: Uint8Array, about: string | undefined): void {
    const src = this.#parts.readings.macOf(port.name);
    if (src === undefined) return;
    const frame = eapFrame(port, src, to, eap);
    this.#parts.tally.count(port.name, 'eapol-tx');
    this.#parts.effect({ kind: 'frame', port: port.name, vlan, frame, ...(about && { about }) });
  }
}

function idsOf(from: SessionIds): SessionIds {
  return { acctSessionId: from.acctSessionId, acctMultiSessionId: from.acctMultiSessionId };
}

function placeOfSession(session: SessionRecord) {
  return { port: session.port, vlan: session.vlan, mac: session.mac };
}

/** After a takeover hosts hear again how a login ended that ended no longer ago than this. */
const STILL_NEWS_MS = 10_000;
const SESSION_END: Readonly<Record<UnauthorizeCause, SessionEnd>> = {
  logoff: 'logoff',
  rejected: 'reauthentication-failed',
  'reauthentication-failed': 'reauthentication-failed',
};
