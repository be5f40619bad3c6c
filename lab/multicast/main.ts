/**
 * `npm run lab:multicast -- --count N`: N rounds with real hosts of every version of IGMP and MLD, each in a lab of
 * its own. One line a check, last `N passed, N failed` of the rounds.
 */
import { parseArgs } from 'node:util';
import type { Castgate } from '../castgate.ts';
import { Lab } from '../lab.ts';
import { LabError } from '../processes.ts';
import { playRound } from './round.ts';
import { PLAN, SETTINGS } from './viewers.ts';

const HELP = `npm run lab:multicast -- [OPTIONS]

Kernels with IGMPv1, v2 and v3, MLDv1 and v2, two of them behind a hub, log in, join, stay, leave and are refused;
what arrives is counted on their cables. Needs root.

Options:
  --count N   how many rounds, each in a lab of its own (1)
  --help      print this
`;

async function main(): Promise<number> {
  const options = {
    count: { type: 'string', default: '1' },
    help: { type: 'boolean', default: false },
  } as const;
  const { values } = parseArgs({ options });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const count = Number(values.count);
  if (!Number.isSafeInteger(count) || count < 1) {
    console.error('lab:multicast: --count takes a whole number');
    return 2;
  }
  if (process.getuid?.() !== 0) {
    console.error('lab:multicast: the lab needs root, since it makes network namespaces');
    return 1;
  }
  let failed = 0;
  for (let round = 1; round <= count; round++) {
    console.log(`round ${round}`);
    if (!(await play())) failed++;
  }
  console.log(`${count - failed} passed, ${failed} failed`);
  return failed > 0 ? 1 : 0;
}

/** One round; false where a check of it failed. */
async function play(): Promise<boolean> {
  const lab = await Lab.open(PLAN);
  let castgate: Castgate | undefined;
  try {
    castgate = await lab.startCastgate(SETTINGS);
    await playRound(lab, castgate, async (what, look) => {
      try {
        await look();
      } catch (cause) {
        console.log(`  FAIL ${what}`);
        throw cause;
      }
      console.log(`  ok   ${what}`);
    });
    return true;
  } catch (cause) {
    const detail = cause instanceof LabError ? cause.detail : [];
    console.log(
      [cause instanceof Error ? cause.message : String(cause), ...detail]
        .map((l) => `       ${l}`)
        .join('\n'),
    );
    for (const line of castgate?.tail(20) ?? []) console.log(`       ${line}`);
    return false;
  } finally {
    await castgate?.stop();
    lab.close();
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130));
process.exit(await main());
