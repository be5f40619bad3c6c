/** What a run of takeovers has seen, as a table: each situation's columns, and their sums. */
import { groupedBy } from './plan.ts';
import { COLUMNS, type Round } from './round.ts';

export function takeoverTable(rounds: readonly Round[]): string[] {
  const names = [...groupedBy(rounds, ({ plan }) => plan.scenario.name)];
  const width = Math.max(9, ...names.map(([name]) => name.length));
  const heads = COLUMNS.map((column) => column.padStart(Math.max(5, column.length)));
  const line = (name: string, of: readonly Round[]) => {
    const passed = of.filter(({ reasons }) => reasons.length === 0).length;
    const sums = COLUMNS.map((column, i) =>
      String(of.reduce((sum, { counts }) => sum + counts[column], 0)).padStart(heads[i]?.length ?? 0),
    );
    const times = of.flatMap(({ silentMs }) => silentMs ?? []).sort((a, b) => a - b);
    const figures =
      times.length === 0 ? '-' : `${times[times.length >> 1]?.toFixed(1)} / ${times.at(-1)?.toFixed(1)}`;
    const takenUp = of.map((round) => round.takenUp).filter((octets) => octets > 0);
    const seen =
      takenUp.length === 0 ? '' : `  (${takenUp.reduce((a, b) => a + b)} in ${takenUp.length} takeovers)`;
    return `${name.padEnd(width)}  ${`${passed}/${of.length}`.padStart(7)}  ${sums.join('  ')}  ${figures}${seen}`;
  };
  return [
    '',
    `${'situation'.padEnd(width)}   passed  ${heads.join('  ')}  next question, ms (median / longest)  (octets that only the standby had)`,
    ...names.map(([name, of]) => line(name, of)),
    line('all', rounds),
  ];
}
