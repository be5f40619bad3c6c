/**
 * `npm run ha:takeover`: the node that holds a RADIUS connection over TCP is killed, again and again, under load.
 * Each time the server must see the same connection, every question once, in the order in which they were asked.
 */
import { parseArgs } from 'node:util';
import { NODE_NAMES, type NodeName } from '../ha/pair-topology.ts';
import { LabError, pause } from '../processes.ts';
import { TAKEOVER_SCENARIOS, type TakeoverScenario } from './scenario.ts';
import { TakeoverLab } from './takeover-lab.ts';

const HELP = `npm run ha:takeover -- [OPTIONS]

Raises two nodes and a RADIUS server over TCP in network namespaces, and kills the node that serves, with SIGKILL,
at random moments while questions are under way. Needs root.

Options:
  --count N      how many takeovers (20)
  --only TEXT    only situations whose name has this text (a regular expression)
  --seed S       the moments are drawn from this number (1)
  --verbose      what the nodes said in a round that failed
  --help         print this
`;

/** One takeover, as it was seen. */
interface Round {
  readonly scenario: TakeoverScenario;
  readonly reasons: readonly string[];
  /** Milliseconds from the kill to the next packet at the server; undefined where nothing came. */
  readonly silentMs: number | undefined;
  /** What the node that took over did, in milliseconds after it was asked to. */
  readonly steps: string;
}

async function main(words: readonly string[]): Promise<number> {
  const options = {
    count: { type: 'string', default: '20' },
    only: { type: 'string', default: '' },
    seed: { type: 'string', default: '1' },
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  } as const;
  let values: ReturnType<typeof parseArgs<{ options: typeof options }>>['values'];
  try {
    values = parseArgs({ args: [...words], options }).values;
  } catch (error) {
    console.error(`ha:takeover: ${error instanceof Error ? error.message : String(error)}`);
    return 2;
  }
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const count = Number(values.count);
  const scenarios = TAKEOVER_SCENARIOS.filter(({ name }) => new RegExp(values.only).test(name));
  if (!Number.isSafeInteger(count) || count < 1 || scenarios.length === 0) {
    console.error('ha:takeover: --count takes a whole number, --only a part of the name of a situation');
    return 2;
  }
  const rounds: Round[] = [];
  const chance = numbersFrom(Number(values.seed));
  const interrupted = () => process.exit(130);
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  // A lab for each kind of server and length of messages; the rounds are shared out among the situations.
  const labs = groupedBy(scenarios, ({ server, messages }) => `${server} ${messages}`);
  let given = 0;
  let ofScenarios = 0;
  for (const group of labs.values()) {
    ofScenarios += group.length;
    const share = Math.round((count * ofScenarios) / scenarios.length) - given;
    given += share;
    if (share > 0) await playIn(group, share, chance, rounds, values.verbose);
  }
  const failed = rounds.filter(({ reasons }) => reasons.length > 0).length;
  for (const line of table(rounds)) console.log(line);
  const left = count - rounds.length;
  if (left > 0) console.log(`${left} takeovers were not played`);
  console.log(`${rounds.length - failed} passed, ${failed + left} failed`);
  return failed + left === 0 ? 0 : 1;
}

/** Plays so many rounds, one situation after the other, in one lab. */
async function playIn(
  scenarios: readonly TakeoverScenario[],
  count: number,
  chance: () => number,
  rounds: Round[],
  verbose: boolean,
): Promise<void> {
  const [first] = scenarios;
  if (first === undefined) return;
  let lab: TakeoverLab | undefined;
  try {
    lab = await TakeoverLab.open(first);
    let next = 1;
    for (let number = 0; number < count; number++) {
      const scenario = scenarios[number % scenarios.length] ?? first;
      const round = await play(lab, scenario, next, chance);
      next += QUESTIONS;
      rounds.push(round);
      const verdict = round.reasons.length === 0 ? 'passed' : 'FAILED';
      const silent =
        round.silentMs === undefined ? '' : `, next packet after ${round.silentMs.toFixed(1)} ms`;
      console.log(`${String(rounds.length).padStart(4)}  ${verdict}  ${scenario.name}${silent}`);
      for (const reason of round.reasons) console.log(`      ${reason}`);
      if (verbose) console.log(`      ${round.steps}`);
      if (round.reasons.length === 0) continue;
      if (verbose)
        for (const name of NODE_NAMES)
          for (const line of lab.nodes[name].tail(60)) console.log(`      | ${line}`);
      if (rounds.slice(-3).every(({ reasons }) => reasons.length > 0) && rounds.length >= 3) break;
    }
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    console.log(`      ended: ${error.message}`);
    for (const line of error.detail) console.log(`      | ${line}`);
  } finally {
    await lab?.close();
  }
}

async function play(
  lab: TakeoverLab,
  scenario: TakeoverScenario,
  first: number,
  chance: () => number,
): Promise<Round> {
  const active = await lab.inStep();
  const other: NodeName = active === 'a' ? 'b' : 'a';
  const { counting } = lab;
  const before = counting === undefined ? undefined : await lab.seen(first);
  const flagsBefore = lab.flags.length;
  const takeovers = (await lab.nodes[other].status())?.connectionsContinued ?? 0;
  await lab.impair(scenario.link);
  await counting?.ask(`pace ${scenario.pace ?? 0}`);
  await lab.joiner.ask(`run ${first} ${QUESTIONS} ${scenario.rate}`);
  const lasts = (1000 * QUESTIONS) / scenario.rate;
  const killAt = lasts * (0.1 + 0.7 * chance());
  const stopAt = Math.max(0, killAt - (scenario.stopped?.beforeMs ?? 0));
  await pause(stopAt);
  if (scenario.stopped !== undefined) await counting?.ask('stop');
  await pause(killAt - stopAt);
  const killedAt = performance.now();
  const killed = lab.nodes[active].castgate.kill();
  if (scenario.stopped !== undefined) {
    await pause(scenario.stopped.afterMs);
    await counting?.ask('go');
  }
  await killed;
  const asked = await settle(lab, first, lasts);
  await counting?.ask('pace 0');
  await lab.impair(undefined);
  const reasons: string[] = [];
  const repeated = asked.numbers.length - new Set(asked.numbers).size;
  const missing = missingOf(first, asked.numbers);
  if (missing.length > 0)
    reasons.push(`${missing.length} questions never came: ${missing.slice(0, 5).join(', ')}`);
  if (repeated > 0) reasons.push(`${repeated} questions came twice`);
  const inOrder = asked.numbers.filter((number) => !asked.again.has(number));
  // FreeRADIUS writes down what its threads have answered, in their order.
  const disorder =
    lab.radius !== undefined ? 0 : inOrder.filter((number, i) => number < (inOrder[i - 1] ?? 0)).length;
  if (disorder > 0) reasons.push(`${disorder} questions were out of order`);
  const flags = lab.flags.slice(flagsBefore);
  for (const line of flags) reasons.push(`on the wire: ${line}`);
  if (before !== undefined) {
    const after = await lab.seen(first);
    if (after.accepted !== before.accepted)
      reasons.push(`${after.accepted - before.accepted} new connections`);
    for (const end of after.ended.slice(before.ended.length)) reasons.push(`a connection ended: ${end}`);
    for (const damage of after.damaged.slice(before.damaged.length))
      reasons.push(`a damaged packet: ${damage}`);
    if (after.repeated !== before.repeated)
      reasons.push(`${after.repeated - before.repeated} packets came twice`);
  }
  const row = (await lab.nodes[other].castgate.radius())[0];
  if (row === undefined) reasons.push('the node that took over tells nothing of the server');
  else {
    const answersLost = row.inFlight + row.timeouts + Object.values(row.discarded).reduce((a, b) => a + b, 0);
    if (answersLost > 0)
      reasons.push(
        `answers: ${row.inFlight} awaited, ${row.timeouts} given up, discarded ${JSON.stringify(row.discarded)}`,
      );
    if (row.retransmits > 0) reasons.push(`${row.retransmits} requests were sent again`);
  }
  const status = await lab.nodes[other].status();
  const continued = (status?.connectionsContinued ?? 0) - takeovers;
  if (continued !== CONNECTIONS) reasons.push(`${continued} of ${CONNECTIONS} connections were continued`);
  const silentMs = await silence(lab, first, killedAt);
  await lab.joiner.ask(`leave ${first} ${QUESTIONS}`);
  // What was killed is to be there again for the next round.
  await lab.nodes[active].castgate.resume();
  const steps = (status?.lastTakeover ?? []).map(({ step, ms }) => `${step} ${ms.toFixed(0)}`).join(', ');
  return { scenario, reasons, silentMs, steps };
}

/** Until every question is with the server; joins that nobody took up are made again. */
async function settle(
  lab: TakeoverLab,
  first: number,
  lastsMs: number,
): Promise<{ numbers: readonly number[]; again: ReadonlySet<number> }> {
  const again = new Set<number>();
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
      return { numbers: await lab.asked(first), again };
    }
    if (numbers.length !== before) {
      before = numbers.length;
      stillSince = performance.now();
    } else if (performance.now() - stillSince > STILL_MS) {
      for (const number of missing) again.add(number);
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
      const [row] = await lab.nodes[name].castgate.radius();
      if (row?.inFlight === 0) return;
    }
    if (performance.now() > end) return;
    await pause(50);
  }
}

function missingOf(first: number, numbers: readonly number[]): number[] {
  const there = new Set(numbers);
  return Array.from({ length: QUESTIONS }, (_, i) => first + i).filter((number) => !there.has(number));
}

/** How long after the kill the next question was with the server. Both clocks are the machine's monotonic one. */
async function silence(lab: TakeoverLab, first: number, killedAt: number): Promise<number | undefined> {
  if (lab.counting === undefined) return undefined;
  const at = Number(process.hrtime.bigint()) / 1e6 - (performance.now() - killedAt);
  const times = (await lab.counting.ask(`times ${first}`))['times'] as readonly number[];
  // What was on its way at the kill still arrives: the takeover's first packet comes after a pause.
  const after = times.filter((time) => time > at);
  const resumed = after.find((time) => time - (times[times.indexOf(time) - 1] ?? at) >= LEAST_PAUSE_MS);
  const next = resumed ?? after[0];
  return next === undefined ? undefined : next - at;
}

function table(rounds: readonly Round[]): string[] {
  const lines = [
    '',
    'situation                                        passed   next packet, ms (median, longest)',
  ];
  for (const [name, of] of groupedBy(rounds, ({ scenario }) => scenario.name)) {
    const times = of.flatMap(({ silentMs }) => silentMs ?? []).sort((a, b) => a - b);
    const passed = of.filter(({ reasons }) => reasons.length === 0).length;
    const figures =
      times.length === 0 ? '' : `${times[times.length >> 1]?.toFixed(1)}, ${times.at(-1)?.toFixed(1)}`;
    lines.push(`${name.padEnd(48)} ${`${passed}/${of.length}`.padEnd(8)} ${figures}`);
  }
  return lines;
}

function groupedBy<T>(all: readonly T[], keyOf: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of all) groups.set(keyOf(one), [...(groups.get(keyOf(one)) ?? []), one]);
  return groups;
}

/** Numbers from 0 to 1 that come again with the same seed (mulberry32). */
function numbersFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Questions of a round. */
const QUESTIONS = 150;
/** For logins and questions, and for accounting. */
const CONNECTIONS = 2;
const SETTLE_MS = 12_000;
const STILL_MS = 700;
/** No takeover is quicker, and no two questions are as far apart otherwise. */
const LEAST_PAUSE_MS = 15;

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  if (!(error instanceof LabError)) throw error;
  console.error(`ha:takeover: ${error.message}`);
  for (const line of error.detail) console.error(`  ${line}`);
  return 1;
});
