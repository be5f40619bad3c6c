/**
 * The side of the new process on a node of a pair: it looks whether it could take part; once the one before it takes
 * part no more, it stands by with that one's records, and says so; it goes on for good when it is told to, or when the
 * other one is gone.
 *
 * Invariant: before `take` nothing in the kernel is changed, and nothing is said to the other node or to keepalived.
 */
import type { Config, HaConfig } from '../../config/config.ts';
import { readChanges } from '../../replication/change-log.ts';
import { type Frame, FrameType } from '../../replication/frame.ts';
import {
  mismatchOf,
  OWN_RECORDS,
  type RecordVersions,
  unreadable,
} from '../../replication/record-version.ts';
import { emptyStores, type FedStores } from '../journal/saved-state.ts';
import { haDigests } from './comparison.ts';
import { HandoverChannel } from './handover-channel.ts';
import { type HandoverMessage, ownHello } from './handover-message.ts';

/** What the process before has left. */
export interface Estate {
  /** Undefined: it had no records. */
  readonly fed: FedStores | undefined;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly descriptors: readonly number[];
}

/** The daemon that is to stand by. */
export interface Replacement {
  /** Throws where it could not take part. Changes nothing. */
  check(): void;
  /** Takes part from here on. Undefined: it does. Else why not. */
  stand(estate: Estate): Promise<string | undefined>;
  /** Resolves when it has what the other node has, as far as that can be: undefined. Else why it never will. */
  joined(estate: Estate): Promise<string | undefined>;
  /** The process before is out. `control`: the listening control socket; undefined: that has to be made. */
  begin(control: number | undefined): void;
}

/** The steps, in order; a test makes each of them fail. */
export type StandInStep = 'started' | 'begun' | 'prepared' | 'taken' | 'standing' | 'ready' | 'serving';

export interface StandInOptions {
  readonly config: Config & { readonly ha: HaConfig };
  readonly frames: number;
  readonly descriptors: number;
  readonly replacement: Replacement;
  /** Called as each step is reached, before it is told. */
  readonly reached?: (step: StandInStep) => void;
}

/** Resolves when this process goes on for good; undefined: it does not, and is to end. */
export function standIn(options: StandInOptions): Promise<true | undefined> {
  return new Promise((resolve) => new StandIn(options, resolve));
}

class StandIn {
  readonly #options: StandInOptions;
  readonly #done: (goesOn: true | undefined) => void;
  readonly #channel: HandoverChannel;
  readonly #fed: FedStores;
  #hasRecords = false;
  /** The process before takes part no more. */
  #taken = false;
  /** It is gone, without a word. */
  #isAlone = false;
  #leftAlone: () => void = () => {};
  readonly #aloneAt = new Promise<undefined>((resolve) => {
    this.#leftAlone = () => resolve(undefined);
  });
  /** It has said that it is in step, or why it cannot go on. */
  #outcome: 'ready' | 'refused' | undefined;
  #isOver = false;

  constructor(options: StandInOptions, done: (goesOn: true | undefined) => void) {
    this.#options = options;
    this.#done = done;
    this.#fed = emptyStores(options.config);
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
      case 'take':
        this.#taken = true;
        void this.#stand(message);
        return;
      case 'go':
        this.#goOn(message);
        return;
    }
  }

  #begun(message: HandoverMessage): void {
    const why = objectionTo(this.#options.config, message);
    if (why !== undefined) throw new Error(why);
    this.#reached('begun');
    this.#options.replacement.check();
    this.#reached('prepared');
    this.#channel.say({ say: 'prepared' });
  }

  #apply({ type, payload }: Frame): void {
    if (type !== FrameType.Records && type !== FrameType.Changes) return;
    const changes = readChanges(payload);
    if (typeof changes === 'string') throw new Error(`its records cannot be read: ${changes}`);
    for (const { store, key, record } of changes) this.#fed.stores.store(store).apply(key, record);
    this.#hasRecords = true;
  }

  async #stand(message: HandoverMessage): Promise<void> {
    const { replacement } = this.#options;
    try {
      const descriptors = this.#channel.take(Number(message['descriptors']));
      this.#reached('taken');
      const fed = this.#hasRecords ? this.#fed : undefined;
      const estate = { fed, facts: message, descriptors };
      const refused = await replacement.stand(estate);
      if (refused !== undefined) throw new Error(refused);
      this.#reached('standing');
      this.#channel.say({ say: 'standing' });
      // Where nobody is left to be told, it joins in its own time.
      const why = await Promise.race([replacement.joined(estate), this.#aloneAt]);
      if (why !== undefined) throw new Error(why);
      this.#reached('ready');
      this.#outcome = 'ready';
      this.#channel.say({ say: 'ready' });
      if (this.#isAlone) this.#goOn(undefined);
    } catch (cause) {
      this.#refuse(cause);
    }
  }

  /** `message`: the word of the process before; undefined: it is gone. */
  #goOn(message: HandoverMessage | undefined): void {
    if (this.#isOver) return;
    const [control] =
      message?.['control'] === this.#options.config.controlSocket ? this.#channel.take(1) : [];
    this.#isOver = true;
    this.#reached('serving');
    if (message !== undefined) this.#channel.say({ say: 'serving' });
    this.#options.replacement.begin(control);
    if (message !== undefined) this.#channel.say({ say: 'began' });
    // Else this process could not end while the other one does not.
    this.#channel.finish();
    this.#done(true);
  }

  #ended(): void {
    if (this.#isOver) return;
    this.#isAlone = true;
    this.#leftAlone();
    if (this.#outcome === 'ready') this.#try(() => this.#goOn(undefined));
    // In the middle of taking part it goes on, and is alone then.
    else if (!this.#taken || this.#outcome === 'refused') this.#giveUp();
  }

  #giveUp(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#done(undefined);
  }

  #try(act: () => void): void {
    if (this.#isOver) return;
    try {
      act();
    } catch (cause) {
      this.#refuse(cause);
    }
  }

  /** The process before ends this one; where it is gone, this one ends by itself. */
  #refuse(cause: unknown): void {
    this.#outcome = 'refused';
    this.#channel.say({ say: 'refuse', why: cause instanceof Error ? cause.message : String(cause) });
    if (this.#isAlone) this.#giveUp();
  }

  #reached(step: StandInStep): void {
    this.#options.reached?.(step);
  }
}

/** Why this process cannot stand by in place of one that begins so; undefined: it can. */
function objectionTo(config: StandInOptions['config'], message: HandoverMessage): string | undefined {
  const another = 'that needs another start';
  if (message['pair'] !== true)
    return `the other process is no node of a pair, the file has a section ha: ${another}`;
  const own = unreadable({
    records: Number(message['records']),
    leastReader: Number(message['leastReader']),
  });
  if (own !== undefined) return own;
  if (message['bridge'] !== config.bridge)
    return `it serves ${String(message['bridge'])}, the file says ${config.bridge}: ${another}`;
  if (message['stateDirectory'] !== config.stateDirectory)
    return `the file names another state_directory: ${another}`;
  const before = (message['ha'] ?? {}) as Readonly<Record<string, string>>;
  const changed = Object.entries(haDigests(config)).find(
    ([key, digest]) => before[key] !== undefined && before[key] !== digest,
  );
  if (changed !== undefined) return `the section ha of the file is another one (${changed[0]}): ${another}`;
  const other = message['otherNode'] as RecordVersions | undefined;
  const mismatch = other && mismatchOf(other, OWN_RECORDS);
  return mismatch?.isOneWay === false ? mismatch.why : undefined;
}
