/**
 * A pair of nodes with keepalived on real parts: each fault of `npm run ha:failover` once, while subscribers
 * log in, watch, zap and leave. What is counted has to be zero; how long a gap is belongs to the command, not
 * to a test.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AccountBooks } from '../../../lab/ha/account-books.ts';
import { judge } from '../../../lab/ha/judge.ts';
import { PairLab } from '../../../lab/ha/pair-lab.ts';
import { beginService } from '../../../lab/ha/pair-service.ts';
import { NODE_NAMES } from '../../../lab/ha/pair-topology.ts';
import { inStep, playRound } from '../../../lab/ha/round.ts';
import { SCENARIOS } from '../../../lab/ha/scenario.ts';
import { builtProgram } from '../../../lab/line-program.ts';
import { until } from '../../../lab/processes.ts';

function whyNot(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  if (spawnSync('keepalived', ['--version']).error !== undefined)
    return 'no keepalived: apt install keepalived';
  return existsSync(builtProgram('ha/viewers')) ? undefined : 'not built, npm run build';
}

const why = whyNot();

describe.skipIf(why !== undefined)(`a pair of nodes${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  let lab: PairLab;
  const books = new AccountBooks();

  beforeAll(async () => {
    lab = await PairLab.open();
    await beginService(lab, books);
  }, 90_000);

  afterAll(async () => {
    await lab?.close();
  });

  it.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))(
    'loses nobody and nothing: %s',
    async (_, scenario) => {
      const both = await until('both nodes in step', 20_000, () => inStep(lab));
      const active = NODE_NAMES.find((node) => both[node].role === 'active') ?? 'a';
      const seen = await playRound(lab, scenario, active, books, () => 0.5);
      const reasons = judge(seen);
      if (reasons.length > 0)
        console.error(NODE_NAMES.flatMap((node) => lab.nodes[node].tail(60)).join('\n'));
      expect(reasons).toEqual([]);
    },
    90_000,
  );
});
