/**
 * Where a command that takes long is, on one line of the terminal that is written over and goes when it is done.
 * Nothing where nobody looks: standard error that is no terminal, or work that is done in a moment.
 */
import type { Output } from './output.ts';

/** Says how far it is; cheap enough to be called for each piece. `total` 0: nobody knows how far it goes. */
export type Progress = (done: number, total: number) => void;

/** `what` is what is done: `reading x.pcap`. `end` takes the line away. */
export function progress(output: Output, what: string, now: () => number = Date.now) {
  const beganAt = now();
  let saidAt = beganAt;
  let isShown = false;
  const say: Progress = (done, total) => {
    if (output.errIsTerminal !== true || now() - saidAt < EVERY_MS) return;
    saidAt = now();
    const share = total > 0 ? `${Math.floor((100 * done) / total)} %` : '…';
    output.err(`\r${CLEAR_LINE}${what}: ${share}, ${Math.round((saidAt - beganAt) / 1000)} s`);
    isShown = true;
  };
  return {
    say,
    end() {
      if (isShown) output.err(`\r${CLEAR_LINE}`);
      isShown = false;
    },
  };
}

/** The same while something is waited for that does not say how far it is. */
export async function whileWaiting<T>(output: Output, what: string, work: Promise<T>): Promise<T> {
  const { say, end } = progress(output, what);
  const timer = setInterval(() => say(0, 0), EVERY_MS);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    end();
  }
}

const EVERY_MS = 500;
const CLEAR_LINE = '\x1b[K';
