/** Where a command's output goes, and how it ends. */

export interface Output {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Whether `out` is a terminal, on which a live table may be written over. */
  readonly isTerminal?: boolean;
  /** Whether `err` is a terminal, which is told how far long work is. */
  readonly errIsTerminal?: boolean;
  /** Ends commands that go on for ever; Ctrl-C where there is none. */
  readonly stop?: AbortSignal;
}

export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

/** What every command is given: where to write, and whom to tell its exit code where it is not 0. */
export interface Context {
  readonly output: Output;
  readonly done: (code: number) => void;
}
