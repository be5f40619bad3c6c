/**
 * A node that serves: core, change log, gate and journal on a chassis, ending its turns as the daemon does.
 * It begins with nothing, takes over with a standby's stores on a switch that has nothing, or starts again
 * with its journal's on the switch that it left. It may be doomed to die in the middle of a turn.
 */

import type { Config } from '../../../config/config.ts';
import { Core } from '../../../daemon/core/core.ts';
import { EffectGate } from '../../../daemon/core/effect-gate.ts';
import type { DatagramSender, Effect } from '../../../daemon/core/effects.ts';
import { turnsOf } from '../../../daemon/core/event-turns.ts';
import { grantGrace } from '../../../daemon/core/grace.ts';
import { endTurn } from '../../../daemon/core/turn.ts';
import type { Logger } from '../../../daemon/log/log.ts';
import type { RadiusPort } from '../../../radius/client/request-record.ts';
import { ReplicationSource } from '../../../replication/source.ts';
import type { StateDigest } from '../../../replication/state-digest.ts';
import type { Change } from '../../../session/store.ts';
import type { MemorySwitch, SentFrame } from '../../../switch/memory-switch.ts';
import type { SwitchEvent } from '../../../switch/switch.ts';
import type { Random } from '../../random.ts';
import {
  checkPossessions,
  disputedHosts,
  possessionsOf,
  type SentDatagram,
} from '../checks/takeover-checks.ts';
import type { Agenda } from '../outside/agenda.ts';
import type { Chassis } from '../outside/chassis.ts';
import { type Plan, QUERY_RESPONSE_MS } from '../plan.ts';
import type { NodeStores } from './node-stores.ts';

/** What a node needs of the world. */
export interface NodeWorld {
  readonly agenda: Pick<Agenda, 'now' | 'after'>;
  readonly random: Random;
  readonly plan: Plan;
  readonly config: Config;
  readonly log: Logger;
  readonly datagrams: DatagramSender;
  hasCable(port: string): boolean;
  changed(change: Change): void;
  /** Frames that left, in order. */
  sent(frames: readonly SentFrame[]): void;
  /** A batch of changes is sealed: its number is the source's last change. */
  sealed(node: ActiveNode): void;
  /** A turn is over. */
  turned(node: ActiveNode): void;
  /** The node has died in the middle of a turn. `has`: the number of the last change that its journal holds. */
  fell(node: ActiveNode, has: number): void;
}

/**
 * Where in a turn a node dies: its changes written and nothing more done, the last entry of the journal not
 * even whole, or some of its effects carried out.
 */
export type Doom = 'written' | 'torn' | 'among-effects';

/** With what a node begins: a digest where it has the records of another life. */
export interface Inheritance {
  readonly stores: NodeStores;
  readonly digest?: StateDigest | undefined;
}

export class ActiveNode {
  readonly name: string;
  readonly stores: NodeStores;
  readonly chassis: Chassis;
  readonly bridge: MemorySwitch;
  readonly source: ReplicationSource;
  readonly gate = new EffectGate();
  readonly core: Core;
  /** Called before a turn's changes are sealed. */
  beforeSeal: () => void = () => {};
  /** It will die in its next turn that does something, where `mayDie` lets it. */
  doom: Doom | undefined;
  mayDie: () => boolean = () => true;
  readonly #world: NodeWorld;
  readonly #datagrams: DatagramSender;
  #watched: SentDatagram[] | undefined;
  #serves = false;
  #isDead = false;
  /** Frames that have come and are not read, by port. */
  readonly #heard = new Map<string, SwitchEvent[]>();
  /** The last change of the turn before this one. */
  #lastTurn = 0;

  constructor(name: string, world: NodeWorld, chassis: Chassis, { stores, digest }: Inheritance) {
    const { plan, config, agenda, random } = world;
    this.name = name;
    this.#world = world;
    this.stores = stores;
    this.chassis = chassis;
    this.bridge = chassis.bridge;
    this.source = new ReplicationSource(
      stores,
      {
        logId: name,
        mode: plan.mode,
        patienceMs: PATIENCE_MS,
        keepOctets: plan.link.keepOctets,
        digestIntervalMs: 2_000,
        sliceOctets: plan.link.sliceOctets,
      },
      digest,
    );
    stores.feed.follower = {
      changed: (change) => {
        this.source.changed(change);
        chassis.journal?.changed(change);
        world.changed(change);
      },
    };
    if (digest !== undefined) grantGrace(stores, agenda.now, GRACE_MS);
    chassis.listener = (events) => {
      if (!this.#serves) return;
      for (const event of events) {
        if (event.kind === 'frame') this.#hear(event.port, event);
        else {
          // A link that goes down does not overtake what came before.
          for (const port of [...this.#heard.keys()]) this.#read(port);
          this.turn(() => this.core.switchEvent(agenda.now, event));
        }
      }
    };
    // A standby's ports are as its records say.
    for (const port of plan.ports)
      if (!world.hasCable(port) || stores.shutPorts.has(port)) this.bridge.setLink(port, false);
    this.#datagrams = {
      send: (server: string, port: RadiusPort, socket: number, bytes: Uint8Array) => {
        this.#watched?.push({ server, port, socket, bytes });
        world.datagrams.send(server, port, socket, bytes);
      },
      reply: (from, to, bytes) => world.datagrams.reply?.(from, to, bytes),
    };
    this.core = new Core(config, {
      readings: this.gate.readings(this.bridge),
      log: world.log,
      random: (length) => random.octets(length),
      stores,
    });
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Serves from nothing. */
  begin(): void {
    this.turn((now) => this.core.start(now));
    this.#serve();
  }

  /** Goes on with a standby's records, on a switch that has nothing yet. */
  takeOver(): void {
    this.#resume('new');
    this.#serve();
  }

  /**
   * Goes on with its journal's records, on the switch that it left. `unsaid`: hosts that may not have heard what they
   * were told last, where it is known that all others have.
   */
  startAgain(unsaid?: ReadonlySet<string>): void {
    this.turn((now) => this.core.dropChangedPorts(now));
    const { sessions, forwardings } = this.stores;
    this.chassis.keepOnly(
      new Set([...sessions.values()].map(({ key }) => key)),
      new Set([...forwardings.values()].map(({ key }) => key)),
    );
    this.#resume('kept', unsaid);
    this.#serve();
  }

  /** A frame waits in its port's socket until that is read, and others with it. */
  #hear(port: string, frame: SwitchEvent): void {
    const waiting = this.#heard.get(port);
    if (waiting !== undefined) {
      waiting.push(frame);
      return;
    }
    this.#heard.set(port, [frame]);
    const { agenda, random } = this.#world;
    agenda.after(random.between(0, 2), `${this.name} reads ${port}`, () => this.#read(port));
  }

  #read(port: string): void {
    const events = this.#heard.get(port) ?? [];
    this.#heard.delete(port);
    if (!this.#serves) return;
    for (const together of turnsOf(events)) {
      this.turn((now) => {
        for (const event of together) this.core.switchEvent(now, event);
      });
    }
  }

  /** Lets the core think, and lets leave what may. */
  turn(think: (now: number) => void): void {
    if (this.#isDead) return;
    const { agenda } = this.#world;
    let dies = false;
    const { journal } = this.chassis;
    think(agenda.now);
    try {
      endTurn(this.core, this.bridge, this.#datagrams, () => agenda.now, {
        before: () => {
          if (dies) throw new Death();
          this.beforeSeal();
          const isWritten = journal?.endTurn(this.stores) ?? this.source.last > this.#lastTurn;
          if (isWritten && (this.doom === 'written' || this.doom === 'torn') && this.mayDie()) {
            throw new Death();
          }
          journal?.rotateIfLong(this.stores);
        },
        pass: (effects) => {
          const leaving = this.#pass(effects);
          if (this.doom !== 'among-effects' || leaving.length === 0 || !this.mayDie()) return leaving;
          dies = true;
          return leaving.slice(0, this.#world.random.whole(0, leaving.length));
        },
      });
      if (dies) throw new Death();
    } catch (cause) {
      if (!(cause instanceof Death)) throw cause;
      this.#fall(dies);
      return;
    }
    this.#world.sent(this.bridge.takeSent());
    this.#world.turned(this);
  }

  /** Effects may have been committed meanwhile. */
  release(): void {
    this.turn(() => {});
  }

  /** Its process, or its machine, is no more. */
  die(): void {
    this.#isDead = true;
    this.#serves = false;
    this.chassis.listener = undefined;
    this.stores.feed.follower = undefined;
  }

  nextTimeout(): number {
    return Math.min(this.core.nextTimeout() ?? Infinity, this.source.nextTimeout() ?? Infinity);
  }

  handleTimeout(): void {
    this.source.handleTimeout(this.#world.agenda.now);
    this.turn((now) => this.core.handleTimeout(now));
  }

  #resume(counters: 'kept' | 'new', unsaid?: ReadonlySet<string>): void {
    const { refused } = this.bridge;
    const disputed = disputedHosts(this.stores).size > 0;
    const before = possessionsOf(this.stores);
    this.#watched = [];
    this.turn((now) => this.core.resume(now, counters, false, unsaid));
    const sent = this.#watched;
    this.#watched = undefined;
    if (this.bridge.refused === refused && !disputed) checkPossessions(before, this.stores, sent);
  }

  #serve(): void {
    this.chassis.journal?.begin(this.stores);
    this.#serves = true;
    this.bridge.start();
  }

  #pass(effects: readonly Effect[]): readonly Effect[] {
    this.gate.hold(effects, this.source.seal(this.#world.agenda.now));
    this.#lastTurn = this.source.last;
    this.#world.sealed(this);
    return this.gate.release(this.source.committed);
  }

  #fall(amongEffects: boolean): void {
    const { journal } = this.chassis;
    const isTorn = !amongEffects && this.doom === 'torn' && journal?.tear(this.#world.random) === true;
    // What a refused effect changed is written with the next round, which never came.
    const has = isTorn || amongEffects ? this.#lastTurn : this.source.last;
    this.die();
    this.#world.sealed(this);
    this.#world.sent(this.bridge.takeSent());
    this.#world.fell(this, has);
  }
}

/** Ends a turn in the middle. */
class Death extends Error {}

/** How long effects wait for a standby that was in step. */
export const PATIENCE_MS = 200;
/** Twice what hosts have to answer a query, as in the daemon. */
const GRACE_MS = 2 * QUERY_RESPONSE_MS;
