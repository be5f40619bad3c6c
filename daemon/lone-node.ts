/** A node alone: it serves from its start to its stop, and goes on with the records of its journal. */
import type { Config } from '../config/config.ts';
import type { LinuxSwitch } from '../switch/linux/linux-switch.ts';
import type { SwitchEvent } from '../switch/switch.ts';
import type { Effect } from './core/effects.ts';
import { graceMs, grantGrace } from './core/grace.ts';
import { keptOf } from './core/kept.ts';
import type { TurnWatch } from './core/turn-watch.ts';
import { emptyStores, type FedStores, SavedState } from './journal/saved-state.ts';
import type { Logger } from './log/log.ts';
import type { Node } from './node.ts';
import { Serving } from './serving.ts';
import type { AccountingDisk } from './spool/accounting-disk.ts';
import type { Draft, Inheritance } from './upgrade/take-over.ts';

export class LoneNode implements Node {
  readonly serving: Serving;
  readonly idle = undefined;
  readonly ha = undefined;
  readonly #log: Logger;
  readonly #switch: LinuxSwitch;
  readonly #state: SavedState;
  readonly #fed: FedStores;
  readonly #watch: TurnWatch | undefined;
  readonly #isWarm: boolean;
  /** Hosts that may not have heard what the last run told them at its end. */
  readonly #unsaid: ReadonlySet<string> | undefined;
  #goesOn = false;
  /** Nothing is taken up, and the disk is another process's. */
  #resting: boolean;

  /** `draft`: another process serves with these records, until `inherit`. */
  constructor(
    config: Config,
    log: Logger,
    bridge: LinuxSwitch,
    now: number,
    watch?: TurnWatch,
    draft?: Draft,
  ) {
    this.#log = log;
    this.#switch = bridge;
    this.#watch = watch;
    this.#resting = draft !== undefined;
    this.#state = draft?.state ?? new SavedState(config, log);
    const loaded = draft === undefined ? this.#state.load(now) : undefined;
    const saved = draft?.fed ?? loaded;
    this.#unsaid = loaded?.unsaid;
    this.#isWarm = saved !== undefined;
    this.#fed = saved === undefined ? emptyStores(config) : { stores: saved.stores, feed: saved.feed };
    if (this.#isWarm && draft === undefined) grantGrace(this.#fed.stores, now, graceMs(config));
    const { stores } = this.#fed;
    const disk = this.accountingDisk;
    if (draft === undefined && this.#isWarm) disk?.follow(this.#fed);
    else if (draft === undefined) disk?.load(this.#fed);
    if (watch !== undefined && draft === undefined) this.#fed.feed.follow(watch);
    this.serving = new Serving({
      config,
      log,
      bridge,
      stores,
      disk,
      watch,
      saved: () => this.#state.endTurn(),
      follows: draft !== undefined,
    });
  }

  /** The records and their changes. */
  get fed(): FedStores {
    return this.#fed;
  }

  /** Another process rests: its records and sockets are this one's. Nothing is read before `begin`. */
  inherit({ tally, sockets }: Inheritance): void {
    const { serving } = this;
    if (this.#watch !== undefined) this.#fed.feed.follow(this.#watch);
    serving.takeUp();
    serving.core.tally.goOn(tally);
    serving.sockets.inherit(sockets);
  }

  /** Serves on where another process rests. */
  begin({ changed }: Pick<Inheritance, 'changed'>): void {
    const { serving } = this;
    this.#resting = false;
    if (changed?.ports === true) this.#switch.conform();
    serving.open();
    serving.turn((at) => {
      serving.core.dropChangedPorts(at, changed === undefined ? 'same' : 'other');
      serving.core.inherited(at, changed, (...place) => serving.sockets.carries(...place));
    });
    serving.goOn();
    this.#switch.open();
  }

  /** Resolves at a moment in which nothing waits for the disk, or after a while. */
  async lull(): Promise<void> {
    const until = performance.now() + LULL_MS;
    while (this.accountingDisk?.isBusy === true && performance.now() < until) await pause(1);
  }

  /** Between two turns: nothing is taken up any more, until `goOn`. All that was decided has left. */
  rest(): void {
    this.#switch.rest();
    this.serving.rest();
    this.#state.flush();
    this.#resting = true;
  }

  goOn(): void {
    this.#resting = false;
    this.#state.goOn();
    this.serving.goOn();
    this.#switch.goOn();
  }

  get accountingDisk(): AccountingDisk | undefined {
    return this.#state.accountingDisk;
  }

  async start(): Promise<string | undefined> {
    try {
      this.serving.open();
      if (this.#isWarm) this.#takeUp();
      else {
        this.serving.turn((at) => this.serving.core.start(at, this.accountingDisk?.aliveAt));
        this.#switch.start();
      }
    } catch (cause) {
      this.serving.close();
      throw cause;
    }
    this.#state.begin(this.#fed);
    return undefined;
  }

  switchEvents(events: readonly SwitchEvent[]): void {
    this.serving.switchEvents(events);
  }

  reconfigure(config: Config): void {
    this.#state.reconfigure(config, this.#fed);
    this.serving.reconfigure(config);
  }

  /**
   * Where the next start can go on, sessions and channels go on too; else they end in the books. Waits a
   * little for the server to take what it has not yet.
   */
  async stop(cleanup: boolean): Promise<void> {
    const { serving } = this;
    const { books } = serving.core;
    this.#goesOn = !cleanup && this.#state.isKept;
    // Without cleanup ports, hosts and channels stay as they are; only servers hear the end.
    if (!cleanup) serving.want(isDatagram);
    if (!this.#goesOn) serving.turn((at) => serving.core.shutdown(at));
    const until = serving.now() + LAST_WORDS_MS;
    while (books.waiting > 0 && serving.now() < until) await pause(10);
    if (books.waiting > 0) this.#log.warn('accounting-kept', { messages: books.waiting });
  }

  closed(): void {
    this.#state.end(this.#goesOn);
    this.serving.close();
    this.#state.close();
  }

  sync(): void {
    if (!this.#resting) this.#state.sync();
  }

  /** Goes on where the last run was: what it had opened and forwarded stays, and its counters with it. */
  #takeUp(): void {
    this.serving.turn((at) => this.serving.core.dropChangedPorts(at));
    this.#switch.start(keptOf(this.serving.core.stores));
    this.serving.turn((at) => this.serving.core.resume(at, 'kept', false, this.#unsaid));
  }
}

function isDatagram(effect: Effect): boolean {
  return effect.kind === 'datagram';
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const LAST_WORDS_MS = 2000;
const LULL_MS = 200;
