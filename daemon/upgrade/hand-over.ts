/**
 * The side of the process that serves (US8495610B2): it copies its records to a new process and keeps following up
 * with changes while it serves; then it rests between two turns, hands over its sockets, and leaves when the other one
 * says that it serves. Where anything goes wrong before that, the new process is ended for certain, and this one goes
 * on as if nothing had been.
 *
 * Invariant: of the two, at each instant one at most takes anything up.
 */
import { ChangeLog } from '../../replication/change-log.ts';
import { FrameType } from '../../replication/frame.ts';
import { RecordEncoder } from '../../replication/record-codec.ts';
import {
  LEAST_READER,
  RECORDS_VERSION,
  type RecordsOf,
  unreadable,
} from '../../replication/record-version.ts';
import type { FedStores } from '../journal/saved-state.ts';
import { HANDOVER_PROTOCOL, type HandoverMessage, type Say } from './handover-message.ts';

/** What serves, and is to be handed over. */
export interface Incumbent {
  readonly fed: FedStores;
  /** What the new process is told at the beginning, and a copy of what socket it gets then. */
  begin(): { readonly facts: Readonly<Record<string, unknown>>; readonly descriptors: readonly number[] };
  /** Resolves at a moment in which little waits for the disk, or after a while. */
  lull(): Promise<void>;
  /** Between two turns: takes nothing up any more. What the new process needs to go on from exactly here. */
  rest(): { readonly facts: Readonly<Record<string, unknown>>; readonly descriptors: readonly number[] };
  /** Goes on where it rested. */
  goOn(): void;
}

/** A process that was started to go on. */
export interface Newcomer {
  readonly pid: number;
  say(message: { readonly say: Say; readonly [field: string]: unknown }): void;
  send(type: number, payload: Uint8Array): boolean;
  drained(): Promise<void>;
  give(descriptors: readonly number[]): void;
  /** Who hears of what it says, and of its end. */
  listen(listener: { message(message: HandoverMessage): void; ended(why: string): void }): void;
  /** Ends it for certain; resolves when it is gone and all that it said has been heard. */
  end(): Promise<void>;
}

/** How it went. */
export interface HandedOver {
  readonly pid: number;
  /** Version of the program. */
  readonly program: string;
  /** From the last turn of this process until the other one reads all sockets, in milliseconds. */
  readonly pauseMs: number;
  /** Of it: until this process rested; until the other one had built itself; until it read. */
  readonly steps: readonly number[];
}

export interface HandOverTimes {
  readonly now: () => number;
  /** How long the new process may take to start, and to prepare itself. */
  readonly startMs: number;
  readonly prepareMs: number;
  /** How long nobody may serve, at least; longer on a machine that was slow to prepare the new process. */
  readonly pauseMs: number;
}

/**
 * Tells what was done, or why this process goes on. Never throws, never leaves two that serve. `abandoned`: this process
 * is told to end; the new one is ended, unless it may serve already.
 */
export async function handOver(
  incumbent: Incumbent,
  newcomer: Newcomer,
  times: HandOverTimes,
  abandoned: AbortSignal = new AbortController().signal,
): Promise<HandedOver | { readonly refused: string }> {
  const heard = new Heard(newcomer, abandoned);
  const following = new Following(incumbent.fed, newcomer);
  let resting = false;
  try {
    const hello = await heard.next('hello', times.startMs);
    const objection = objectionTo(hello);
    if (objection !== undefined) throw new Error(objection);
    const { facts, descriptors } = incumbent.begin();
    newcomer.give(descriptors);
    newcomer.say({ ...facts, say: 'begin' });
    await following.all();
    newcomer.say({ say: 'complete' });
    const prepared = await heard.next('prepared', times.prepareMs);
    const tookMs = Number(prepared['tookMs']) || 0;
    await incumbent.lull();
    if (heard.failure !== undefined) throw new Error(heard.failure);
    const patience = patienceOf(times.pauseMs, tookMs);
    const restedAt = times.now();
    resting = true;
    const handed = incumbent.rest();
    following.flush();
    newcomer.give(handed.descriptors);
    newcomer.say({ ...handed.facts, say: 'take' });
    const given = times.now();
    await heard.next('ready', patience);
    heard.decide();
    newcomer.say({ say: 'go' });
    await heard.next('serving', patience);
    const said = times.now();
    // For the report alone: from here on the other one serves, whatever it says.
    await heard.next('began', patience).catch(() => {});
    const steps = [given - restedAt, said - given, times.now() - said];
    return { pid: newcomer.pid, program: String(hello['program']), pauseMs: times.now() - restedAt, steps };
  } catch (cause) {
    await newcomer.end();
    if (resting) incumbent.goOn();
    return { refused: cause instanceof Error ? cause.message : String(cause) };
  } finally {
    following.end();
  }
}

function objectionTo({ protocol, records, leastReader, oldestRead }: HandoverMessage): string | undefined {
  if (protocol !== HANDOVER_PROTOCOL) {
    return `the new process speaks version ${String(protocol)} of the handover, this one ${HANDOVER_PROTOCOL}`;
  }
  const reader = { records: Number(records), oldestRead: Number(oldestRead ?? leastReader) };
  const why = unreadable(OWN_RECORDS, reader);
  return why === undefined ? undefined : `the new process cannot read these records: ${why}`;
}

/** What the new process says, one after the other. */
class Heard {
  failure: string | undefined;
  readonly #abandoned: AbortSignal;
  readonly #abandon = () => {
    this.failure ??= 'this process is told to end';
    this.#waiting?.();
  };
  readonly #messages: HandoverMessage[] = [];
  #waiting: (() => void) | undefined;

  constructor(newcomer: Newcomer, abandoned: AbortSignal) {
    this.#abandoned = abandoned;
    if (abandoned.aborted) this.#abandon();
    else abandoned.addEventListener('abort', this.#abandon, { once: true });
    newcomer.listen({
      message: (message) => {
        this.#messages.push(message);
        this.#waiting?.();
      },
      ended: (why) => {
        this.failure ??= why;
        this.#waiting?.();
      },
    });
  }

  /** Throws what has failed. From now on the handover is no longer abandoned: the new process may serve. */
  decide(): void {
    if (this.failure !== undefined) throw new Error(this.failure);
    this.#abandoned.removeEventListener('abort', this.#abandon);
  }

  /** The next message, which is to be this one. Throws why it does not come. */
  async next(say: Say, patienceMs: number): Promise<HandoverMessage> {
    const message = await this.#next(say, patienceMs);
    if (message.say === 'refuse') throw new Error(`the new process refuses: ${String(message['why'])}`);
    if (message.say !== say) throw new Error(`the new process said ${message.say} where ${say} was due`);
    return message;
  }

  #next(say: Say, patienceMs: number): Promise<HandoverMessage> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        const message = this.#messages.shift();
        if (message === undefined && this.failure === undefined) return;
        clearTimeout(timer);
        this.#waiting = undefined;
        if (message !== undefined) resolve(message);
        else reject(new Error(this.failure));
      };
      const timer = setTimeout(() => {
        this.#waiting = undefined;
        reject(new Error(`the new process did not say ${say} within ${patienceMs} ms`));
      }, patienceMs);
      this.#waiting = settle;
      settle();
    });
  }
}

/** Sends all records, a slice at a time while this process serves, and what changes meanwhile, each in its order. */
class Following {
  readonly #fed: FedStores;
  readonly #newcomer: Newcomer;
  readonly #changes = new ChangeLog(0, 'none');
  #soon: NodeJS.Timeout | undefined;

  constructor(fed: FedStores, newcomer: Newcomer) {
    this.#fed = fed;
    this.#newcomer = newcomer;
  }

  async all(): Promise<void> {
    this.#fed.feed.follow(this.#changes);
    const encoder = new RecordEncoder();
    for (const store of this.#fed.stores.all()) {
      for (const [key, record] of store.entries()) {
        encoder.text(store.name);
        encoder.text(key);
        encoder.value(record);
        if (encoder.length < SLICE_OCTETS) continue;
        await this.#slice(encoder);
      }
    }
    await this.#slice(encoder);
    this.#soon = setInterval(() => this.flush(), FOLLOW_MS);
  }

  /** All changes until now. */
  flush(): void {
    const batch = this.#changes.seal();
    if (batch !== undefined) this.#newcomer.send(FrameType.Changes, batch.octets);
  }

  end(): void {
    clearInterval(this.#soon);
    this.#fed.feed.unfollow(this.#changes);
  }

  /** Changes first: the slice is as records are now. */
  async #slice(encoder: RecordEncoder): Promise<void> {
    this.flush();
    if (encoder.length > 0 && !this.#newcomer.send(FrameType.Records, encoder.take())) {
      await this.#newcomer.drained();
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const OWN_RECORDS: RecordsOf = { records: RECORDS_VERSION, leastReader: LEAST_READER };
const SLICE_OCTETS = 1 << 16;
const FOLLOW_MS = 20;

/**
 * How long a new process may take for each step in which nobody serves: `leastMs`, or as much longer as it took to prepare
 * itself, which grows with the records and with what else the machine has to do. One that hangs is ended by then; it must
 * not cost logins, so that there is a limit: a supplicant waits for longer than that, and so does a RADIUS server's client.
 */
export function patienceOf(leastMs: number, preparedInMs: number): number {
  return Math.min(Math.max(leastMs, PATIENCE_FACTOR * preparedInMs), Math.max(leastMs, MOST_PATIENCE_MS));
}

const PATIENCE_FACTOR = 4;
const MOST_PATIENCE_MS = 3_000;
