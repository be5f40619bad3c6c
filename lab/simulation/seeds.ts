/** Many runs, on one thread or on several: threads take their seeds in turn, and share nothing. */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { type RunResult, simulate } from './run.ts';

export interface Seeds {
  /** The first one. */
  readonly from: number;
  readonly seeds: number;
  /** Threads. */
  readonly jobs: number;
  /** Actions in each run. */
  readonly actions: number;
  /** Each seed once for each of its events, at which the active dies, or as soon after it as it costs nothing. */
  readonly everyPoint: boolean;
}

/** Runs them all; each result is told as it comes. */
export async function runSeeds(what: Seeds, told: (result: RunResult) => void): Promise<void> {
  if (what.jobs === 1) {
    runOfThread(what, 0, told);
    return;
  }
  const threads = Array.from({ length: what.jobs }, (_, thread) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { [THIS]: { what, thread } } });
    worker.on('message', told);
    return new Promise<void>((resolve, reject) => {
      worker.on('error', reject);
      worker.on('exit', () => resolve());
    });
  });
  await Promise.all(threads);
}

function runOfThread(what: Seeds, thread: number, told: (result: RunResult) => void): void {
  const { from, seeds, jobs, actions } = what;
  for (let seed = from + thread; seed < from + seeds; seed += jobs) {
    if (what.everyPoint) runAtEveryPoint(seed, actions, told);
    else told(simulate(seed, { actions }));
  }
}

function runAtEveryPoint(seed: number, actions: number, told: (result: RunResult) => void): void {
  const undisturbed = simulate(seed, { actions, dieAt: Number.POSITIVE_INFINITY });
  told(undisturbed);
  for (let dieAt = 1; dieAt <= undisturbed.events; dieAt++) told(simulate(seed, { actions, dieAt }));
}

const THIS = 'simulated-seeds';
if (!isMainThread && workerData?.[THIS] !== undefined) {
  const { what, thread } = workerData[THIS];
  runOfThread(what, thread, (result) => parentPort?.postMessage(result));
}
