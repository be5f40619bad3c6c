/**
 * One node of two. keepalived decides which one serves; castgate obeys, and makes sure that never both do: who
 * takes over asks the other one first, or knows that its process has died, or waits until the other's lease has
 * run out in its kernel; epochs, told on the uplinks, settle the rest. Where nobody else can be meant it begins ahead of
 * keepalived's word (going-ahead.ts).
 *
 * Invariant: the ports carry something only while `#active` is there and its lease is renewed.
 */

import { join } from 'node:path';
import { setImmediate as turnOver } from 'node:timers/promises';
import type { Config, HaConfig } from '../../config/config.ts';
import { ConnectionGuard } from '../../connection-backup/linux/connection-guard.ts';
import type { StandbyFirst } from '../../connection-backup/linux/standby-first.ts';
import { now as wallClock } from '../../switch/clock.ts';
import { loadNative } from '../../switch/native.ts';
import type { SwitchEvent } from '../../switch/switch.ts';
import type { ControlHandler } from '../control-socket.ts';
import { keptOf } from '../core/kept.ts';
import type { TurnWatch } from '../core/turn-watch.ts';
import { type FedStores, SavedState } from '../journal/saved-state.ts';
import type { Logger } from '../log/log.ts';
import type { Node } from '../node.ts';
import { backedUpPaths } from '../radius/backed-up-streams.ts';
import type { Serving } from '../serving.ts';
import type { HaRow } from '../show/show-rows.ts';
import type { AccountingDisk } from '../spool/accounting-disk.ts';
import { type Active, sendClaim } from './active.ts';
import { AddressLookout } from './address-lookout.ts';
import { announce } from './announce.ts';
import { beats, type Claim } from './claim.ts';
import { Doubt } from './doubt.ts';
import { Draft } from './draft.ts';
import { EpochFile } from './epoch-file.ts';
import type { NodeEstate, OwnRecords } from './estate.ts';
import type { FencedSwitch } from './fenced-switch.ts';
import { otherGaveWay } from './giving-way.ts';
import { AHEAD_PATIENCE_MS, mayGoAhead } from './going-ahead.ts';
import { Keepalived, type VrrpState, Weight } from './keepalived.ts';
import { LinkServer } from './link.ts';
import { OtherNode } from './other-node.ts';
import { Rehearsal } from './rehearsal.ts';
import { haRow } from './show-ha.ts';
import { Standby } from './standby.ts';
import { addressesOf, standbyFirst } from './standby-way.ts';
import type { NodeStanding, Role } from './standing.ts';
import { takeUp } from './taking-up.ts';
import { Timeline } from './timeline.ts';
import { FAREWELL_MS, TICKS_IN_LEASE, weightOf } from './weighing.ts';

export class HaNode implements Node {
  #config: Config & { readonly ha: HaConfig };
  readonly #log: Logger;
  readonly #bridge: FencedSwitch;
  readonly #watch: TurnWatch | undefined;
  #state: SavedState;
  readonly #epochs: EpochFile;
  #server: LinkServer;
  readonly #keepalived: Keepalived;
  readonly #other = new OtherNode(wallClock);
  readonly #doubt: Doubt;
  readonly #address = new AddressLookout(wallClock);
  readonly #rehearsal: Rehearsal;
  /** What leaves on connections that are backed up; undefined where none are. */
  #connections: ConnectionGuard | undefined;
  /** Packets on these connections come to the node that stands by; undefined: to the one that serves. */
  #first: StandbyFirst | undefined;
  #ticking: NodeJS.Timeout | undefined;
  #role: Role = 'standby';
  #active: Active | undefined;
  #standby: Standby;
  /** What this node itself knew last, in this run or the one before, until the other node's records are here. */
  #saved: OwnRecords | undefined;
  /** What keepalived, or a person, wants of this node. */
  #wanted: 'active' | 'standby' = 'standby';
  /** Since when the other node is out, while this one serves ahead of keepalived's word. */
  #aheadSince: number | undefined;
  #farewell: NodeJS.Timeout | undefined;
  #timeline = new Timeline(wallClock);
  #takeovers = 0;
  #waking: (() => void) | undefined;
  #refused: string | undefined;

  constructor(
    config: Config & { readonly ha: HaConfig },
    log: Logger,
    bridge: FencedSwitch,
    watch?: TurnWatch,
  ) {
    this.#config = config;
    this.#watch = watch;
    this.#log = log;
    this.#bridge = bridge;
    this.#state = new SavedState(config, log);
    this.#epochs = new EpochFile(join(config.stateDirectory, `epoch-${config.bridge}`), log);
    this.#keepalived = new Keepalived(config.ha, log);
    this.#doubt = new Doubt(wallClock, config.ha.leaseMs);
    this.#rehearsal = new Rehearsal(log, () => this.#role === 'standby');
    this.#standby = this.#newStandby();
    this.#server = this.#newServer();
  }

  get serving(): Serving | undefined {
    return this.#role === 'active' ? this.#active?.serving : undefined;
  }

  get accountingDisk(): AccountingDisk | undefined {
    return this.#state.accountingDisk;
  }

  get idle(): string | undefined {
    if (this.serving !== undefined) return undefined;
    return `this node is ${this.#role}: ask the node that serves (castgate show ha says more)`;
  }

  start(): Promise<string | undefined> {
    const fed = this.#state.load(wallClock());
    this.#saved = fed === undefined ? undefined : { fed, counters: 'kept', clockOffsetMs: 0 };
    return this.#open();
  }

  /** Starts in the stead of another process of this node, which takes part no more. */
  standIn({ saved, epoch, guard, vrrp }: NodeEstate): Promise<string | undefined> {
    this.#saved = saved;
    this.#epochs.raise(epoch);
    this.#keepalived.inherit(guard, vrrp);
    return this.#open();
  }

  /**
   * Takes part no more, so that another process of this node may: nothing is read, said or shut any more. The ports stay
   * shut, as the table that lets them carry something is gone; what else there is in the kernel stays as it is.
   */
  async rest(): Promise<NodeEstate> {
    this.#halt();
    this.#server.close();
    this.#role = 'resting';
    this.#keepalived.weigh(Weight.Unable);
    const legacy = this.#standby.leave();
    if (legacy.draft !== undefined) {
      this.#saved = { fed: legacy.draft.fed, counters: 'new', clockOffsetMs: legacy.clockOffsetMs };
      legacy.draft.discard();
    }
    // The other node waits until the goodbye has left; to close packet sockets takes long.
    await turnOver();
    this.#first?.close();
    this.#first = undefined;
    this.#connections?.close(false);
    this.#connections = undefined;
    this.#bridge.stop({ cleanup: false });
    this.#state.close();
    // Some descriptors are closed with the turn of the event loop, and the other process needs what they hold.
    await turnOver();
    const { guarded, state } = this.#keepalived;
    return { saved: this.#saved, epoch: this.#epochs.epoch, guard: guarded, vrrp: state };
  }

  /** No other process does: stands by again. Text: why it cannot. */
  goOn(): Promise<string | undefined> {
    // What the other process may have written is gone on with as after a start.
    this.#state = new SavedState(this.#config, this.#log);
    this.#server = this.#newServer();
    this.#other.stoodBy();
    this.#standby = this.#newStandby();
    this.#role = 'standby';
    return this.#open();
  }

  /** Begins to stand by, with what is saved. */
  async #open(): Promise<string | undefined> {
    const { ha } = this.#config;
    const stores = this.#saved?.fed.stores;
    this.#bridge.start(stores === undefined ? NOTHING_KEPT : keptOf(stores));
    const paths = backedUpPaths(this.#config.radius);
    if (paths.length > 0) {
      const guard = ConnectionGuard.open(loadNative(), paths);
      if (typeof guard === 'string') {
        this.#bridge.stop({ cleanup: false });
        return `connection_backup: ${guard}`;
      }
      this.#connections = guard;
      if (ha.standbyFirst)
        this.#first = standbyFirst(this.#config, this.#log, guard, () => this.#standby.tellSeen());
    }
    // After the switch: the kernel closes what a dying process opened last first, and packet sockets take long.
    const refused = await this.#server.open();
    if (refused !== undefined) {
      this.#bridge.stop({ cleanup: false });
      return refused;
    }
    if (stores !== undefined) this.#standby.plane.beginWith(stores);
    this.#keepalived.weigh(Weight.Unable);
    this.#standby.start();
    this.#keepalived.open((state) => this.#told(state));
    if (ha.notifyFifo !== undefined) this.#address.watch(() => this.#lookAhead());
    this.#ticking = setInterval(() => this.#tick(), Math.max(10, ha.leaseMs / TICKS_IN_LEASE));
    this.#weigh();
    if (this.#wanted === 'active') void this.#promote('what was asked for meanwhile');
    return undefined;
  }

  switchEvents(events: readonly SwitchEvent[]): void {
    const others = events.filter(
      (event) => !this.#other.takes(event, this.#config, (claim) => this.#heard(claim)),
    );
    // While roles change, links and frames are kept by whoever stands by.
    if (this.#role === 'active') this.#active?.serving.switchEvents(others);
    else this.#standby.switchEvents(others);
  }

  /** The section `ha` is as before: another one needs another start. */
  reconfigure(config: Config): void {
    const { ha } = this.#config;
    this.#config = { ...config, ha };
    this.#state.reconfigure(this.#config, this.#active?.fed);
    this.#active?.serving.reconfigure(this.#config);
    if (this.#active !== undefined) {
      this.#first?.reconfigure(addressesOf(config));
      return;
    }
    this.#connections?.hold(backedUpPaths(config.radius));
    this.#first?.reconfigure(addressesOf(config));
    this.#standby.redraft();
  }

  /** Hands over where somebody is in step; else goes on after the next start, or ends everything. */
  async stop(cleanup: boolean): Promise<void> {
    this.#halt();
    try {
      await this.#end(cleanup);
    } finally {
      // Not before: a kernel that refuses to connect says that the process is dead.
      this.#server.close();
    }
  }

  async #end(cleanup: boolean): Promise<void> {
    const active = this.#active;
    if (active === undefined) {
      this.#standby.leave();
      return;
    }
    this.#wanted = 'standby';
    this.#keepalived.weigh(Weight.Unable);
    if (!active.isAlone) {
      await active.handOver(HAND_OVER_PATIENCE_MS);
      return;
    }
    if (!cleanup && this.#state.isKept) {
      active.cutLink();
      this.#bridge.dropLease();
      active.serving.close();
      this.#state.end(true);
      return;
    }
    await active.shutDown(cleanup);
    this.#state.end(false);
  }

  closed(): void {
    this.#first?.close();
    this.#connections?.close(false);
    // Else everything is closed already; what the journal has, it keeps.
    this.#state.close();
    this.#keepalived.died();
  }

  sync(): void {
    if (this.#role === 'resting') return;
    this.#state.sync();
    this.#lookForAddress();
  }

  handlers(): Readonly<Record<string, ControlHandler>> {
    return {
      ha: () => [this.ha],
      promote: () => this.promote('castgate promote'),
      demote: () => this.demote('castgate demote'),
    };
  }

  /** Serves; resolves when it does, or with why it does not. */
  promote(by: string): Promise<{ refused: string } | { role: Role }> {
    return this.#obey('active', by);
  }

  /** Hands over; resolves when it stands by. */
  demote(by: string): Promise<{ refused: string } | { role: Role }> {
    return this.#obey('standby', by);
  }

  get ha(): HaRow {
    return haRow({
      config: this.#config.ha,
      role: this.#role,
      wanted: this.#wanted,
      epoch: this.#epochs.epoch,
      active: this.#active,
      standby: this.#standby,
      claim: this.#other.claim,
      refused: this.#refused,
      weight: this.#keepalived.weight,
      takeovers: this.#takeovers,
      continued: this.#connections?.counts ?? { continued: 0, fellBack: {}, takenUp: 0 },
      way: this.#first?.state,
      timeline: this.#timeline,
      now: wallClock(),
    });
  }

  /** How this node stands to the other one. */
  get standing(): NodeStanding {
    const { notifyFifo } = this.#config.ha;
    const active = this.#active;
    return {
      role: this.#role,
      wanted: this.#wanted,
      otherServes: this.#role === 'standby' && this.#isBeating(),
      isInStep: active === undefined ? this.#standby.state === 'in-step' : !active.isAlone,
      hasKeepalived: notifyFifo !== undefined,
      mismatch: active === undefined ? this.#standby.mismatch : active.source.mismatch,
      otherRecords: active === undefined ? this.#standby.otherRecords : active.source.standbyRecords,
      otherNode: this.#other.claim?.node,
    };
  }

  /** keepalived has spoken. */
  #told(state: VrrpState): void {
    this.#log.info('vrrp', { state });
    // The other node is not ready, and says so to its keepalived: this one would be wanted again in a moment.
    if (state === 'BACKUP' && this.#active?.isAlone === true && this.#role === 'active') {
      this.#refused = 'keepalived wants another node to serve, but none has what this one has';
      this.#log.error('not-demoted', { why: this.#refused });
      return;
    }
    void this.#obey(state === 'MASTER' ? 'active' : 'standby', `keepalived: ${state}`);
  }

  /** Does what is wanted; resolves when it is done, or with why it is not. */
  async #obey(wanted: 'active' | 'standby', by: string): Promise<{ refused: string } | { role: Role }> {
    this.#wanted = wanted;
    this.#waking?.();
    if (this.#role === 'resting') return { refused: 'an upgrade is running: what comes of it does it then' };
    if (this.#ticking === undefined) return { refused: 'the daemon is still starting: it does it then' };
    if (wanted === 'active') this.#confirmed(`asked by ${by}`);
    if (wanted === 'active' && this.#role === 'standby') await this.#promote(by);
    else if (wanted === 'standby' && this.#role === 'active') await this.#demote(by);
    const done = wanted === 'active' ? this.#role === 'active' : this.#role === 'standby';
    return done ? { role: this.#role } : { refused: this.#refused ?? `this node is ${this.#role}` };
  }

  async #promote(by: string): Promise<void> {
    this.#role = 'taking-over';
    this.#timeline = new Timeline(wallClock);
    this.#timeline.step(`asked by ${by}`);
    this.#refused = undefined;
    const refused = await this.#otherGaveWay();
    if (refused !== undefined || this.#wanted !== 'active') {
      this.#role = 'standby';
      this.#refused = refused ?? 'asked to stand by again meanwhile';
      this.#log.warn('not-promoted', { why: this.#refused });
      this.#weigh();
      return;
    }
    this.#takeOver();
  }

  /** The other node serves no more since then: begins at once where nothing but keepalived's word is missing. */
  #goAhead(outSince: number): void {
    const { leaseMs, aloneAfterMs, notifyFifo, priorityFile } = this.#config.ha;
    const isAhead = mayGoAhead({
      now: wallClock(),
      leaseMs,
      aloneAfterMs,
      keepalivedDecides: notifyFifo !== undefined && priorityFile !== undefined,
      vrrp: this.#keepalived.state,
      weight: this.#keepalived.weight,
      isBusy: this.#role !== 'standby' || this.#wanted === 'active' || this.#ticking === undefined,
      isInDoubt: this.#doubt.isThere,
      outSince,
      inStepUntil: this.#standby.inStepUntil,
      claim: this.#other.claim,
    });
    if (!isAhead) return;
    this.#timeline = new Timeline(wallClock);
    this.#timeline.step('ahead of keepalived');
    this.#refused = undefined;
    this.#aheadSince = outSince;
    this.#takeOver();
  }

  /** What needs the servers goes on, unless this node is ahead of keepalived and the address is not here yet. */
  #reach(serving: Serving): void {
    if (this.#aheadSince === undefined) serving.reach();
    else this.#lookAhead();
  }

  /** Where this node is ahead of keepalived: is the address here that comes with its word? */
  #lookAhead(): void {
    if (this.#aheadSince !== undefined && this.#address.isHere(this.#config.radius))
      this.#confirmed('the virtual address is here');
  }

  /** keepalived has made this node the one that serves, or a person has: what waited for that goes on. */
  #confirmed(by: string): void {
    const active = this.#active;
    if (this.#aheadSince === undefined || active === undefined) return;
    this.#aheadSince = undefined;
    this.#timeline.step(by);
    active.serving.reach();
    this.#timeline.step('servers asked');
    this.#weigh();
    this.#log.info('confirmed', { epoch: active.epoch, steps: this.#timeline.steps });
  }

  #otherGaveWay(): Promise<string | undefined> {
    return otherGaveWay({
      config: this.#config.ha,
      standby: this.#standby,
      other: this.#other,
      doubt: this.#doubt,
      timeline: this.#timeline,
      now: wallClock,
      isWanted: () => this.#wanted === 'active',
      claim: () => sendClaim(this.#config, this.#bridge, this.#nextEpoch(), false),
      woken: (ms) => this.#woken(ms),
    });
  }

  /** Serves from here on, with what there is. */
  #takeOver(): void {
    try {
      this.#takeUp();
    } catch (cause) {
      this.#failClosed(cause);
    }
  }

  #takeUp(): void {
    const active = takeUp({
      config: this.#config,
      log: this.#log,
      bridge: this.#bridge,
      watch: this.#watch,
      state: this.#state,
      epochs: this.#epochs,
      first: this.#first,
      standby: this.#standby,
      own: this.#saved,
      timeline: this.#timeline,
      draft: (fed) => this.#draft(fed),
      asked: () => void this.#demote('the other node'),
      changed: () => this.#weigh(),
      became: (active) => {
        this.#saved = undefined;
        this.#other.replaced();
        this.#active = active;
        this.#takeovers++;
        this.#role = 'active';
      },
      reach: (serving) => this.#reach(serving),
    });
    this.#weigh();
    const { stores } = active.fed;
    announce(stores, this.#config.uplinks, this.#bridge, () => this.#active === active);
    this.#timeline.step('announcing hosts on the uplinks');
    const { steps } = this.#timeline;
    this.#log.info('active', { epoch: active.epoch, sessions: stores.sessions.size, steps });
  }

  /** A bug in the middle of a takeover: a node that is half a one must carry nothing. */
  #failClosed(cause: unknown): void {
    const error = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    this.#log.error('internal-error', { error, means: 'the takeover failed, and the ports are shut' });
    this.#bridge.dropLease();
    this.#refused = 'the takeover failed: see the log';
    const active = this.#active;
    if (active !== undefined) {
      active.giveWay();
      this.#standBy(active);
      return;
    }
    this.#standby.stop();
    this.#aheadSince = undefined;
    this.#other.stoodBy();
    this.#standby = this.#newStandby();
    this.#role = 'standby';
    this.#keepalived.weigh(Weight.Unable);
    this.#standby.start();
  }

  /** Hands over, and stands by. */
  async #demote(by: string): Promise<void> {
    const active = this.#active;
    if (active === undefined || this.#role !== 'active') return;
    this.#role = 'handing-over';
    this.#wanted = 'standby';
    this.#timeline = new Timeline(wallClock);
    this.#timeline.step(`asked by ${by}`);
    const whole = await active.handOver(HAND_OVER_PATIENCE_MS);
    // Meanwhile the other node may have claimed a later epoch, and this one stands by already.
    if (this.#active !== active) return;
    this.#timeline.step(whole ? 'handed over' : 'stopped serving');
    if (!whole) this.#log.error('nobody-has-it-all', { by, means: 'what this node did last may be lost' });
    this.#standBy(active);
    // keepalived says its word once.
    if (this.standing.wanted === 'active') void this.#promote('what was asked for meanwhile');
  }

  /** Another node serves under a later epoch: this one must have been cut off, or frozen. */
  #superseded(active: Active, claim: Claim): void {
    this.#log.error('superseded', { node: claim.node, epoch: claim.epoch, own: active.epoch });
    this.#timeline = new Timeline(wallClock);
    this.#timeline.step(`superseded by node ${claim.node}`);
    this.#wanted = 'standby';
    active.giveWay();
    this.#standBy(active);
  }

  #standBy(active: Active): void {
    this.#active = undefined;
    this.#aheadSince = undefined;
    this.#first?.stopServing();
    this.#state.end(false);
    // Old as they may be soon, they are better than none where the other node dies before it has sent its own.
    this.#saved = { fed: active.fed, counters: 'new', clockOffsetMs: active.clockOffsetMs };
    this.#other.stoodBy();
    this.#standby = this.#newStandby();
    this.#standby.plane.adopt(active.fed.stores);
    this.#resetCounters();
    this.#role = 'standby';
    this.#keepalived.weigh(Weight.Unable);
    this.#standby.start();
    this.#log.info('standing-by', { steps: this.#timeline.steps });
  }

  #newServer(): LinkServer {
    return new LinkServer(this.#config.ha, (link) => {
      if (this.#active === undefined || this.#role !== 'active') link.end();
      else this.#active.accept(link);
    });
  }

  /** No more ticks, and no more is heard of keepalived or of another node that dials. */
  #halt(): void {
    clearInterval(this.#ticking);
    this.#ticking = undefined;
    clearTimeout(this.#farewell);
    this.#rehearsal.end();
    this.#keepalived.close();
    this.#address.close();
  }

  /** A core that follows these records. */
  #draft(fed: FedStores): Draft {
    return new Draft(
      {
        config: this.#config,
        log: this.#log,
        bridge: this.#bridge,
        state: this.#state,
        watch: this.#watch,
        guard: this.#connections,
      },
      fed,
    );
  }

  #newStandby(): Standby {
    return new Standby({
      config: this.#config,
      log: this.#log,
      bridge: this.#bridge,
      draft: (fed) => this.#draft(fed),
      first: () => this.#first,
      changed: () => {
        if (this.#standby.state === 'in-step') this.#rehearsal.begin(this.#config, this.#connections);
        if (this.#standby.state === 'in-step' && this.#saved !== undefined) {
          // From here on the other node's records count, and counters begin with them.
          this.#saved = undefined;
          this.#resetCounters();
        }
        this.#weigh();
      },
      followed: (fed) => {
        this.accountingDisk?.follow(fed);
        this.#state.endTurn();
      },
      lost: () => {
        this.#other.broke();
        clearTimeout(this.#farewell);
        this.#farewell = setTimeout(() => this.#weigh(), FAREWELL_MS + 1);
      },
      died: () => {
        this.#log.error('active-died', { means: 'its process is gone, its node lives' });
        this.#other.died();
        this.#isOut();
        this.#goAhead(this.#other.brokenAt ?? 0);
      },
      released: (epoch, whole) => {
        this.#epochs.raise(epoch);
        this.#log.info('active-released', { epoch, whole });
        this.#other.released();
        this.#isOut();
        if (whole) this.#goAhead(wallClock());
      },
      beat: (epoch) => {
        this.#epochs.raise(epoch);
        this.#other.serves();
        this.#weigh();
      },
    });
  }

  /** Behind the shut fence nothing is counted: a takeover begins at zero. */
  #resetCounters(): void {
    const refused = this.#bridge.resetCounters();
    if (refused !== undefined)
      this.#log.error('counters-kept', { why: refused.failed, errno: refused.errno });
  }

  /** The other node does not serve any more. */
  #isOut(): void {
    this.#weigh();
    this.#waking?.();
  }

  #tick(): void {
    this.#doubt.tick();
    if (this.#role === 'active') {
      this.#active?.tick();
      this.#lookForWord();
    } else if (this.#role === 'standby') {
      this.#standby.tellSeen();
      this.#weigh();
      if (this.#wanted === 'active' && this.#refused !== undefined) void this.#promote('keepalived, still');
    }
  }

  /** Tells keepalived what this node is worth. */
  #weigh(): void {
    if (this.#role === 'active') {
      const ahead = this.#aheadSince === undefined ? undefined : wallClock() - this.#aheadSince;
      if (ahead === undefined) this.#keepalived.weigh(Weight.Able);
      else if (ahead > FAREWELL_MS) this.#keepalived.weigh(Weight.HandOver);
    }
    if (this.#role !== 'standby') return;
    const { leaseMs, aloneAfterMs } = this.#config.ha;
    if (this.#doubt.isBusy) return;
    const weight = weightOf({
      now: wallClock(),
      leaseMs,
      aloneAfterMs,
      state: this.#standby.state,
      inStepUntil: this.#standby.inStepUntil,
      otherIsOut: this.#other.isOut,
      brokenAt: this.#other.brokenAt,
      lastSign: this.#other.lastSign(this.#standby.heardAt),
      claimedAt: this.#other.claim?.heardAt ?? 0,
    });
    if (weight !== undefined) this.#keepalived.weigh(weight);
  }

  /** The other node claims to serve. */
  #heard(claim: Claim): void {
    this.#epochs.raise(claim.epoch);
    const active = this.#active;
    const own = { node: this.#config.ha.node, epoch: active?.epoch ?? 0 };
    if (active === undefined) this.#standby.dialNow();
    else if (beats(claim, own)) this.#superseded(active, claim);
  }

  /** Serving without keepalived's word has an end: else both nodes could be without the address for good. */
  #lookForWord(): void {
    if (this.#aheadSince === undefined) return;
    this.#weigh();
    if (wallClock() - this.#aheadSince < AHEAD_PATIENCE_MS) return;
    this.#refused = 'keepalived has not made this node the master';
    this.#log.error('not-confirmed', { why: this.#refused });
    void this.#demote('nobody: keepalived has said nothing');
  }

  /** A virtual address that is here without a word of keepalived. */
  #lookForAddress(): void {
    if (this.#role !== 'standby' || this.#wanted === 'active' || this.#isBeating()) this.#address.forget();
    else if (this.#address.look(this.#config.radius))
      void this.#obey('active', 'the virtual address, which is here');
  }

  #isBeating(): boolean {
    return wallClock() - (this.#standby.beatAt ?? 0) < 2 * this.#config.ha.leaseMs;
  }

  #nextEpoch(): number {
    return this.#epochs.epoch + 1;
  }

  /** Until something has happened, at most so long. */
  #woken(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#waking = () => {
        clearTimeout(timer);
        this.#waking = undefined;
        resolve();
      };
    });
  }
}

const NOTHING_KEPT = { hosts: [], channels: [] };
/** For what waits for this node's acknowledgement. */
const HAND_OVER_PATIENCE_MS = 2_000;
