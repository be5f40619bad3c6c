/**
 * The active, its standby and the link between them. After every turn and every piece of the stream: what
 * the standby holds is, octet for octet, what the active held after that very change. When the active dies
 * the standby takes over with what it has, and later gets a standby of its own that begins with nothing.
 */
import { ReplicationTarget } from '../../replication/target.ts';
import { ActiveNode, type NodeWorld } from './active-node.ts';
import { NodeStores } from './node-stores.ts';
import { ReplicationLink } from './replication-link.ts';
import { differenceOf, freshImageOf, imageOf, type StateImage } from './state-image.ts';
import { VersionSkew } from './version-skew.ts';
import { must } from './violation.ts';

/** What the pair tells the world beside what its active does. */
export interface PairWorld extends NodeWorld {
  say(line: string): void;
  /** The active died; the standby will go on from this change. */
  died(have: number): void;
  /** A node took over; everything that it does at once is done. */
  tookOver(node: ActiveNode): void;
}

export class Pair {
  /** Undefined between the death of the active and the takeover. */
  active: ActiveNode | undefined;
  takeovers = 0;
  /** How often the standby was compared with the active. */
  compared = 0;
  snapshots = 0;
  faults = 0;
  /** No more damage and cuts of the link. */
  #healed = false;
  #target: ReplicationTarget<NodeStores> | undefined;
  #link: ReplicationLink | undefined;
  #nodes = 0;
  /** The active's state after each change that ended a turn and that the standby has not reached. */
  readonly #states = new Map<number, StateImage>();
  #compared: { readonly stores: NodeStores; readonly have: number } | undefined;
  readonly #world: PairWorld;
  readonly #skew: VersionSkew;

  constructor(world: PairWorld) {
    this.#world = world;
    this.#skew = new VersionSkew(world.random, world.config.groups.cacheSize);
  }

  /** The first node serves; its standby comes later. */
  begin(): void {
    this.active = this.#node(this.#stores());
    this.active.begin();
    this.#await();
  }

  get link(): ReplicationLink | undefined {
    return this.#link;
  }

  /** Whether the active could die now without a loss: all that has left it, the standby knows. */
  get isCovered(): boolean {
    const { active } = this;
    const target = this.#target;
    return active !== undefined && target?.stores !== undefined && active.gate.released <= target.have;
  }

  get isInStep(): boolean {
    const source = this.active?.source;
    return source?.state === 'in-step' && source.acknowledged === source.last;
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
    if (!this.#states.has(source.last)) this.#states.set(source.last, imageOf(stores));
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
  }

  /** The active's node is gone, from one moment to the next. */
  die(): void {
    const target = this.#target;
    if (this.active === undefined || target === undefined) return;
    const { agenda, random } = this.#world;
    const held = this.active.gate.waiting.length;
    this.#link?.die();
    const { stores } = target;
    if (stores === undefined) throw new Error('a death that nothing covers');
    this.#look();
    this.faults += this.#link?.faults ?? 0;
    this.#link = undefined;
    this.#target = undefined;
    this.#world.say(`${this.active.name} dies with ${held} effects held; the standby has ${target.have}`);
    this.active = undefined;
    this.#world.died(target.have);
    const pause = random.pick([1, 60, 400, 1500]);
    agenda.after(pause, 'the standby takes over', () => this.#takeOver(stores, target));
  }

  #takeOver(stores: NodeStores, target: ReplicationTarget<NodeStores>): void {
    this.takeovers++;
    this.#states.clear();
    this.#compared = undefined;
    this.#skew.takesOver(stores);
    const node = this.#node(stores, target);
    this.active = node;
    node.takeOver();
    this.#world.tookOver(node);
    this.#await();
  }

  /** An empty standby connects after a while. */
  #await(): void {
    const { active } = this;
    const { agenda, random } = this.#world;
    agenda.after(random.pick([0, 5, 300, 5000]), 'a standby connects', () => {
      if (active === undefined || this.active !== active) return;
      const target = new ReplicationTarget<NodeStores>(() => {
        this.snapshots++;
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

  #node(stores: NodeStores, target?: ReplicationTarget<NodeStores>): ActiveNode {
    const node = new ActiveNode(`node ${this.#nodes++}`, this.#world, stores, target?.digest);
    if (this.#world.plan.skewed) node.beforeSeal = () => this.#skew.act(node.stores);
    return node;
  }

  #stores(): NodeStores {
    const { plan, config } = this.#world;
    // The stores of the node that will come after the newest one.
    return plan.skewed ? this.#skew.stores(this.#nodes) : new NodeStores(config.groups.cacheSize);
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
    const { have } = target;
    if (this.#compared?.stores === stores && this.#compared.have === have) return;
    this.#compared = { stores, have };
    const state = this.#states.get(have);
    must(state !== undefined, () => `the standby is at change ${have}, which ended no turn`);
    this.compared++;
    const differs = differenceOf(state, imageOf(stores));
    must(
      differs === undefined,
      () => `the standby is not what the active was at change ${have}: ${differs} differs`,
    );
    for (const change of this.#states.keys()) if (change < have) this.#states.delete(change);
  }
}
