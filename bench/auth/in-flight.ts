/**
 * Many Access-Requests in flight at once: so many supplicants log in at one time while the server takes longer to
 * answer than all of them take to ask. What the server sees of identifiers and source ports, and what it costs.
 */
import { readFileSync } from 'node:fs';
import { LabError } from '../../lab/processes.ts';
import type { IdCounts } from '../../lab/radius/ids-seen.ts';
import { Bed } from '../bed.ts';
import { cpuSeconds } from '../report/cpu-time.ts';
import { type BenchRow, plainRow } from '../report/row.ts';

export interface InFlightOutcome extends IdCounts {
  readonly supplicants: number;
  readonly inside: number;
  readonly failed: number;
  readonly stalled: number;
  /** Packets that castgate sent again, and requests that it gave up. */
  readonly sentAgain: number;
  readonly timeouts: number;
  /** From the first Start to the last end. */
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Resident memory before the first login, and at most. */
  readonly idleBytes: number;
  readonly mostBytes: number;
}

/** Logs them all in at a time. Each has two requests, one after the other. Throws LabError. */
export async function manyInFlight(supplicants: number, delayMs: number): Promise<InFlightOutcome> {
  const bed = await Bed.raise({ profileDirectory: undefined, accounting: false, slowMs: delayMs });
  try {
    const { castgatePid: pid, slow } = bed;
    if (slow === undefined) throw new LabError('there is no slow server');
    const idleBytes = residentBytes(pid, 'VmRSS');
    const before = cpuSeconds(pid);
    const { ports } = bed.network.castgate;
    const all = { first: 1000, count: supplicants, inFlight: supplicants };
    // A supplicant that starts again would add requests that nobody means to count.
    const outcome = await bed.login({ ports, ...all, retryMs: 600_000, tries: 1 });
    const used = cpuSeconds(pid) - before;
    const [radius] = await bed.castgate.radius();
    return {
      ...((await slow.ask('counts')) as unknown as IdCounts),
      supplicants,
      inside: outcome.latenciesMs.length,
      failed: outcome.failed,
      stalled: outcome.stalled,
      sentAgain: radius?.retransmits ?? Number.NaN,
      timeouts: radius?.timeouts ?? Number.NaN,
      seconds: outcome.seconds,
      cpuSeconds: used,
      idleBytes,
      mostBytes: residentBytes(pid, 'VmHWM'),
    };
  } finally {
    await bed.close();
  }
}

/** As rows of the table. */
export async function benchInFlight(supplicants: number, delayMs: number): Promise<BenchRow[]> {
  const seen = await manyInFlight(supplicants, delayMs);
  const section = `${supplicants.toLocaleString('en')} logins at a time, a server that answers after ${delayMs / 1000} s`;
  const row = (what: string, unit: string, castgate: number) => plainRow({ section, what, unit }, castgate);
  return [
    row('requests in flight, at most', '', seen.mostInFlight),
    row('requests, all of which were answered', '', seen.requests),
    row('source ports', '', seen.sourcePorts),
    row('identifiers used again before the answer', '', seen.reusedTooEarly),
    row('identifiers that were not the least recently used', '', seen.notLeastRecent),
    row('packets sent again', '', seen.sentAgain),
    row('never got in', '', seen.supplicants - seen.inside),
    row('from the first Start to the last Success', 's', seen.seconds),
    row('processor time of 1,000', 's', (1000 * seen.cpuSeconds) / seen.supplicants),
    row('memory before', 'MB', seen.idleBytes / 1e6),
    row('memory at most', 'MB', seen.mostBytes / 1e6),
  ];
}

/** A line of /proc/PID/status, in octets. */
export function residentBytes(pid: number, line: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return 1024 * Number(new RegExp(`^${line}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? Number.NaN);
}
