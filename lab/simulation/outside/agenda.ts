/**
 * The virtual clock, and all that is still to happen outside of the machines under test: frames and
 * datagrams on their way, people's intentions, faults. Nothing sleeps.
 */
interface Entry {
  readonly at: number;
  readonly order: number;
  readonly what: string;
  readonly run: () => void;
}

export class Agenda {
  /** Milliseconds since 1970. */
  now = START;
  readonly #entries: Entry[] = [];
  #order = 0;

  /** Seconds since the start of the run, for people. */
  get clock(): string {
    return ((this.now - START) / 1000).toFixed(3);
  }

  /** What happens after so many milliseconds; things of the same time keep their order. */
  after(ms: number, what: string, run: () => void): void {
    const entry = { at: this.now + Math.max(0, ms), order: this.#order++, what, run };
    let index = this.#entries.length;
    // Latest first, so that the next one is taken from the end.
    while (index > 0 && isLater(entry, this.#entries[index - 1])) index--;
    this.#entries.splice(index, 0, entry);
  }

  /** When the next thing happens; Infinity: nothing will. */
  next(): number {
    return this.#entries.at(-1)?.at ?? Number.POSITIVE_INFINITY;
  }

  /** Lets the next thing happen, and gives its name. */
  runNext(): string {
    const entry = this.#entries.pop();
    if (entry === undefined) throw new Error('nothing is to happen');
    this.now = Math.max(this.now, entry.at);
    entry.run();
    return entry.what;
  }
}

function isLater(a: Entry, b: Entry | undefined): boolean {
  return b !== undefined && (a.at > b.at || (a.at === b.at && a.order > b.order));
}

const START = 1_700_000_000_000;
