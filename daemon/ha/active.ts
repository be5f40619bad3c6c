/**
 * The node of two that serves: its core, the log towards the standby, output commit, and the signs of life:
 * the kernel's lease on the ports, beats on the link, claims on the uplinks. A daemon that was frozen does
 * nothing more before it has had time to hear that it was replaced.
 */
import type { Config, HaConfig } from '../../config/config.ts';
import type { StandbyFirst } from '../../connection-backup/linux/standby-first.ts';
import { ReplicationSource, type SourceEvent } from '../../replication/source.ts';
import type { StateDigest } from '../../replication/state-digest.ts';
import { now as wallClock } from '../../switch/clock.ts';
import { grantGrace } from '../core/grace.ts';
import type { TurnWatch } from '../core/turn-watch.ts';
import type { FedStores, SavedState } from '../journal/saved-state.ts';
import type { Logger } from '../log/log.ts';
import type { Serving } from '../serving.ts';
import { encodeClaim } from './claim.ts';
import type { Draft } from './draft.ts';
import type { FencedSwitch } from './fenced-switch.ts';
import type { Link } from './link.ts';

export interface ActiveOptions {
  readonly config: Config & { readonly ha: HaConfig };
  readonly log: Logger;
  readonly bridge: FencedSwitch;
  readonly state: SavedState;
  readonly epoch: number;
  /** What serves from here on. */
  readonly draft: Draft;
  /** Of the records that are there already. */
  readonly digest: StateDigest | undefined;
  readonly clockOffsetMs: number;
  /** What ran out while nobody served gets so much more; undefined: there was no such time. */
  readonly graceMs: number | undefined;
  readonly watch: TurnWatch | undefined;
  /** Packets on connections come to the standby first; undefined: they come here. */
  readonly first: StandbyFirst | undefined;
  /** The standby asks to serve. */
  readonly asked: () => void;
  /** What is told of the standby has changed. */
  readonly changed: () => void;
}

export class Active {
  readonly serving: Serving;
  readonly source: ReplicationSource;
  readonly epoch: number;
  readonly #options: ActiveOptions;
  #link: Link | undefined;
  #pumping = false;
  #gaveWay = false;
  #beatAt = 0;
  /** Number of the last change whose effects the standby knows to have left. */
  #told = 0;
  /** Infinity: what happens before `begin` is one long turn. */
  #tickedAt = Infinity;
  #doubtUntil: number | undefined;
  /** No standby knows what happens from here on. */
  #alone = true;

  constructor(options: ActiveOptions) {
    const { config, draft, epoch, state } = options;
    const { fed } = draft;
    this.#options = options;
    this.epoch = epoch;
    this.source = new ReplicationSource(
      fed.stores,
      {
        logId: `${config.ha.node}/${epoch}`,
        mode: config.ha.mode,
        patienceMs: config.ha.aloneAfterMs,
        keepOctets: KEEP_OCTETS,
        digestIntervalMs: DIGEST_INTERVAL_MS,
      },
      options.digest,
    );
    fed.feed.follow(this.source);
    if (options.watch !== undefined) fed.feed.follow(options.watch);
    const { source } = this;
    const mayAct = () => this.#mayAct;
    this.serving = draft.serving;
    // While the core still follows: what it derives from the records has the later deadlines too.
    if (options.graceMs !== undefined)
      grantGrace(fed.stores, wallClock() + options.clockOffsetMs, options.graceMs);
    draft.takeUp(
      {
        seal: (now) => source.seal(now),
        get committed() {
          return source.committed;
        },
        get mayAct() {
          return mayAct();
        },
        turned: () => this.#pumpSoon(),
      },
      options.clockOffsetMs,
    );
    state.begin(fed, 'soon');
  }

  /** The records that it serves with. */
  get fed(): FedStores {
    return this.#options.draft.fed;
  }

  /** What its time is ahead of this node's clock. */
  get clockOffsetMs(): number {
    return this.#options.clockOffsetMs;
  }

  /** No standby is in step. */
  get isAlone(): boolean {
    return this.#alone;
  }

  /** The standby has connected. */
  accept(link: Link): void {
    this.#link?.destroy();
    this.#link = link;
    this.source.connected(this.serving.now());
    link.listen(
      (octets) => this.#heard(link, octets),
      (why) => this.#closed(link, why),
    );
    this.#beat();
    this.#pump();
  }

  /** Every few tens of milliseconds: signs of life, and what the source has to do by time. */
  tick(): void {
    const at = wallClock();
    const { config, bridge, log } = this.#options;
    const { leaseMs } = config.ha;
    if (at - this.#tickedAt > leaseMs) {
      this.#doubtUntil = at + DOUBT_MS;
      log.warn('daemon-was-frozen', { ms: Math.round(at - this.#tickedAt), lease: leaseMs });
    }
    this.#tickedAt = at;
    if (this.#doubtUntil !== undefined && at < this.#doubtUntil) return;
    // Only who had time to hear of a successor may begin a new lease; else the kernel says that it has run out.
    const refused = this.#doubtUntil === undefined ? bridge.extendLease(leaseMs) : bridge.renewLease(leaseMs);
    this.#doubtUntil = undefined;
    if (refused?.errno === 'ESTALE') {
      this.#doubtUntil = at + DOUBT_MS;
      return;
    }
    if (refused !== undefined) log.error('lease-refused', { why: refused.failed, errno: refused.errno });
    this.claim();
    this.#beat();
    this.source.handleTimeout(this.serving.now());
    this.#options.first?.tick();
    this.#look();
    this.#pump();
    this.serving.release();
  }

  /**
   * What it served with is taken up: from here on `tick` is called. The lease of the takeover, which had to last for that,
   * is cut down to what a node that stops here may have.
   */
  begin(): void {
    const { bridge, config, log } = this.#options;
    this.#tickedAt = wallClock();
    const refused = bridge.extendLease(config.ha.leaseMs);
    // One that has run out meanwhile stays out until `tick` has had time to hear of a successor.
    if (refused !== undefined && refused.errno !== 'ESTALE')
      log.error('lease-refused', { why: refused.failed, errno: refused.errno });
    this.serving.release();
  }

  /** Tells the epoch on the uplinks. */
  claim(): void {
    const { config, bridge } = this.#options;
    sendClaim(config, bridge, this.epoch, this.#alone);
  }

  /**
   * Serves no more, after the standby has everything and all effects have left; not longer than `patienceMs`.
   * True where the standby has it all.
   */
  async handOver(patienceMs: number): Promise<boolean> {
    const { serving, source } = this;
    serving.quiet();
    const until = wallClock() + patienceMs;
    const isOver = () => source.isCovered && serving.held === 0;
    this.#pump();
    while (!isOver() && this.#link !== undefined && wallClock() < until) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      this.#pump();
      serving.release();
    }
    if (this.#gaveWay) return false;
    const whole = isOver();
    this.#options.bridge.dropLease();
    this.source.release(this.epoch);
    this.#pump();
    this.#link?.end();
    this.#link = undefined;
    serving.close();
    return whole;
  }

  /** Serves no more, from one moment to the next: another node does. */
  giveWay(): void {
    this.#gaveWay = true;
    this.#options.bridge.dropLease();
    this.#link?.destroy();
    this.#link = undefined;
    this.serving.close();
  }

  /**
   * Serves no more, and nobody does in its place: ends every session, and waits a while for what is to be told to
   * RADIUS. With `cleanup` the switch is told too.
   */
  async shutDown(cleanup: boolean): Promise<void> {
    const { serving } = this;
    const { bridge, log } = this.#options;
    serving.want((effect) => cleanup || effect.kind === 'datagram');
    serving.turn((at) => serving.core.shutdown(at));
    const until = wallClock() + LAST_WORDS_MS;
    const { books } = serving.core;
    while (books.waiting > 0 && wallClock() < until) await new Promise((resolve) => setTimeout(resolve, 10));
    if (books.waiting > 0) log.warn('accounting-kept', { messages: books.waiting });
    bridge.dropLease();
    serving.close(true);
  }

  /** Only the link ends. */
  cutLink(): void {
    this.source.part();
    this.#link?.send(this.source.drainOutput(this.serving.now()));
    this.#link?.end();
    this.#link = undefined;
  }

  get #mayAct(): boolean {
    return this.#doubtUntil === undefined && wallClock() - this.#tickedAt <= this.#options.config.ha.leaseMs;
  }

  #heard(link: Link, octets: Uint8Array): void {
    if (link !== this.#link) return;
    const fault = this.source.receive(this.serving.now(), octets);
    if (fault !== undefined) {
      this.#options.log.error('replication-fault', { fault });
      this.cutLink();
      this.source.disconnected(fault);
      this.#look();
      return;
    }
    this.#look();
    this.#pump();
    this.serving.release();
    // A host that is told twice of its success logs in again: the standby is to know what has left.
    if (this.serving.released !== this.#told && wallClock() - this.#beatAt >= BEAT_PAUSE_MS) {
      this.#beat();
      this.#pump();
    }
  }

  #beat(): void {
    const { serving } = this;
    this.#beatAt = wallClock();
    this.#told = serving.released;
    this.source.beat(serving.now(), this.epoch, serving.saidUntil);
  }

  #closed(link: Link, why: string): void {
    if (link !== this.#link) return;
    this.#link = undefined;
    this.source.disconnected(why);
    this.#look();
  }

  #look(): void {
    const { log, state, draft } = this.#options;
    for (const event of this.source.drainEvents()) {
      this.#log(event);
      if (event.kind === 'take') this.#options.asked();
      if (event.kind === 'seen') this.#options.first?.heard(event);
      if (event.kind !== 'standby') continue;
      const alone = event.state !== 'in-step';
      this.#way(alone ? event.why : undefined);
      // The journal is for a node that nobody stands by.
      if (alone !== this.#alone) {
        this.#alone = alone;
        if (alone) state.begin(draft.fed, 'soon');
        else state.end(false);
      }
      this.#options.changed();
    }
    if (!this.source.wantsLink && this.#link !== undefined) {
      log.warn('standby-let-go', {});
      this.cutLink();
    }
  }

  /** A standby in step is told where packets reach this node. `lost`: why there is none any more. */
  #way(lost: string | undefined): void {
    const { first } = this.#options;
    if (lost !== undefined) first?.takeBack(lost);
    const mac = lost === undefined ? first?.reach() : undefined;
    if (mac !== undefined) this.source.reach(mac);
  }

  #log(event: SourceEvent): void {
    const { log } = this.#options;
    switch (event.kind) {
      case 'standby':
        log[event.state === 'in-step' ? 'info' : 'warn']('standby', { state: event.state, why: event.why });
        return;
      case 'alone':
        log.error('alone', { why: event.why, means: 'a takeover from here on would lose what happens now' });
        return;
      case 'diverged':
        log.error('standby-diverged', { stores: event.stores.join(', ') });
        return;
      case 'strayed':
        log.error('record-strayed', { store: event.store, record: event.key });
        return;
      case 'mismatch': {
        const { isOneWay, why } = event.mismatch;
        const means = isOneWay
          ? 'no way back before both nodes have the later version'
          : 'nobody stands by before both nodes have a version that reads the records of the other';
        log[isOneWay ? 'warn' : 'error']('records-mismatch', { why, means });
        return;
      }
      case 'take':
        log.info('standby-asks-to-serve', {});
        return;
      case 'seen':
        return;
    }
  }

  /** What all turns of one event of the machine have sealed goes out together. */
  #pumpSoon(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    process.nextTick(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  #pump(): void {
    const link = this.#link;
    if (link === undefined) return;
    link.send(this.source.drainOutput(this.serving.now()));
    if (!this.source.hasMore) return;
    if (link.waiting > MAX_WAITING) link.onceDrained(() => this.#pump());
    else setImmediate(() => this.#pump());
  }
}

/** Tells an epoch on all uplinks. */
export function sendClaim(
  config: Config & { readonly ha: HaConfig },
  bridge: FencedSwitch,
  epoch: number,
  alone: boolean,
): void {
  const { node, key } = config.ha;
  for (const uplink of config.uplinks) {
    const mac = bridge.macOf(uplink);
    if (mac !== undefined)
      bridge.sendFrame(uplink, 0, encodeClaim({ node, epoch, at: wallClock(), alone }, mac, key));
  }
}

/** Beats between two ticks are no oftener than this. */
const BEAT_PAUSE_MS = 2;
/** What a standby that was away for a moment goes on from. */
const KEEP_OCTETS = 16 << 20;
const DIGEST_INTERVAL_MS = 2_000;
/** As long as it takes to hear what came while the daemon was frozen, and the next claim of another node. */
const DOUBT_MS = 100;
const MAX_WAITING = 4 << 20;
const LAST_WORDS_MS = 2_000;
