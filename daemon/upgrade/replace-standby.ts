/**
 * The side of the process that is there, on a node of a pair: nothing of a node that serves is handed over in place.
 * The other node serves first, by order; then this process takes part no more, and the new one stands by in its stead,
 * with its records. Where that goes wrong at any step, the new process is ended for certain, and this one stands by
 * again.
 *
 * Invariant: of the two, at each instant one at most takes part in the pair.
 */
import type { FedStores } from '../journal/saved-state.ts';
import { Following } from './following.ts';
import type { HandedOver, Newcomer } from './hand-over.ts';
import { Heard, objectionTo } from './heard.ts';

/** What the new process is told, and the sockets that go with it. */
export interface Handed {
  readonly facts: Readonly<Record<string, unknown>>;
  readonly descriptors: readonly number[];
}

/** The node of a pair whose process is to be replaced. */
export interface PairIncumbent {
  /** Name of the node that serves, once this process rests; undefined: it is not known. */
  readonly serves: string | undefined;
  /** Why there is no use in starting another process now; undefined: there is. */
  objection(): string | undefined;
  /** What the new process is told at the beginning. */
  begin(): Readonly<Record<string, unknown>>;
  /** Resolves when the other node serves: undefined. Else why this process cannot be replaced now. */
  standAside(): Promise<string | undefined>;
  /** Takes part no more; the ports stay shut. The records that the new process begins with. */
  rest(): Promise<Handed & { readonly fed: FedStores | undefined }>;
  /** The new process stands by: what this one still answers on is that one's. */
  leave(): Handed;
  /** Stands by again. */
  goOn(): Promise<void>;
}

export interface ReplaceTimes {
  readonly now: () => number;
  /** How long the new process may take to start, to look whether it can take part, and to take part with few records. */
  readonly startMs: number;
  readonly prepareMs: number;
  readonly standMs: number;
  /** And to have what the other node has. */
  readonly joinMs: number;
  /** For its word that it goes on, and reads. */
  readonly lastWordMs: number;
}

/** Tells what was done, or why this process goes on. Never throws but where this process cannot go on. */
export async function replaceStandby(
  incumbent: PairIncumbent,
  newcomer: Newcomer,
  times: ReplaceTimes,
  abandoned: AbortSignal = new AbortController().signal,
): Promise<HandedOver | { readonly refused: string }> {
  const heard = new Heard(newcomer, abandoned);
  let resting = false;
  try {
    const hello = await heard.next('hello', times.startMs);
    const objection = objectionTo(hello);
    if (objection !== undefined) throw new Error(objection);
    newcomer.say({ ...incumbent.begin(), say: 'begin', pair: true });
    await heard.next('prepared', times.prepareMs);
    const why = await incumbent.standAside();
    if (why !== undefined) throw new Error(why);
    heard.check();
    const restedAt = times.now();
    resting = true;
    const { fed, facts, descriptors } = await incumbent.rest();
    const most = RECORD_MS * sizeOf(fed);
    const standing = heard.next('standing', times.standMs + most);
    standing.catch(() => {});
    // One that hangs takes no records either.
    await Promise.race([sendAll(fed, newcomer), standing]);
    newcomer.give(descriptors);
    newcomer.say({ ...facts, say: 'take' });
    await standing;
    const stoodAt = times.now();
    await heard.next('ready', times.joinMs + most);
    const readyAt = times.now();
    heard.decide();
    const left = incumbent.leave();
    newcomer.give(left.descriptors);
    newcomer.say({ ...left.facts, say: 'go' });
    await heard.next('serving', times.lastWordMs);
    await heard.next('began', times.lastWordMs).catch((cause: unknown) => {
      // It may be busy; it must not be dead, nor have failed at its beginning.
      if (heard.failure !== undefined) throw cause;
    });
    const steps = [stoodAt - restedAt, readyAt - stoodAt, times.now() - readyAt];
    const serves = incumbent.serves ?? 'the other node';
    const program = String(hello['program']);
    return { pid: newcomer.pid, program, pauseMs: readyAt - restedAt, steps, serves };
  } catch (cause) {
    await newcomer.end();
    if (resting) await incumbent.goOn();
    return { refused: cause instanceof Error ? cause.message : String(cause) };
  }
}

function sizeOf(fed: FedStores | undefined): number {
  return fed === undefined ? 0 : [...fed.stores.all()].reduce((sum, store) => sum + store.size(), 0);
}

/** All records. Nobody changes them: this process rests. */
async function sendAll(fed: FedStores | undefined, newcomer: Newcomer): Promise<void> {
  if (fed === undefined) return;
  const following = new Following(fed, newcomer);
  try {
    await following.all();
  } finally {
    following.end();
  }
}

/** More for each record: well over what that takes on a busy machine. */
const RECORD_MS = 0.2;
