/**
 * The node of two that does not serve: it dials the other one, keeps the stores and the switch as the active
 * has them, listens on its own ports, and notices when the active's process has died.
 */
import type { Config, HaConfig } from '../../config/config.ts';
import type { StandbyFirst } from '../../connection-backup/linux/standby-first.ts';
import type { Mismatch, RecordVersions } from '../../replication/record-version.ts';
import type { StateDigest } from '../../replication/state-digest.ts';
import { ReplicationTarget, type TargetState } from '../../replication/target.ts';
import { now as wallClock } from '../../switch/clock.ts';
import type { Switch, SwitchEvent } from '../../switch/switch.ts';
import type { Stores } from '../core/stores.ts';
import type { FedStores } from '../journal/saved-state.ts';
import type { Logger } from '../log/log.ts';
import type { Draft } from './draft.ts';
import { dial, knock, Link } from './link.ts';
import { StandbyPlane } from './standby-plane.ts';

export interface StandbyOptions {
  readonly config: Config & { readonly ha: HaConfig };
  readonly log: Logger;
  readonly bridge: Switch;
  /** A core that follows these records. */
  readonly draft: (fed: FedStores) => Draft;
  /** Packets on connections come to this node first; undefined: to the active. */
  readonly first: () => StandbyFirst | undefined;
  /** In step or not any more. */
  readonly changed: () => void;
  /** What the active has is in these records, up to its last change that is here. */
  readonly followed: (fed: FedStores) => void;
  /** The link has broken without a goodbye: the active's process may be gone. */
  readonly lost: () => void;
  /** The active's process is gone, and its kernel says so. */
  readonly died: () => void;
  /** The active serves no more, of its own will. `whole`: all that it had is here. */
  readonly released: (epoch: number, whole: boolean) => void;
  readonly beat: (epoch: number) => void;
}

/** What a takeover goes on with. */
export interface Legacy {
  /** Undefined: there never was a whole state. */
  readonly draft: Draft | undefined;
  readonly digest: StateDigest | undefined;
  /** What the active's clock was ahead of this one's, in milliseconds. */
  readonly clockOffsetMs: number;
  /** What the active decided before that time, on its own clock, has left. */
  readonly saidUntil: number | undefined;
  /** Links as they are, and the frames that the active can have answered no more. */
  readonly events: readonly SwitchEvent[];
}

export class Standby {
  readonly plane: StandbyPlane;
  readonly #options: StandbyOptions;
  readonly #target: ReplicationTarget<Stores>;
  #link: Link | undefined;
  #stopped = false;
  /** The link to a node that served has broken: is its process gone? */
  #suspects = false;
  #wake: (() => void) | undefined;
  #beatAt: number | undefined;
  #saidUntil: number | undefined;
  /** When the active last said anything on the link. */
  #heardAt = 0;
  #inStepUntil: number | undefined;
  #offset: number | undefined;
  readonly #links = new Map<string, SwitchEvent>();
  #frames: { readonly at: number; readonly event: SwitchEvent }[] = [];
  #told: TargetState = 'empty';
  #toldWhy: string | undefined;
  /** Of the records that are whole, and of those that are on their way. */
  #drafts: readonly Draft[] = [];

  constructor(options: StandbyOptions) {
    this.#options = options;
    this.plane = new StandbyPlane(options.config, options.log, options.bridge);
    this.#target = new ReplicationTarget(() => this.#fresh());
  }

  /** Begins to dial. */
  start(): void {
    void this.#dialOn();
  }

  get state(): TargetState {
    return this.#target.state;
  }

  get isLinked(): boolean {
    return this.#link !== undefined && this.#beatAt !== undefined;
  }

  /** What the versions of the nodes are to each other; undefined: the same, or the active was not heard. */
  get mismatch(): Mismatch | undefined {
    return this.#target.mismatch;
  }

  /** Versions of the active's records; undefined: it was not heard. */
  get otherRecords(): RecordVersions | undefined {
    return this.#target.activeRecords;
  }

  /** How many records it holds. */
  get records(): number {
    let count = 0;
    for (const store of this.#target.stores?.all() ?? []) count += store.size();
    return count;
  }

  /** Connections that it could continue. */
  get connections(): number {
    return this.#target.stores?.connections.size ?? 0;
  }

  get have(): number {
    return this.#target.have;
  }

  get digest(): StateDigest | undefined {
    return this.#target.digest;
  }

  /** When the active last said on the link that it serves. */
  get beatAt(): number | undefined {
    return this.#beatAt;
  }

  /** When the active last said anything on the link; 0: never. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** When this node last was in step; undefined: never, Infinity: it is. */
  get inStepUntil(): number | undefined {
    return this.#target.state === 'in-step' ? Infinity : this.#inStepUntil;
  }

  /** Tells the active what this node has seen of connections; nothing while it is not in step. */
  tellSeen(): void {
    const first = this.#options.first();
    if (first === undefined) return;
    const isInStep = this.#target.state === 'in-step';
    // The active, which hears nothing of it either, takes the packets back.
    if (isInStep && wallClock() - this.#heardAt <= this.#options.config.ha.leaseMs) first.inTouch();
    else first.lostTouch();
    if (this.#link === undefined || !isInStep) return;
    const { inTheWay, seen } = first.report();
    this.#target.seen(inTheWay, seen);
    this.#link.send(this.#target.drainOutput());
  }

  /** Asks the active to let this node serve. */
  ask(): void {
    this.#target.take();
    this.#link?.send(this.#target.drainOutput());
  }

  /** The other node may be there again: no more waiting before the next attempt. */
  dialNow(): void {
    this.#wake?.();
  }

  switchEvents(events: readonly SwitchEvent[]): void {
    const at = wallClock();
    for (const event of events) {
      if (event.kind === 'link' || event.kind === 'port-gone') this.#links.set(event.port, event);
      else if (event.kind === 'frame') this.#frames.push({ at, event });
    }
    if (this.#frames.length > MAX_FRAMES || (this.#frames[0]?.at ?? at) < at - FRAMES_KEPT_MS) {
      this.#frames = this.#frames.filter((frame) => frame.at >= at - FRAMES_KEPT_MS).slice(-MAX_FRAMES);
    }
  }

  /** Goes by another configuration when it takes over. */
  redraft(): void {
    this.#drafts = this.#drafts.map((draft) => {
      draft.discard();
      return this.#options.draft(draft.fed);
    });
  }

  /** Stops following, and says so: the active need not wait for what is not acknowledged. */
  leave(): Legacy {
    this.#target.leave();
    this.#link?.send(this.#target.drainOutput());
    this.#link?.end();
    this.#link = undefined;
    return this.stop();
  }

  /** Stops following. */
  stop(): Legacy {
    this.#stopped = true;
    this.#link?.destroy();
    this.#link = undefined;
    this.#wake?.();
    const { stores, digest } = this.#target;
    for (const draft of this.#drafts) if (draft.fed.stores !== stores) draft.discard();
    // What came in before the active last said anything, it had time to answer.
    const unanswered = this.#frames.filter(({ at }) => at >= this.#heardAt);
    return {
      draft: this.#drafts.find((draft) => draft.fed.stores === stores),
      digest,
      clockOffsetMs: this.#offset ?? 0,
      saidUntil: this.#saidUntil,
      events: [...this.#links.values(), ...unanswered.map(({ event }) => event)],
    };
  }

  /** Stores for a snapshot. A snapshot that was never whole is forgotten. */
  #fresh(): Stores {
    const stores = this.plane.fresh();
    const whole = this.#drafts.filter((draft) => draft.fed.stores === this.#target.stores);
    for (const draft of this.#drafts) if (!whole.includes(draft)) draft.discard();
    this.#drafts = [...whole, this.#options.draft(this.plane.fed(stores))];
    return stores;
  }

  async #dialOn(): Promise<void> {
    const { ha } = this.#options.config;
    while (!this.#stopped) {
      if (await this.#isGone()) {
        this.#suspects = false;
        this.#options.died();
        await this.#pause(DIAL_INTERVAL_MS);
        continue;
      }
      const link = await dial(ha, DIAL_PATIENCE_MS);
      if (this.#stopped) {
        if (link instanceof Link) link.destroy();
        return;
      }
      if (link instanceof Link) {
        const served = await this.#follow(link);
        // Who served and is suddenly gone is asked again at once whether he lives.
        if (served) continue;
      } else if (link.failed === 'refused' && this.#suspects) {
        this.#suspects = false;
        this.#options.died();
      }
      await this.#pause(this.#suspects ? SUSPICION_INTERVAL_MS : DIAL_INTERVAL_MS);
    }
  }

  /**
   * Of a node that served and is suddenly away: is its process gone? One that dies closes the link a moment before the socket
   * that listens, so it is asked more than once.
   */
  async #isGone(): Promise<boolean> {
    for (let i = 0; i < KNOCKS && this.#suspects && !this.#stopped; i++) {
      const answer = await knock(this.#options.config.ha, KNOCK_PATIENCE_MS);
      if (answer !== 'listens') return answer === 'refused' && this.#suspects && !this.#stopped;
      await this.#pause(KNOCK_PAUSE_MS);
    }
    return false;
  }

  /** Until the link is gone; true where the other side served on it, and did not say goodbye. */
  #follow(link: Link): Promise<boolean> {
    this.#link = link;
    this.#target.connected();
    let served = false;
    let parted = false;
    let goesOn = false;
    return new Promise((resolve) => {
      const end = (why: string) => {
        if (this.#link === link) this.#link = undefined;
        // Not now: it may have ended long ago, while this node was frozen.
        if (this.#target.state === 'in-step') this.#inStepUntil = this.#beatAt;
        this.#target.disconnected();
        this.#options.first()?.parted();
        if (goesOn) this.#inStepUntil = undefined;
        if (served && !this.#stopped) {
          this.#options.log.warn('active-link-lost', { why });
          if (!parted) {
            this.#suspects = true;
            this.#options.lost();
          }
        }
        this.#tell();
        resolve(served && !parted);
      };
      link.listen((octets) => {
        this.#heardAt = wallClock();
        const fault = this.#target.receive(octets);
        link.send(this.#target.drainOutput());
        for (const event of this.#target.drainEvents()) {
          if (event.kind === 'beat') {
            served = true;
            this.#suspects = false;
            this.#saidUntil = event.saidUntil;
            this.#beat(event.at, event.epoch);
          } else if (event.kind === 'reach') {
            this.#options.first()?.stepIn(event.mac);
            this.tellSeen();
          } else if (event.kind === 'bye') {
            // It goes on, and this node does not know with what.
            parted = true;
            goesOn = true;
          } else {
            parted = true;
            this.#inStepUntil = wallClock();
            this.#options.released(event.epoch, event.whole);
          }
        }
        if (this.#stopped) return;
        const { stores } = this.#target;
        if (stores !== undefined) {
          this.plane.follow(stores);
          this.#options.first()?.follow({ connections: stores.connections, places: stores.connectionPlaces });
          this.#options.followed(this.plane.fed(stores));
        }
        this.#tell();
        if (fault === undefined) return;
        this.#options.log.error('replication-fault', { fault });
        link.destroy();
        end(fault);
      }, end);
    });
  }

  #beat(at: number, epoch: number): void {
    const now = wallClock();
    // The beat that was on its way for the shortest time says best how far the clocks are apart.
    this.#offset = Math.max((this.#offset ?? -Infinity) - OFFSET_DECAY_MS, at - now);
    // When it was said, which may be long ago for a node that was frozen.
    this.#beatAt = Math.min(now, at - this.#offset);
    this.#options.beat(epoch);
  }

  #tell(): void {
    const { state, mismatch } = this.#target;
    if (this.isLinked && mismatch?.why !== this.#toldWhy) {
      this.#toldWhy = mismatch?.why;
      if (mismatch !== undefined)
        this.#options.log[mismatch.isOneWay ? 'warn' : 'error']('records-mismatch', { why: mismatch.why });
    }
    if (state === this.#told) return;
    this.#told = state;
    this.#options.log[state === 'in-step' ? 'info' : 'warn']('standby-state', { state, have: this.have });
    this.#options.changed();
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

const DIAL_PATIENCE_MS = 500;
const DIAL_INTERVAL_MS = 200;
const SUSPICION_INTERVAL_MS = 10;
const KNOCKS = 10;
const KNOCK_PAUSE_MS = 1;
const KNOCK_PATIENCE_MS = 100;
/** So that a clock that is set back is followed, slowly. */
const OFFSET_DECAY_MS = 0.01;
/** Longer than any takeover that is worth to answer them after. */
const FRAMES_KEPT_MS = 1_000;
const MAX_FRAMES = 4_096;
