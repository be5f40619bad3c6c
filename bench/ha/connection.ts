/**
 * What connection backup costs, and how fast a connection goes on: the round trip of a question to a RADIUS server
 * over TCP, as castgate measures it, with connection backup and without, in pairs that are the same otherwise (output
 * commit is in both); and the time from `kill -9` of the node to the first packet on the continued connection.
 */

import type { RadiusRow } from '../../daemon/show/show-rows.ts';
import { ask } from '../../lab/control.ts';
import { NODE_NAMES, type NodeName } from '../../lab/ha/pair-topology.ts';
import { monotonicMs } from '../../lab/hosts/channel-packet.ts';
import { pause } from '../../lab/processes.ts';
import { endOfLongestPause } from '../../lab/takeover/round.ts';
import { TakeoverLab } from '../../lab/takeover/takeover-lab.ts';
import type { BenchRow } from '../report/row.ts';
import { rowOfRounds } from '../report/row.ts';
import { median } from '../report/statistics.ts';

const SECTION = 'connection backup';

export async function benchConnection(
  { rounds, questions }: { readonly rounds: number; readonly questions: number },
  say: (line: string) => void,
): Promise<BenchRow[]> {
  const trips: { castgate: number; reference: number }[] = [];
  const silences: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    const reference = await roundTrip(false, questions);
    const castgate = await roundTrip(true, questions, silences);
    trips.push({ castgate, reference });
    say(`connection backup, round ${round}: ${castgate.toFixed(3)} ms, without ${reference.toFixed(3)} ms`);
  }
  say(`kill to first packet, ms: ${silences.map((ms) => ms.toFixed(1)).join(', ')}`);
  const head = { section: SECTION, what: 'round trip of a question at 100/s, median', unit: 'ms' };
  return [
    rowOfRounds(head, 'without backup', 'difference', trips),
    {
      section: SECTION,
      what: `kill -9 to first packet on the continued connection, median of ${silences.length}`,
      unit: 'ms',
      castgate: median(silences),
      reference: undefined,
      referenceName: undefined,
      comparison: undefined,
    },
  ];
}

/** The median of what castgate tells of its round trips; with `silences`, ends with takeovers that are measured. */
async function roundTrip(backup: boolean, questions: number, silences?: number[]): Promise<number> {
  const lab = await TakeoverLab.open({ server: 'counting', messages: 'small', backup });
  try {
    await lab.inStep();
    // What has run before is compiled.
    await lab.joiner.ask(`run 1 ${questions} 200`);
    await pause(questions * 5 + 500);
    const samples: number[] = [];
    await lab.joiner.ask(`run ${1 + questions} ${questions} 100`);
    for (let end = performance.now() + questions * 10; performance.now() < end; ) {
      // On a busy machine nodes change roles by themselves now and then.
      for (const node of NODE_NAMES) {
        const answer = await ask(lab.nodes[node].castgate.socket, 'radius');
        const [row] =
          answer !== undefined && 'result' in answer ? (answer.result as readonly RadiusRow[]) : [];
        if (typeof row?.rttMs === 'number') samples.push(row.rttMs);
      }
      await pause(50);
    }
    if (silences !== undefined)
      for (let i = 0; i < TAKEOVERS; i++) silences.push(await takeover(lab, 10_000 + 1_000 * i));
    return median(samples);
  } finally {
    await lab.close();
  }
}

/** Milliseconds from the kill of the node that serves to the server's next packet, under 250 questions a second. */
async function takeover(lab: TakeoverLab, first: number): Promise<number> {
  const active: NodeName = await lab.inStep();
  // One that has just come in step still rehearses.
  await pause(STANDING_MS);
  await lab.joiner.ask(`run ${first} 250 250`);
  await pause(300);
  const killedAt = monotonicMs();
  await lab.nodes[active].castgate.kill();
  await pause(1_500);
  const times = (await lab.counting?.ask(`times ${first}`))?.['times'] as readonly number[];
  await lab.joiner.ask(`leave ${first} 250`);
  await lab.nodes[active].castgate.resume();
  return (endOfLongestPause(times, killedAt) ?? Number.NaN) - killedAt;
}

const TAKEOVERS = 3;
/** How long the standby has been one. */
const STANDING_MS = 4_000;
