/** `npm run ledger:real`, with few outages: FreeRADIUS goes away, castgate is killed, its state is lost once. */
import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { runReal } from '../../lab/ledger/real.ts';
import { builtProgram } from '../../lab/line-program.ts';

const notRoot = process.getuid?.() !== 0;
const notBuilt = !existsSync(builtProgram('receiver'));
const why = notRoot ? ' (skipped: needs root)' : notBuilt ? ' (skipped: not built, npm run build)' : '';

describe.skipIf(why !== '')(`accounting on real parts${why}`, () => {
  it('conformance 39: FreeRADIUS has written down what was true, after outages, kills and a loss of state', async () => {
    const { wrong, messages, kills, losses } = await runReal(4, { killEvery: 2, loseEvery: 4 });
    expect(wrong).toEqual([]);
    expect({ kills, losses }).toEqual({ kills: 2, losses: 1 });
    expect(messages).toBeGreaterThan(10);
  }, 300_000);
});
