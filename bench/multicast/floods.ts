/**
 * Joins on one port while another one floods: each kind of flood by turns with silence, on castgate and on the
 * plain bridge. The daemon has its default limits of reports.
 */
import { FLOODS } from '../flood.ts';
import { type BenchRow, rowOfRounds } from '../row.ts';
import { percentile } from '../statistics.ts';
import { KERNEL, type Runner, type Way } from './scale.ts';

/** Of the viewers on port 2 and so on: the flood comes from the port of viewer 0. */
export async function benchFloods(
  runner: Runner,
  { joins, perSecond }: { joins: number; perSecond: number },
  say: (line: string) => void,
): Promise<BenchRow[]> {
  const { bed } = runner;
  const first = runner.take(3 * joins);
  const look = async (way: Way, kind: (typeof FLOODS)[number] | undefined) => {
    const { castgate, plain } = bed.network;
    const port = (way === 'kernel' ? plain : castgate).ports[0] ?? '';
    const before = await bed.flood(kind === undefined ? undefined : { kind, port, perSecond, viewer: 0 });
    const joinMs: number[] = [];
    let unanswered = 0;
    const began = performance.now();
    for (let i = 0; joinMs.length + unanswered < joins && i < 3 * joins; i++) {
      const plan = runner.plan(way, first + i, 1);
      // Viewers of the flooding port are not whom it is about.
      if (viewerOf(plan.viewers, plan.groups, first + i) % plan.ports.length === 0) continue;
      const zap = await bed.zap(plan);
      joinMs.push(...zap.joinMs);
      unanswered += zap.unanswered;
    }
    const seconds = (performance.now() - began) / 1000;
    const sent = (await bed.flood(undefined)) - before;
    say(
      `${way}, flood of ${kind ?? 'nothing'}, ${(sent / seconds).toFixed(0)}/s: join ${percentile(joinMs, 50).toFixed(2)}, ${percentile(joinMs, 99).toFixed(2)} ms, ${unanswered} unanswered`,
    );
    return { joinMs, unanswered };
  };
  const quiet = { castgate: await look('preloaded', undefined), kernel: await look('kernel', undefined) };
  const rows: BenchRow[] = [];
  for (const kind of [undefined, ...FLOODS]) {
    const seen =
      kind === undefined
        ? quiet
        : { castgate: await look('preloaded', kind), kernel: await look('kernel', kind) };
    const section = `Joins on other ports while one floods with ${perSecond.toLocaleString('en-US')} frames a second`;
    for (const percent of [50, 99]) {
      const round = {
        castgate: percentile(seen.castgate.joinMs, percent),
        reference: percentile(seen.kernel.joinMs, percent),
      };
      const what = `${NAMES[kind ?? 'nothing']}, ${percent === 50 ? 'median' : '99th percentile'}`;
      rows.push(rowOfRounds({ section, what, unit: 'ms' }, KERNEL, 'difference', [round]));
    }
  }
  return rows;
}

function viewerOf(viewers: number, groups: number, pair: number): number {
  return (pair + Math.floor(pair / groups)) % viewers;
}

const NAMES = {
  nothing: 'no flood',
  strangers: 'reports of strangers',
  groups: 'ever other groups by one who is in',
  damaged: 'wrong checksums',
} as const;
