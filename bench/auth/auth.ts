/**
 * Authentications: so many supplicants on their way at a time, EAP-MD5, castgate and hostapd by turns with
 * the same server. Each round has supplicants that neither has seen; hostapd is fresh in each, since its
 * table of 2,007 stations forgets none, and castgate's are logged off after each.
 */
import type { Bed } from '../bed.ts';
import { cpuSeconds } from '../report/cpu-time.ts';
import { type BenchRow, type Round, rowOfRounds } from '../report/row.ts';
import { percentile } from '../report/statistics.ts';
import type { LoginOutcome } from './supplicants.ts';

/** How much is done. */
export interface AuthScale {
  readonly rounds: number;
  /** In flight, and how many supplicants a round has. */
  readonly levels: readonly { readonly inFlight: number; readonly count: number }[];
  /** castgate's authentications before its rounds: the runtime compiles what it has seen often. */
  readonly warmUp: number;
}

/** Tells a person what is going on. */
export type Progress = (line: string) => void;

interface Measured extends LoginOutcome {
  readonly cpuSeconds: number;
}

interface Pair {
  readonly castgate: Measured;
  readonly hostapd: Measured;
}

/** Runs all levels. `hostapd` is the version, for the heading. */
export async function benchAuth(
  bed: Bed,
  scale: AuthScale,
  hostapd: string,
  progress: Progress,
): Promise<BenchRow[]> {
  const numbers = new Numbers();
  const cold = {
    castgate: await castgateRound(bed, numbers, COLD_IN_FLIGHT, COLD),
    hostapd: await hostapdRound(bed, numbers, COLD_IN_FLIGHT, COLD),
  };
  for (const inFlight of [COLD_IN_FLIGHT, 1]) {
    await castgateRound(bed, numbers, inFlight, inFlight === 1 ? scale.warmUp / 10 : scale.warmUp);
  }
  const rows = rowsOf(`The first ${COLD} after the start, ${COLD_IN_FLIGHT} in flight`, hostapd, [cold]);
  for (const { inFlight, count } of scale.levels) {
    const pairs: Pair[] = [];
    for (let round = 0; round < scale.rounds; round++) {
      const ours = await castgateRound(bed, numbers, inFlight, count);
      const theirs = await hostapdRound(bed, numbers, inFlight, count);
      pairs.push({ castgate: ours, hostapd: theirs });
      progress(
        `${inFlight} in flight, round ${round + 1}: castgate ${perSecond(ours).toFixed(0)}/s, hostapd ${perSecond(theirs).toFixed(0)}/s`,
      );
    }
    rows.push(...rowsOf(`EAP-MD5 authentications, ${inFlight} in flight`, hostapd, pairs));
  }
  return rows;
}

function rowsOf(section: string, hostapd: string, pairs: readonly Pair[]): BenchRow[] {
  const row = (
    what: string,
    unit: string,
    figure: (measured: Measured) => number,
    kind: 'ratio' | 'difference',
  ) =>
    rowOfRounds(
      { section, what, unit },
      `hostapd ${hostapd}`,
      kind,
      pairs.map((pair): Round => ({ castgate: figure(pair.castgate), reference: figure(pair.hostapd) })),
    );
  return [
    row('authentications', '/s', perSecond, 'ratio'),
    row('Start to Success, median', 'ms', (m) => percentile(m.latenciesMs, 50), 'ratio'),
    row('Start to Success, 95th percentile', 'ms', (m) => percentile(m.latenciesMs, 95), 'ratio'),
    row('Start to Success, 99th percentile', 'ms', (m) => percentile(m.latenciesMs, 99), 'ratio'),
    row('Start to Success, longest', 'ms', (m) => Math.max(...m.latenciesMs), 'ratio'),
    row('processor time of 1,000', 's', (m) => (1000 * m.cpuSeconds) / m.latenciesMs.length, 'ratio'),
    row('had to start again', '', (m) => m.stalled, 'difference'),
    row('never got in', '', (m) => m.failed, 'difference'),
  ];
}

function perSecond(measured: Measured): number {
  return measured.latenciesMs.length / measured.seconds;
}

async function castgateRound(bed: Bed, numbers: Numbers, inFlight: number, count: number): Promise<Measured> {
  const first = numbers.take(count);
  const ports = bed.network.castgate.ports.slice(0, 1);
  const before = cpuSeconds(bed.castgatePid);
  const outcome = await bed.login({ ports, first, count, inFlight, retryMs: RETRY_MS, tries: TRIES });
  const used = cpuSeconds(bed.castgatePid) - before;
  await bed.logoff(ports, first, count);
  return { ...outcome, cpuSeconds: used };
}

async function hostapdRound(bed: Bed, numbers: Numbers, inFlight: number, count: number): Promise<Measured> {
  const hostapd = await bed.startHostapd();
  try {
    const ports = [bed.network.hostapdCable];
    const before = cpuSeconds(hostapd.process.pid);
    const first = numbers.take(count);
    const outcome = await bed.login({ ports, first, count, inFlight, retryMs: RETRY_MS, tries: TRIES });
    return { ...outcome, cpuSeconds: cpuSeconds(hostapd.process.pid) - before };
  } finally {
    await hostapd.stop();
  }
}

/** Supplicants are numbered through, so that nobody has seen one before. */
class Numbers {
  #next = 1000;

  take(count: number): number {
    const first = this.#next;
    this.#next += count;
    return first;
  }
}

const COLD = 500;
const COLD_IN_FLIGHT = 24;
/** wpa_supplicant waits 30 s before it starts again; this is kinder to who lets it wait. */
const RETRY_MS = 3000;
const TRIES = 3;
