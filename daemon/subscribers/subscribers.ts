/**
 * Who gets onto the ports: EAPOL frames, ports that come and go, and the clock, to the authenticators
 * (authenticators.ts) and the sessions of those who are in (sessions.ts).
 */

import { crowdRefusal, domainOf } from '../../auth/admission/crowd.ts';
import type { SessionChange } from '../../auth/dynamic/changes.ts';
import type { LoginRequest } from '../../auth/login.ts';
import { LoginPace } from '../../auth/login-pace.ts';
import { isMabToken } from '../../auth/mab/mab.ts';
import type { Reporter } from '../../auth/membership-table.ts';
import type { PortConfig } from '../../config/config.ts';
import { isAsking, portControlOf } from '../../config/port-mode.ts';
import type { AuthenticatorRecord } from '../../eapol/authenticator-record.ts';
import { decodeEap, EapCode, type EapPacket, EapType } from '../../eapol/eap.ts';
import { decodeEapol, EapolType } from '../../eapol/eapol.ts';
import type { RadiusPacket } from '../../radius/packet.ts';
import { hostKey, type SessionRecord } from '../../session/records.ts';
import type { HostPlace } from '../../switch/switch.ts';
import type { Mac } from '../../wire/address.ts';
import { isMalformed } from '../../wire/malformed.ts';
import { isHostGone, type SessionEnd } from '../accounting/end-cause.ts';
import type { CoreParts } from '../core/parts.ts';
import { Authenticators, type Said } from './authenticators.ts';
import { countersOfReceived, countersOfSent, eapFrame, PAE_GROUP_ADDRESS } from './eapol-frames.ts';
import { Entrance } from './entrance.ts';
import { Fallbacks } from './fallbacks.ts';
import { MonitoredHosts, monitors } from './host/monitored-hosts.ts';
import { WithoutRadius } from './host/without-radius.ts';
import { MacLogins } from './mac-logins.ts';
import { PortHellos } from './port-hellos.ts';
import { type SessionPeers, Sessions } from './sessions.ts';

/** What subscribers need of the rest of the core. */
export interface SubscriberPeers extends Omit<SessionPeers, 'sessionEnded'> {
  /** Some server for logins is not known to be dead. */
  hasLoginServer(): boolean;
  /** The same, or one that is dead is due to be tried. */
  mayAskLoginServer(now: number): boolean;
  /** A host is gone that was let through without being in. */
  monitoredHostGone(now: number, key: string): void;
  askLogin(now: number, request: LoginRequest): void;
  cancel(now: number, token: string): void;
}

export class Subscribers {
  readonly #parts: CoreParts;
  readonly #sessions: Sessions;
  readonly #authenticators: Authenticators;
  readonly #macLogins: MacLogins;
  readonly #pace: LoginPace;
  readonly #fallbacks: Fallbacks;
  readonly #hellos: PortHellos;
  readonly #monitored: MonitoredHosts;

  /** Takes up the records that the stores hold already. */
  constructor(parts: CoreParts, peers: SubscriberPeers) {
    this.#parts = parts;
    const { authenticator, ports } = parts.config;
    this.#pace = new LoginPace({
      perPort: authenticator.loginRatePerPort,
      whole: authenticator.loginRate,
      ports: ports.length,
    });
    this.#monitored = new MonitoredHosts(parts, (now, key) => peers.monitoredHostGone(now, key));
    this.#sessions = new Sessions(parts, {
      sessionStarted: (now, session) => {
        this.#fallbacks.end(session.port);
        this.#monitored.forget(session.key);
        peers.sessionStarted(now, session);
      },
      sessionRenewed: (now, session, isOther) => peers.sessionRenewed(now, session, isOther),
      sessionEnding: (now, session, cause) => peers.sessionEnding(now, session, cause),
      receivesChannels: (host) => peers.receivesChannels(host),
      sessionEnded: (now, session, cause) => {
        this.#macLogins.sessionEnded(now, session.key);
        if (!isHostGone(cause)) this.#monitored.decided(now, session, cause);
        this.#vacated(now, session.port);
      },
    });
    const entrance = new Entrance(parts, this.#sessions);
    const endHost = (now: number, key: string, cause: SessionEnd) => this.#end(now, key, cause);
    const withoutRadius = new WithoutRadius(parts, this.#sessions, (now) => peers.mayAskLoginServer(now));
    this.#authenticators = new Authenticators(parts, this.#sessions, entrance, withoutRadius, {
      endHost,
      failed: (now, port, how) => this.#fallbacks[how](now, port),
      keptOut: (now, place, reason) => this.#keptOut(now, place, reason),
      silentHosts: (port) => this.#silentHosts(port),
      askLogin: (now, request) => peers.askLogin(now, request),
      cancel: (now, token) => peers.cancel(now, token),
      sendEap: (port, { vlan, mac }, eap, about) => this.#send(port, vlan, mac, eap, about),
    });
    this.#macLogins = new MacLogins(parts, this.#sessions, entrance, withoutRadius, {
      askLogin: (now, request) => peers.askLogin(now, request),
      cancel: (now, token) => peers.cancel(now, token),
      beginDot1x: (now, port, vlan, mac) => this.#authenticators.begin(now, port, vlan, mac),
      speaksDot1x: (key) => speaks(this.#authenticators.get(key)),
      dropDot1x: (now, key) => this.#authenticators.drop(now, key),
      failed: (now, port, how) => this.#fallbacks[how](now, port),
      keptOut: (now, place, reason) => this.#keptOut(now, place, reason),
      isFull: (port) => this.hostsOfPort(port.name) >= port.maxHosts,
      endHost,
    });
    this.#fallbacks = new Fallbacks(parts, {
      isOccupied: (port) => this.#sessions.countOfPort(port) > 0,
      isSpokenTo: (port) => this.#hostsOn(port).some((key) => this.#isSpokenTo(key)),
      hasServer: () => peers.hasLoginServer(),
      changed: (port) => this.#sessions.serve(port),
      ask: (now, port) => this.#hellos.portUp(now, port),
    });
    this.#hellos = new PortHellos(
      parts,
      (port) => this.#authenticators.countOfPort(port) === 0,
      (port, request) => this.#send(port, 0, PAE_GROUP_ADDRESS, request, undefined),
    );
  }

  /** An EAPOL frame's payload from a host on a subscriber port. */
  receive(now: number, port: PortConfig, vlan: number, mac: Mac, payload: Uint8Array): void {
    const { tally } = this.#parts;
    const pdu = decodeEapol(payload);
    for (const counter of countersOfReceived(pdu)) tally.count(port.name, counter);
    if (isMalformed(pdu)) {
      tally.count(port.name, `drop/${pdu.malformed}`);
      return;
    }
    const key = hostKey(port.name, vlan, mac);
    const record = this.#authenticators.get(key);
    if (this.#isLeftToMab(port, key)) {
      tally.count(port.name, 'drop/mab-only');
      return;
    }
    switch (pdu.type) {
      case EapolType.Start:
        this.#fallbacks.heard(now, port);
        if (!this.#mayBegin(now, port, key)) return;
        if (record !== undefined && this.#authenticators.postponesStart(now, record)) {
          tally.count(port.name, 'drop/without-radius');
          return;
        }
        if (record !== undefined)
          this.#authenticators.run(now, record, 'eapol-start', (machine) => machine.receiveStart(now));
        // Also where this Start was one too many: who speaks is not silent, and is asked anew.
        if (this.#authenticators.get(key) === undefined) this.#authenticators.begin(now, port, vlan, mac);
        return;
      case EapolType.Logoff:
        if (record !== undefined)
          this.#authenticators.run(now, record, 'eapol-logoff', (machine) => machine.receiveLogoff(now));
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

  /** A frame that is not EAPOL came from a host on a subscriber port. */
  seen(now: number, port: PortConfig, vlan: number, mac: Mac, etherType: number, payload: Uint8Array): void {
    const key = hostKey(port.name, vlan, mac);
    if (port.handshakePeriodMs > 0) {
      this.#sessions.heard(key, { port: port.name, vlan, mac }, etherType, payload);
    }
    if (!isAsking(port.mode)) return;
    const { stores } = this.#parts;
    if (port.mode === 'monitor' && !stores.sessions.has(key))
      this.#monitored.heard(now, { port: port.name, vlan, mac });
    if (!port.methods.includes('mab')) return;
    if (stores.sessions.has(key) || stores.mabs.has(key)) return;
    if (speaks(stores.authenticators.get(key))) return;
    if (this.#mayBegin(now, port, key)) this.#macLogins.seen(now, port, vlan, mac);
  }

  /** A verified answer of a RADIUS server to a login. */
  answered(now: number, token: string, server: string, reply: RadiusPacket): void {
    if (isMabToken(token)) this.#macLogins.answered(now, token, server, reply);
    else this.#authenticators.answered(now, token, server, reply);
  }

  /** No RADIUS server answered a login. */
  unanswered(now: number, token: string, reason: string): void {
    if (isMabToken(token)) this.#macLogins.unanswered(now, token, reason);
    else this.#authenticators.unanswered(now, token, reason);
  }

  /** The port came up: whoever is behind it is asked who it is. */
  portUp(now: number, port: PortConfig): void {
    this.#hellos.portUp(now, port);
    this.#sessions.serve(port.name);
    this.#fallbacks.begin(now, port);
    this.#parts.log.info('port-up', { port: port.name });
  }

  /** The port is up as before; its link may be another one, where another node served until now. */
  portStays(port: string): void {
    this.#hellos.portStays(port);
  }

  /** The port went down or away: everybody behind it is out. */
  portDown(now: number, port: string): void {
    this.#hellos.portDown(port);
    for (const key of this.#hostsOn(port)) this.#end(now, key, 'lost-carrier');
    this.#monitored.portDown(now, port);
    this.#fallbacks.end(port);
    this.#sessions.serve(port);
    this.#parts.log.info('port-down', { port });
  }

  /** Ends hosts that came in under another mode of the port than the configured ones, where these refuse them. */
  endOtherModes(now: number): void {
    for (const { key, port, portControl } of [...this.#parts.stores.authenticators.values()]) {
      const mode = this.#parts.ports.get(port)?.mode;
      if (mode !== undefined && portControlOf(mode) !== portControl) this.#end(now, key, 'mode-changed');
    }
    for (const { key, port } of [...this.#parts.stores.mabs.values()]) {
      const mode = this.#parts.ports.get(port)?.mode;
      if (mode !== undefined && !isAsking(mode)) this.#end(now, key, 'mode-changed');
    }
    for (const { name, hostMode } of this.#parts.ports.values()) {
      const kept: SessionRecord[] = [];
      for (const session of this.#sessions.ofPort(name)) {
        if (crowdRefusal(hostMode, kept, domainOf(session)) === undefined) kept.push(session);
        else this.#end(now, session.key, 'mode-changed');
      }
    }
  }

  /** The switch could not open the port for the host: it is not in. */
  openFailed(now: number, key: string): void {
    this.#end(now, key, 'switch-failed');
  }

  /** Asks the host to authenticate again; false where there is no such host. */
  reauthenticate(now: number, key: string): boolean {
    if (this.#sessions.get(key)?.method === 'mab') return this.#macLogins.reauthenticate(now, key);
    const record = this.#authenticators.get(key);
    if (record?.pae !== 'AUTHENTICATED') return false;
    this.#authenticators.run(now, record, 'reauthenticate', (machine) => machine.reAuthenticate(now));
    return true;
  }

  /** Ends the host's session, or the login that it is in the middle of; it is asked to log in anew. */
  disconnect(now: number, key: string): void {
    const record = this.#authenticators.get(key);
    const port = record && this.#parts.ports.get(record.port);
    this.#end(now, key, 'admin-reset');
    if (record !== undefined && port !== undefined)
      this.#authenticators.begin(now, port, record.vlan, record.mac);
  }

  /** Gives a session other terms while it runs. */
  changeTerms(now: number, key: string, change: SessionChange): void {
    if (!this.#sessions.change(now, key, change)) return;
    const record = this.#authenticators.get(key);
    const { timeout } = change;
    if (timeout === undefined || record === undefined) return;
    const periodMs = timeout.next === 'end' ? Number.POSITIVE_INFINITY : timeout.ms;
    this.#authenticators.run(now, record, 'terms-changed', (machine) =>
      machine.setReAuthPeriod(now, periodMs),
    );
  }

  /** Everybody behind the port is out, for a reason of castgate's own. */
  clearPort(now: number, port: string, cause: SessionEnd): void {
    for (const key of this.#hostsOn(port)) this.#end(now, key, cause);
  }

  /**
   * Says again what hosts were told last, where that was a moment ago or is a question to them. `counters`:
   * whether the switch is the one from before, or another one.
   */
  resume(now: number, counters: 'kept' | 'new', said?: Said): void {
    if (counters === 'new') this.#hellos.moved();
    this.#sessions.resume(now);
    this.#authenticators.resume(now, said);
    for (const { name } of this.#parts.ports.values()) {
      if (!this.#parts.stores.fallbacks.has(name)) this.#vacated(now, name);
    }
  }

  /** The configuration was another one until now; hosts are told nothing. */
  reconfigured(now: number): void {
    this.#fallbacks.reconfigured();
    this.#monitored.reconfigured();
    this.#sessions.resume(now);
    this.#hellos.reconfigured(now);
    for (const { name } of this.#parts.ports.values()) {
      if (!this.#parts.stores.fallbacks.has(name)) this.#vacated(now, name);
    }
  }

  /** Ends every session, for a clean stop. */
  shutdown(now: number): void {
    for (const key of [...this.#parts.stores.sessions.values()].map((session) => session.key)) {
      this.#end(now, key, 'shutdown');
    }
  }

  handleTimeout(now: number): void {
    this.#authenticators.handleTimeout(now);
    this.#macLogins.handleTimeout(now);
    this.#fallbacks.handleTimeout(now);
    this.#monitored.handleTimeout(now);
    this.#endTimedOut(now);
    this.#endSilent(now);
    this.#hellos.handleTimeout(now);
  }

  nextTimeout(): number | undefined {
    let next: number | undefined;
    for (const part of [
      this.#authenticators,
      this.#macLogins,
      this.#fallbacks,
      this.#monitored,
      this.#sessions,
      this.#hellos,
    ]) {
      const at = part.nextTimeout();
      if (at !== undefined && (next === undefined || at < next)) next = at;
    }
    return next;
  }

  hostsOfPort(port: string): number {
    return this.#authenticators.countOfPort(port) + this.#silentHosts(port);
  }

  sessionsOfPort(port: string): readonly SessionRecord[] {
    return this.#sessions.ofPort(port);
  }

  vlansOfPort(port: string): readonly number[] {
    const vlans = this.#sessions.vlansOfPort(port);
    if (this.#monitored.countOfPort(port) === 0) return vlans;
    return [...new Set([...vlans, ...this.#monitored.vlansOfPort(port)])].sort((a, b) => a - b);
  }

  authorizedHostsOfPort(port: string): number {
    return this.#sessions.countOfPort(port);
  }

  /** Hosts that the port lets through without their being in. */
  monitoredHostsOfPort(port: string): number {
    return this.#monitored.countOfPort(port);
  }

  /**
   * Whether a host that is not in receives what it wants: on a port in monitor mode, where it has a place in the table
   * of such hosts, or gets one now.
   */
  isLetThrough(now: number, host: HostPlace): boolean {
    return monitors(this.#parts, host.port) && this.#monitored.heard(now, host);
  }

  placeElsewhere(from: Reporter): 'other-port' | 'other-vlan' | undefined {
    return this.#sessions.placeElsewhere(from);
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
      if (!answersHello) tally.count(port.name, 'drop/eap-not-asked-for');
      else if (this.#mayBegin(now, port, hostKey(port.name, vlan, mac)))
        this.#authenticators.begin(now, port, vlan, mac, eap);
      return;
    }
    this.#authenticators.run(now, record, 'eap-response', (machine) => {
      if (!machine.receiveResponse(now, eap)) tally.count(port.name, 'drop/eap-stale');
    });
  }

  /** Session-Timeout with Termination-Action Default: out, and asked to log in anew. */
  #endTimedOut(now: number): void {
    for (
      let session = this.#sessions.takeTimedOut(now);
      session !== undefined;
      session = this.#sessions.takeTimedOut(now)
    ) {
      const port = this.#parts.ports.get(session.port);
      this.#end(now, session.key, 'session-timeout');
      if (port !== undefined && session.method !== 'mab')
        this.#authenticators.begin(now, port, session.vlan, session.mac);
    }
  }

  /** Everything of a host ends. */
  #end(now: number, key: string, cause: SessionEnd): void {
    this.#authenticators.end(now, key, cause);
    this.#macLogins.forget(now, key);
  }

  #hostsOn(port: string): readonly string[] {
    return [...new Set([...this.#authenticators.keysOfPort(port), ...this.#macLogins.keysOfPort(port)])];
  }

  /** Hosts that 802.1X knows nothing of. */
  #silentHosts(port: string): number {
    if (this.#macLogins.countOfPort(port) === 0) return 0;
    return this.#macLogins.keysOfPort(port).filter((key) => this.#authenticators.get(key) === undefined)
      .length;
  }

  /** Whether EAPOL of the host is of no account: the port has no 802.1X, or its MAC address counts for more. */
  #isLeftToMab({ methods, priority, mode }: PortConfig, key: string): boolean {
    if (!isAsking(mode)) return false;
    if (!methods.includes('dot1x')) return true;
    return priority === 'mab' && methods.includes('mab') && this.#sessions.get(key)?.method === 'mab';
  }

  /** A host is not let in; who is in already stays in. */
  #keptOut(now: number, place: HostPlace, reason: string): void {
    const key = hostKey(place.port, place.vlan, place.mac);
    if (this.#sessions.get(key) === undefined) this.#monitored.decided(now, place, reason);
  }

  /** The last session of a port that is still up has ended. */
  #vacated(now: number, name: string): void {
    const port = this.#parts.ports.get(name);
    const isUp = this.#parts.stores.ports.get(name)?.up === true;
    if (port !== undefined && isUp && this.#sessions.countOfPort(name) === 0)
      this.#fallbacks.begin(now, port);
  }

  #isSpokenTo(key: string): boolean {
    return speaks(this.#authenticators.get(key)) || this.#macLogins.get(key)?.state === 'ASKING';
  }

  /**
   * Nobody was there for as long as Idle-Timeout, or answered the online handshake: out; the host's next frame of EAPOL
   * logs it in anew.
   */
  #endSilent(now: number): void {
    for (let gone = this.#sessions.takeIdle(now); gone !== undefined; gone = this.#sessions.takeIdle(now)) {
      this.#end(now, gone.key, 'idle-timeout');
    }
    for (let gone = this.#sessions.takeGone(now); gone !== undefined; gone = this.#sessions.takeGone(now)) {
      this.#end(now, gone.key, 'host-gone');
    }
  }

  /** Whether a host may begin now; who is not known waits for its turn among all of its kind. */
  #mayBegin(now: number, port: PortConfig, key: string): boolean {
    const isKnown = this.#authenticators.get(key) !== undefined || this.#sessions.wasIn(key);
    const may = isKnown ? this.#pace.admitsHost(now, key) : this.#pace.admitsStranger(now, port.name);
    if (!may) this.#parts.tally.count(port.name, 'drop/login-rate');
    return may;
  }

  #send(port: PortConfig, vlan: number, to: Mac, eap: Uint8Array, about: string | undefined): void {
    const src = this.#parts.readings.macOf(port.name);
    if (src === undefined) return;
    const frame = eapFrame(port, src, to, eap);
    for (const counter of countersOfSent(eap)) this.#parts.tally.count(port.name, counter);
    this.#parts.effect({ kind: 'frame', port: port.name, vlan, frame, ...(about && { about }) });
  }
}

/** Whether a host has said something in 802.1X: then it is no silent one. */
function speaks(record: AuthenticatorRecord | undefined): boolean {
  return (
    record !== undefined && (record.identity !== undefined || record.authorized || record.pae === 'HELD')
  );
}
