/**
 * MAC authentication of hosts that were seen and do not speak 802.1X: when it is their turn beside 802.1X, and
 * what the answers mean for their sessions. A host is seen by frames that every host sends before it can talk
 * to another: ARP, DHCP, neighbour and router solicitations.
 *
 * The kernel's own way (the `mab` flag of a bridge port) is not used: it wants learning on a locked port, where
 * without no_linklocal_learn an EAPOL-Start opens it, and a table in front of the bridge that lets strangers in.
 */

import type { LoginRequest } from '../../auth/login.ts';
import { Mab, type MabVerdict, mabToken } from '../../auth/mab/mab.ts';
import type { MabRecord } from '../../auth/mab/mab-record.ts';
import type { PortConfig } from '../../config/config.ts';
import type { RadiusPacket } from '../../radius/packet.ts';
import { KeyIndex } from '../../session/key-index.ts';
import { hostKey } from '../../session/records.ts';
import type { HostPlace } from '../../switch/switch.ts';
import type { Mac } from '../../wire/address.ts';
import { DeadlineHeap } from '../../wire/deadline-heap.ts';
import type { SessionEnd } from '../accounting/end-cause.ts';
import { acceptOptions, type CoreParts, placeOf } from '../core/parts.ts';
import type { Entrance } from './entrance.ts';
import { newSessionIds } from './host/session-ids.ts';
import type { Postponed, WithoutRadius } from './host/without-radius.ts';
import type { Sessions } from './sessions.ts';

/** What MAC authentication needs of the rest of the core. */
export interface MacLoginPeers {
  askLogin(now: number, request: LoginRequest): void;
  cancel(now: number, token: string): void;
  /** Asks the host by 802.1X, where there is room for it. */
  beginDot1x(now: number, port: PortConfig, vlan: number, mac: Mac): void;
  /** Whether somebody answers 802.1X there, or is about to. */
  speaksDot1x(key: string): boolean;
  /** 802.1X is not asked for the host any more; its session stays. */
  dropDot1x(now: number, key: string): void;
  /** Whether the port has no place left. */
  isFull(port: PortConfig): boolean;
  /** A login on the port came to nothing: a server rejected it, or none answered. */
  failed(now: number, port: PortConfig, how: 'rejected' | 'unanswered'): void;
  /** A host that is not in is not let in, for this reason. */
  keptOut(now: number, place: HostPlace, reason: string): void;
  /** Another host's session ends, in favour of this one. */
  endHost(now: number, key: string, cause: SessionEnd): void;
}

export class MacLogins {
  readonly #parts: CoreParts;
  readonly #sessions: Sessions;
  readonly #entrance: Entrance;
  readonly #peers: MacLoginPeers;
  readonly #withoutRadius: WithoutRadius;
  readonly #mab: Mab;
  readonly #ofPort = new KeyIndex();
  readonly #deadlines = new DeadlineHeap();

  /** Takes up the records that the store holds already. */
  constructor(
    parts: CoreParts,
    sessions: Sessions,
    entrance: Entrance,
    withoutRadius: WithoutRadius,
    peers: MacLoginPeers,
  ) {
    this.#withoutRadius = withoutRadius;
    this.#parts = parts;
    this.#sessions = sessions;
    this.#entrance = entrance;
    this.#peers = peers;
    const { nas, authenticator } = parts.config;
    this.#mab = new Mab(
      { nas, ...authenticator.mab, framedMtu: FRAMED_MTU },
      acceptOptions(parts),
      parts.stores.mabs,
    );
    for (const record of parts.stores.mabs.values()) this.#index(record);
    parts.stores.mabs.follow((key, before, after) => {
      this.#ofPort.move(key, before?.port, after?.port);
      this.#deadlines.set(key, after?.until);
    });
  }

  get(key: string): MabRecord | undefined {
    return this.#parts.stores.mabs.get(key);
  }

  keysOfPort(port: string): readonly string[] {
    return this.#ofPort.keys(port);
  }

  countOfPort(port: string): number {
    return this.#ofPort.count(port);
  }

  /** A host that is not in, nor known here, sent a frame. */
  seen(now: number, port: PortConfig, vlan: number, mac: Mac): void {
    const key = hostKey(port.name, vlan, mac);
    const ids = newSessionIds(this.#parts, now, mac);
    const nothing = { radiusState: undefined, server: undefined, round: 0, unanswered: 0 };
    const place = { port: port.name, vlan, mac };
    const record: MabRecord = {
      ...nothing,
      ...ids,
      v: 1,
      key,
      ...place,
      state: 'WAITING',
      authorized: false,
      until: now + port.mabAfterMs,
    };
    if (port.methods[0] === 'mab') {
      if (!this.#peers.isFull(port)) this.#ask(now, record);
      else {
        this.#parts.tally.count(port.name, 'drop/port-host-limit');
        this.#peers.keptOut(now, place, 'port-host-limit');
      }
      return;
    }
    this.#peers.beginDot1x(now, port, vlan, mac);
    if (this.#parts.stores.authenticators.has(key)) this.#put(record);
  }

  answered(now: number, token: string, server: string, reply: RadiusPacket): void {
    const verdict = this.#mab.answered(token, server, reply, ({ port, mac }) =>
      placeOf(this.#parts, port, mac),
    );
    if (verdict === undefined) return;
    if (verdict.kind === 'ask') this.#peers.askLogin(now, verdict.request);
    else if (verdict.kind === 'accept') this.#accepted(now, server, verdict);
    else this.#refused(now, verdict.record, verdict.why, server);
  }

  /** No RADIUS server answered. Who is in stays in for a while: its answer may only be late. */
  unanswered(now: number, token: string, reason: string): void {
    const record = this.#mab.waiting(token);
    const port = record && this.#parts.ports.get(record.port);
    if (record === undefined || port === undefined) return;
    const unanswered = record.unanswered + 1;
    if (record.authorized) {
      // Where one lives it is asked again, as often as it may be: then that one is as good as dead.
      const postponed =
        unanswered > port.reAuthMax
          ? this.#withoutRadius.unanswered(now, port, record.key)
          : this.#withoutRadius.due(now, port, record.key);
      if (this.#postpone(now, port, record, postponed)) return;
    }
    this.#parts.log.warn('login-refused', { host: record.key, method: 'mab', reason });
    this.#peers.keptOut(now, record, reason);
    if (record.authorized && unanswered > port.reAuthMax) {
      this.#hold(now, record, port);
      this.#sessions.end(now, record.key, 'reauthentication-failed');
    } else if (record.authorized) {
      this.#put({ ...record, state: 'AUTHENTICATED', unanswered, until: now + port.quietPeriodMs });
    } else this.#hold(now, record, port);
    this.#peers.failed(now, port, 'unanswered');
  }

  /** Asks again for a host that is in; false where it is not in by its MAC address. */
  reauthenticate(now: number, key: string): boolean {
    const record = this.get(key);
    if (record?.state !== 'AUTHENTICATED') return false;
    this.#ask(now, record);
    return true;
  }

  /** The host's session has ended, or it logged in by 802.1X: MAC authentication begins anew with its next frame. */
  forget(now: number, key: string): void {
    const record = this.get(key);
    if (record === undefined) return;
    const token = mabToken(record);
    if (token !== undefined) this.#peers.cancel(now, token);
    this.#ofPort.remove(record.port, key);
    this.#deadlines.set(key, undefined);
    this.#parts.stores.mabs.delete(key);
  }

  /** A session has ended: where it was by the MAC address, that is asked for with the host's next frame. */
  sessionEnded(now: number, key: string): void {
    if (this.get(key)?.authorized === true) this.forget(now, key);
  }

  handleTimeout(now: number): void {
    for (let key = this.#deadlines.takeDue(now); key !== undefined; key = this.#deadlines.takeDue(now)) {
      const record = this.get(key);
      if (record === undefined) continue;
      if (record.state === 'AUTHENTICATED') this.#askAgain(now, record);
      else if (record.state === 'WAITING' && !this.#peers.speaksDot1x(key)) {
        this.#peers.dropDot1x(now, key);
        this.#ask(now, record);
      } else this.forget(now, key);
    }
  }

  nextTimeout(): number | undefined {
    return this.#deadlines.next();
  }

  /** A re-authentication is due; the session may go on without. */
  #askAgain(now: number, record: MabRecord): void {
    const port = this.#parts.ports.get(record.port);
    if (port === undefined) return;
    const postponed = this.#withoutRadius.due(now, port, record.key);
    if (!this.#postpone(now, port, record, postponed)) this.#ask(now, record);
  }

  #postpone(now: number, port: PortConfig, record: MabRecord, postponed: Postponed | undefined): boolean {
    if (postponed === undefined) return false;
    if (postponed !== 'over') {
      this.#put({ ...record, state: 'AUTHENTICATED', unanswered: 0, until: postponed.until });
      return true;
    }
    this.#hold(now, record, port);
    this.#sessions.end(now, record.key, 'reauthentication-failed');
    return true;
  }

  #ask(now: number, record: MabRecord): void {
    const port = this.#parts.ports.get(record.port);
    if (port === undefined) return;
    const closed = record.authorized ? undefined : this.#entrance.closedTo(port, record.key, record);
    if (closed !== undefined) {
      this.#parts.tally.count(port.name, `drop/${closed}`);
      this.#peers.keptOut(now, record, closed);
      this.forget(now, record.key);
      return;
    }
    const place = placeOf(this.#parts, record.port, record.mac);
    this.#parts.tally.count(record.port, 'mab/asked');
    const request = this.#mab.ask(record, place, this.#parts.random(CHALLENGE_OCTETS));
    const asking = this.get(record.key);
    if (asking !== undefined) this.#index(asking);
    this.#peers.askLogin(now, request);
  }

  #accepted(now: number, server: string, verdict: MabVerdict & { readonly kind: 'accept' }): void {
    const { record, terms, userName } = verdict;
    const port = this.#parts.ports.get(record.port);
    if (port === undefined) return;
    const { key, vlan, mac } = record;
    const why = this.#entrance.refusalOf(port, key, record, userName, terms);
    if (why !== undefined) {
      this.#refused(now, record, why, server);
      return;
    }
    const elsewhere = this.#entrance.elsewhere(record);
    if (elsewhere !== undefined) this.#peers.endHost(now, elsewhere.key, 'moved');
    const local = port.reAuthEnabled ? port.reAuthPeriodMs : undefined;
    const periodMs = terms.reAuthPeriodMs ?? (terms.endsAfterMs === undefined ? local : undefined);
    this.#put({
      ...record,
      state: 'AUTHENTICATED',
      authorized: true,
      unanswered: 0,
      until: periodMs === undefined ? undefined : now + periodMs,
    });
    this.#parts.tally.count(port.name, 'mab/accepted');
    const place = { port: port.name, vlan, mac };
    this.#sessions.admit(now, { key, place, userName, terms, server, ids: record, method: 'mab' });
  }

  #refused(now: number, record: MabRecord, reason: string, server: string): void {
    const port = this.#parts.ports.get(record.port);
    this.#parts.tally.count(record.port, 'mab/rejected');
    this.#parts.log.info('login-refused', { host: record.key, method: 'mab', server, reason });
    this.#peers.keptOut(now, record, reason);
    if (port === undefined) return;
    this.#hold(now, record, port);
    if (record.authorized) this.#sessions.end(now, record.key, 'reauthentication-failed');
    // The other method has its turn.
    if (port.methods[0] === 'mab' && port.methods.includes('dot1x')) {
      this.#peers.beginDot1x(now, port, record.vlan, record.mac);
    } else this.#peers.failed(now, port, 'rejected');
  }

  #hold(now: number, record: MabRecord, port: PortConfig): void {
    this.#put({ ...record, state: 'HELD', authorized: false, until: now + port.quietPeriodMs });
  }

  #put(record: MabRecord): void {
    this.#parts.stores.mabs.put(record.key, record);
    this.#index(record);
  }

  #index({ key, port, until }: MabRecord): void {
    this.#ofPort.add(port, key);
    this.#deadlines.set(key, until);
  }
}

/** RFC 3580 §3.10: what the link to the host carries. */
const FRAMED_MTU = 1500;
const CHALLENGE_OCTETS = 16;
