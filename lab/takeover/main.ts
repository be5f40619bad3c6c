/**
 * `npm run ha:takeover`: the node that holds a RADIUS connection over TCP is killed, again and again, under load.
 * Each time the server must see the same connection, every question once, in the order in which they were asked.
 */
import { parseArgs } from 'node:util';
import { NODE_NAMES } from '../ha/pair-topology.ts';
import { LabError } from '../processes.ts';
import { type LabRounds, planRounds } from './plan.ts';
import { playRound, QUESTIONS, type Round } from './round.ts';
import { type SetName, TAKEOVER_SETS } from './scenario.ts';
import { TakeoverLab } from './takeover-lab.ts';
import { takeoverTable } from './takeover-table.ts';

const HELP = `npm run ha:takeover -- [OPTIONS]

Raises two nodes and a RADIUS server over TCP in network namespaces, and takes the node that serves away at
random moments while questions are under way. Needs root.

Options:
  --count N      how many takeovers (24)
  --set NAME     kill: by SIGKILL, half with FreeRADIUS, half with a server that counts (the default);
                 others: by order, SIGSTOP and cut links, and everything over IPv6;
                 standby-first: all of these with the node that stands by in the way of the packets
  --only TEXT    only situations whose name has this text (a regular expression)
  --seed S       the moments are drawn from this number (1)
  --round N      plays only the round of this number, out of the same count, set and seed
  --verbose      what each takeover's steps were, and what the nodes said in a round that failed
  --help         print this
`;

async function main(words: readonly string[]): Promise<number> {
  const options = {
    count: { type: 'string', default: '24' },
    set: { type: 'string', default: 'kill' },
    only: { type: 'string', default: '' },
    seed: { type: 'string', default: '1' },
    round: { type: 'string' },
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
  const [count, seed] = [Number(values.count), Number(values.seed)];
  const set = TAKEOVER_SETS[values.set as SetName] ?? [];
  const scenarios = set.filter(({ name }) => new RegExp(values.only).test(name));
  if (!Number.isSafeInteger(count) || count < 1 || !Number.isSafeInteger(seed) || scenarios.length === 0) {
    console.error(
      `ha:takeover: --count and --seed take whole numbers, --set one of ${Object.keys(TAKEOVER_SETS).join(', ')}, --only a part of the name of a situation`,
    );
    return 2;
  }
  const only = values.round === undefined ? undefined : Number(values.round);
  const labs = planRounds(scenarios, count, seed)
    .map((rounds) => rounds.filter(({ number }) => only === undefined || number === only))
    .filter((rounds) => rounds.length > 0);
  const planned = labs.reduce((sum, { length }) => sum + length, 0);
  if (planned === 0) {
    console.error(`ha:takeover: there is no round ${values.round} among ${count}`);
    return 2;
  }
  console.log(`set ${values.set}, seed ${seed}, ${count} takeovers`);
  const rounds: Round[] = [];
  const interrupted = () => process.exit(130);
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  for (const lab of labs) await playIn(lab, rounds, values.verbose);
  const failed = rounds.filter(({ reasons }) => reasons.length > 0);
  for (const line of takeoverTable(rounds)) console.log(line);
  const again = `--count ${count} --set ${values.set} --seed ${seed}${values.only === '' ? '' : ` --only '${values.only}'`}`;
  for (const { plan } of failed)
    console.log(`play it again: npm run ha:takeover -- ${again} --round ${plan.number} --verbose`);
  const left = planned - rounds.length;
  if (left > 0) console.log(`${left} takeovers were not played`);
  console.log(`${rounds.length - failed.length} passed, ${failed.length + left} failed`);
  return failed.length + left === 0 ? 0 : 1;
}

/** Plays rounds one after the other in one lab. */
async function playIn(planned: LabRounds, rounds: Round[], verbose: boolean): Promise<void> {
  const [first] = planned;
  if (first === undefined) return;
  let lab: TakeoverLab | undefined;
  try {
    lab = await TakeoverLab.open(first.scenario);
    let next = 1;
    for (const plan of planned) {
      const round = await playRound(lab, plan, next);
      next += QUESTIONS;
      rounds.push(round);
      const verdict = round.reasons.length === 0 ? 'passed' : 'FAILED';
      const silent =
        round.silentMs === undefined ? '' : `, next packet after ${round.silentMs.toFixed(1)} ms`;
      console.log(`${String(plan.number).padStart(4)}  ${verdict}  ${plan.scenario.name}${silent}`);
      for (const reason of round.reasons) console.log(`      ${reason}`);
      if (verbose) console.log(`      ${round.steps}`);
      if (round.reasons.length === 0) continue;
      if (verbose)
        for (const name of NODE_NAMES)
          for (const line of lab.nodes[name].tail(60)) console.log(`      | ${line}`);
      if (rounds.length >= 3 && rounds.slice(-3).every(({ reasons }) => reasons.length > 0)) break;
    }
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    console.log(`      ended: ${error.message}`);
    for (const line of error.detail) console.log(`      | ${line}`);
  } finally {
    await lab?.close();
  }
}

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  if (!(error instanceof LabError)) throw error;
  console.error(`ha:takeover: ${error.message}`);
  for (const line of error.detail) console.error(`  ${line}`);
  return 1;
});
