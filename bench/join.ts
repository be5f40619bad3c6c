/**
 * Joins and leaves: from the join's frame to the first datagram, from the leave's to the last. By turns a
 * plain bridge that snoops, castgate where RADIUS must be asked, castgate where the answer is known, and the
 * server itself, asked the same questions by a bare client. Each (viewer, group) pair goes through RADIUS
 * once and then once more through the cache.
 */
import type { Progress } from './auth.ts';
import { ACCOUNTS, type Bed, GROUPS } from './bed.ts';
import { cpuSeconds } from './cpu-time.ts';
import { type BenchRow, type Round, rowOfRounds } from './row.ts';
import { median, percentile } from './statistics.ts';
import type { RushOutcome, WatchPlan, ZapOutcome } from './viewers.ts';

/** How much is done. */
export interface JoinScale {
  readonly rounds: number;
  /** Joins, one after the other, of a round. */
  readonly zaps: number;
  /** Joins of a round with 64 in flight: a multiple of GROUPS, at most 8 × GROUPS. */
  readonly rush: number;
}

interface ZapRound {
  readonly kernel: ZapOutcome;
  readonly radius: ZapOutcome;
  readonly cached: ZapOutcome;
  readonly serverMs: readonly number[];
}

interface Rush extends RushOutcome {
  readonly cpuSeconds: number | undefined;
}

interface RushRound {
  readonly kernel: Rush;
  readonly radius: Rush;
  readonly cached: Rush;
  readonly serverPerSecond: number;
}

/** Runs it all. */
export async function benchJoin(bed: Bed, scale: JoinScale, progress: Progress): Promise<BenchRow[]> {
  const runner = new Runner(bed);
  await runner.login();
  // Whole passes over all ports and groups, so that the code is compiled as it is after a day.
  for (let pass = 0; pass < 2; pass++) await runner.rush(WARM_UP);
  await runner.zap(64);
  const zaps: ZapRound[] = [];
  const rushes: RushRound[] = [];
  for (let round = 0; round < scale.rounds; round++) {
    const zap = await runner.zap(scale.zaps);
    zaps.push(zap);
    progress(
      `one by one, round ${round + 1}: kernel ${ms(zap.kernel.joinMs)}, cached ${ms(zap.cached.joinMs)}, through RADIUS ${ms(zap.radius.joinMs)}, server ${ms(zap.serverMs)} (medians)`,
    );
    const rush = await runner.rush(scale.rush);
    rushes.push(rush);
    progress(
      `${IN_FLIGHT} in flight, round ${round + 1}: kernel ${rate(rush.kernel)}, cached ${rate(rush.cached)}, through RADIUS ${rate(rush.radius)} joins/s`,
    );
  }
  return [...zapRows(zaps), ...rushRows(rushes)];
}

function zapRows(rounds: readonly ZapRound[]): BenchRow[] {
  const interval = median(rounds.map((round) => round.cached.intervalMs)).toFixed(2);
  const rows = (
    title: string,
    name: string,
    ours: (round: ZapRound) => readonly number[],
    theirs: (round: ZapRound) => readonly number[],
  ) => {
    const section = `${title}, one at a time, a datagram every ${interval} ms`;
    return PERCENTILES.map(([what, percent]) =>
      rowOfRounds(
        { section, what, unit: 'ms' },
        name,
        'difference',
        rounds.map((round) => ({
          castgate: percentile(ours(round), percent),
          reference: percentile(theirs(round), percent),
        })),
        {
          castgate: percentile(rounds.flatMap(ours), percent),
          reference: percentile(rounds.flatMap(theirs), percent),
        },
      ),
    );
  };
  return [
    ...rows(
      'Cached join to first datagram',
      KERNEL,
      (r) => r.cached.joinMs,
      (r) => r.kernel.joinMs,
    ),
    ...rows(
      'Join through RADIUS to first datagram',
      SERVER,
      (r) => r.radius.joinMs,
      (r) => r.serverMs,
    ),
    ...rows(
      'Leave to last datagram',
      KERNEL,
      (r) => r.cached.leaveMs,
      (r) => r.kernel.leaveMs,
    ),
    {
      section: 'Joins one at a time',
      what: 'never served',
      unit: '',
      castgate: sum(rounds.map((round) => round.cached.unanswered + round.radius.unanswered)),
      reference: sum(rounds.map((round) => round.kernel.unanswered)),
      referenceName: KERNEL,
      comparison: undefined,
    },
  ];
}

function rushRows(rounds: readonly RushRound[]): BenchRow[] {
  const row = (what: string, unit: string, name: string, figure: (round: RushRound) => Round) =>
    rowOfRounds(
      { section: `Joins with ${IN_FLIGHT} in flight`, what, unit },
      name,
      'ratio',
      rounds.map(figure),
    );
  const cpu = (rush: Rush) => (1000 * (rush.cpuSeconds ?? Number.NaN)) / rush.joinMs.length;
  return [
    row('cached', '/s', KERNEL, ({ cached, kernel }) => ({
      castgate: perSecond(cached),
      reference: perSecond(kernel),
    })),
    row('cached, median', 'ms', KERNEL, ({ cached, kernel }) => ({
      castgate: percentile(cached.joinMs, 50),
      reference: percentile(kernel.joinMs, 50),
    })),
    row('cached, 99th percentile', 'ms', KERNEL, ({ cached, kernel }) => ({
      castgate: percentile(cached.joinMs, 99),
      reference: percentile(kernel.joinMs, 99),
    })),
    row('cached, processor time of 1,000 and their leaves', 's', '', ({ cached }) => ({
      castgate: cpu(cached),
      reference: undefined,
    })),
    row('through RADIUS', '/s', SERVER, ({ radius, serverPerSecond }) => ({
      castgate: perSecond(radius),
      reference: serverPerSecond,
    })),
    row('through RADIUS, processor time of 1,000 and their leaves', 's', '', ({ radius }) => ({
      castgate: cpu(radius),
      reference: undefined,
    })),
    row('never served', '', KERNEL, ({ cached, radius, kernel }) => ({
      castgate: cached.unanswered + radius.unanswered,
      reference: kernel.unanswered,
    })),
  ];
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

  async zap(count: number): Promise<ZapRound> {
    const first = this.#take(count, 1);
    const { kernel, castgate } = this.#plans(first, count);
    return {
      kernel: await this.#bed.zap(kernel),
      radius: await this.#bed.zap(castgate),
      cached: await this.#bed.zap(castgate),
      serverMs: (
        await this.#bed.ask({ viewers: VIEWERS, groups: GROUPS, first, count, inFlight: 1, upstream: 0 })
      ).roundTripMs,
    };
  }

  async rush(count: number): Promise<RushRound> {
    const first = this.#take(count, GROUPS);
    const { kernel, castgate } = this.#plans(first, count);
    const questions = { viewers: VIEWERS, groups: GROUPS, first, count, inFlight: IN_FLIGHT, upstream: 0 };
    const plain = await this.#bed.rush(kernel, IN_FLIGHT);
    const radius = await this.#castgateRush(castgate);
    const cached = await this.#castgateRush(castgate);
    const server = await this.#bed.ask(questions);
    return {
      kernel: { ...plain, cpuSeconds: undefined },
      radius,
      cached,
      serverPerSecond: server.roundTripMs.length / server.seconds,
    };
  }

  async #castgateRush(plan: WatchPlan): Promise<Rush> {
    const before = cpuSeconds(this.#bed.castgatePid);
    const outcome = await this.#bed.rush(plan, IN_FLIGHT);
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

function ms(values: readonly number[]): string {
  return `${median(values).toFixed(2)} ms`;
}

function rate(rush: RushOutcome): string {
  return perSecond(rush).toFixed(0);
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
const WARM_UP = 2 * GROUPS;
