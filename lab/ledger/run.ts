/** One hour from one seed: actions and faults, then everybody leaves, and the books are compared with the truth. */
import { must } from '../simulation/checks/violation.ts';
import { LedgerWorld } from './world.ts';

/** What came of a run, and how much of everything was in it. */
export interface LedgerResult {
  readonly seed: number;
  /** Undefined: the books are right. */
  readonly failure: string | undefined;
  readonly deaths: number;
  readonly powerCuts: number;
  readonly takeovers: number;
  readonly outages: number;
  readonly records: number;
  readonly messages: number;
  readonly repeated: number;
}

export function runLedger(seed: number, trace?: (line: string) => void): LedgerResult {
  const world = new LedgerWorld(seed, trace);
  let failure: string | undefined;
  try {
    new Hour(world).run();
  } catch (cause) {
    failure = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    world.say(`FAILED: ${failure}`);
  }
  const { deaths, powerCuts, takeovers, outages, truth, ledger } = world;
  const { repeated, messages } = ledger;
  return { seed, failure, deaths, powerCuts, takeovers, outages, records: truth.size, messages, repeated };
}

class Hour {
  readonly #world: LedgerWorld;
  #steps = 0;

  constructor(world: LedgerWorld) {
    this.#world = world;
  }

  run(): void {
    const world = this.#world;
    const { agenda, random, ledger, truth } = world;
    const end = agenda.now + HOUR_MS;
    agenda.after(0, 'the first start', () => world.begin());
    const next = () => {
      if (agenda.now >= end) return;
      // Before this one: the node may not outlive it.
      agenda.after(-Math.log(1 - random.fraction()) * PACE_MS, 'the next action', next);
      world.say(`* ${world.act()}`);
    };
    agenda.after(1_000, 'the first action', next);
    this.#until(() => agenda.now >= end, 'the hour to end');
    world.say('--- everybody leaves');
    // A node that is away comes back before the last ones go.
    this.#until(() => world.node !== undefined, 'a node to serve');
    world.leave();
    const quiet = agenda.now + 10_000;
    agenda.after(10_001, 'it is quiet', () => {});
    const over = () => {
      const stores = world.node?.fed.stores;
      return (
        agenda.now > quiet &&
        stores !== undefined &&
        stores.accountingRecords.size === 0 &&
        stores.accountingQueue.size === 0
      );
    };
    this.#until(over, 'the books to be closed');
    truth.compare(ledger.bookings);
  }

  #until(done: () => boolean, what: string): void {
    const { agenda } = this.#world;
    const until = agenda.now + 3 * HOUR_MS;
    while (!done()) {
      must(this.#world.step(), () => `nothing happens any more, waiting for ${what}`);
      must(agenda.now <= until, () => `waited in vain for ${what}`);
      must(++this.#steps < MAX_STEPS, () => `more than ${MAX_STEPS} events, waiting for ${what}`);
    }
  }
}

const HOUR_MS = 3_600_000;
/** Between two actions, on average. */
const PACE_MS = 15_000;
const MAX_STEPS = 500_000;
