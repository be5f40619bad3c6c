/**
 * The truth about what was used, kept beside castgate: every record that came to be, from when to when, why it
 * ended, and the octets that passed meanwhile. What a node began and nobody could know of, since it died before
 * it had written it down, never was.
 */
import { sameCounts } from '../../accounting/counts.ts';
import type { AccountingCounts, AccountingRecord } from '../../session/records.ts';
import type { Change } from '../../session/store.ts';
import type { IpAddress } from '../../wire/address.ts';
import type { Booking } from '../simulation/checks/ledger.ts';
import { must, Violation } from '../simulation/checks/violation.ts';

interface Note {
  readonly turn: number;
  readonly input: number;
  readonly output: number;
  readonly lostInput: number;
  readonly lostOutput: number;
}

interface Episode {
  readonly id: string;
  readonly key: string;
  readonly account: string;
  readonly record: AccountingRecord;
  /** What castgate has counted. */
  counts: AccountingCounts;
  begunIn: number;
  endedIn: number | undefined;
  cause: string | undefined;
  input: number;
  output: number;
  /** Of these, what a death took away before it was noted; nobody can know it. */
  lostInput: number;
  lostOutput: number;
  /** Octets as they were when the record was last written, by turn. */
  noted: Note[];
}

export class Truth {
  readonly #all = new Map<string, Episode>();
  /** By key of the record. */
  readonly #running = new Map<string, Episode>();
  #turn = 1;
  #causes = new Map<string, string>();

  /** The turn that is being thought. */
  get turn(): number {
    return this.#turn;
  }

  get size(): number {
    return this.#all.size;
  }

  changed({ store, key, record }: Change): void {
    if (store !== 'accounting-records') return;
    const running = this.#running.get(key);
    if (record === undefined) {
      if (running === undefined) throw new Violation(`accounting of ${key} ends without having begun`);
      this.#running.delete(key);
      running.endedIn = this.#turn;
      running.cause = this.#causes.get(key);
      this.#causes.delete(key);
      return;
    }
    const accounting = record as AccountingRecord;
    const id = accounting.acctSessionId;
    if (running !== undefined) {
      must(running.id === id, () => `${key} has changed its id`);
      // Not every change is a reading.
      const isRead = !sameCounts(running.counts, accounting.counts);
      running.counts = accounting.counts;
      if (!isRead) return;
      const { input, output, lostInput, lostOutput } = running;
      running.noted.push({ turn: this.#turn, input, output, lostInput, lostOutput });
      return;
    }
    must(!this.#all.has(id), () => `${id} was used twice`);
    const { account } = accounting;
    const episode: Episode = {
      id,
      key,
      account,
      record: accounting,
      counts: accounting.counts,
      begunIn: this.#turn,
      endedIn: undefined,
      cause: undefined,
      input: 0,
      output: 0,
      lostInput: 0,
      lostOutput: 0,
      noted: [{ turn: this.#turn, ...NOTHING }],
    };
    this.#all.set(id, episode);
    this.#running.set(key, episode);
  }

  /** castgate's own word on why something ends; `key` is the record's. */
  said(key: string, cause: string): void {
    const running = this.#running.get(key);
    // The end is logged before or after the record is gone.
    if (running !== undefined) this.#causes.set(key, cause);
    else {
      const [last] = [...this.#all.values()].filter((one) => one.key === key).slice(-1);
      if (last !== undefined) last.cause ??= cause;
    }
  }

  /** A turn is over. */
  turned(): void {
    this.#turn++;
  }

  /**
   * A node died, and what goes on from here is what was written up to turn `have`: all later ones never were.
   * `counters`: whether the switch still has its own.
   */
  wentBack(have: number, counters: 'kept' | 'lost'): void {
    this.#running.clear();
    this.#causes.clear();
    for (const episode of [...this.#all.values()]) {
      if (episode.begunIn > have) {
        this.#all.delete(episode.id);
        continue;
      }
      if (episode.endedIn !== undefined && episode.endedIn > have) {
        episode.endedIn = undefined;
        episode.cause = undefined;
      }
      episode.noted = episode.noted.filter(({ turn }) => turn <= have);
      if (episode.endedIn !== undefined) continue;
      this.#running.set(episode.key, episode);
      if (counters === 'lost') lose(episode);
    }
    this.#turn++;
  }

  /** What ran has ended with the state that was lost. */
  endedByLoss(): void {
    for (const [key, episode] of this.#running) {
      this.#causes.set(key, 'state-lost');
      lose(episode);
    }
  }

  /** Ids of what runs. */
  running(): ReadonlySet<string> {
    return new Set([...this.#running.values()].map(({ id }) => id));
  }

  passed(key: string, input: number, output: number, sure: boolean): void {
    const episode = this.#running.get(key);
    if (episode !== undefined) add(episode, input, output, sure);
  }

  delivered(port: string, vlan: number, group: IpAddress, octets: number, sure: boolean): void {
    for (const episode of this.#running.values()) {
      const { record } = episode;
      if (record.port === port && record.vlan === vlan && record.group === group)
        add(episode, 0, octets, sure);
    }
  }

  /** The books say the same as the truth, no more and no less. */
  compare(bookings: ReadonlyMap<string, Booking>): void {
    must(this.#running.size === 0, () => `still accounted for: ${[...this.#running.keys()].join(', ')}`);
    const left = new Set(bookings.keys());
    for (const episode of this.#all.values()) {
      const { id, key, account, cause } = episode;
      const booking = bookings.get(id);
      must(left.delete(id) && booking !== undefined, () => `${key} (${id}) was never accounted for`);
      must(booking.account === account, () => `${key} was booked on ${booking.account}, not ${account}`);
      const { stop } = booking;
      must(stop !== undefined, () => `${key} (${id}) has no end`);
      must(
        stop.cause === CAUSES[cause ?? ''],
        () => `${key} (${id}) ended with ${stop.cause}, not by ${cause}`,
      );
      const { input, output, lostInput, lostOutput } = episode;
      const least = [input - lostInput, output - lostOutput] as const;
      must(
        booking.input >= least[0] &&
          booking.input <= input &&
          booking.output >= least[1] &&
          booking.output <= output,
        () =>
          `${key} (${id}) was booked ${booking.input}/${booking.output} octets, not ${least[0]} to ${input} / ${least[1]} to ${output}`,
      );
    }
    must(left.size === 0, () => `the books have what never was: ${[...left].join(', ')}`);
  }
}

function add(episode: Episode, input: number, output: number, sure: boolean): void {
  episode.input += input;
  episode.output += output;
  if (sure) return;
  episode.lostInput += input;
  episode.lostOutput += output;
}

const NOTHING = { input: 0, output: 0, lostInput: 0, lostOutput: 0 };
/** What was not noted is gone with the counters. */
function lose(episode: Episode): void {
  const noted = episode.noted.at(-1) ?? NOTHING;
  episode.lostInput = noted.lostInput + episode.input - noted.input;
  episode.lostOutput = noted.lostOutput + episode.output - noted.output;
}

/** RFC 2866 §5.10 and RFC 3580 §2.1, written down once more on purpose. */
const CAUSES: Readonly<Record<string, number>> = {
  logoff: 1,
  leave: 1,
  'lost-carrier': 2,
  'membership-timeout': 4,
  'session-timeout': 5,
  'permission-ended': 5,
  'permission-withdrawn': 6,
  'switch-failed': 9,
  'state-lost': 11,
  'account-changed': 15,
  'authorization-changed': 15,
  'reauthentication-failed': 20,
};
