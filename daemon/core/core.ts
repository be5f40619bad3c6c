/**
 * The whole of castgate without its edges: events in, effects out, on the caller's clock. The daemon
 * drives it with a Linux switch and sockets, `castgate replay` with a capture, tests with virtual time;
 * all three get the same decisions. A frame never makes it throw; if it does, that is a bug, and the
 * caller shuts the port.
 */

import type { ChannelEnd } from '../../auth/admission/admission-records.ts';
import { questionOfToken } from '../../auth/admission/group-question.ts';
import { isLoginToken } from '../../auth/login.ts';
import { isMabToken } from '../../auth/mab/mab.ts';
import type { Config } from '../../config/config.ts';
import type { GrantRecord, SessionRecord } from '../../session/records.ts';
import type { SwitchEvent } from '../../switch/switch.ts';
import { isGroupMac } from '../../wire/address.ts';
import { decodeEthernet, EtherType } from '../../wire/ethernet.ts';
import { isMalformed } from '../../wire/malformed.ts';
import { Books } from '../accounting/books.ts';
import { channelTerminateCause, type SessionEnd, sessionTerminateCause } from '../accounting/end-cause.ts';
import { Channels } from '../channels/channels.ts';
import { type Facility, facilityOf, type Logger } from '../log/log.ts';
import { isTrialToken, Trials } from '../operator/trials.ts';
import { DynamicAuthorization, isAuthorizationToken } from '../radius/dynamic-authorization.ts';
import { type ConnectionGoesOn, Radius } from '../radius/radius.ts';
import type { Said } from '../subscribers/authenticators.ts';
import { PortLinks } from '../subscribers/port-links.ts';
import { Subscribers } from '../subscribers/subscribers.ts';
import { DataPlane } from './data-plane.ts';
import { type DynamicPeer, type Effect, type FailedEffect, hostOf } from './effects.ts';
import type { CoreParts, SwitchReadings } from './parts.ts';
import { Stores } from './stores.ts';
import { Tally } from './tally.ts';

/** What the core is given by whoever drives it. */
export interface CoreOptions {
  readonly readings: SwitchReadings;
  readonly log: Logger;
  /** Octets that nobody can foretell; a test gives seeded ones. */
  readonly random: (length: number) => Uint8Array;
  /** The records to go on with; empty ones by default. */
  readonly stores?: Stores;
  /** The counters to go on with; new ones by default. */
  readonly tally?: Tally;
  /** The records are another node's or process's until `takeUp`: what is derived from them follows, and nothing happens. */
  readonly follows?: boolean;
}

export class Core {
  readonly config: Config;
  readonly stores: Stores;
  readonly tally: Tally;
  readonly subscribers: Subscribers;
  readonly links: PortLinks;
  readonly channels: Channels;
  readonly radius: Radius;
  readonly books: Books;
  readonly dynamic: DynamicAuthorization;
  readonly trials: Trials;
  readonly #parts: CoreParts;
  readonly #uplinks: ReadonlySet<string>;
  #effects: Effect[] = [];
  /** When a port was last held back. */
  readonly #floods = new Map<string, number>();
  readonly #repairs: { readonly at: number; readonly what: string }[] = [];

  constructor(config: Config, options: CoreOptions) {
    this.config = config;
    this.stores = options.stores ?? new Stores(config.groups.cacheSize);
    this.tally = options.tally ?? new Tally();
    this.#uplinks = new Set(config.uplinks);
    if (options.follows === true) this.stores.ledBy('another');
    const parts: CoreParts = {
      config,
      ports: new Map(config.ports.map((port) => [port.name, port])),
      stores: this.stores,
      readings: options.readings,
      tally: this.tally,
      log: options.log,
      random: options.random,
      effect: (effect) => this.#effects.push(effect),
    };
    this.#parts = parts;
    const as = (name: Facility): CoreParts => ({ ...parts, log: facilityOf(parts.log, name) });
    this.radius = new Radius(
      as('radius'),
      {
        answered: (now, token, server, reply) => {
          const question = questionOfToken(token);
          if (question !== undefined) this.channels.answered(now, question, reply);
          else if (isLoginToken(token) || isMabToken(token))
            this.subscribers.answered(now, token, server, reply);
          else if (isAuthorizationToken(token)) this.dynamic.answered(now, token, reply);
          else if (isTrialToken(token)) this.trials.answered(now, token, server, reply);
          else this.books.answered(token);
        },
        unanswered: (now, token, reason) => {
          const question = questionOfToken(token);
          if (question !== undefined) this.channels.unanswered(now, question, reason);
          else if (isLoginToken(token) || isMabToken(token)) this.subscribers.unanswered(now, token, reason);
          else if (isAuthorizationToken(token)) this.dynamic.unanswered(token, reason);
          else if (isTrialToken(token)) this.trials.unanswered(now, token, reason);
          else this.books.unanswered(now, token, reason);
        },
      },
      options.follows === true ? 'later' : undefined,
    );
    this.books = new Books(as('accounting'), this.radius);
    this.channels = new Channels(as('channels'), {
      askGroup: (now, token, server, attributes) => this.radius.askGroup(now, token, server, attributes),
      cancel: (now, token) => this.radius.cancel(now, token),
      channelStarted: (now, grant, session, first) => this.books.startChannel(now, grant, session, first),
      placeElsewhere: (from) => this.subscribers.placeElsewhere(from),
      channelRefused: (now, refusal) => this.books.refused(now, refusal),
      vlansOfPort: (port) => this.subscribers.vlansOfPort(port),
      isLetThrough: (now, host) => this.subscribers.isLetThrough(now, host),
      channelEnding: (now, grant, cause) => this.#endChannelBooks(now, grant, cause),
    });
    this.subscribers = new Subscribers(as('subscribers'), {
      askLogin: (now, request) => this.radius.askLogin(now, request),
      cancel: (now, token) => this.radius.cancel(now, token),
      hasLoginServer: () => this.radius.hasLoginServer(),
      mayAskLoginServer: (now) => this.radius.mayAskLoginServer(now),
      monitoredHostGone: (now, key) => this.channels.endHost(now, key, 'lost-carrier'),
      receivesChannels: (host) => this.channels.channelsOfHost(host) > 0,
      sessionStarted: (now, session) => this.#sessionStarted(now, session),
      sessionRenewed: (now, session, isOther) => this.#sessionRenewed(now, session, isOther),
      sessionEnding: (now, session, cause) => this.#sessionEnding(now, session, cause),
    });
    this.links = new PortLinks(as('subscribers'), {
      clearPort: (now, port, cause) => this.subscribers.clearPort(now, port, cause),
      portDown: (now, port) => this.#linkChanged(now, port, false),
    });
    this.trials = new Trials(parts, (now, token, server, attributes) =>
      this.radius.askGroup(now, token, server, attributes),
    );
    this.dynamic = new DynamicAuthorization(as('radius'), {
      subscribers: this.subscribers,
      links: this.links,
      changeChannels: (now, account, change) => this.channels.changeRights(now, account, change),
      askAuthorization: (now, token, server, attributes) =>
        this.radius.askAuthorization(now, token, server, attributes),
    });
  }

  /** The records that it followed until now are its own: to be called before anything happens here. */
  takeUp(): void {
    this.stores.ledBy('own');
    this.radius.takeUp();
    this.books.takeUp();
  }

  /**
   * castgate begins to serve with no state: servers are told that earlier sessions are gone. What was being
   * accounted for ends; `lostAt` is when it was last known to be true.
   */
  start(now: number, lostAt = now): void {
    this.books.endLost(lostAt);
    this.books.on(now);
    this.#settle(now);
  }

  /**
   * Before `resume` after a pause in which nobody watched the ports: a cable that was out meanwhile may be in
   * another socket now, so nobody stays in behind it. Nor does who came in when the port had another mode,
   * which `same` modes cannot be.
   */
  dropChangedPorts(now: number, modes: 'same' | 'other' = 'other'): void {
    for (const { key: port, up, linkId } of [...this.stores.ports.values()]) {
      const same = linkId !== undefined && this.#parts.readings.linkId(port) === linkId;
      if (same && this.#parts.ports.has(port)) continue;
      if (!up && this.subscribers.hostsOfPort(port) === 0) continue;
      this.subscribers.portDown(now, port);
      this.channels.portDown(port);
    }
    if (modes === 'other') this.subscribers.endOtherModes(now);
  }

  /**
   * castgate goes on with the records of its stores: the switch gets the state that they say, requests in
   * flight are sent again as they were, hosts are told again what they may not have heard, upstream hears at
   * once what is received here. Servers are told nothing: for them nothing happened. `counters`: whether the
   * switch's counters go on or begin at zero. `programmed`: the switch has that state already. `said`:
   * what has left of what was decided before, where that is known.
   */
  resume(now: number, counters: 'kept' | 'new', programmed = false, said?: Said): void {
    this.links.reconfigured();
    if (programmed) this.links.resume();
    else for (const { effect } of new DataPlane(this.stores).all()) this.#effects.push(effect);
    this.subscribers.resume(now, counters, said);
    this.channels.resume(now);
    this.books.resume(now, counters);
    this.radius.resume(now);
    this.#settle(now);
  }

  /**
   * castgate goes on with the records of a core that served until now, in the same process and at the same
   * switch, under another configuration: nothing is said or programmed again, but what follows from the change.
   */
  reconfigured(now: number, before: Core): void {
    before.trials.abandon(now);
    if (before.books.exportedUpTo !== '') this.books.exported(before.books.exportedUpTo);
    this.radius.reconfigured(now, before.config);
    this.links.reconfigured();
    this.subscribers.endOtherModes(now);
    this.subscribers.reconfigured(now);
    this.channels.reconfigured(now);
    this.#settle(now);
  }

  /**
   * castgate goes on with the records of a process that handed over between two turns: for hosts, servers and the
   * switch nothing happened. Connections of that process are gone where `goesOn` does not say otherwise. `changed`:
   * where its configuration was another one.
   */
  inherited(
    now: number,
    changed: { readonly ways: ReadonlySet<string> } | undefined,
    goesOn: ConnectionGoesOn = () => false,
  ): void {
    this.radius.inherited(now, changed?.ways ?? new Set(), goesOn);
    if (changed !== undefined) {
      this.links.reconfigured();
      this.subscribers.endOtherModes(now);
      this.subscribers.reconfigured(now);
      this.channels.reconfigured(now);
    }
    this.#settle(now);
  }

  /** Something happened at the switch. */
  switchEvent(now: number, event: SwitchEvent): void {
    switch (event.kind) {
      case 'frame':
        this.#receive(now, event.port, event.vlan, event.frame);
        break;
      case 'link':
        this.#linkChanged(now, event.port, event.up);
        break;
      case 'port-gone':
        this.#linkChanged(now, event.port, false);
        break;
      case 'port-ready':
        break;
      case 'held-back':
        this.tally.count(event.port, 'held-back');
        this.#sayFlood(now, event.port);
        break;
      case 'repaired':
        this.#parts.log.warn('switch-repaired', { what: event.what });
        this.#repairs.push({ at: now, what: event.what });
        if (this.#repairs.length > KEPT_REPAIRS) this.#repairs.shift();
        break;
    }
    this.#settle(now);
  }

  /** A datagram from a RADIUS server's address. */
  datagram(now: number, server: string, port: 'auth' | 'acct', socket: number, bytes: Uint8Array): void {
    this.radius.receive(now, server, port, socket, bytes);
    this.#settle(now);
  }

  /** A connection to a RADIUS server is gone with what was on it, or never came to be. */
  connectionLost(
    now: number,
    server: string,
    port: 'auth' | 'acct',
    socket: number,
    why: 'closed' | 'refused',
  ): void {
    this.radius.connectionLost(now, server, port, socket, why);
    this.#settle(now);
  }

  /** A connection to a RADIUS server came to be. */
  connected(now: number, server: string, port: 'auth' | 'acct'): void {
    this.radius.connected(now, server, port);
    this.#settle(now);
  }

  /** The host of a RADIUS server refused a datagram. */
  datagramRefused(now: number, server: string, port: 'auth' | 'acct'): void {
    this.radius.refused(now, server, port);
    this.#settle(now);
  }

  /** A datagram from whoever claims to be a dynamic authorization client; `socket` counts the listening sockets. */
  dynamicRequest(now: number, socket: number, from: DynamicPeer, bytes: Uint8Array): void {
    this.dynamic.receive(now, socket, from, bytes);
    this.#settle(now);
  }

  /** Accounting messages up to this key are in the export file. */
  accountingExported(now: number, key: string): void {
    this.books.exported(key);
    this.#settle(now);
  }

  /** Effects that the switch refused. */
  failed(now: number, failures: readonly FailedEffect[]): void {
    for (const { effect, failure } of failures) {
      this.#parts.log.warn('switch-refused', {
        operation: effect.kind,
        why: failure.failed,
        errno: failure.errno,
      });
      const host = hostOf(effect);
      if (host !== undefined) this.subscribers.openFailed(now, host);
      else if (effect.kind === 'forward' && effect.filter !== undefined) {
        this.channels.forwardingFailed(now, effect.port, effect.vlan, effect.group);
      } else if (effect.kind === 'frame' && PASSING.has(failure.errno)) {
        this.channels.frameRefused(now, effect.port, effect.vlan);
      }
    }
    this.#settle(now);
  }

  /** A bug showed itself while this port was served: nobody behind it stays in. */
  shutPort(now: number, port: string): void {
    const wasUp = this.stores.ports.get(port)?.up === true;
    this.#linkChanged(now, port, false);
    // Its link is still there: the port goes on, with nobody in.
    if (wasUp) this.#linkChanged(now, port, true);
    this.#settle(now);
  }

  handleTimeout(now: number): void {
    this.subscribers.handleTimeout(now);
    this.channels.handleTimeout(now);
    this.radius.handleTimeout(now);
    this.books.handleTimeout(now);
    this.dynamic.handleTimeout(now);
    this.links.handleTimeout(now);
    this.#settle(now);
  }

  nextTimeout(): number | undefined {
    let next: number | undefined;
    for (const part of [this.subscribers, this.channels, this.radius, this.books, this.dynamic, this.links]) {
      const at = part.nextTimeout();
      if (at !== undefined && (next === undefined || at < next)) next = at;
    }
    return next;
  }

  /** What others changed in the switch and was put right, the oldest first. */
  repairs(): readonly { readonly at: number; readonly what: string }[] {
    return this.#repairs;
  }

  /** Takes what is to be done, in order. */
  drainEffects(): Effect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /** Asks a host to authenticate again; false where it is not in. */
  reauthenticate(now: number, host: string): boolean {
    const found = this.subscribers.reauthenticate(now, host);
    this.#settle(now);
    return found;
  }

  /** What an operator wants of the core's parts, as an event of its own. */
  operate<R>(now: number, act: () => R): R {
    const result = act();
    this.#settle(now);
    return result;
  }

  /** A clean stop: every session and channel ends in the books, and servers are told. */
  shutdown(now: number): void {
    this.subscribers.shutdown(now);
    this.books.off(now);
    this.#settle(now);
  }

  #receive(now: number, port: string, vlan: number, frame: Uint8Array): void {
    const eth = decodeEthernet(frame);
    if (isMalformed(eth)) {
      this.tally.count(port, `drop/${eth.malformed}`);
      return;
    }
    if (this.#uplinks.has(port)) {
      this.channels.receiveUpstream(now, port, vlan, eth.etherType, eth.payload);
      return;
    }
    const config = this.#parts.ports.get(port);
    if (config === undefined) return;
    if (this.links.isShut(port)) this.tally.count(port, 'drop/port-shut');
    else if (eth.vlans.length > 0) this.tally.count(port, 'drop/second-vlan-tag');
    else if (isGroupMac(eth.src)) this.tally.count(port, 'drop/source-is-group-address');
    else if (eth.etherType === EtherType.Eapol) {
      this.subscribers.receive(now, config, vlan, eth.src, eth.payload);
    } else {
      this.subscribers.seen(now, config, vlan, eth.src, eth.etherType, eth.payload);
      this.channels.receive(now, port, vlan, eth.src, eth.etherType, eth.payload);
    }
  }

  /** Once for a flood, however often it is held back. */
  #sayFlood(now: number, port: string): void {
    const lastAt = this.#floods.get(port) ?? Number.NEGATIVE_INFINITY;
    this.#floods.set(port, now);
    if (now - lastAt > FLOOD_IS_OVER_MS) this.#parts.log.warn('port-floods', { port });
  }

  #linkChanged(now: number, port: string, up: boolean): void {
    if (this.#uplinks.has(port)) this.channels.uplinkChanged(now, port, up);
    const config = this.#parts.ports.get(port);
    if (config === undefined) return;
    const wasUp = this.stores.ports.get(port)?.up === true;
    if (up && !this.links.mayBeUp(port)) return;
    if (up && wasUp) this.subscribers.portStays(port);
    else if (up) {
      this.subscribers.portUp(now, config);
      this.channels.portUp(now, port);
    } else if (!up && (wasUp || this.subscribers.hostsOfPort(port) > 0)) {
      this.subscribers.portDown(now, port);
      this.channels.portDown(port);
    }
  }

  #sessionStarted(now: number, session: SessionRecord): void {
    this.books.startSession(now, session);
    this.channels.sessionStarted(now, session);
  }

  #sessionRenewed(now: number, session: SessionRecord, isOther: boolean): void {
    if (isOther) this.books.splitSession(now, session);
    else this.books.renewSession(session);
    this.channels.rightsChanged(now, session.key);
  }

  #sessionEnding(now: number, session: SessionRecord, cause: SessionEnd): void {
    this.channels.endHost(now, session.key, cause);
    this.books.stopSession(now, session, sessionTerminateCause[cause]);
  }

  #endChannelBooks(now: number, grant: GrantRecord, cause: ChannelEnd): void {
    this.books.stopChannel(now, grant, channelTerminateCause[cause]);
  }

  /** RADIUS and accounting feed each other within a turn until neither has more to say. */
  #settle(now: number): void {
    this.books.flush(now);
    this.radius.flush(now);
    // An answer may have begun a record, or made way for the next message of one.
    this.books.flush(now);
    this.radius.flush(now);
  }
}

const KEPT_REPAIRS = 256;
/** After so long without more, what comes is another flood. */
const FLOOD_IS_OVER_MS = 10_000;

/** Refusals that the same frame need not meet again a second later. */
const PASSING: ReadonlySet<string> = new Set(['ENOBUFS', 'ENOMEM', 'EAGAIN']);
