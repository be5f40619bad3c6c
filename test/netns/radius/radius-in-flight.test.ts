/** Thousands of requests in flight on real sockets: a daemon, raw supplicants and a RADIUS server that takes its time. */
import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { manyInFlight } from '../../../bench/auth/in-flight.ts';
import { builtProgram } from '../../../lab/line-program.ts';

const notRoot = process.getuid?.() !== 0;
const notBuilt = !existsSync(builtProgram('radius/slow-radius'));
const why = notRoot ? ' (skipped: needs root)' : notBuilt ? ' (skipped: not built, npm run build)' : '';
const COUNT = 3_000;

describe.skipIf(notRoot || notBuilt)(`many requests in flight${why}`, { timeout: 180_000 }, () => {
  it(`conformance 23: ${COUNT} at a time over as many source ports as they need, least recently used first`, async () => {
    const seen = await manyInFlight(COUNT, 8_000);
    console.info(JSON.stringify(seen));
    expect(seen).toMatchObject({ inside: COUNT, failed: 0, stalled: 0, timeouts: 0 });
    // A challenge and a verdict for each; what the kernel lost under way, castgate has sent again.
    expect(seen.requests).toBeGreaterThanOrEqual(2 * COUNT);
    expect(seen.inFlight).toBe(0);
    // More than any one source port has identifiers.
    expect(seen.mostInFlight).toBeGreaterThan(1_000);
    expect(seen.sourcePorts).toBeGreaterThanOrEqual(Math.ceil(seen.mostInFlight / 256));
    expect(seen.sourcePorts).toBeLessThanOrEqual(Math.ceil(COUNT / 256));
    expect(seen).toMatchObject({ reusedTooEarly: 0, notLeastRecent: 0 });
  });
});
