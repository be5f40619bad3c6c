/** The handover to a new process, with a new process that fails at every step in every way. */
import { describe, expect, it } from 'vitest';
import { Stores } from '../../../daemon/core/stores.ts';
import { emptyStores } from '../../../daemon/journal/saved-state.ts';
import { handOver, type Incumbent, type Newcomer, patienceOf } from '../../../daemon/upgrade/hand-over.ts';
import {
  HANDOVER_PROTOCOL,
  type HandoverMessage,
  type Say,
} from '../../../daemon/upgrade/handover-message.ts';
import { readChanges } from '../../../replication/change-log.ts';
import { RECORDS_VERSION, unreadable } from '../../../replication/record-version.ts';
import { configOf } from '../world.ts';

const config = configOf();
const STEPS = ['hello', 'prepared', 'ready', 'serving'] as const;
type Step = (typeof STEPS)[number];
type Failure = 'ends' | 'is silent' | 'refuses' | 'says something else';
const FAILURES: readonly Failure[] = ['ends', 'is silent', 'refuses', 'says something else'];

/** A process that serves; its records change with everything that happens around it. */
class Serves implements Incumbent {
  readonly fed = emptyStores(config);
  readonly happened: string[] = [];
  serving = true;
  #counted = 0;

  constructor() {
    for (let i = 0; i < 3000; i++) this.change();
  }

  change(): void {
    if (!this.serving) return;
    const place = this.#counted++;
    const key = `swp1/0/06:00:00:00:00:${(place % 256).toString(16).padStart(2, '0')}/${place % 1000}`;
    this.fed.stores.activities.put(key, { v: 1, key, place } as never);
    if (place % 7 === 0) this.fed.stores.activities.delete(key);
  }

  begin() {
    this.happened.push('begin');
    return { facts: {}, descriptors: [1] };
  }

  lull(): Promise<void> {
    this.change();
    return Promise.resolve();
  }

  rest() {
    this.happened.push('rest');
    this.change();
    this.serving = false;
    return { facts: {}, descriptors: [2, 3] };
  }

  goOn(): void {
    this.happened.push('goOn');
    this.serving = true;
  }
}

/** A process that follows, and fails where it is told to. */
class Follows implements Newcomer {
  readonly pid = 4711;
  readonly stores = new Stores(config.groups.cacheSize);
  readonly given: number[] = [];
  ended = 0;
  serves = false;
  readonly #incumbent: Serves;
  readonly #failsAt: Step | undefined;
  readonly #how: Failure;
  readonly #hello: Readonly<Record<string, unknown>>;
  #listener: Parameters<Newcomer['listen']>[0] | undefined;

  constructor(incumbent: Serves, failsAt?: Step, how: Failure = 'ends', hello = {}) {
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

  say({ say }: { readonly say: Say }): void {
    if (say === 'complete') this.#reach('prepared', { tookMs: 1 });
    if (say === 'take') {
      expect(contentOf(this.stores)).toEqual(contentOf(this.#incumbent.fed.stores));
      this.#reach('ready');
    }
    if (say === 'go') {
      if (this.#failsAt !== 'serving') {
        // Both at once is what must never be.
        expect(this.#incumbent.serving).toBe(false);
        this.serves = true;
      }
      this.#reach('serving');
      if (this.serves) this.#tell({ say: 'began' });
    }
  }

  send(_: number, payload: Uint8Array): boolean {
    this.#incumbent.change();
    const changes = readChanges(payload);
    if (typeof changes === 'string') throw new Error(changes);
    for (const { store, key, record } of changes) this.stores.store(store).apply(key, record);
    return false;
  }

  drained(): Promise<void> {
    this.#incumbent.change();
    return Promise.resolve();
  }

  give(descriptors: readonly number[]): void {
    this.given.push(...descriptors);
  }

  end(): Promise<void> {
    this.ended++;
    expect(this.serves).toBe(false);
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

function contentOf(stores: Stores) {
  return [...stores.all()].map((store) => [store.name, [...store.entries()].sort()]);
}

const times = { now: () => performance.now(), startMs: 40, prepareMs: 40, pauseMs: 40 };

describe('a handover', () => {
  it('copies all records while they change, gives the sockets, and leaves the other one serving', async () => {
    const incumbent = new Serves();
    const newcomer = new Follows(incumbent);
    const patient = { ...times, startMs: 10_000, prepareMs: 10_000, pauseMs: 10_000 };
    const result = await handOver(incumbent, newcomer, patient);
    expect(result).toMatchObject({ pid: 4711, program: '9.9.9' });
    expect(incumbent.happened).toEqual(['begin', 'rest']);
    expect(newcomer.given).toEqual([1, 2, 3]);
    expect(newcomer.serves).toBe(true);
    expect(newcomer.ended).toBe(0);
    expect(newcomer.stores.activities.size).toBeGreaterThan(500);
  });

  for (const step of STEPS) {
    for (const how of FAILURES) {
      it(`goes on as before where the new process ${how} in place of ${step}`, async () => {
        const incumbent = new Serves();
        const newcomer = new Follows(incumbent, step, how);
        // Steps before the one that fails take what they take.
        const result = await handOver(incumbent, newcomer, {
          ...times,
          ...(step !== 'hello' && { startMs: 10_000 }),
          ...(step !== 'prepared' && { prepareMs: 10_000 }),
        });
        expect(result).toEqual({ refused: expect.stringMatching(/new process/) });
        expect(newcomer.ended).toBe(1);
        expect(incumbent.serving).toBe(true);
        const rested = step === 'ready' || step === 'serving';
        expect(incumbent.happened.filter((what) => what !== 'begin')).toEqual(rested ? ['rest', 'goOn'] : []);
        // Another one may be tried at once.
        const again = await handOver(incumbent, new Follows(incumbent), {
          ...times,
          pauseMs: 10_000,
          prepareMs: 10_000,
        });
        expect(again).toMatchObject({ pid: 4711 });
      });
    }
  }

  it('goes on where the new process takes no records, and ends at once where it is told to', async () => {
    const incumbent = new Serves();
    const hung = () => {
      const newcomer = new Follows(incumbent);
      newcomer.drained = () => new Promise(() => {});
      return newcomer;
    };
    const result = await handOver(incumbent, hung(), { ...times, startMs: 10_000 });
    expect(result).toEqual({ refused: 'the new process did not say prepared within 40 ms' });
    const told = new AbortController();
    setTimeout(() => told.abort(), 40);
    const patient = { ...times, startMs: 10_000, prepareMs: 600_000 };
    expect(await handOver(incumbent, hung(), patient, told.signal)).toEqual({
      refused: 'this process is told to end',
    });
    expect([incumbent.serving, incumbent.happened]).toEqual([true, ['begin', 'begin']]);
  });

  it.each(['begin', 'complete', 'take', 'go'] as const)(
    'is abandoned at %s where this process is told to end, but not once the other one may serve',
    async (at) => {
      const incumbent = new Serves();
      const newcomer = new Follows(incumbent);
      const told = new AbortController();
      const say = newcomer.say.bind(newcomer);
      newcomer.say = (message) => {
        say(message);
        if (message.say === at) told.abort();
      };
      const patient = { ...times, startMs: 10_000, prepareMs: 10_000, pauseMs: 10_000 };
      const result = await handOver(incumbent, newcomer, patient, told.signal);
      expect([incumbent.serving, newcomer.serves]).toEqual([at !== 'go', at === 'go']);
      expect(newcomer.ended).toBe(at === 'go' ? 0 : 1);
      if (at === 'go') expect(result).toMatchObject({ pid: 4711 });
      else expect(result).toEqual({ refused: 'this process is told to end' });
    },
  );

  it('refuses a process of another protocol, and one that cannot read these records', async () => {
    for (const hello of [
      { protocol: HANDOVER_PROTOCOL + 1 },
      { records: 0 },
      { oldestRead: RECORDS_VERSION + 1 },
    ]) {
      const incumbent = new Serves();
      const newcomer = new Follows(incumbent, undefined, 'ends', hello);
      const result = await handOver(incumbent, newcomer, times);
      expect(result).toEqual({ refused: expect.stringMatching(/version/) });
      expect(incumbent.happened).toEqual([]);
      expect(newcomer.ended).toBe(1);
    }
  });
});

describe('how long a new process may take while nobody serves', () => {
  it('grows with what it took to prepare itself, to a limit', () => {
    expect(patienceOf(500, 20)).toBe(500);
    expect(patienceOf(500, 400)).toBe(1_600);
    expect(patienceOf(500, 60_000)).toBe(3_000);
    expect(patienceOf(10_000, 60_000)).toBe(10_000);
  });
});

describe('records of another version', () => {
  it('are read one version up and one version down, where nothing has another meaning', () => {
    expect(unreadable({ records: 1, leastReader: 1 }, { records: 2, oldestRead: 1 })).toBeUndefined();
    expect(unreadable({ records: 2, leastReader: 1 }, { records: 1, oldestRead: 1 })).toBeUndefined();
  });

  it('are refused where they would be read wrongly', () => {
    expect(unreadable({ records: 2, leastReader: 2 }, { records: 1, oldestRead: 1 })).toMatch(
      /version 2 or later/,
    );
    expect(unreadable({ records: 1, leastReader: 1 }, { records: 3, oldestRead: 2 })).toMatch(
      /reads 2 and later/,
    );
  });
});
