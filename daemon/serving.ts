/**
 * A node that serves: the core between the switch and the RADIUS servers' sockets, on the real clock. Every
 * event is one turn: the core thinks, its changes are made safe, its effects are carried out, the alarm is set.
 * A bug that shows itself in a turn is logged and shuts the port that it was about; the others go on.
 */
import { randomFillSync } from 'node:crypto';
import type { Config } from '../config/config.ts';
import type { Guarding } from '../connection-backup/linux/connection-guard.ts';
import type { RadiusPort } from '../radius/client/request-record.ts';
import { nasAttributes } from '../session/nas-attributes.ts';
import { Alarm, now as wallClock } from '../switch/clock.ts';
import type { Switch, SwitchEvent } from '../switch/switch.ts';
import { Core } from './core/core.ts';
import { EffectGate } from './core/effect-gate.ts';
import { carryOut, type DatagramSender, type Effect } from './core/effects.ts';
import { type EventTurn, turnsOf, turnsOfDatagrams } from './core/event-turns.ts';
import type { Stores } from './core/stores.ts';
import { successor } from './core/successor.ts';
import { endTurn, type TurnEnd } from './core/turn.ts';
import { type TurnWatch, watchLog } from './core/turn-watch.ts';
import type { Logger } from './log/log.ts';
import { limitPerPort } from './log/log-limit.ts';
import { BackedUpStreams } from './radius/backed-up-streams.ts';
import { ownerOf } from './radius/radius.ts';
import { RadiusTransports } from './radius/radius-transports.ts';

/** Output commit towards a standby (US7957269B2, claim 2). */
export interface Commit {
  /** Ends a turn's changes; gives the number of the last one. */
  seal(now: number): number;
  /** Effects that follow from changes up to this one may leave. */
  readonly committed: number;
  /** False while it is in doubt whether this node is still the one that serves. */
  readonly mayAct: boolean;
  /** A turn is over: what it sealed is to be sent. */
  turned(): void;
}

export interface ServingOptions {
  readonly config: Config;
  readonly log: Logger;
  readonly bridge: Switch;
  readonly stores: Stores;
  /** Called at the end of a turn before its effects leave: what they follow from can be written down. */
  readonly saved: () => void;
  /** Undefined: no datagram waits for the disk. */
  readonly disk?:
    | { gate(sender: DatagramSender, exported: (key: string) => void): DatagramSender }
    | undefined;
  /** Undefined: a node alone. */
  readonly commit?: Commit;
  /** Of two nodes: what leaves on connections that the other node can continue. Undefined: there are none. */
  readonly guard?: Guarding | undefined;
  /** What the node's time is ahead of this machine's, in milliseconds: deadlines of another node go on as they are. */
  readonly clockOffsetMs?: number;
  readonly watch?: TurnWatch | undefined;
  /** The records are another node's or process's until `takeUp`. */
  readonly follows?: boolean;
}

export class Serving {
  #core: Core;
  readonly #options: ServingOptions;
  readonly #random = pooledRandom();
  readonly #coreLog: Logger;
  readonly #sockets: RadiusTransports;
  readonly #backedUp: BackedUpStreams | undefined;
  #datagrams: DatagramSender;
  readonly #gate: EffectGate | undefined;
  #offset: number;
  readonly #alarm = new Alarm(() => this.turn((at) => this.core.handleTimeout(at)));
  /** What happens while a turn runs waits for its end. */
  #turning = false;
  readonly #waiting: ((at: number) => void)[] = [];
  #wanted: ((effect: Effect) => boolean) | undefined;
  #quiet = false;
  #resting = false;
  #closed = false;
  #turnBeganAt = 0;
  /** Number of the last change that a turn has sealed. */
  #sealed = 0;
  /** Who waits for the standby to have what was decided. */
  #askers: { readonly change: number; readonly told: (isKnown: boolean) => void }[] = [];

  constructor(options: ServingOptions) {
    const { config, log, commit, watch } = options;
    this.#options = options;
    this.#offset = options.clockOffsetMs ?? 0;
    this.#gate = commit === undefined ? undefined : new EffectGate();
    this.#coreLog = watchLog(limitPerPort(log, wallClock), watch);
    this.#core = new Core(config, {
      ...this.#coreOptions(),
      stores: options.stores,
      follows: options.follows === true,
    });
    this.#backedUp = options.guard === undefined ? undefined : this.#backUp(options.guard);
    this.#sockets = new RadiusTransports(
      config,
      {
        datagrams: (server, port, socket, many) => this.#answered(server, port, socket, many),
        packet: (server, port, socket, bytes) =>
          this.turn((at) => this.core.datagram(at, server, port, socket, bytes)),
        dynamicRequest: (socket, from, bytes) =>
          this.turn((at) => this.core.dynamicRequest(at, socket, from, bytes)),
        connected: (server, port) => this.turn((at) => this.core.connected(at, server, port)),
        lost: (server, port, socket, why) =>
          this.turn((at) => this.core.connectionLost(at, server, port, socket, why)),
        handshake: (server, how) => this.core.tally.count(ownerOf(server), `handshakes/${how}`),
        refused: (server, port) => this.turn((at) => this.core.datagramRefused(at, server, port)),
      },
      {
        records: options.stores.tlsTickets,
        now: () => this.now(),
        turn: (change) => this.turn(change),
      },
      log,
      this.#backedUp,
    );
    this.#datagrams = options.follows === true ? this.#sockets : this.#gated();
  }

  /**
   * The records that it followed are its own from here on: to be called before anything happens here. `clockOffsetMs`:
   * what the node's time is ahead of this machine's.
   */
  takeUp(clockOffsetMs = this.#offset): void {
    this.#offset = clockOffsetMs;
    this.#datagrams = this.#gated();
    this.#core.takeUp();
  }

  get core(): Core {
    return this.#core;
  }

  /**
   * Goes on under another configuration: another core takes the records up between two turns. Sockets of what
   * has not changed stay.
   */
  reconfigure(config: Config): void {
    this.turn((at) => {
      const before = this.#core;
      this.#core = successor(before, config, this.#coreOptions());
      this.#sockets.reconfigure(config);
      this.#core.reconfigured(at, before);
    });
  }

  /** The node's clock. */
  now(): number {
    return wallClock() + this.#offset;
  }

  /**
   * Opens the sockets that every server needs. `reachable` false: the address that they are reached from is not here
   * yet; what is to be sent waits for `reach`.
   */
  open(reachable = true): void {
    this.#sockets.open(reachable);
  }

  /** The address is here: what waited for it is sent. */
  reach(): void {
    this.#sockets.reach();
  }

  /** Lets the core think, makes safe what it has changed, and lets leave what may. `port`: whom a bug would be about. */
  turn(think: (at: number) => void, port?: string): void {
    if (this.#closed || this.#quiet) return;
    if (this.#turning || this.#resting) {
      this.#waiting.push(think);
      return;
    }
    this.#turning = true;
    this.#options.watch?.began();
    try {
      this.#think(think, port);
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift())
        this.#think(next);
    } finally {
      this.#turning = false;
    }
    const next = this.core.nextTimeout();
    this.#alarm.set(next === undefined || this.#closed || this.#quiet ? undefined : next - this.#offset);
  }

  switchEvents(events: readonly SwitchEvent[]): void {
    this.#options.watch?.arrived();
    for (const together of turnsOf(events)) {
      const [event] = together;
      const port = 'port' in event ? event.port : undefined;
      this.turn((at) => this.#happened(at, together, port), port);
    }
    this.#options.watch?.dealtWith();
  }

  /**
   * Whether the standby has all that was decided until now, once that is certain; true where there is nothing to wait for.
   * False: this node has stopped serving before, and nobody knows.
   */
  settled(): true | Promise<boolean> {
    const { commit } = this.#options;
    if (commit === undefined || (commit.mayAct && commit.committed >= this.#sealed)) return true;
    return new Promise((told) => this.#askers.push({ change: this.#sealed, told }));
  }

  /** Effects may have been committed meanwhile. */
  release(): void {
    this.#commitConnections();
    this.#tellAskers();
    if (this.#gate?.isWaiting !== true) return;
    const { commit, bridge } = this.#options;
    // A node that is quiet decides nothing any more, and still does what it had decided.
    if (!this.#quiet) this.turn(() => {});
    else if (commit?.mayAct === true) carryOut(this.#gate.release(commit.committed), bridge, this.#datagrams);
  }

  /** From here on nothing is taken up: only effects that wait still leave. */
  quiet(): void {
    this.#quiet = true;
    this.#alarm.set(undefined);
  }

  /** What was decided before that time has left; on the clock of `now`. */
  get saidUntil(): number {
    return this.#gate?.waitingSince ?? this.now();
  }

  /** Number of the last change whose effects have left. */
  get released(): number {
    return this.#gate?.released ?? 0;
  }

  /** Connections that the other node can continue; undefined where there are none. */
  get connections(): BackedUpStreams['state'] | undefined {
    return this.#backedUp?.state;
  }

  /** Effects that wait for the standby. */
  get held(): number {
    return this.#gate?.waiting.length ?? 0;
  }

  /** From here on only these effects are carried out. */
  want(wanted: (effect: Effect) => boolean): void {
    this.#wanted = wanted;
  }

  /** The sockets that another process can go on with. */
  get sockets(): RadiusTransports {
    return this.#sockets;
  }

  /**
   * Between two turns: nothing is taken up any more, and nothing is lost by that. What arrives waits in the sockets,
   * what happens in this process waits for `goOn`.
   */
  rest(): void {
    this.#resting = true;
    this.#alarm.set(undefined);
    this.#sockets.rest();
    this.#core.trials.abandon(this.now());
  }

  /** Goes on where it rested. */
  goOn(): void {
    this.#resting = false;
    this.#sockets.read();
    this.turn(() => {});
  }

  /** Nothing more happens here. `farewell`: nor on another node, so that servers are told. */
  close(farewell = false): void {
    this.#closed = true;
    this.#tellAskers();
    this.#alarm.set(undefined);
    this.#backedUp?.close(farewell);
    this.#sockets.close();
  }

  #tellAskers(): void {
    if (this.#askers.length === 0) return;
    const { commit } = this.#options;
    const known = commit?.mayAct === true ? commit.committed : -1;
    const left = this.#askers.filter(({ change }) => change > known);
    for (const { change, told } of this.#askers) if (change <= known) told(true);
    this.#askers = this.#closed ? [] : left;
    if (this.#closed) for (const { told } of left) told(false);
  }

  /** Accounting waits for the disk. */
  #gated(): DatagramSender {
    const exported = (key: string) => this.turn((at) => this.core.accountingExported(at, key));
    return this.#options.disk?.gate(this.#sockets, exported) ?? this.#sockets;
  }

  #coreOptions() {
    const { bridge } = this.#options;
    return {
      readings: this.#gate?.readings(bridge) ?? bridge,
      log: this.#coreLog,
      random: this.#random,
    };
  }

  #backUp(guard: Guarding): BackedUpStreams {
    const { config, stores, log, commit } = this.#options;
    guard.obey(() => !this.#closed && commit?.mayAct === true);
    return new BackedUpStreams({
      guard,
      servers: config.radius.servers,
      statusAttributes: nasAttributes(config.nas),
      stores,
      log,
      now: () => this.now(),
      turn: (think) => this.turn(think),
      peers: {
        datagram: (server, port, socket, bytes) =>
          this.core.datagram(this.#turnBeganAt, server, port, socket, bytes),
        connected: (server, port) => this.core.connected(this.#turnBeganAt, server, port),
        lost: (server, port, socket, why) =>
          this.core.connectionLost(this.#turnBeganAt, server, port, socket, why),
      },
    });
  }

  #commitConnections(): void {
    const { commit } = this.#options;
    if (commit?.mayAct === true) this.#backedUp?.committed(commit.committed);
  }

  /** Datagrams of one server that came together. A bug in one of them does not keep the others. */
  #answered(server: string, port: RadiusPort, socket: number, many: readonly Uint8Array[]): void {
    for (const together of turnsOfDatagrams(many)) {
      this.turn((at) => {
        for (const bytes of together) {
          try {
            this.core.datagram(at, server, port, socket, bytes);
          } catch (cause) {
            this.#failClosed(cause, undefined);
          }
        }
      });
    }
  }

  /** A bug in one of them shuts the port; the others are heard all the same. */
  #happened(at: number, together: EventTurn, port: string | undefined): void {
    for (const event of together) {
      try {
        this.core.switchEvent(at, event);
      } catch (cause) {
        this.#failClosed(cause, port);
      }
    }
  }

  #think(think: (at: number) => void, port?: string): void {
    try {
      this.#turnBeganAt = this.now();
      think(this.#turnBeganAt);
      this.#endTurn();
    } catch (cause) {
      this.#failClosed(cause, port);
      if (port !== undefined) this.#endTurn();
    }
  }

  #failClosed(cause: unknown, port: string | undefined): void {
    const error = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    this.#options.log.error('internal-error', { port, error });
    if (port === undefined) return;
    this.core.tally.count(port, 'internal-error');
    this.core.shutPort(this.now(), port);
  }

  #endTurn(): void {
    const { saved, commit, bridge, watch } = this.#options;
    const gate = this.#gate;
    const end: TurnEnd = { before: saved, ...(this.#wanted === undefined ? {} : { wanted: this.#wanted }) };
    if (commit === undefined || gate === undefined) {
      endTurn(this.core, bridge, this.#datagrams, () => this.now(), end);
      watch?.ended(0, 0);
      return;
    }
    let change = 0;
    endTurn(this.core, bridge, this.#datagrams, () => this.now(), {
      ...end,
      pass: (effects) => {
        if (this.#backedUp?.note(effects) === true) saved();
        change = commit.seal(this.now());
        this.#sealed = change;
        this.#backedUp?.sealed(change);
        this.#commitConnections();
        gate.hold(effects, change, this.#turnBeganAt);
        return commit.mayAct ? gate.release(commit.committed) : [];
      },
    });
    watch?.ended(change, commit.mayAct ? commit.committed : -1);
    commit.turned();
  }
}

/** Random octets out of a pool: a call of its own costs forty times as much. */
function pooledRandom(): (length: number) => Uint8Array {
  const pool = new Uint8Array(RANDOM_POOL);
  let at = pool.length;
  return (length) => {
    if (length > pool.length - at) {
      randomFillSync(pool);
      at = 0;
    }
    const taken = pool.slice(at, at + length);
    pool.fill(0, at, at + length);
    at += length;
    return taken;
  };
}

const RANDOM_POOL = 16384;
