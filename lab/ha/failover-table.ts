/** The table of `ha:failover`: one row a scenario. */
import { CROWD_IN, RESIDENTS } from './pair-plan.ts';
import type { Observation } from './round.ts';

export interface JudgedRound {
  readonly seen: Observation;
  readonly reasons: readonly string[];
}

/** The table, line by line. Times in milliseconds; median, 99th percentile and longest where three are given. */
export function failoverTable(rounds: readonly JudgedRound[]): readonly string[] {
  const names = new Set(rounds.map(({ seen }) => seen.scenario.name));
  const rows = [...names].map((name) =>
    row(
      name,
      rounds.filter(({ seen }) => seen.scenario.name === name),
    ),
  );
  const table = [HEAD, ...rows];
  const widths = HEAD.map((_, column) => Math.max(...table.map((cells) => cells[column]?.length ?? 0)));
  return table.map((cells) =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

function row(name: string, rounds: readonly JudgedRound[]): readonly string[] {
  const all = rounds.map(({ seen }) => seen);
  const watched = all.flatMap((seen) => seen.watched.filter(({ host }) => isResidentsOwn(host, seen)));
  const lost = watched.reduce((sum, { missing }) => sum + missing, 0);
  const doubled = watched.reduce((sum, { doubled: twice }) => sum + twice, 0);
  const first = all.map(firstPacketMs).filter((ms) => ms !== undefined);
  const joins = all.map(({ joinMs }) => joinMs).filter((ms) => ms !== undefined);
  const late = all
    .flatMap(({ zaps }) => zaps)
    .filter(({ afterMs }) => (afterMs ?? LATE_MS) >= LATE_MS).length;
  const retries = all.flatMap(({ crowd }) =>
    crowd.filter(({ line, retries: own }) => CROWD_IN.includes(line) && own > 0),
  );
  return [
    name,
    String(rounds.length),
    `${rounds.filter(({ reasons }) => reasons.length === 0).length}/${rounds.filter(({ reasons }) => reasons.length > 0).length}`,
    spread(all.map(({ masterMs }) => masterMs).filter((ms) => ms !== undefined)),
    spread(first),
    spread(watched.map(({ gapMs }) => gapMs)),
    (lost / Math.max(1, watched.length)).toFixed(0),
    (doubled / Math.max(1, watched.length)).toFixed(0),
    spread(all.map(({ called }) => called.gapMs)),
    spread(joins),
    String(late),
    String(retries.length),
    String(all.filter(({ changedAgain }) => changedAgain).length),
  ];
}

function isResidentsOwn(host: string, seen: Observation): boolean {
  const resident = RESIDENTS.find(({ name }) => name === host);
  return resident !== undefined && resident.watches.length > 0 && seen.watched.length > 0;
}

/** From the fault to the first datagram after the gap; undefined where no channel had a gap of note. */
function firstPacketMs(seen: Observation): number | undefined {
  const gaps = seen.watched
    .filter(({ host, gapMs }) => isResidentsOwn(host, seen) && gapMs > 5)
    .map(({ gapEndAtMs }) => gapEndAtMs - seen.faultAtMs);
  return gaps.length === 0 ? undefined : Math.max(...gaps);
}

function spread(values: readonly number[]): string {
  if (values.length === 0) return '-';
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(0);
  return `${at(0.5)}/${at(0.99)}/${at(1)}`;
}

const HEAD = [
  'fault',
  'rounds',
  'passed/failed',
  'to MASTER',
  'to first packet',
  'gap',
  'lost',
  'doubled',
  'unicast gap',
  'join',
  'late zaps',
  'own retries',
  'unasked',
];
/** A zap that shows nothing by then is a late one. */
const LATE_MS = 100;
