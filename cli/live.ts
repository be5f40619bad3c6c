/** Commands that go on until somebody ends them. */
import type { Output } from './output.ts';

/** Whether to go on; `pause` ends early when not. */
export interface Live {
  readonly goesOn: boolean;
  pause(ms: number): Promise<void>;
  /** Aborted when it is to end. */
  readonly ending: AbortSignal;
}

/** Until Ctrl-C, SIGTERM, or the signal that whoever runs the command has given. */
export function live(output: Output): Live {
  const own = new AbortController();
  if (output.stop === undefined) {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => own.abort());
  }
  const signal = output.stop ?? own.signal;
  const ended = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  return {
    get goesOn() {
      return !signal.aborted;
    },
    ending: signal,
    async pause(ms) {
      let timer: NodeJS.Timeout | undefined;
      const over = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, ms);
      });
      await Promise.race([over, ended]);
      clearTimeout(timer);
    },
  };
}

/** Text that takes the place of what the last call wrote, on a terminal; elsewhere it is written below. */
export function inPlace(output: Output, text: string): string {
  if (output.isTerminal !== true) return text;
  const lines = text.split('\n').map((line) => `${line}${CLEAR_LINE}`);
  return `${HOME}${lines.join('\n')}${CLEAR_BELOW}`;
}

const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';
