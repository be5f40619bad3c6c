/**
 * The side of the new process (US8495610B2): it follows the records of the one that serves, prepares all that can be
 * prepared, takes over its sockets when that one rests, and says that it serves before it reads the first of them.
 *
 * Invariant: before `go`, or the death of a process that has handed everything over, nothing is read from a socket, no
 * effect leaves, and nothing that the other one needs is changed.
 */
import type { Config } from '../../config/config.ts';
import { readChanges } from '../../replication/change-log.ts';
import { type Frame, FrameType } from '../../replication/frame.ts';
import { unreadable } from '../../replication/record-version.ts';
import type { LinuxSwitch } from '../../switch/linux/linux-switch.ts';
import type { HeardLinkGroups } from '../../switch/linux/repair/following.ts';
import { keptOf } from '../core/kept.ts';
import type { InheritedSocket } from '../inherited-sockets.ts';
import { emptyStores, type FedStores, SavedState } from '../journal/saved-state.ts';
import type { Logger } from '../log/log.ts';
import { radiusWays } from '../radius/radius-changes.ts';
import { configDigest, switchOptions } from './comparison.ts';
import { HandoverChannel } from './handover-channel.ts';
import { type HandoverMessage, ownHello } from './handover-message.ts';
import { hurry } from './hurry.ts';
import { SwitchFollower } from './switch-follower.ts';

/** What a process that prepares itself is made around: records of the one that serves, and a switch that nobody listens to. */
export interface Draft {
  readonly bridge: LinuxSwitch;
  readonly state: SavedState;
  readonly fed: FedStores;
}

/** What was taken over, for the daemon that goes on with it. */
export interface Inheritance {
  readonly sockets: readonly InheritedSocket[];
  /** The listening control socket; undefined: it has another name now. */
  readonly control: number | undefined;
  readonly tally: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Where the configuration is another one than that of the other process. */
  readonly changed: { readonly ways: ReadonlySet<string>; readonly ports: boolean } | undefined;
}

/** The daemon around it. */
export interface Heir {
  /** A switch that nobody listens to yet. */
  makeSwitch(): LinuxSwitch;
  /** Builds all that can be built while the other process serves. What is derived from records follows them. */
  draft(draft: Draft): Successor;
}

/** What is to serve. */
export interface Successor {
  /** The other process rests: nothing is read, and nothing leaves. */
  inherit(inheritance: Inheritance): void;
  begin(): void;
}

/** The steps of a takeover, in order; a test makes each of them fail. */
export type TakeOverStep =
  | 'started'
  | 'begun'
  | 'followed'
  | 'prepared'
  | 'taken'
  | 'ready'
  | 'serving'
  | 'renewed';

export interface TakeOverOptions {
  readonly config: Config;
  readonly log: Logger;
  readonly frames: number;
  readonly descriptors: number;
  readonly heir: Heir;
  /** Called as each step is reached, before it is told. */
  readonly reached?: (step: TakeOverStep) => void;
}

/** Resolves when this process serves; undefined: it does not, and is to end. */
export function takeOver(options: TakeOverOptions): Promise<true | undefined> {
  return new Promise((resolve) => new TakeOver(options, resolve));
}

class TakeOver {
  readonly #options: TakeOverOptions;
  readonly #done: (serves: true | undefined) => void;
  readonly #channel: HandoverChannel;
  readonly #fed: FedStores;
  readonly #state: SavedState;
  #follower: SwitchFollower | undefined;
  #bridge: LinuxSwitch | undefined;
  #begin: HandoverMessage | undefined;
  #packetSockets: readonly number[] = [];
  /** What is to take over; it follows. */
  #draft: Successor | undefined;
  /** The same, waiting for the word. */
  #successor: Successor | undefined;
  #isOver = false;

  constructor(options: TakeOverOptions, done: (serves: true | undefined) => void) {
    const { config, log } = options;
    this.#options = options;
    this.#done = done;
    this.#fed = emptyStores(config);
    this.#state = new SavedState(config, log, true);
    this.#channel = new HandoverChannel(options.frames, options.descriptors, {
      message: (message) => this.#try(() => this.#told(message)),
      frame: (frame) => this.#try(() => this.#apply(frame)),
      ended: () => this.#ended(),
    });
    this.#reached('started');
    this.#channel.say(ownHello());
  }

  #told(message: HandoverMessage): void {
    switch (message.say) {
      case 'begin':
        this.#begun(message);
        return;
      case 'complete':
        this.#complete();
        return;
      case 'take':
        this.#take(message);
        return;
      case 'go':
        this.#serve(true);
        return;
    }
  }

  #begun(message: HandoverMessage): void {
    const { config, heir } = this.#options;
    this.#begin = message;
    const why =
      unreadable({ records: Number(message['records']), leastReader: Number(message['leastReader']) }) ??
      (message['bridge'] === config.bridge
        ? undefined
        : `it serves ${String(message['bridge'])}, the file says ${config.bridge}: that needs another start`) ??
      (message['stateDirectory'] === config.stateDirectory
        ? undefined
        : 'the file names another state_directory: that needs another start') ??
      (config.ha === undefined ? undefined : 'the file has a section ha: that needs another start');
    if (why !== undefined) throw new Error(why);
    this.#packetSockets = this.#channel.take(Number(message['packetSockets']));
    this.#bridge = heir.makeSwitch();
    this.#draft = heir.draft({ bridge: this.#bridge, state: this.#state, fed: this.#fed });
    this.#reached('begun');
  }

  #complete(): void {
    const begunAt = performance.now();
    this.#reached('followed');
    const { stores, feed } = this.#fed;
    this.#state.begin(this.#fed);
    this.#state.prepare();
    this.#state.accountingDisk?.follow(this.#fed);
    this.#bridge?.prepare(this.#packetSockets, keptOf(stores));
    this.#follower = new SwitchFollower(stores);
    feed.follow(this.#follower);
    this.#reached('prepared');
    hurry(true);
    this.#channel.say({ say: 'prepared', tookMs: Math.ceil(performance.now() - begunAt) });
  }

  #apply({ type, payload }: Frame): void {
    if (type !== FrameType.Records && type !== FrameType.Changes) return;
    const changes = readChanges(payload);
    if (typeof changes === 'string') throw new Error(`its records cannot be read: ${changes}`);
    for (const { store, key, record } of changes) this.#fed.stores.store(store).apply(key, record);
    this.#state.follow();
  }

  #take(message: HandoverMessage): void {
    const { config } = this.#options;
    const bridge = this.#bridge;
    const successor = this.#draft;
    if (bridge === undefined || successor === undefined || this.#follower === undefined)
      throw new Error('it hands over what it has not begun');
    const named = message['sockets'] as readonly Omit<InheritedSocket, 'fd'>[];
    const control = message['control'] === config.controlSocket;
    const [controlFd, ...fds] = this.#channel.take(1 + named.length);
    this.#fed.feed.unfollow(this.#follower);
    this.#follower.catchUp(bridge);
    bridge.followLinkGroups(message['linkGroups'] as readonly HeardLinkGroups[]);
    // Versions of before 1 December 2026 do not tell.
    const steered = message['steered'] as readonly number[] | undefined;
    if (steered !== undefined) bridge.followSteering(steered);
    successor.inherit({
      sockets: named.map((socket, i) => ({ ...socket, fd: fds[i] ?? -1 })),
      control: control ? controlFd : undefined,
      tally: message['tally'] as Inheritance['tally'],
      changed: this.#changed(),
    });
    this.#reached('taken');
    this.#successor = successor;
    this.#reached('ready');
    this.#channel.say({ say: 'ready' });
  }

  /** What is another one in this configuration than in that of the other process. */
  #changed(): Inheritance['changed'] {
    const { config } = this.#options;
    if (this.#begin?.['config'] === configDigest(config)) return undefined;
    const before = (this.#begin?.['ways'] ?? {}) as Readonly<Record<string, string>>;
    const ways = Object.entries(radiusWays(config)).filter(
      ([key, way]) => before[key] !== undefined && before[key] !== way,
    );
    return {
      ways: new Set(ways.map(([key]) => key)),
      ports: this.#begin?.['switch'] !== switchOptions(config),
    };
  }

  /** `told`: the other process said so; else it is gone, after it had handed everything over. */
  #serve(told: boolean): void {
    const successor = this.#successor;
    if (successor === undefined || this.#isOver) return;
    this.#reached('serving');
    // The last thing that can be refused.
    this.#bridge?.renewTable();
    this.#reached('renewed');
    this.#isOver = true;
    if (told) this.#channel.say({ say: 'serving' });
    this.#state.settle();
    this.#state.accountingDisk?.succeed();
    successor.begin();
    if (told) this.#channel.say({ say: 'began' });
    // Else this process could not end while the other one does not.
    this.#channel.finish();
    hurry(false);
    this.#done(true);
  }

  #ended(): void {
    if (this.#isOver) return;
    if (this.#successor !== undefined) {
      this.#options.log.warn('upgrade-alone', { why: 'the process that served is gone' });
      this.#serve(false);
      return;
    }
    this.#isOver = true;
    this.#done(undefined);
  }

  #try(act: () => void): void {
    if (this.#isOver) return;
    try {
      act();
    } catch (cause) {
      this.#channel.say({ say: 'refuse', why: cause instanceof Error ? cause.message : String(cause) });
    }
  }

  #reached(step: TakeOverStep): void {
    this.#options.reached?.(step);
  }
}
