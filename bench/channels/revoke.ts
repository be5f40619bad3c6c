/**
 * Channels that are taken while they play: a CoA-Request for one viewer's channel after the other, the time to its
 * last datagram, and what accounting says of the end.
 */
import { until } from '../../lab/processes.ts';
import { Bed } from '../bed.ts';
import { type BenchRow, plainRow } from '../report/row.ts';
import { percentile } from '../report/statistics.ts';
import type { WatchPlan } from './viewers.ts';

const VIEWERS = 128;
const GROUPS = 256;

/** Revokes so many channels. Accounting is on, whatever the rest of the bench does. */
export async function benchRevoke(count: number): Promise<BenchRow[]> {
  const bed = await Bed.raise({ profileDirectory: undefined, accounting: true });
  try {
    const { ports } = bed.network.castgate;
    await bed.login({ ports, first: 0, count: VIEWERS, inFlight: 8, retryMs: 3000, tries: 3 });
    const range: Omit<WatchPlan, 'first' | 'count'> = {
      ports,
      upstream: 0,
      viewers: VIEWERS,
      groups: GROUPS,
    };
    // The runtime compiles what it has seen often.
    await bed.revoke({ ...range, first: 0, count: WARM_UP });
    const seen = await bed.revoke({ ...range, first: WARM_UP, count });
    const stops = () =>
      bed.radius
        .accountingRecords()
        .filter(
          (record) =>
            record.text('Acct-Status-Type') === 'Stop' &&
            record.text('Acct-Terminate-Cause') === 'Admin-Reset' &&
            record.text('H3C-IPv4-Multicast-Receive-Group') !== undefined,
        ).length;
    await until('the Stop of each channel', 20_000, async () =>
      stops() >= WARM_UP + count - seen.failed ? true : undefined,
    );
    const section = `CoA-Request that revokes a channel to its last datagram, one every ${seen.intervalMs.toFixed(2)} ms`;
    const row = (what: string, unit: string, value: number) => plainRow({ section, what, unit }, value);
    return [
      ...PERCENTILES.map(([what, percent]) => row(what, 'ms', percentile(seen.lastMs, percent))),
      row('CoA-ACK, median', 'ms', percentile(seen.ackMs, 50)),
      row('CoA-ACK, 99th percentile', 'ms', percentile(seen.ackMs, 99)),
      row('revoked', '', seen.lastMs.length),
      row('not acknowledged, or never played', '', seen.failed),
      row('accounting Stops with the cause Admin-Reset', '', stops() - WARM_UP),
    ];
  } finally {
    await bed.close();
  }
}

const WARM_UP = 100;
const PERCENTILES = [
  ['median', 50],
  ['95th percentile', 95],
  ['99th percentile', 99],
  ['longest', 100],
] as const;
