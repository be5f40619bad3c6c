/**
 * Joins and leaves: from the join's frame to the first datagram, from the leave's to the last. By turns a
 * plain bridge that snoops, castgate where RADIUS must be asked, castgate where the answer is known, and the
 * server itself, asked the same questions by a bare client. Each (viewer, group) pair goes through RADIUS
 * once and then once more through the cache.
 */

import type { Progress } from '../auth/auth.ts';
import { ACCOUNTS, type Bed, GROUPS } from '../bed.ts';
import { cpuSeconds } from '../report/cpu-time.ts';
import { type BenchRow, type Round, rowOfRounds } from '../report/row.ts';
import { median, percentile } from '../report/statistics.ts';
import type { AskOutcome } from './asker.ts';
import type { RushOutcome, WatchPlan, ZapOutcome } from './viewers.ts';

/** How much is done. */
export interface JoinScale {
  readonly rounds: number;
  /** Joins of a round, each after a rest. */
  readonly zaps: number;
  /** Joins of a round, each at once after the one before. At most 8 × GROUPS, as are the next two. */
  readonly chain: number;
  /** Joins of a round with 64 in flight. */
  readonly rush: number;
  /** The same of one of the four rounds before it counts. */
  readonly warmUp: number;
}

/** One of each, in this order. */
interface Turn<Outcome, Server> {
  readonly kernel: Outcome;
  readonly radius: Outcome;
  readonly cached: Outcome;
  readonly server: Server;
}

interface Rush extends RushOutcome {
  readonly cpuSeconds: number;
}

type ZapTurn = Turn<ZapOutcome, AskOutcome>;
type RushTurn = Turn<Rush, AskOutcome>;

/** Runs it all. */
export async function benchJoin(bed: Bed, scale: JoinScale, progress: Progress): Promise<BenchRow[]> {
  const runner = new Runner(bed);
  await runner.login();
  // The runtime compiles what it has seen often, so the rounds that count come after some that do not.
  for (let round = 0; round < WARM_UP_ROUNDS; round++) await runner.rush(scale.warmUp, IN_FLIGHT);
  const chains: RushTurn[] = [];
  const zaps: ZapTurn[] = [];
  const rushes: RushTurn[] = [];
  for (let round = 0; round < scale.rounds; round++) {
    const chain = await runner.rush(scale.chain, 1);
    const zap = await runner.zap(scale.zaps);
    const rush = await runner.rush(scale.rush, IN_FLIGHT);
    chains.push(chain);
    zaps.push(zap);
    rushes.push(rush);
    progress(
      `joins, round ${round + 1}: one after the other ${medians(chain)}; after a rest ${medians(zap)}; ${IN_FLIGHT} in flight ${rates(rush)}`,
    );
  }
  return [...chainRows(chains), ...zapRows(zaps), ...rushRows(rushes)];
}

function chainRows(turns: readonly RushTurn[]): BenchRow[] {
  const interval = median(turns.map((turn) => turn.cached.intervalMs)).toFixed(2);
  const section = `Join to first datagram, one after the other, a datagram every ${interval} ms`;
  return [
    ...latencyRows(
      section,
      'cached, ',
      KERNEL,
      turns,
      (t) => t.cached.joinMs,
      (t) => t.kernel.joinMs,
    ),
    ...latencyRows(
      section,
      'through RADIUS, ',
      SERVER,
      turns,
      (t) => t.radius.joinMs,
      (t) => t.server.roundTripMs,
    ),
    unansweredRow(section, turns),
  ];
}

function zapRows(turns: readonly ZapTurn[]): BenchRow[] {
  const interval = median(turns.map((turn) => turn.cached.intervalMs)).toFixed(2);
  const section = `Join to first datagram, each after a rest, a datagram every ${interval} ms`;
  const leaves = 'Leave to last datagram, each after a rest';
  return [
    ...latencyRows(
      section,
      'cached, ',
      KERNEL,
      turns,
      (t) => t.cached.joinMs,
      (t) => t.kernel.joinMs,
    ),
    ...latencyRows(
      section,
      'through RADIUS, ',
      SERVER,
      turns,
      (t) => t.radius.joinMs,
      (t) => t.server.roundTripMs,
    ),
    unansweredRow(section, turns),
    ...latencyRows(
      leaves,
      '',
      KERNEL,
      turns,
      (t) => t.cached.leaveMs,
      (t) => t.kernel.leaveMs,
    ),
  ];
}

function rushRows(turns: readonly RushTurn[]): BenchRow[] {
  const section = `Joins with ${IN_FLIGHT} in flight`;
  const row = (what: string, unit: string, name: string, figures: (turn: RushTurn) => Round) =>
    rowOfRounds({ section, what, unit }, name, 'ratio', turns.map(figures));
  const cpu = ({ cpuSeconds: seconds, joinMs }: Rush) => (1000 * seconds) / joinMs.length;
  return [
    row('cached', '/s', KERNEL, ({ cached, kernel }) => ({
      castgate: perSecond(cached),
      reference: perSecond(kernel),
    })),
    ...[50, 99].map((percent) =>
      row(`cached, ${percent === 50 ? 'median' : '99th percentile'}`, 'ms', KERNEL, ({ cached, kernel }) => ({
        castgate: percentile(cached.joinMs, percent),
        reference: percentile(kernel.joinMs, percent),
      })),
    ),
    row('cached, processor time of 1,000 and their leaves', 's', '', ({ cached }) => ({
      castgate: cpu(cached),
      reference: undefined,
    })),
    row('through RADIUS', '/s', SERVER, ({ radius, server }) => ({
      castgate: perSecond(radius),
      reference: server.roundTripMs.length / server.seconds,
    })),
    row('through RADIUS, processor time of 1,000 and their leaves', 's', '', ({ radius }) => ({
      castgate: cpu(radius),
      reference: undefined,
    })),
    unansweredRow(section, turns),
  ];
}

function latencyRows<T>(
  section: string,
  before: string,
  name: string,
  turns: readonly T[],
  ours: (turn: T) => readonly number[],
  theirs: (turn: T) => readonly number[],
): BenchRow[] {
  return PERCENTILES.map(([label, percent]) => {
    const head = { section, what: `${before}${label}`, unit: 'ms' };
    const rounds = turns.map((turn) => ({
      castgate: percentile(ours(turn), percent),
      reference: percentile(theirs(turn), percent),
    }));
    const pooled = {
      castgate: percentile(turns.flatMap(ours), percent),
      reference: percentile(turns.flatMap(theirs), percent),
    };
    return rowOfRounds(head, name, 'difference', rounds, pooled);
  });
}

function unansweredRow(
  section: string,
  turns: readonly Turn<{ readonly unanswered: number }, unknown>[],
): BenchRow {
  return {
    section,
    what: 'never served',
    unit: '',
    castgate: sum(turns.map((turn) => turn.cached.unanswered + turn.radius.unanswered)),
    reference: sum(turns.map((turn) => turn.kernel.unanswered)),
    referenceName: KERNEL,
    comparison: undefined,
  };
}

class Runner {
  readonly #bed: Bed;
  #next = 0;

  constructor(bed: Bed) {
    this.#bed = bed;
  }

  /** Brings every viewer in; it stays in. */
  async login(): Promise<void> {
    const { ports } = this.#bed.network.castgate;
    const plan = { ports, first: 0, count: VIEWERS, inFlight: 8, retryMs: 3000, tries: 3 };
    const { failed } = await this.#bed.login(plan);
    if (failed > 0) throw new Error(`${failed} of ${VIEWERS} viewers could not log in`);
  }

  async zap(count: number): Promise<ZapTurn> {
    const first = this.#take(count, 1);
    const { kernel, castgate } = this.#plans(first, count);
    return {
      kernel: await this.#bed.zap(kernel),
      radius: await this.#bed.zap(castgate),
      cached: await this.#bed.zap(castgate),
      server: await this.#bed.ask({ ...castgate, inFlight: 1 }),
    };
  }

  async rush(count: number, inFlight: number): Promise<RushTurn> {
    const first = this.#take(count, GROUPS);
    const { kernel, castgate } = this.#plans(first, count);
    return {
      kernel: await this.#timed(kernel, inFlight),
      radius: await this.#timed(castgate, inFlight),
      cached: await this.#timed(castgate, inFlight),
      server: await this.#bed.ask({ ...castgate, inFlight }),
    };
  }

  async #timed(plan: WatchPlan, inFlight: number): Promise<Rush> {
    const before = cpuSeconds(this.#bed.castgatePid);
    const outcome = await this.#bed.rush(plan, inFlight);
    return { ...outcome, cpuSeconds: cpuSeconds(this.#bed.castgatePid) - before };
  }

  #plans(first: number, count: number): { readonly kernel: WatchPlan; readonly castgate: WatchPlan } {
    const { castgate, plain } = this.#bed.network;
    const range = { viewers: VIEWERS, groups: GROUPS, first, count };
    return {
      castgate: { ...range, ports: castgate.ports, upstream: 0 },
      kernel: { ...range, ports: plain.ports, upstream: 1 },
    };
  }

  /** The next pairs that nobody has asked for. */
  #take(count: number, align: number): number {
    const first = Math.ceil(this.#next / align) * align;
    this.#next = first + count;
    if (this.#next > VIEWERS * GROUPS)
      throw new Error('the bench has run out of questions that nobody has asked');
    return first;
  }
}

function perSecond(rush: RushOutcome): number {
  return rush.joinMs.length / rush.seconds;
}

function medians(turn: Turn<{ readonly joinMs: readonly number[] }, AskOutcome>): string {
  const ms = (values: readonly number[]) => median(values).toFixed(2);
  return `kernel ${ms(turn.kernel.joinMs)}, cached ${ms(turn.cached.joinMs)}, RADIUS ${ms(turn.radius.joinMs)}, server ${ms(turn.server.roundTripMs)} ms`;
}

function rates(turn: RushTurn): string {
  const rate = (rush: Rush) => perSecond(rush).toFixed(0);
  return `kernel ${rate(turn.kernel)}, cached ${rate(turn.cached)}, RADIUS ${rate(turn.radius)}/s`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

const PERCENTILES = [
  ['median', 50],
  ['95th percentile', 95],
  ['99th percentile', 99],
  ['longest', 100],
] as const;
const KERNEL = 'kernel snooping';
const SERVER = "the server's round trip";
const VIEWERS = ACCOUNTS;
const IN_FLIGHT = 64;
const WARM_UP_ROUNDS = 4;
