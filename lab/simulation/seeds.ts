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

function runOfThread(
  { from, seeds, jobs, actions }: Seeds,
  thread: number,
  told: (result: RunResult) => void,
) {
  for (let seed = from + thread; seed < from + seeds; seed += jobs) told(simulate(seed, { actions }));
}

const THIS = 'simulated-seeds';
if (!isMainThread && workerData?.[THIS] !== undefined) {
  const { what, thread } = workerData[THIS];
  runOfThread(what, thread, (result) => parentPort?.postMessage(result));
}
