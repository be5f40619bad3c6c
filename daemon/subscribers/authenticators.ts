/**
 * The authenticators of all hosts: their records, deadlines and places on the ports, and what their actions
 * mean for RADIUS, the sessions and the wire. A host has a session exactly as long as its authenticator is
 * authorized.
 */
import { Login, type LoginAnswer, type LoginRequest, type SessionIds } from '../../auth/login.ts';
import type { PortConfig } from '../../config/config.ts';
import { portControlOf } from '../../config/port-mode.ts';
import { Authenticator, nextAuthenticatorTimeout } from '../../eapol/authenticator.ts';
import type { AuthenticatorAction, UnauthorizeCause } from '../../eapol/authenticator-actions.ts';
import { type AuthenticatorRecord, initialAuthenticator } from '../../eapol/authenticator-record.ts';
import type { EapPacket } from '../../eapol/eap.ts';
import type { RadiusPacket } from '../../radius/packet.ts';
import { accountText } from '../../session/account.ts';
import { KeyIndex } from '../../session/key-index.ts';
import { hostKey } from '../../session/records.ts';
import type { HostPlace } from '../../switch/switch.ts';
import type { Mac } from '../../wire/address.ts';
import { DeadlineHeap } from '../../wire/deadline-heap.ts';
import type { SessionEnd } from '../accounting/end-cause.ts';
import { acceptOptions, type CoreParts, placeOf } from '../core/parts.ts';
import { type Entrance, isExclusive } from './entrance.ts';
import { idsOf, newSessionIds } from './host/session-ids.ts';
import type { Postponed, WithoutRadius } from './host/without-radius.ts';
import type { Sessions } from './sessions.ts';

/** What authenticators need of the rest of the core. */
export interface AuthenticatorPeers {
  askLogin(now: number, request: LoginRequest): void;
  cancel(now: number, token: string): void;
  /** Everything of another host ends. */
  endHost(now: number, key: string, cause: SessionEnd): void;
  /** Hosts on the port that are known by their MAC address alone. */
  silentHosts(port: string): number;
  /** A login on the port came to nothing: a server rejected it, or none answered. */
  failed(now: number, port: PortConfig, how: 'rejected' | 'unanswered'): void;
  /** A host that is not in is not let in, for this reason. */
  keptOut(now: number, place: HostPlace, reason: string): void;
  sendEap(port: PortConfig, host: HostPlace, eap: Uint8Array, about: string): void;
}

/** What has left of what hosts were told before: all until a time, or all but what these hosts were told. */
export type Said = number | ReadonlySet<string>;

export class Authenticators {
  readonly #parts: CoreParts;
  readonly #peers: AuthenticatorPeers;
  readonly #sessions: Sessions;
  readonly #entrance: Entrance;
  readonly #login: Login;
  readonly #withoutRadius: WithoutRadius;
  readonly #ofPort = new KeyIndex();
  readonly #deadlines = new DeadlineHeap();
  /** Hosts that never said who they are, and of those who did, who was never in: in the order in which they came. */
  readonly #silent = new KeyIndex();
  readonly #strangers = new KeyIndex();

  /** Takes up the records that the stores hold already. */
  constructor(
    parts: CoreParts,
    sessions: Sessions,
    entrance: Entrance,
    withoutRadius: WithoutRadius,
    peers: AuthenticatorPeers,
  ) {
    this.#withoutRadius = withoutRadius;
    this.#parts = parts;
    this.#sessions = sessions;
    this.#peers = peers;
    this.#entrance = entrance;
    this.#login = new Login(parts.config.nas, acceptOptions(parts), parts.stores.conversations);
    const { authenticators, acquaintances } = parts.stores;
    for (const record of authenticators.values()) this.#index(record);
    authenticators.follow((key, before, after) => {
      if (after !== undefined) this.#index(after);
      else if (before !== undefined) this.#unindex(before.port, key);
    });
    // Who was in before is no stranger: that is known after the host itself, where all records come one after the other.
    acquaintances.follow((key) => {
      const record = authenticators.get(key);
      if (record !== undefined) this.#sort(record);
    });
  }

  /** The host's record as it is now; only `run` changes it. */
  get(key: string): AuthenticatorRecord | undefined {
    return this.#parts.stores.authenticators.get(key);
  }

  keysOfPort(port: string): readonly string[] {
    return this.#ofPort.keys(port);
  }

  countOfPort(port: string): number {
    return this.#ofPort.count(port);
  }

  /** A host that is not known yet; `hello` is its answer to the port's own Request/Identity. */
  begin(now: number, port: PortConfig, vlan: number, mac: Mac, hello?: EapPacket): void {
    const key = hostKey(port.name, vlan, mac);
    const refused =
      this.#entrance.closedTo(port, key, { port: port.name, vlan, mac }) ??
      this.#makeRoom(now, port, this.#sessions.wasIn(key));
    if (refused !== undefined) {
      this.#parts.tally.count(port.name, `drop/${refused}`);
      this.#parts.log.info('host-refused', { port: port.name, vlan, mac, reason: refused });
      this.#peers.keptOut(now, { port: port.name, vlan, mac }, refused);
      return;
    }
    const lastId = this.#parts.random(1)[0] ?? 0;
    const record = initialAuthenticator(key, port.name, vlan, mac, portControlOf(port.mode), lastId);
    this.#ofPort.add(port.name, key);
    this.run(now, record, hello === undefined ? 'asked' : 'hello-answered', (machine) => {
      if (hello === undefined) machine.begin(now);
      else machine.beginWithIdentity(now, hello);
    });
  }

  /**
   * Lets something happen to a host's machine, for a `cause` that the log tells; `answer` is that of the server
   * where it is about one.
   */
  run(
    now: number,
    record: AuthenticatorRecord,
    cause: string,
    verb: (machine: Authenticator) => void,
    answer?: LoginAnswer,
  ): void {
    const port = this.#parts.ports.get(record.port);
    if (port === undefined) return;
    const machine = new Authenticator(record, port);
    const wasIn = record.authorized;
    verb(machine);
    const actions = machine.drainActions();
    this.#parts.stores.authenticators.put(record.key, record);
    this.#sort(record);
    this.#deadlines.set(record.key, machine.nextTimeout());
    // The port is opened, and the records are there, before the host hears that it is in.
    if (actions.some((action) => action.kind === 'authorize')) this.#authorize(now, record, answer);
    for (const action of actions) this.#act(now, port, record, action, cause);
    // By time: whoever is removed for another reason is asked anew at once, or has left.
    if (!wasIn && cause === 'time' && actions.some(({ kind }) => kind === 'remove'))
      this.#peers.keptOut(now, record, 'no-answer');
  }

  /** A verified answer of a RADIUS server to a login. */
  answered(now: number, token: string, server: string, reply: RadiusPacket): void {
    const said = this.#login.answered(token, server, reply);
    const record = said && this.get(said.host);
    if (said === undefined || record === undefined) return;
    const answer = this.#judged(now, record, said);
    const { verdict, why } = answer;
    if (verdict.kind === 'reject' || why !== undefined) {
      this.#refused(now, record, why ?? 'radius-reject', server);
    }
    this.run(
      now,
      record,
      `radius-${verdict.kind}`,
      (machine) => machine.receiveVerdict(now, verdict),
      answer,
    );
    if (verdict.kind === 'reject') this.#failed(now, record.port, 'rejected');
  }

  /** No RADIUS server answered a login. */
  unanswered(now: number, token: string, reason: string): void {
    const host = this.#login.unanswered(token);
    const record = host === undefined ? undefined : this.get(host);
    if (record === undefined) return;
    if (this.#goesOnUnanswered(now, record)) return;
    this.#refused(now, record, reason, undefined);
    this.run(now, record, reason, (machine) => machine.receiveVerdict(now, { kind: 'timeout' }));
    this.#failed(now, record.port, 'unanswered');
  }

  /** Asks the host no more; its session is another method's. */
  drop(now: number, key: string): void {
    const token = this.#login.tokenFor(key);
    if (token !== undefined) this.#peers.cancel(now, token);
    this.#forget(key);
  }

  /** The host is out, whatever state its authenticator is in. */
  end(now: number, key: string, cause: SessionEnd): void {
    const token = this.#login.tokenFor(key);
    if (token !== undefined) this.#peers.cancel(now, token);
    this.#sessions.end(now, key, cause);
    this.#forget(key);
  }

  /**
   * Says again what hosts were told last, where it may not have left or is a question to them. Not oftener:
   * a wpa_supplicant that has its EAP-Success takes a second one for the beginning of another conversation, and
   * logs in again when nothing follows.
   */
  resume(now: number, said: Said = now - STILL_NEWS_MS): void {
    for (const record of [...this.#parts.stores.authenticators.values()]) {
      const toldAt = this.#toldAt(record);
      const hasLeft = typeof said === 'number' ? toldAt < said : toldAt < Infinity && !said.has(record.key);
      if (!hasLeft) this.run(now, record, 'takeover', (machine) => machine.repeat(now));
    }
  }

  handleTimeout(now: number): void {
    for (let key = this.#deadlines.takeDue(now); key !== undefined; key = this.#deadlines.takeDue(now)) {
      const record = this.get(key);
      if (record === undefined || this.#goesOnLater(now, record)) continue;
      this.run(now, record, 'time', (machine) => machine.handleTimeout(now));
    }
  }

  nextTimeout(): number | undefined {
    return this.#deadlines.next();
  }

  /** A host that is in asks to be authenticated: true where no server can be asked, and it stays in as it is. */
  postponesStart(now: number, record: AuthenticatorRecord): boolean {
    const port = this.#parts.ports.get(record.port);
    if (port === undefined || record.pae !== 'AUTHENTICATED' || !record.authorized) return false;
    return this.#postpone(now, port, record, this.#withoutRadius.due(now, port, record.key));
  }

  /** A re-authentication is due, or its server has taken too long, and the session goes on without. */
  #goesOnLater(now: number, record: AuthenticatorRecord): boolean {
    const port = this.#parts.ports.get(record.port);
    if (port === undefined || !record.authorized) return false;
    if (record.aWhile !== undefined && record.aWhile <= now) return this.#goesOnUnanswered(now, record);
    const isDue =
      record.pae === 'AUTHENTICATED' && record.reAuthWhen !== undefined && record.reAuthWhen <= now;
    return isDue && this.#postpone(now, port, record, this.#withoutRadius.due(now, port, record.key));
  }

  /**
   * No server answered a re-authentication. Where one lives the machine tries again, as often as it may: then that one
   * is as good as dead.
   */
  #goesOnUnanswered(now: number, record: AuthenticatorRecord): boolean {
    const port = this.#parts.ports.get(record.port);
    if (port === undefined || !record.authorized) return false;
    const { key, reAuthCount } = record;
    const isLastRound = reAuthCount >= port.reAuthMax;
    const postponed = isLastRound
      ? this.#withoutRadius.unanswered(now, port, key)
      : this.#withoutRadius.due(now, port, key);
    return this.#postpone(now, port, record, postponed);
  }

  #postpone(
    now: number,
    port: PortConfig,
    record: AuthenticatorRecord,
    postponed: Postponed | undefined,
  ): boolean {
    if (postponed === undefined) return false;
    if (postponed !== 'over') {
      this.run(now, record, 'without-radius', (machine) =>
        machine.postponeReAuthentication(now, postponed.until),
      );
      return true;
    }
    this.end(now, record.key, 'reauthentication-failed');
    this.begin(now, port, record.vlan, record.mac);
    return true;
  }

  /**
   * Makes room for one more host: a host that never said who it is gives way; one that did gives way to a host
   * that was in before where it never was itself. Who is in never does. The limit that stands in the way where
   * all places are taken by such; undefined: there is room.
   */
  #makeRoom(
    now: number,
    port: PortConfig,
    isKnown: boolean,
  ): 'port-host-limit' | 'switch-host-limit' | undefined {
    const { stores, config } = this.#parts;
    const onPort = this.#ofPort.count(port.name) + this.#peers.silentHosts(port.name);
    const portIsFull = onPort >= port.maxHosts;
    const hosts = stores.authenticators.size + stores.mabs.size;
    if (!portIsFull && hosts < config.authenticator.maxHosts) return undefined;
    const silent = this.#silent.first(port.name) ?? (isKnown ? this.#strangers.first(port.name) : undefined);
    if (silent !== undefined) {
      this.end(now, silent, 'lost-carrier');
      return undefined;
    }
    return portIsFull ? 'port-host-limit' : 'switch-host-limit';
  }

  /** What the server said, or a reject where the host may not be in beside others. */
  #judged(now: number, record: AuthenticatorRecord, answer: LoginAnswer): LoginAnswer {
    const port = this.#parts.ports.get(record.port);
    const { verdict, terms, userName } = answer;
    if (verdict.kind !== 'accept' || terms === undefined || port === undefined) return answer;
    const why = this.#entrance.refusalOf(port, record.key, record, userName, terms);
    if (why !== undefined) return { ...answer, verdict: { kind: 'reject', eap: 'failure' }, why };
    const elsewhere = this.#entrance.elsewhere(record);
    if (elsewhere !== undefined) this.#peers.endHost(now, elsewhere.key, 'moved');
    return answer;
  }

  #act(
    now: number,
    port: PortConfig,
    record: AuthenticatorRecord,
    action: AuthenticatorAction,
    cause: string,
  ): void {
    const { log, tally } = this.#parts;
    switch (action.kind) {
      case 'send-eap':
        this.#peers.sendEap(port, record, action.eap, record.key);
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
        if (action.why !== 'timeout') return;
        this.#refused(now, record, 'radius-timeout', undefined);
        this.#failed(now, record.port, 'unanswered');
        return;
      }
      case 'authorize':
        return;
      case 'unauthorize':
        this.#sessions.end(now, record.key, SESSION_END[action.cause]);
        return;
      case 'remove':
        this.#forget(record.key);
        return;
      case 'transition':
        log.debug('authenticator', {
          host: record.key,
          session: this.#sessions.get(record.key)?.acctSessionId,
          from: action.from,
          to: action.to,
          cause,
        });
        return;
      case 'count':
        tally.count(record.port, action.counter);
        return;
    }
  }

  #authorize(now: number, record: AuthenticatorRecord, answer: LoginAnswer | undefined): void {
    if (answer?.terms === undefined) throw new Error(`authorized without an Access-Accept: ${record.key}`);
    const { terms, userName, server, ids } = answer;
    const { key, port, vlan, mac } = record;
    this.#sessions.admit(now, {
      key,
      place: { port, vlan, mac },
      userName,
      terms,
      server,
      ids,
      method: 'dot1x',
    });
    const config = this.#parts.ports.get(port);
    if (config === undefined || !isExclusive(config)) return;
    for (const other of this.#ofPort.keys(port))
      if (other !== key) this.#peers.endHost(now, other, 'lost-carrier');
  }

  /** When a host heard last how its login ended; one that is in the middle of it is always to be told. */
  #toldAt(record: AuthenticatorRecord): number {
    if (record.pae === 'AUTHENTICATED') {
      return this.#sessions.get(record.key)?.authenticatedAt ?? Number.NEGATIVE_INFINITY;
    }
    if (record.pae !== 'HELD') return Number.POSITIVE_INFINITY;
    const quietPeriodMs = this.#parts.ports.get(record.port)?.quietPeriodMs ?? 0;
    return (record.quietWhile ?? 0) - quietPeriodMs;
  }

  /** A login came to nothing. What only the server's policy decided is no cause for worry. */
  #refused(now: number, record: AuthenticatorRecord, reason: string, server: string | undefined): void {
    const userName = this.#parts.stores.conversations.get(record.key)?.userName;
    const account = userName === undefined ? undefined : accountText(userName);
    const level = reason === 'radius-reject' ? 'info' : 'warn';
    this.#parts.log[level]('login-refused', { host: record.key, account, server, reason });
    this.#peers.keptOut(now, record, reason);
  }

  #failed(now: number, port: string, how: 'rejected' | 'unanswered'): void {
    const config = this.#parts.ports.get(port);
    if (config !== undefined) this.#peers.failed(now, config, how);
  }

  #forget(key: string): void {
    const record = this.get(key);
    if (record !== undefined) this.#unindex(record.port, key);
    this.#parts.stores.authenticators.delete(key);
    this.#login.forget(key);
  }

  #index(record: AuthenticatorRecord): void {
    this.#ofPort.add(record.port, record.key);
    this.#sort(record);
    this.#deadlines.set(record.key, nextAuthenticatorTimeout(record));
  }

  #unindex(port: string, key: string): void {
    for (const index of [this.#ofPort, this.#silent, this.#strangers]) index.remove(port, key);
    this.#deadlines.set(key, undefined);
  }

  /** Keeps apart who may have to give way. */
  #sort({ key, port, authorized, identity }: AuthenticatorRecord): void {
    const isSilent = !authorized && identity === undefined;
    if (isSilent) this.#silent.add(port, key);
    else this.#silent.remove(port, key);
    if (isSilent || authorized || this.#sessions.wasIn(key)) this.#strangers.remove(port, key);
    else this.#strangers.add(port, key);
  }

  #idsOf(now: number, record: AuthenticatorRecord, first: boolean): SessionIds {
    const session = this.#sessions.get(record.key);
    if (session !== undefined) return idsOf(session);
    const conversation = first ? undefined : this.#parts.stores.conversations.get(record.key);
    return conversation === undefined ? newSessionIds(this.#parts, now, record.mac) : idsOf(conversation);
  }
}

/** Hosts hear again how a login ended that ended no longer ago than this, where nobody knows what has left. */
const STILL_NEWS_MS = 10_000;
const SESSION_END: Readonly<Record<UnauthorizeCause, SessionEnd>> = {
  logoff: 'logoff',
  rejected: 'reauthentication-failed',
  'reauthentication-failed': 'reauthentication-failed',
};
