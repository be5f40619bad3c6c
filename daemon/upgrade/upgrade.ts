/**
 * `castgate upgrade` and SIGUSR2: starts the program that is to go on beside this one and hands over to it; says what
 * came of it. One at a time.
 */
import type { ControlHandler } from '../control-socket.ts';
import type { Logger } from '../log/log.ts';
import { type HandedOver, handOver, type Incumbent, type Newcomer } from './hand-over.ts';
import { programAt, startProgram } from './new-process.ts';
import { type PairIncumbent, replaceStandby } from './replace-standby.ts';

export type Upgraded = HandedOver | { readonly refused: string };

/** The daemon around it. */
export interface Upgradable {
  /** A node alone, or one of two. */
  readonly incumbent: { readonly alone: Incumbent } | { readonly ofPair: PairIncumbent };
  /** What it does, in words. */
  describe(): string;
}

export class Upgrade {
  readonly #daemon: Upgradable;
  readonly #log: Logger;
  readonly #start: (program: string) => Newcomer;
  #finish: () => void = () => {};
  /** Resolves when another process serves in place of this one, and whoever asked for that has been told. */
  readonly done = new Promise<undefined>((resolve) => {
    this.#finish = () => resolve(undefined);
  });
  readonly #abandoned = new AbortController();
  /** What comes, or came last, of one. */
  #outcome: Promise<HandedOver | { readonly refused: string }> | undefined;
  #isRunning = false;

  constructor(daemon: Upgradable, log: Logger, start = startProgram) {
    this.#daemon = daemon;
    this.#log = log;
    this.#start = start;
  }

  /** The verb of the control socket; `program`: a path, or left out for the same file as now. */
  readonly handler: ControlHandler = ({ program }) =>
    this.run(typeof program === 'string' ? program : undefined);

  async run(path?: string): Promise<Upgraded> {
    if (this.#isRunning) return { refused: 'an upgrade is running already' };
    if (this.#abandoned.signal.aborted) return { refused: 'this process is about to end' };
    this.#isRunning = true;
    this.#outcome = this.#run(path).catch((cause: unknown) => {
      const error = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
      this.#log.error('internal-error', { error });
      return { refused: cause instanceof Error ? cause.message : String(cause) };
    });
    const result = await this.#outcome;
    if ('refused' in result) {
      this.#isRunning = false;
      const does = this.#daemon.describe();
      this.#log.error('upgrade-failed', { why: result.refused, means: `this process goes on: ${does}` });
      return { refused: `${result.refused}; the daemon goes on as before, ${does}` };
    }
    this.#log.info('upgraded', { ...result });
    setTimeout(this.#finish, LAST_WORDS_MS);
    return result;
  }

  /** The process may be in other hands in a moment. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /**
   * This process is told to end: ends one that was to go on, where it does not serve yet. True where it does: this one
   * has nothing left to put in order.
   */
  async abandon(): Promise<boolean> {
    this.#abandoned.abort();
    const outcome = await this.#outcome;
    return outcome !== undefined && !('refused' in outcome);
  }

  async #run(path: string | undefined): Promise<Upgraded> {
    const { incumbent } = this.#daemon;
    const objection = 'ofPair' in incumbent ? incumbent.ofPair.objection() : undefined;
    if (objection !== undefined) return { refused: objection };
    let newcomer: Newcomer;
    try {
      const program = programAt(path);
      this.#log.info('upgrade-begins', { program });
      newcomer = this.#start(program);
    } catch (cause) {
      return { refused: cause instanceof Error ? cause.message : String(cause) };
    }
    const times = { ...TIMES, now: () => performance.now() };
    return 'alone' in incumbent
      ? handOver(incumbent.alone, newcomer, times, this.#abandoned.signal)
      : replaceStandby(incumbent.ofPair, newcomer, times, this.#abandoned.signal);
  }
}

const TIMES = {
  startMs: 30_000,
  prepareMs: 120_000,
  pauseMs: 500,
  // Of a node of a pair: the other one serves meanwhile.
  standMs: 15_000,
  joinMs: 30_000,
  lastWordMs: 3_000,
};
/** For the answer to whoever asked. */
const LAST_WORDS_MS = 50;
