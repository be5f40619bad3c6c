/**
 * A node that serves: core, switch in memory, change log and gate, ending its turns as the daemon does. It
 * begins with nothing, or takes over with a standby's stores.
 */

import type { Config } from '../../config/config.ts';
import { Core } from '../../daemon/core.ts';
import { EffectGate } from '../../daemon/effect-gate.ts';
import type { DatagramSender } from '../../daemon/effects.ts';
import { grantGrace } from '../../daemon/grace.ts';
import type { Logger } from '../../daemon/log.ts';
import { endTurn } from '../../daemon/turn.ts';
import { ReplicationSource } from '../../replication/source.ts';
import type { StateDigest } from '../../replication/state-digest.ts';
import type { Change } from '../../session/store.ts';
import { MemorySwitch, type SentFrame } from '../../switch/memory-switch.ts';
import type { Agenda } from './agenda.ts';
import type { NodeStores } from './node-stores.ts';
import { type Plan, QUERY_RESPONSE_MS, UPLINK } from './plan.ts';
import type { Random } from './random.ts';

/** What a node needs of the world. */
export interface NodeWorld {
  readonly agenda: Agenda;
  readonly random: Random;
  readonly plan: Plan;
  readonly config: Config;
  readonly log: Logger;
  readonly datagrams: DatagramSender;
  hasCarrier(port: string): boolean;
  changed(change: Change): void;
  /** Frames that left, in order. */
  sent(frames: readonly SentFrame[]): void;
  /** A batch of changes is sealed: its number is the source's last change. */
  sealed(node: ActiveNode): void;
  /** A turn is over. */
  turned(node: ActiveNode): void;
}

export class ActiveNode {
  readonly name: string;
  readonly stores: NodeStores;
  readonly bridge: MemorySwitch;
  readonly source: ReplicationSource;
  readonly gate = new EffectGate();
  readonly core: Core;
  /** Called before a turn's changes are sealed. */
  beforeSeal: () => void = () => {};
  readonly #world: NodeWorld;
  #serves = false;

  /** `digest` is of the records that the stores hold already. */
  constructor(name: string, world: NodeWorld, stores: NodeStores, digest?: StateDigest) {
    const { plan, config, agenda, random } = world;
    this.name = name;
    this.#world = world;
    this.stores = stores;
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
        world.changed(change);
      },
    };
    if (digest !== undefined) grantGrace(stores, agenda.now, GRACE_MS);
    this.bridge = new MemorySwitch({ ports: plan.ports, uplinks: [UPLINK] }, (events) => {
      if (!this.#serves) return;
      for (const event of events) this.turn(() => this.core.switchEvent(agenda.now, event));
    });
    for (const port of plan.ports) if (!world.hasCarrier(port)) this.bridge.setLink(port, false);
    this.core = new Core(config, {
      readings: this.gate.readings(this.bridge),
      log: world.log,
      random: (length) => random.octets(length),
      stores,
    });
  }

  /** Serves from nothing. */
  begin(): void {
    this.turn((now) => this.core.start(now));
    this.#serves = true;
    this.bridge.start();
  }

  /** Goes on with a standby's records, on a switch that has nothing yet. */
  takeOver(): void {
    this.turn((now) => this.core.resume(now, 'new'));
    this.#serves = true;
    this.bridge.start();
  }

  /** Lets the core think, and lets leave what may. */
  turn(think: (now: number) => void): void {
    const { agenda, datagrams } = this.#world;
    think(agenda.now);
    endTurn(this.core, this.bridge, datagrams, () => agenda.now, {
      before: this.beforeSeal,
      pass: (effects) => {
        this.gate.hold(effects, this.source.seal(agenda.now));
        this.#world.sealed(this);
        return this.gate.release(this.source.committed);
      },
    });
    this.#world.sent(this.bridge.takeSent());
    this.#world.turned(this);
  }

  /** Effects may have been committed meanwhile. */
  release(): void {
    this.turn(() => {});
  }

  nextTimeout(): number {
    return Math.min(this.core.nextTimeout() ?? Infinity, this.source.nextTimeout() ?? Infinity);
  }

  handleTimeout(): void {
    this.source.handleTimeout(this.#world.agenda.now);
    this.turn((now) => this.core.handleTimeout(now));
  }
}

/** How long effects wait for a standby that was in step. */
const PATIENCE_MS = 200;
/** Twice what hosts have to answer a query, as in the daemon. */
const GRACE_MS = 2 * QUERY_RESPONSE_MS;
