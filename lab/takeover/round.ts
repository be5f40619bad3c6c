/** One takeover under load: played, and what has to be zero counted. */
import type { RadiusRow } from '../../daemon/show/show-rows.ts';
import { ask } from '../control.ts';
import { NODE_NAMES, type NodeName } from '../ha/pair-topology.ts';
import { pause, until } from '../processes.ts';
import type { PlannedRound } from './plan.ts';
import type { Fault } from './scenario.ts';
import type { TakeoverLab } from './takeover-lab.ts';

/** What each round is counted by, and what a table tells of all of them. */
export const COLUMNS = [
  'SYN',
  'FIN',
  'RST',
  'new',
  'lost',
  'doubled',
  'disordered',
  'damaged',
  'again',
  'unanswered',
] as const;
export type Column = (typeof COLUMNS)[number];
export type Counts = Readonly<Record<Column, number>>;

/** One takeover, as it was seen. */
export interface Round {
  readonly plan: PlannedRound;
  /** Each has to be zero. */
  readonly counts: Counts;
  /** Why it has not passed; empty where it has. */
  readonly reasons: readonly string[];
  /** Milliseconds from the fault to the next packet at the server; undefined where that is not known. */
  readonly silentMs: number | undefined;
  /** Octets of the server that the node which took over went on from, and that no record had. */
  readonly takenUp: number;
  /** What the node that took over did, in milliseconds after it was asked to. */
  readonly steps: string;
}

/** Questions of a round. */
export const QUESTIONS = 150;

/** Plays a round whose questions have numbers from `first` on. */
export async function playRound(lab: TakeoverLab, plan: PlannedRound, first: number): Promise<Round> {
  const { scenario, moment, seed } = plan;
  const active = await lab.inStep();
  const other: NodeName = active === 'a' ? 'b' : 'a';
  const before = lab.counting === undefined ? undefined : await lab.seen(first);
  const flagsBefore = lab.flags.length;
  const statusBefore = await lab.nodes[other].status();
  const takeovers = statusBefore?.connectionsContinued ?? 0;
  await lab.impair(scenario.link, seed);
  await lab.counting?.ask(`pace ${scenario.pace ?? 0}`);
  await lab.joiner.ask(`run ${first} ${QUESTIONS} ${scenario.rate}`);
  const lastsMs = (1000 * QUESTIONS) / scenario.rate;
  const faultAt = lastsMs * moment;
  const stopAt = Math.max(0, faultAt - (scenario.stopped?.beforeMs ?? 0));
  await pause(stopAt);
  if (scenario.stopped !== undefined) await lab.stopReading();
  await pause(faultAt - stopAt);
  const brokenAt = performance.now();
  const fault = take(lab, active, scenario.fault);
  if (scenario.stopped !== undefined) {
    await pause(scenario.stopped.afterMs);
    await lab.goOnReading();
  }
  await fault;
  const asked = await settle(lab, first, lastsMs);
  await lab.counting?.ask('pace 0');
  await lab.impair(undefined);
  const counts = Object.fromEntries(COLUMNS.map((column) => [column, 0])) as Record<Column, number>;
  const reasons: string[] = [];
  const note = (column: Column, count: number, words: string) => {
    counts[column] += count;
    if (count > 0) reasons.push(words);
  };
  const missing = missingOf(first, asked.numbers);
  note('lost', missing.length, `${missing.length} questions never came: ${missing.slice(0, 5).join(', ')}`);
  const repeated = asked.numbers.length - new Set(asked.numbers).size;
  note('doubled', repeated, `${repeated} questions came twice`);
  // FreeRADIUS writes down what its threads have answered, in their order.
  const inOrder =
    lab.radius !== undefined ? [] : asked.numbers.filter((number) => !asked.joinedAgain.has(number));
  const disorder = inOrder.filter((number, i) => number < (inOrder[i - 1] ?? 0)).length;
  note('disordered', disorder, `${disorder} questions were out of order`);
  if (flagsBefore === 0) reasons.push('tcpdump has not seen the handshakes: it looks at nothing');
  for (const line of lab.flags.slice(flagsBefore))
    for (const [flag, letter] of FLAGS)
      note(flag, flagsOf(line).includes(letter) ? 1 : 0, `on the wire: ${line}`);
  if (before !== undefined) {
    const after = await lab.seen(first);
    const made = after.accepted - before.accepted;
    note('new', made, `${made} new connections`);
    for (const end of after.ended.slice(before.ended.length)) note('FIN', 1, `a connection ended: ${end}`);
    for (const damage of after.damaged.slice(before.damaged.length))
      note('damaged', 1, `a damaged packet: ${damage}`);
    const twice = after.repeated - before.repeated;
    note('doubled', twice, `${twice} packets came twice`);
  }
  const row = await serverRow(lab, other);
  if (row === undefined) reasons.push('the node that took over tells nothing of the server');
  else {
    const { inFlight, timeouts, discarded, retransmits } = row;
    const waste = Object.values(discarded).reduce((a, b) => a + b, 0);
    note(
      'unanswered',
      inFlight + timeouts,
      `answers: ${inFlight} awaited, ${timeouts} given up, discarded ${JSON.stringify(discarded)}`,
    );
    note('doubled', waste, `answers discarded: ${JSON.stringify(discarded)}`);
    note('again', retransmits, `${retransmits} requests were sent again`);
  }
  const status = await lab.nodes[other].status();
  const continued = (status?.connectionsContinued ?? 0) - takeovers;
  if (continued !== CONNECTIONS) reasons.push(`${continued} of ${CONNECTIONS} connections were continued`);
  const silentMs = await silence(lab, first, brokenAt, asked.joinedAgain);
  await lab.joiner.ask(`leave ${first} ${QUESTIONS}`);
  // What was killed is to be there again for the next round.
  if (scenario.fault === 'kill') await lab.nodes[active].castgate.resume();
  const steps = (status?.lastTakeover ?? []).map(({ step, ms }) => `${step} ${ms.toFixed(0)}`).join(', ');
  const takenUp = (status?.tapTakenUpOctets ?? 0) - (statusBefore?.tapTakenUpOctets ?? 0);
  return { plan, counts, reasons: [...new Set(reasons)], silentMs, takenUp, steps };
}

/** Takes the node away, and gives it back where that is part of the fault. */
async function take(lab: TakeoverLab, active: NodeName, fault: Fault): Promise<void> {
  const { castgate } = lab.nodes[active];
  switch (fault) {
    case 'kill':
      await castgate.kill();
      return;
    case 'order':
      await ask(castgate.socket, 'demote', 10_000);
      return;
    case 'freeze':
      castgate.process?.signal('SIGSTOP');
      try {
        await served(lab, active);
        await pause(AFTERWARDS_MS);
      } finally {
        castgate.process?.signal('SIGCONT');
      }
      return;
    case 'cut':
      await lab.topology.power(active, false);
      try {
        await served(lab, active);
        await pause(AFTERWARDS_MS);
      } finally {
        await lab.topology.power(active, true);
      }
  }
}

/** Until the other node serves. */
function served(lab: TakeoverLab, active: NodeName): Promise<true> {
  const other = lab.nodes[active === 'a' ? 'b' : 'a'];
  return until(
    'the other node to serve',
    10_000,
    async () => ((await other.status())?.role === 'active' ? true : undefined),
    () => NODE_NAMES.flatMap((name) => lab.nodes[name].tail(40)),
  );
}

/** Until every question is with the server; joins that nobody took up are made again. */
async function settle(
  lab: TakeoverLab,
  first: number,
  lastsMs: number,
): Promise<{ numbers: readonly number[]; joinedAgain: ReadonlySet<number> }> {
  const joinedAgain = new Set<number>();
  const end = performance.now() + lastsMs + SETTLE_MS;
  await pause(lastsMs / 3);
  let before = -1;
  let stillSince = performance.now();
  for (;;) {
    const numbers = await lab.asked(first);
    const missing = missingOf(first, numbers);
    if (missing.length === 0 || performance.now() > end) {
      // The answers to the last ones.
      await answered(lab);
      return { numbers: await lab.asked(first), joinedAgain };
    }
    if (numbers.length !== before) {
      before = numbers.length;
      stillSince = performance.now();
    } else if (performance.now() - stillSince > STILL_MS) {
      for (const number of missing) joinedAgain.add(number);
      await lab.joiner.ask(`again ${missing.join(',')}`);
      stillSince = performance.now();
    }
    await pause(50);
  }
}

async function answered(lab: TakeoverLab): Promise<void> {
  const end = performance.now() + 5_000;
  for (;;) {
    for (const name of NODE_NAMES) {
      const status = await lab.nodes[name].status();
      if (status?.role !== 'active') continue;
      if ((await serverRow(lab, name))?.inFlight === 0) return;
    }
    if (performance.now() > end) return;
    await pause(50);
  }
}

async function serverRow(lab: TakeoverLab, name: NodeName): Promise<RadiusRow | undefined> {
  const answer = await ask(lab.nodes[name].castgate.socket, 'radius');
  return answer !== undefined && 'result' in answer ? (answer.result as readonly RadiusRow[])[0] : undefined;
}

function missingOf(first: number, numbers: readonly number[]): number[] {
  const there = new Set(numbers);
  return Array.from({ length: QUESTIONS }, (_, i) => first + i).filter((number) => !there.has(number));
}

/**
 * How long after the fault questions were with the server again: the end of the longest pause after it, as what was
 * on its way still arrives; without joins that were made again. Both clocks are the machine's monotonic one.
 */
async function silence(
  lab: TakeoverLab,
  first: number,
  brokenAt: number,
  joinedAgain: ReadonlySet<number>,
): Promise<number | undefined> {
  if (lab.counting === undefined) return undefined;
  const at = Number(process.hrtime.bigint()) / 1e6 - (performance.now() - brokenAt);
  const answer = await lab.counting.ask(`times ${first}`);
  const numbers = answer['numbers'] as readonly number[];
  const times = (answer['times'] as readonly number[]).filter((_, i) => !joinedAgain.has(numbers[i] ?? 0));
  const end = endOfLongestPause(times, at);
  return end === undefined ? undefined : end - at;
}

/**
 * Of moments in order: the one after `at` that came the longest after the one before it, or after `at`. A pause that begins
 * later than what was on its way at `at` can have arrived is another one.
 */
export function endOfLongestPause(times: readonly number[], at: number): number | undefined {
  let longest = -1;
  let end: number | undefined;
  let before = at;
  for (const time of times) {
    if (time <= at) continue;
    if (before - at > UNDER_WAY_MS) break;
    if (time - before > longest) {
      longest = time - before;
      end = time;
    }
    before = time;
  }
  return end;
}

/** The letters that tcpdump writes: `Flags [S.]`. */
function flagsOf(line: string): string {
  return /Flags \[([^\]]*)\]/.exec(line)?.[1] ?? '';
}

const FLAGS = [
  ['SYN', 'S'],
  ['FIN', 'F'],
  ['RST', 'R'],
] as const;
/** For logins and questions, and for accounting. */
const CONNECTIONS = 2;
const SETTLE_MS = 12_000;
/** The slowest of the links that are tried, and the server's own queue. */
const UNDER_WAY_MS = 100;
const STILL_MS = 700;
/** A node that was away is away for so much longer than it takes the other one to serve. */
const AFTERWARDS_MS = 300;
