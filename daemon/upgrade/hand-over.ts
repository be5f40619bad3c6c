/**
 * The side of the process that serves (US8495610B2): it copies its records to a new process and keeps following up
 * with changes while it serves; then it rests between two turns, hands over its sockets, and leaves when the other one
 * says that it serves. Where anything goes wrong before that, the new process is ended for certain, and this one goes
 * on as if nothing had been.
 *
 * Invariant: of the two, at each instant one at most takes anything up.
 */
import type { FedStores } from '../journal/saved-state.ts';
import { Following } from './following.ts';
import type { HandoverMessage, Say } from './handover-message.ts';
import { Heard, objectionTo } from './heard.ts';

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
  /**
   * From the last turn of this process until the other one reads all sockets, in milliseconds. On a node of a pair: for
   * how long nobody stood by who had what the node that serves has.
   */
  readonly pauseMs: number;
  /**
   * Of it: until this process rested; until the other one had built itself; until it read. On a node of a pair: until the
   * other process took part; until it was in step; and then until it went on for good.
   */
  readonly steps: readonly number[];
  /** Of a pair: the node that serves. */
  readonly serves?: string;
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
    const preparing = heard.next('prepared', times.prepareMs);
    preparing.catch(() => {});
    // One that hangs takes no records either.
    await Promise.race([following.all(), preparing]);
    newcomer.say({ say: 'complete' });
    const prepared = await preparing;
    const tookMs = Number(prepared['tookMs']) || 0;
    await incumbent.lull();
    heard.check();
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
