/**
 * What output commit adds: the same logins and joins at a castgate alone and at one whose standby has to have
 * every record first, by turns. Both have a network, a FreeRADIUS and players of their own; one rests meanwhile.
 */

import type { Progress } from '../auth/auth.ts';
import { Bed, GROUPS } from '../bed.ts';
import { type BenchRow, rowOfRounds } from '../report/row.ts';
import { percentile } from '../report/statistics.ts';

export interface CommitScale {
  readonly rounds: number;
  readonly logins: number;
  /** At most 8 × GROUPS. */
  readonly joins: number;
  readonly warmUp: number;
}

interface Round {
  readonly logins: readonly number[];
  readonly loginsBusy: readonly number[];
  readonly joins: readonly number[];
  readonly joinsBusy: readonly number[];
}

export async function benchCommit(scale: CommitScale, progress: Progress): Promise<BenchRow[]> {
  const options = { profileDirectory: undefined, accounting: true };
  const alone = new Runner(await Bed.raise(options));
  try {
    const pair = new Runner(await Bed.raise({ ...options, standby: true }));
    try {
      for (const runner of [alone, pair]) await runner.warmUp(scale);
      const rounds: { readonly alone: Round; readonly pair: Round }[] = [];
      for (let i = 0; i < scale.rounds; i++) {
        rounds.push({ alone: await alone.round(scale), pair: await pair.round(scale) });
        progress(`output commit, round ${i + 1} of ${scale.rounds}`);
      }
      const kinds: readonly (readonly [string, (round: Round) => readonly number[]])[] = [
        ['login, one at a time', (round) => round.logins],
        [`login, ${BUSY} at a time`, (round) => round.loginsBusy],
        ['cached join, one at a time', (round) => round.joins],
        [`cached join, ${BUSY} at a time`, (round) => round.joinsBusy],
      ];
      return kinds.flatMap(([what, of]) =>
        [50, 99].map((percent) => {
          const head = {
            section: 'With a standby that has every record first (sync)',
            what: `${what}, ${percent === 50 ? 'median' : '99th percentile'}`,
            unit: 'ms',
          };
          const figures = rounds.map(({ alone: a, pair: p }) => ({
            castgate: percentile(of(p), percent),
            reference: percentile(of(a), percent),
          }));
          const pooled = {
            castgate: percentile(
              rounds.flatMap(({ pair: p }) => of(p)),
              percent,
            ),
            reference: percentile(
              rounds.flatMap(({ alone: a }) => of(a)),
              percent,
            ),
          };
          return rowOfRounds(head, 'castgate alone', 'difference', figures, pooled);
        }),
      );
    } finally {
      await pair.bed.close();
    }
  } finally {
    await alone.bed.close();
  }
}

class Runner {
  readonly bed: Bed;
  #next = 1000;
  #joins = 0;

  constructor(bed: Bed) {
    this.bed = bed;
  }

  async warmUp({ warmUp }: CommitScale): Promise<void> {
    const { ports } = this.bed.network.castgate;
    const plan = { ports, first: 0, count: VIEWERS, inFlight: 8, retryMs: 3000, tries: 3 };
    const { failed } = await this.bed.login(plan);
    if (failed > 0) throw new Error(`${failed} viewers could not log in`);
    await this.#login(warmUp, BUSY);
    await this.#login(Math.ceil(warmUp / 10), 1);
    for (let i = 0; i < 3; i++) await this.#join(GROUPS, BUSY);
  }

  async round({ logins, joins }: CommitScale): Promise<Round> {
    return {
      logins: await this.#login(logins, 1),
      loginsBusy: await this.#login(logins * 4, BUSY),
      joins: await this.#join(joins, 1),
      joinsBusy: await this.#join(joins, BUSY),
    };
  }

  async #login(count: number, inFlight: number): Promise<readonly number[]> {
    const first = this.#next;
    this.#next += count;
    const ports = this.bed.network.castgate.ports.slice(0, 1);
    const { latenciesMs } = await this.bed.login({ ports, first, count, inFlight, retryMs: 3000, tries: 3 });
    await this.bed.logoff(ports, first, count);
    return latenciesMs;
  }

  /** Each asked through RADIUS once, and then again, known. */
  async #join(count: number, inFlight: number): Promise<readonly number[]> {
    const first = Math.ceil(this.#joins / GROUPS) * GROUPS;
    this.#joins = first + count;
    if (this.#joins > VIEWERS * GROUPS) this.#joins = 0;
    const plan = {
      viewers: VIEWERS,
      groups: GROUPS,
      first,
      count,
      ports: this.bed.network.castgate.ports,
      upstream: 0,
    };
    await this.bed.rush(plan, inFlight);
    return (await this.bed.rush(plan, inFlight)).joinMs;
  }
}

const VIEWERS = 128;
const BUSY = 24;
