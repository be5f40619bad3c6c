/**
 * Joins while nobody, and while up to thousands of others receive: how many a second, and how long each takes from
 * its report to the first datagram; leaves, to the last one. By turns a plain bridge that snoops, castgate with
 * rights that came with the login, with answers that it remembers, and by asking RADIUS.
 */
import type { Bed, BedRights } from '../bed.ts';
import type { RushOutcome, WatchPlan, ZapOutcome } from '../channels/viewers.ts';
import { cpuSeconds } from '../report/cpu-time.ts';
import { type BenchRow, type Round, rowOfRounds } from '../report/row.ts';
import { percentile } from '../report/statistics.ts';

/** Ways in which a join is decided, in the order in which they are measured. */
export const WAYS = ['kernel', 'radius', 'cached', 'preloaded'] as const;

export type Way = (typeof WAYS)[number];

/** What one way showed at one size. */
interface Seen {
  readonly gather: RushOutcome;
  readonly zap: ZapOutcome;
  readonly cpuSeconds: number;
}

export interface ScalePlan {
  /** Channels that stand, by size. */
  readonly sizes: readonly number[];
  /** Single joins, each with its leave, while they stand. */
  readonly zaps: number;
  readonly rounds: number;
}

export async function benchScale(
  runner: Runner,
  { sizes, zaps, rounds }: ScalePlan,
  say: (line: string) => void,
): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const size of sizes) {
    const turns: Record<Way, Seen>[] = [];
    for (let round = 0; round < (size >= 10_000 ? 1 : rounds); round++) {
      const pairs = runner.take(size + zaps);
      const turn: Partial<Record<Way, Seen>> = {};
      for (const way of WAYS) turn[way] = await runner.look(way, pairs, size, zaps);
      turns.push(turn as Record<Way, Seen>);
      say(`${size} channels, round ${round + 1}: ${WAYS.map((way) => sayOf(way, turn[way])).join('; ')}`);
    }
    rows.push(...rowsOf(size, turns));
  }
  return rows;
}

/** Plans for the bed, and pairs of viewer and group that nobody has asked for yet. */
export class Runner {
  readonly bed: Bed;
  readonly #rights: BedRights;
  #next = 0;

  constructor(bed: Bed, rights: BedRights) {
    this.bed = bed;
    this.#rights = rights;
  }

  async login(): Promise<void> {
    const { asked, preloaded } = this.#rights;
    const { ports } = this.bed.network.castgate;
    const plan = { ports, first: 0, count: asked + preloaded, inFlight: 8, retryMs: 3000, tries: 3 };
    const { failed } = await this.bed.login(plan);
    if (failed > 0) throw new Error(`${failed} viewers could not log in`);
  }

  /** The first of so many new pairs. */
  take(count: number): number {
    const first = this.#next;
    this.#next += count;
    const { asked, groups } = this.#rights;
    if (this.#next > asked * groups)
      throw new Error('the bench has run out of questions that nobody has asked');
    return first;
  }

  plan(way: Way, first: number, count: number): WatchPlan {
    const { castgate, plain } = this.bed.network;
    const { asked, groups } = this.#rights;
    const { ports } = way === 'kernel' ? plain : castgate;
    const firstViewer = way === 'preloaded' ? asked : 0;
    return { viewers: asked, groups, ports, upstream: way === 'kernel' ? 1 : 0, firstViewer, first, count };
  }

  async look(way: Way, first: number, size: number, zaps: number): Promise<Seen> {
    const standing = this.plan(way, first, size);
    const before = cpuSeconds(this.bed.castgatePid);
    const gather = await this.bed.gather(standing, Math.min(size, IN_FLIGHT));
    const spent = cpuSeconds(this.bed.castgatePid) - before;
    const zap = await this.bed.zap(this.plan(way, first + size, zaps));
    await this.bed.leaveAll(standing);
    return { gather, zap, cpuSeconds: spent };
  }
}

function rowsOf(size: number, turns: readonly Record<Way, Seen>[]): BenchRow[] {
  const section = `${size.toLocaleString('en-US')} subscribers × groups`;
  const rows: BenchRow[] = [];
  const row = (what: string, unit: string, kind: 'ratio' | 'difference', rounds: Round[], pooled?: Round) =>
    rows.push(rowOfRounds({ section, what, unit }, KERNEL, kind, rounds, pooled));
  for (const way of WAYS.slice(1)) {
    const name = NAMES[way];
    if (size > 1) {
      const rate = ({ gather }: Seen) => gather.joinMs.length / gather.seconds;
      const rates = turns.map((turn) => ({ castgate: rate(turn[way]), reference: rate(turn.kernel) }));
      row(`${name}, joins with ${Math.min(size, IN_FLIGHT)} in flight`, '/s', 'ratio', rates);
      const cpu = turns.map((turn) => {
        const { cpuSeconds: seconds, gather } = turn[way];
        return { castgate: (1000 * seconds) / gather.joinMs.length, reference: undefined };
      });
      if (size >= 1000) row(`${name}, processor time of 1,000 joins`, 's', 'ratio', cpu);
    }
    for (const what of ['join', 'leave'] as const) {
      if (what === 'leave' && way !== 'preloaded') continue;
      const samples = (seen: Seen) => (what === 'join' ? seen.zap.joinMs : seen.zap.leaveMs);
      for (const [label, percent] of PERCENTILES) {
        const pooled = {
          castgate: percentile(
            turns.flatMap((turn) => samples(turn[way])),
            percent,
          ),
          reference: percentile(
            turns.flatMap((turn) => samples(turn.kernel)),
            percent,
          ),
        };
        const title = what === 'join' ? `${name}, join to first datagram` : 'leave to last datagram';
        row(`${title}, ${label}`, 'ms', 'difference', [pooled], pooled);
      }
    }
  }
  const never = (of: readonly Way[]) =>
    turns.flatMap((turn) => of.map((way) => turn[way].gather.unanswered + turn[way].zap.unanswered));
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const pooled = { castgate: sum(never(WAYS.slice(1))), reference: sum(never(['kernel'])) };
  row('never served', '', 'difference', [pooled], pooled);
  return rows;
}

function sayOf(way: Way, seen: Seen | undefined): string {
  if (seen === undefined) return way;
  const { gather, zap } = seen;
  const ms = (percent: number) => percentile(zap.joinMs, percent).toFixed(2);
  return `${way} ${(gather.joinMs.length / gather.seconds).toFixed(0)}/s, ${ms(50)}, ${ms(99)} ms`;
}

export const KERNEL = 'kernel snooping';
const NAMES: Readonly<Record<Way, string>> = {
  kernel: KERNEL,
  radius: 'through RADIUS',
  cached: 'remembered',
  preloaded: 'rights of the login',
};
const PERCENTILES = [
  ['median', 50],
  ['99th percentile', 99],
  ['longest', 100],
] as const;
const IN_FLIGHT = 64;
