/**
 * Sessions that stay: memory for each, the rate at which more log in beside them, and what they cost while nothing
 * happens.
 */

import { Bed } from '../bed.ts';
import { cpuSeconds } from '../report/cpu-time.ts';
import { type BenchRow, plainRow } from '../report/row.ts';
import { percentile } from '../report/statistics.ts';
import type { Progress } from './auth.ts';
import { residentBytes } from './in-flight.ts';

/** Brings as many in as the last step says; at each step the rate of the last ones, memory and idle processor time. */
export async function benchSessions(steps: readonly number[], progress: Progress): Promise<BenchRow[]> {
  const most = Math.max(...steps);
  const ports = Math.ceil((most + SAMPLE) / HOSTS_ON_A_PORT);
  const bed = await Bed.raise({ profileDirectory: undefined, accounting: false, ports: Math.max(2, ports) });
  try {
    const { castgatePid: pid } = bed;
    const login = (first: number, count: number) =>
      bed.login({ ports: bed.network.castgate.ports, first, count, inFlight: 24, retryMs: 3000, tries: 3 });
    // What the runtime keeps for code, and its first heap, belong to no session.
    await login(WARM_UP_FIRST, WARM_UP);
    await bed.logoff(bed.network.castgate.ports, WARM_UP_FIRST, WARM_UP);
    await pause(SETTLE_MS);
    const emptyBytes = residentBytes(pid, 'VmRSS');
    const rows: BenchRow[] = [];
    let inside = 0;
    for (const step of steps) {
      const sample = Math.min(SAMPLE, step - inside);
      if (step - sample > inside) await login(inside, step - sample - inside);
      const before = cpuSeconds(pid);
      const outcome = await login(step - sample, sample);
      const used = cpuSeconds(pid) - before;
      inside = step;
      await pause(SETTLE_MS);
      const idleFrom = cpuSeconds(pid);
      await pause(IDLE_MS);
      const idle = cpuSeconds(pid) - idleFrom;
      const bytes = residentBytes(pid, 'VmRSS');
      const section = `${step.toLocaleString('en')} sessions`;
      const row = (what: string, unit: string, value: number) => plainRow({ section, what, unit }, value);
      const rate = outcome.latenciesMs.length / outcome.seconds;
      rows.push(
        row(`authentications, the last ${sample}, 24 in flight`, '/s', rate),
        row('Start to Success, 99th percentile', 'ms', percentile(outcome.latenciesMs, 99)),
        row('processor time of 1,000', 's', (1000 * used) / outcome.latenciesMs.length),
        row('never got in', '', outcome.failed),
        row('resident memory', 'MB', bytes / 1e6),
        row('above none, for each session', 'kB', (bytes - emptyBytes) / step / 1e3),
        row('processor while nothing happens', '%', (100_000 * idle) / IDLE_MS),
      );
      progress(`${section}: ${rate.toFixed(0)}/s, ${(bytes / 1e6).toFixed(0)} MB`);
    }
    return rows;
  } finally {
    await bed.close();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const HOSTS_ON_A_PORT = 4000;
const SAMPLE = 1000;
const WARM_UP = 2000;
/** Numbers that no other supplicant has. */
const WARM_UP_FIRST = 1_000_000;
const SETTLE_MS = 5_000;
const IDLE_MS = 20_000;
