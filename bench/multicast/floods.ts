/**
 * Joins on other ports while one floods: each kind of flood by turns with silence, on castgate and on the plain
 * bridge, after a warm-up of each. The daemon has its default limits of reports.
 */

import { FLOODS } from '../channels/flood.ts';
import { cpuSeconds } from '../report/cpu-time.ts';
import { type BenchRow, rowOfRounds } from '../report/row.ts';
import { percentile } from '../report/statistics.ts';
import { KERNEL, type Runner, type Way } from './scale.ts';

export interface FloodsPlan {
  /** Joins under each kind of flood, in a round. */
  readonly joins: number;
  readonly rounds: number;
  /** Frames that a flood has in a second. */
  readonly perSecond: number;
}

interface Seen {
  readonly joinMs: number[];
  unanswered: number;
  /** Of the measurement, and of castgate's process in it. */
  seconds: number;
  cpuSeconds: number;
}

/** Of the viewers on port 2 and so on: the flood comes from the port of viewer 0. */
export async function benchFloods(
  runner: Runner,
  { joins, rounds, perSecond }: FloodsPlan,
  say: (line: string) => void,
): Promise<BenchRow[]> {
  const { bed } = runner;
  const first = runner.take(3 * joins);
  const look = async (way: 'preloaded' | 'kernel', kind: Kind, count = joins): Promise<Seen> => {
    const { castgate, plain } = bed.network;
    const port = (way === 'kernel' ? plain : castgate).ports[0] ?? '';
    const before = await bed.flood(kind === 'nothing' ? undefined : { kind, port, perSecond, viewer: 0 });
    const seen: Seen = nothing();
    const spentBefore = cpuSeconds(bed.castgatePid);
    const began = performance.now();
    for (let i = 0; seen.joinMs.length + seen.unanswered < count && i < 3 * joins; i++) {
      const plan = runner.plan(way, first + i, 1);
      // Viewers of the flooding port are not whom it is about.
      if (viewerOf(plan.viewers, plan.groups, first + i) % plan.ports.length === 0) continue;
      const zap = await bed.zap(plan);
      seen.joinMs.push(...zap.joinMs);
      seen.unanswered += zap.unanswered;
    }
    seen.seconds = (performance.now() - began) / 1000;
    seen.cpuSeconds = cpuSeconds(bed.castgatePid) - spentBefore;
    const sent = (await bed.flood(undefined)) - before;
    say(
      `${way}, ${NAMES[kind]}, ${(sent / seen.seconds).toFixed(0)}/s: join ${percentile(seen.joinMs, 50).toFixed(2)}, ${percentile(seen.joinMs, 99).toFixed(2)} ms, ${seen.unanswered} unanswered, ${((100 * seen.cpuSeconds) / seen.seconds).toFixed(0)} %`,
    );
    return seen;
  };
  for (const kind of KINDS) await look('preloaded', kind, Math.min(joins, WARM_UP));
  const seen = new Map<string, Seen>();
  for (let round = 0; round < rounds; round++) {
    for (const kind of KINDS) {
      for (const way of ['preloaded', 'kernel'] as const) {
        const one = await look(way, kind);
        const all = seen.get(`${way}/${kind}`) ?? nothing();
        all.joinMs.push(...one.joinMs);
        all.unanswered += one.unanswered;
        all.seconds += one.seconds;
        all.cpuSeconds += one.cpuSeconds;
        seen.set(`${way}/${kind}`, all);
      }
    }
  }
  const of = (way: Way, kind: Kind): Seen => seen.get(`${way}/${kind}`) ?? nothing();
  const section = `Joins on other ports while one floods with ${perSecond.toLocaleString('en-US')} frames a second`;
  const rows: BenchRow[] = [];
  for (const kind of KINDS) {
    const [castgate, kernel] = [of('preloaded', kind), of('kernel', kind)];
    for (const percent of [50, 99]) {
      const round = {
        castgate: percentile(castgate.joinMs, percent),
        reference: percentile(kernel.joinMs, percent),
      };
      const what = `${NAMES[kind]}, ${percent === 50 ? 'median' : '99th percentile'}`;
      rows.push(rowOfRounds({ section, what, unit: 'ms' }, KERNEL, 'difference', [round]));
    }
    const cpu = { castgate: (100 * castgate.cpuSeconds) / castgate.seconds, reference: undefined };
    rows.push(
      rowOfRounds({ section, what: `${NAMES[kind]}, castgate's processor`, unit: '%' }, KERNEL, 'ratio', [
        cpu,
      ]),
    );
    const never = { castgate: castgate.unanswered, reference: kernel.unanswered };
    if (never.castgate + never.reference > 0)
      rows.push(
        rowOfRounds({ section, what: `${NAMES[kind]}, never served`, unit: '' }, KERNEL, 'difference', [
          never,
        ]),
      );
  }
  return rows;
}

function nothing(): Seen {
  return { joinMs: [], unanswered: 0, seconds: 0, cpuSeconds: 0 };
}

function viewerOf(viewers: number, groups: number, pair: number): number {
  return (pair + Math.floor(pair / groups)) % viewers;
}

const KINDS = ['nothing', ...FLOODS] as const;
type Kind = (typeof KINDS)[number];
const NAMES: Readonly<Record<Kind, string>> = {
  nothing: 'no flood',
  strangers: 'reports of strangers',
  groups: 'ever other groups by one who is in',
  damaged: 'wrong checksums',
  starts: 'EAPOL-Starts of strangers',
};
const WARM_UP = 200;
