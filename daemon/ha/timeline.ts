/** The steps of the last change of roles, each with its time from the first. */
export interface Step {
  readonly step: string;
  /** Milliseconds since the first step. */
  readonly ms: number;
}

export class Timeline {
  readonly #now: () => number;
  readonly #steps: Step[] = [];
  #begin = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** When it began, on the clock; 0: nothing has happened. */
  get begin(): number {
    return this.#begin;
  }

  get steps(): readonly Step[] {
    return this.#steps;
  }

  step(step: string): void {
    const at = this.#now();
    if (this.#steps.length === 0) this.#begin = at;
    this.#steps.push({ step, ms: Math.round((at - this.#begin) * 100) / 100 });
  }
}
