/**
 * The active, its standby and the link between them. After every turn and every piece of the stream: what
 * the standby holds is, octet for octet, what the active held after that very change. When the active dies
 * the standby takes over with what it has, and later gets a standby of its own that begins with nothing; or
 * the active's daemon starts again with its journal. A standby may begin anew at any time.
 */

import { digestOf, type StateDigest } from '../../../replication/state-digest.ts';
import { ReplicationTarget } from '../../../replication/target.ts';
import type { MemorySwitch } from '../../../switch/memory-switch.ts';
import { differenceOf, freshImageOf, imageOf, type StateImage } from '../checks/state-image.ts';
import { must } from '../checks/violation.ts';
import type { Agenda } from '../outside/agenda.ts';
import { Chassis } from '../outside/chassis.ts';
import { ActiveNode, type Doom, type NodeWorld, PATIENCE_MS } from './active-node.ts';
import { NodeStores } from './node-stores.ts';
import { ReplicationLink } from './replication-link.ts';
import { SimulatedJournal } from './simulated-journal.ts';
import { VersionSkew } from './version-skew.ts';

/** What the pair tells the world beside what its active does. */
export interface PairWorld extends NodeWorld {
  readonly agenda: Agenda;
  say(line: string): void;
  /** The active died. Whoever goes on has the state after this change, and the switch as `fate` says. */
  died(fate: Fate, have: number): void;
  /** A daemon has set a link: the kernel does so in a moment. */
  linkSet(bridge: MemorySwitch, port: string, up: boolean): void;
  /** A node is about to go on. */
  begins(node: ActiveNode): void;
  /** A node goes on; everything that it does at once is done. */
  tookOver(node: ActiveNode, fate: Fate): void;
}

/**
 * What comes of the death of an active. `takeover`: the standby knows all that has left the active. `stale`:
 * it does not. `cold`: there is no whole state, nobody can take over, and castgate begins with nothing.
 * `restart`: the daemon alone died, and starts again with its journal.
 */
export type Fate = 'takeover' | 'stale' | 'cold' | 'restart';

/** How often what happened. */
export interface PairFigures {
  takeovers: number;
  stale: number;
  cold: number;
  restarts: number;
  torn: number;
  midTurn: number;
  /** Comparisons of the standby with the active. */
  compared: number;
  snapshots: number;
  /** Batches of changes that were sealed while a snapshot was under way. */
  joinedUnderLoad: number;
  faults: number;
}

export class Pair {
  /** Undefined between the death of the active and whoever goes on. */
  active: ActiveNode | undefined;
  readonly figures: PairFigures = {
    takeovers: 0,
    stale: 0,
    cold: 0,
    restarts: 0,
    torn: 0,
    midTurn: 0,
    compared: 0,
    snapshots: 0,
    joinedUnderLoad: 0,
    faults: 0,
  };
  /** No more damage and cuts of the link. */
  #healed = false;
  #target: ReplicationTarget<NodeStores> | undefined;
  #link: ReplicationLink | undefined;
  /** Machines so far: every second one is of another version, where versions differ. */
  #generation = 0;
  #lives = 0;
  #looks = 0;
  #last: Chassis | undefined;
  /** The chassis whose daemon died and starts again. */
  #left: Chassis | undefined;
  /** The standby's whole state, and the active of whose log it is. */
  #whole: NodeStores | undefined;
  #wholeIsOf: ActiveNode | undefined;
  /** The active's state after each change that ended a turn and that the standby has not reached. */
  readonly #states = new Map<number, StateImage>();
  /** When the changes that the standby has not reached were sealed. */
  readonly #sealedAt = new Map<number, number>();
  #compared: { readonly stores: NodeStores; readonly have: number } | undefined;
  readonly #world: PairWorld;
  readonly #skew: VersionSkew;

  constructor(world: PairWorld) {
    this.#world = world;
    this.#skew = new VersionSkew(world.random, world.config.groups.cacheSize);
  }

  /** The first node serves; its standby comes later. */
  begin(): void {
    this.active = this.#node(this.#chassis(), this.#stores());
    this.active.begin();
    this.#await();
  }

  get link(): ReplicationLink | undefined {
    return this.#link;
  }

  /** The switch through which packets go: it goes on while no daemon runs. */
  get bridge() {
    return this.active?.bridge ?? this.#left?.bridge;
  }

  /** Whether the active could die now without a loss: all that has left it, the standby knows. */
  get isCovered(): boolean {
    const { active } = this;
    return active !== undefined && this.#wholeIsOf === active && active.gate.released <= this.#have;
  }

  /** What would come of the death of the active now; undefined: a loss that this run is not about. */
  fateOf(wantsRestart: boolean, careless: boolean): Fate | undefined {
    if (this.active === undefined) return undefined;
    if (wantsRestart && this.active.chassis.journal !== undefined) return 'restart';
    if (this.isCovered) return 'takeover';
    if (!careless) return undefined;
    if (this.#target?.stores === undefined) return 'cold';
    return this.#wholeIsOf === this.active ? 'stale' : undefined;
  }

  /** The standby's stores, where the active could die now without a loss. */
  get coveredStores(): NodeStores | undefined {
    return this.isCovered ? this.#target?.stores : undefined;
  }

  /** Names the state of the standby: of which log, and up to which change. */
  get standbyAt(): string {
    return `${this.#wholeIsOf?.name}, ${this.#have}`;
  }

  get isInStep(): boolean {
    const source = this.active?.source;
    return source?.state === 'in-step' && source.acknowledged === source.last;
  }

  get #have(): number {
    return this.#target?.have ?? 0;
  }

  heal(): void {
    this.#healed = true;
    if (this.#link !== undefined) this.#link.healed = true;
  }

  nextTimeout(): number {
    return this.active?.nextTimeout() ?? Infinity;
  }

  handleTimeout(): void {
    this.active?.handleTimeout();
    this.#link?.pump();
    this.#look();
  }

  /** The active's state at this change is what the standby must come to. */
  sealed({ source, stores }: ActiveNode): void {
    if (this.#states.has(source.last)) return;
    this.#states.set(source.last, imageOf(stores));
    this.#sealedAt.set(source.last, this.#world.agenda.now);
    if (source.hasMore) this.figures.joinedUnderLoad++;
  }

  /** A turn of the active is over. */
  turned(node: ActiveNode): void {
    this.#skew.check(node.stores);
    this.#link?.pump();
    this.#look();
  }

  /** Between turns: both nodes' records are what their octets were when they were last put. */
  lookClosely(): void {
    for (const stores of [this.active?.stores, this.#target?.stores]) {
      const strayed = stores && differenceOf(imageOf(stores), freshImageOf(stores));
      must(strayed === undefined, () => `${strayed} was changed without being put`);
    }
    if (++this.#looks % LOOKS_FOR_JOURNAL !== 0) return;
    this.active?.chassis.journal?.read(new NodeStores(this.#world.config.groups.cacheSize));
  }

  /** The standby's process ends, and comes back with nothing. */
  restartStandby(): void {
    if (this.active === undefined || this.#link === undefined) return;
    this.#world.say('the standby ends');
    this.#link.close('its process ends');
    this.#loseStandby();
    this.#await();
  }

  /** The active is gone, from one moment to the next; `has`: the last change in its journal. */
  die(fate: Fate, has = this.active?.source.last ?? 0, doom?: Doom): void {
    const { active } = this;
    if (active === undefined) return;
    const { agenda, random, plan } = this.#world;
    const held = active.gate.waiting.length;
    active.die();
    // What was written to the link's socket may be on its way, also where the turn did not come to its end.
    if (doom === 'among-effects' && random.chance(0.5)) this.#link?.pump();
    this.#link?.die();
    this.#look();
    const have = fate === 'restart' ? has : this.#have;
    this.#world.say(
      `${active.name} dies${doom === undefined ? '' : ` (${doom})`} with ${held} effects held; ${fate} from ${have}`,
    );
    if (doom !== undefined) this.figures.midTurn++;
    if (doom === 'torn') this.figures.torn++;
    if (fate === 'stale') this.#checkAge(active, have);
    this.active = undefined;
    this.#world.died(fate, have);
    const pause = random.pick(plan.pausesMs);
    const target = this.#target;
    if (fate === 'restart') {
      this.#left = active.chassis;
      this.#loseLink();
      const waits = active.gate.waiting.length > 0;
      agenda.after(pause, 'the daemon starts again', () => this.#startAgain(active.chassis, waits));
      return;
    }
    this.#loseStandby();
    agenda.after(pause, 'another node goes on', () => this.#takeOver(target, fate));
  }

  #takeOver(target: ReplicationTarget<NodeStores> | undefined, fate: Fate): void {
    this.#forgetStates();
    const stores = fate === 'cold' ? undefined : target?.stores;
    if (stores === undefined) {
      this.figures.cold++;
      this.#skew.beginsAnew();
      const node = this.#node(this.#chassis(), this.#stores());
      this.active = node;
      this.#world.begins(node);
      node.begin();
      this.#world.tookOver(node, fate);
      this.#await();
      return;
    }
    if (fate === 'stale') this.figures.stale++;
    else this.figures.takeovers++;
    this.#skew.takesOver(stores);
    const node = this.#node(this.#chassis(), stores, target?.digest);
    this.active = node;
    this.#world.begins(node);
    node.takeOver();
    this.#world.tookOver(node, fate);
    this.#await();
  }

  /** `waits`: effects of more than the last turn may not have left, since they waited for a standby. */
  #startAgain(chassis: Chassis, waits: boolean): void {
    this.figures.restarts++;
    this.#forgetStates();
    // The same program as before, so of the same version.
    const stores = this.#stores(this.#generation - 1);
    const lastTurn = chassis.journal?.read(stores);
    this.#skew.takesOver(stores);
    this.#left = undefined;
    const node = this.#node(chassis, stores, digestOf(stores));
    this.active = node;
    this.#world.begins(node);
    const told = lastTurn?.flatMap(({ store, key }) => (store === stores.authenticators.name ? [key] : []));
    node.startAgain(waits || told === undefined ? undefined : new Set(told));
    this.#world.tookOver(node, 'restart');
    this.#await();
  }

  /** A standby connects after a while: the one that is there still, or an empty one. */
  #await(): void {
    const { active } = this;
    const { agenda, random } = this.#world;
    agenda.after(random.pick([0, 5, 300, 5000]), 'a standby connects', () => {
      if (active === undefined || this.active !== active || this.#link !== undefined) return;
      const target =
        this.#target ??
        new ReplicationTarget<NodeStores>(() => {
          this.figures.snapshots++;
          return this.#stores();
        });
      const link = new ReplicationLink(this.#world, this.#world.plan.link, {
        source: active.source,
        target,
        arrived: () => {
          this.#look();
          if (this.active === active) active.release();
        },
      });
      link.healed = this.#healed;
      this.#target = target;
      this.#link = link;
      link.connect();
    });
  }

  #node(chassis: Chassis, stores: NodeStores, digest?: StateDigest): ActiveNode {
    if (chassis !== this.#last) this.#generation++;
    this.#last = chassis;
    const name = `node ${this.#generation - 1}, life ${++this.#lives}`;
    const node = new ActiveNode(name, this.#world, chassis, { stores, digest });
    if (this.#world.plan.skewed) node.beforeSeal = () => this.#skew.act(node.stores);
    return node;
  }

  #chassis(): Chassis {
    const { ports, journalOctets } = this.#world.plan;
    const journal = journalOctets === undefined ? undefined : new SimulatedJournal(journalOctets);
    return new Chassis(ports, journal, (...setting) => this.#world.linkSet(...setting));
  }

  /** Empty stores of the version that node number `generation` has; by default the one after the newest. */
  #stores(generation = this.#generation): NodeStores {
    const { plan, config } = this.#world;
    return plan.skewed ? this.#skew.stores(generation) : new NodeStores(config.groups.cacheSize);
  }

  #forgetStates(): void {
    this.#states.clear();
    this.#sealedAt.clear();
    this.#compared = undefined;
  }

  #loseStandby(): void {
    this.#loseLink();
    this.#target = undefined;
    this.#whole = undefined;
    this.#wholeIsOf = undefined;
  }

  #loseLink(): void {
    this.figures.faults += this.#link?.faults ?? 0;
    this.#link = undefined;
  }

  /** A standby that was in step lacks no more than what one can lack that acknowledges in time. */
  #checkAge(active: ActiveNode, have: number): void {
    if (active.source.state !== 'in-step') return;
    const { now } = this.#world.agenda;
    for (const [change, at] of this.#sealedAt) {
      const late = change > have && now - at > MOST_LAG_MS;
      must(!late, () => `a standby in step lacks change ${change}, ${now - at} ms old`);
    }
  }

  /** Compares the standby with the active as it was when it was where the standby is now. */
  #look(): void {
    const { active } = this;
    const { plan } = this.#world;
    for (const event of active?.source.drainEvents() ?? []) {
      this.#world.say(`active: ${JSON.stringify(event)}`);
      must(
        event.kind !== 'strayed',
        () => `a record was changed without being put: ${JSON.stringify(event)}`,
      );
      // A snapshot that lost a slice shows by its digest; without damage nothing may ever differ.
      must(
        event.kind !== 'diverged' || plan.link.damage > 0,
        () => `the standby differs: ${JSON.stringify(event)}`,
      );
    }
    const target = this.#target;
    const stores = target?.stores;
    if (target === undefined || stores === undefined) return;
    if (stores !== this.#whole) {
      this.#whole = stores;
      this.#wholeIsOf = active;
    }
    if (this.#wholeIsOf !== active) return;
    const { have } = target;
    if (this.#compared?.stores === stores && this.#compared.have === have) return;
    this.#compared = { stores, have };
    const state = this.#states.get(have);
    must(state !== undefined, () => `the standby is at change ${have}, which ended no turn`);
    this.figures.compared++;
    const differs = differenceOf(state, imageOf(stores));
    must(
      differs === undefined,
      () => `the standby is not what the active was at change ${have}: ${differs} differs`,
    );
    for (const change of this.#states.keys()) {
      if (change >= have) break;
      this.#states.delete(change);
      this.#sealedAt.delete(change);
    }
  }
}

/** The journal is read back at every restart, and beside that after so many actions: it is long. */
const LOOKS_FOR_JOURNAL = 6;
/** What a standby that acknowledges may be behind: the patience of the active, and a slow link both ways. */
const MOST_LAG_MS = 2 * PATIENCE_MS;
