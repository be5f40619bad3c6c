/** A RADIUS server that is killed and started again while a thousand supplicants log in, all with real parts. */
import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Bed } from '../../../bench/bed.ts';
import { builtProgram } from '../../../lab/line-program.ts';
import { pause, until } from '../../../lab/processes.ts';

const notRoot = process.getuid?.() !== 0;
const notBuilt = !existsSync(builtProgram('../bench/players'));
const why = notRoot ? ' (skipped: needs root)' : notBuilt ? ' (skipped: not built, npm run build)' : '';
const COUNT = 1_000;

describe.skipIf(notRoot || notBuilt)(`an outage of RADIUS${why}`, { timeout: 180_000 }, () => {
  it('killed and started again during 1,000 logins: none is lost for good', async () => {
    const bed = await Bed.raise({ profileDirectory: undefined, accounting: true, statusServer: true });
    try {
      const ports = bed.network.castgate.ports;
      const accepted = async () => (await bed.castgate.radius())[0]?.accepts ?? 0;
      const plan = { ports, first: 5_000, count: COUNT, inFlight: 64, retryMs: 3_000, tries: 20 };
      const logins = bed.login({ ...plan, insists: true });
      await until('some to be in', 30_000, async () =>
        (await accepted()) > 100 ? (true as const) : undefined,
      );
      await bed.radius.kill();
      const atDeath = await accepted();
      await pause(1_500);
      await bed.radius.resume();
      const outcome = await logins;
      const { latenciesMs, stalled, failed, seconds } = outcome;
      const [radius] = await bed.castgate.radius();
      console.info(
        `${atDeath} in at the kill; ${latenciesMs.length} in, ${failed} lost, ${stalled} started again, ` +
          `${seconds.toFixed(1)} s in all, longest login ${(Math.max(...latenciesMs) / 1000).toFixed(1)} s, ` +
          `${radius?.rejects} rejects, ${radius?.timeouts} timeouts, ${radius?.retransmits} sent again`,
      );
      // The test is about an outage in the middle.
      expect(atDeath).toBeLessThan(COUNT);
      expect(failed).toBe(0);
      expect(latenciesMs).toHaveLength(COUNT);
      const inside = (await bed.castgate.sessions()).filter(({ authorized }) => authorized);
      expect(inside).toHaveLength(COUNT);
      // Accounting of each reaches the server that came back.
      const started = () =>
        new Set(
          bed.radius
            .accountingRecords()
            .filter((record) => record.text('Acct-Status-Type') === 'Start')
            .map((record) => record.text('Acct-Session-Id')),
        ).size;
      await until('a Start of each session', 60_000, () =>
        started() >= COUNT ? (true as const) : undefined,
      );
    } finally {
      await bed.close();
    }
  });
});
