/**
 * More groups than the bridge's database has room for: what is served, what is refused and with which words, and
 * that the bridge still snoops. A bridge that is left to itself would stop to, and flood.
 */
import { LabError, run } from '../../lab/processes.ts';
import { LabAddress } from '../../lab/topology.ts';
import { type BenchRow, plainRow } from '../report/row.ts';
import type { Runner } from './scale.ts';

/** Of the bed's bridge, in groups. */
export const SMALL_DATABASE = 512;

export async function benchFull(runner: Runner, say: (line: string) => void): Promise<BenchRow[]> {
  const { bed } = runner;
  const watch = runner.plan('preloaded', runner.take(JOINS), JOINS);
  const { joinMs, unanswered } = await bed.gather(watch, 64);
  const refused = (await bed.castgate.groups()).filter(({ reason }) => reason === 'switch-failed').length;
  const words = bed.castgate.tail(WORDS_WITHIN).findLast((line) => line.includes('multicast.hash_max'));
  if (words === undefined) throw new LabError('castgate did not say that the database is full');
  say(words);
  const bridge = await run(['ip', '-d', 'link', 'show', LabAddress.bridge], {
    namespace: bed.network.switchNamespace,
  });
  await bed.leaveAll(watch);
  const section = `${JOINS} groups with room for ${SMALL_DATABASE} in the bridge's database (mcast_hash_max)`;
  const row = (what: string, value: number) => plainRow({ section, what, unit: '' }, value);
  return [
    row('served', joinMs.length),
    row('refused, as the log says', refused),
    row('neither', unanswered - refused),
    row('the bridge snoops', Number(bridge.includes('mcast_snooping 1'))),
  ];
}

const JOINS = 600;
const WORDS_WITHIN = 400;
