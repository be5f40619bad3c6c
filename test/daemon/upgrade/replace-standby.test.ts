/** A process of a pair's node is replaced, by one that fails at every step in every way. */
import { describe, expect, it } from 'vitest';
import { Stores } from '../../../daemon/core/stores.ts';
import { emptyStores } from '../../../daemon/journal/saved-state.ts';
import type { Newcomer } from '../../../daemon/upgrade/hand-over.ts';
import {
  HANDOVER_PROTOCOL,
  type HandoverMessage,
  type Say,
} from '../../../daemon/upgrade/handover-message.ts';
import { type PairIncumbent, replaceStandby } from '../../../daemon/upgrade/replace-standby.ts';
import { readChanges } from '../../../replication/change-log.ts';
import { RECORDS_VERSION } from '../../../replication/record-version.ts';
import { configOf } from '../world.ts';

const config = configOf();
const STEPS = ['hello', 'prepared', 'standing', 'ready', 'serving'] as const;
type Step = (typeof STEPS)[number];
type Failure = 'ends' | 'is silent' | 'refuses' | 'says something else';
const FAILURES: readonly Failure[] = ['ends', 'is silent', 'refuses', 'says something else'];

/** A node that stands by, with some records. */
class StandsBy implements PairIncumbent {
  readonly serves = 'b';
  readonly fed = emptyStores(config);
  readonly happened: string[] = [];
  takesPart = true;
  aside: string | undefined;

  constructor() {
    for (let i = 0; i < 3000; i++) this.fed.stores.activities.put(`k${i}`, { v: 1, key: `k${i}` } as never);
  }

  objection() {
    return undefined;
  }

  begin() {
    this.happened.push('begin');
    return {};
  }

  standAside() {
    this.happened.push('aside');
    return Promise.resolve(this.aside);
  }

  rest() {
    this.happened.push('rest');
    this.takesPart = false;
    return Promise.resolve({ fed: this.fed, facts: { descriptors: 1 }, descriptors: [7] });
  }

  leave() {
    this.happened.push('leave');
    return { facts: { control: '/run/c' }, descriptors: [8] };
  }

  goOn() {
    this.happened.push('goOn');
    this.takesPart = true;
    return Promise.resolve();
  }
}

class Replaces implements Newcomer {
  readonly pid = 4711;
  readonly stores = new Stores(config.groups.cacheSize);
  readonly given: number[] = [];
  readonly told: HandoverMessage[] = [];
  ended = 0;
  takesPart = false;
  afterServing: 'begins' | 'dies' | 'fails' | 'is silent' = 'begins';
  readonly #incumbent: StandsBy;
  readonly #failsAt: Step | undefined;
  readonly #how: Failure;
  readonly #hello: object;
  #listener: Parameters<Newcomer['listen']>[0] | undefined;

  constructor(incumbent: StandsBy, failsAt?: Step, how: Failure = 'ends', hello = {}) {
    this.#incumbent = incumbent;
    this.#failsAt = failsAt;
    this.#how = how;
    this.#hello = hello;
  }

  listen(listener: Parameters<Newcomer['listen']>[0]): void {
    this.#listener = listener;
    const records = { records: RECORDS_VERSION, leastReader: 1, oldestRead: 1 };
    this.#reach('hello', { protocol: HANDOVER_PROTOCOL, program: '9.9.9', ...records, ...this.#hello });
  }

  say(message: { readonly say: Say }): void {
    this.told.push(message);
    if (message.say === 'begin') this.#reach('prepared');
    if (message.say === 'take') {
      // Both at once is what must never be.
      expect(this.#incumbent.takesPart).toBe(false);
      this.takesPart = true;
      expect(this.stores.activities.size).toBe(3000);
      this.#reach('standing');
      if (this.#failsAt !== 'standing') this.#reach('ready');
    }
    if (message.say === 'go') {
      this.#reach('serving');
      const { afterServing } = this;
      if (afterServing === 'dies')
        setImmediate(() => this.#listener?.ended('the new process ended with code 1'));
      else if (afterServing === 'fails') this.#tell({ say: 'refuse', why: 'no control socket' });
      else if (afterServing === 'begins' && this.#failsAt !== 'serving') this.#tell({ say: 'began' });
    }
  }

  send(_: number, payload: Uint8Array): boolean {
    const changes = readChanges(payload);
    if (typeof changes === 'string') throw new Error(changes);
    for (const { store, key, record } of changes) this.stores.store(store).apply(key, record);
    return false;
  }

  drained(): Promise<void> {
    return Promise.resolve();
  }

  give(descriptors: readonly number[]): void {
    this.given.push(...descriptors);
  }

  end(): Promise<void> {
    this.ended++;
    this.takesPart = false;
    expect(this.#incumbent.happened).not.toContain('goOn');
    return Promise.resolve();
  }

  #reach(step: Step, fields = {}): void {
    if (step !== this.#failsAt) this.#tell({ ...fields, say: step });
    else if (this.#how === 'ends')
      setImmediate(() => this.#listener?.ended('the new process ended with code 1'));
    else if (this.#how === 'refuses') this.#tell({ say: 'refuse', why: 'no' });
    else if (this.#how === 'says something else') this.#tell({ say: 'nonsense' });
  }

  #tell(message: HandoverMessage): void {
    setImmediate(() => this.#listener?.message(message));
  }
}

const LONG = { startMs: 10_000, prepareMs: 10_000, standMs: 10_000, joinMs: 10_000, lastWordMs: 10_000 };
const patient = { now: () => performance.now(), ...LONG };
/** Which patience ends where the step does not come. */
const PATIENCE_FOR = {
  hello: 'startMs',
  prepared: 'prepareMs',
  standing: 'standMs',
  ready: 'joinMs',
  serving: 'lastWordMs',
} as const;

describe('a process of a node of two', () => {
  it('takes part no more before the next one does, with its records', async () => {
    const incumbent = new StandsBy();
    const newcomer = new Replaces(incumbent);
    const result = await replaceStandby(incumbent, newcomer, patient);
    expect(result).toMatchObject({ pid: 4711, program: '9.9.9', serves: 'b' });
    expect(incumbent.happened).toEqual(['begin', 'aside', 'rest', 'leave']);
    expect(newcomer.told.map(({ say }) => say)).toEqual(['begin', 'take', 'go']);
    expect(newcomer.told[0]).toMatchObject({ pair: true });
    expect(newcomer.given).toEqual([7, 8]);
    expect([incumbent.takesPart, newcomer.takesPart, newcomer.ended]).toEqual([false, true, 0]);
  });

  for (const step of STEPS) {
    for (const how of FAILURES) {
      it(`takes part again where the new one ${how} in place of ${step}`, async () => {
        const incumbent = new StandsBy();
        const newcomer = new Replaces(incumbent, step, how);
        const times = how === 'is silent' ? { ...patient, [PATIENCE_FOR[step]]: 40 } : patient;
        const result = await replaceStandby(incumbent, newcomer, times);
        expect(result).toEqual({ refused: expect.stringMatching(/new process/) });
        expect(newcomer.ended).toBe(1);
        expect(incumbent.takesPart).toBe(true);
        const rested = step !== 'hello' && step !== 'prepared';
        expect(incumbent.happened.includes('rest')).toBe(rested);
        expect(incumbent.happened.filter((what) => what === 'goOn').length).toBe(rested ? 1 : 0);
        incumbent.happened.splice(0);
        expect(await replaceStandby(incumbent, new Replaces(incumbent), patient)).toMatchObject({
          pid: 4711,
        });
      });
    }
  }

  it.each([
    ['dies', 'the new process ended with code 1'],
    ['fails', 'the new process refuses: no control socket'],
  ] as const)('takes part again where the new one %s after it has said that it goes on', async (how, why) => {
    const incumbent = new StandsBy();
    const newcomer = new Replaces(incumbent);
    newcomer.afterServing = how;
    expect(await replaceStandby(incumbent, newcomer, patient)).toEqual({ refused: why });
    expect([newcomer.ended, incumbent.takesPart]).toEqual([1, true]);
  });

  it('leaves also where the new one is too busy to say that it has begun', async () => {
    const incumbent = new StandsBy();
    const newcomer = new Replaces(incumbent);
    newcomer.afterServing = 'is silent';
    expect(await replaceStandby(incumbent, newcomer, { ...patient, lastWordMs: 40 })).toMatchObject({
      pid: 4711,
    });
    expect(newcomer.takesPart).toBe(true);
  });

  it('takes part again where the new one takes no records', async () => {
    const incumbent = new StandsBy();
    const newcomer = new Replaces(incumbent);
    newcomer.drained = () => new Promise(() => {});
    // 3,000 records have 600 ms more.
    const result = await replaceStandby(incumbent, newcomer, { ...patient, standMs: 50 });
    expect(result).toEqual({ refused: 'the new process did not say standing within 650 ms' });
    expect([newcomer.ended, incumbent.takesPart]).toEqual([1, true]);
  });

  it('goes on where the other node does not serve, and where it cannot read the records', async () => {
    const incumbent = new StandsBy();
    incumbent.aside = 'nobody else serves';
    const newcomer = new Replaces(incumbent);
    expect(await replaceStandby(incumbent, newcomer, patient)).toEqual({ refused: 'nobody else serves' });
    expect([newcomer.ended, incumbent.happened]).toEqual([1, ['begin', 'aside']]);
    const older = new Replaces(new StandsBy(), undefined, 'ends', { records: 1, leastReader: 1 });
    expect(await replaceStandby(new StandsBy(), older, patient)).toEqual({
      refused: expect.stringMatching(/cannot read these records/),
    });
  });

  it.each(['begin', 'take', 'go'] as const)(
    'is abandoned at %s where it is told to end, but not once the other one goes on',
    async (at) => {
      const incumbent = new StandsBy();
      const newcomer = new Replaces(incumbent);
      const told = new AbortController();
      const say = newcomer.say.bind(newcomer);
      newcomer.say = (message) => {
        say(message);
        if (message.say === at) told.abort();
      };
      const result = await replaceStandby(incumbent, newcomer, patient, told.signal);
      expect(newcomer.ended).toBe(at === 'go' ? 0 : 1);
      if (at === 'go') expect(result).toMatchObject({ pid: 4711 });
      else expect(result).toEqual({ refused: 'this process is told to end' });
      expect(incumbent.takesPart).toBe(at !== 'go');
    },
  );
});
