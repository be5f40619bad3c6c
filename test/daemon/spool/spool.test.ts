import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Spool, type SpoolFault } from '../../../daemon/spool/spool.ts';
import { MemorySegments } from '../../../lab/ledger/memory-segments.ts';
import { Random } from '../../../lab/random.ts';
import { type Change, Store } from '../../../session/store.ts';

const LIMIT = 1 << 30;

/** A spool over a disk in memory, and what happens to both. */
function rig(options: { limitOctets?: number; segmentOctets?: number; disk?: MemorySegments } = {}) {
  const later: (() => void)[] = [];
  const disk = options.disk ?? new MemorySegments((run) => later.push(run));
  const states: (SpoolFault | undefined)[] = [];
  const damaged: string[] = [];
  let spool: Spool | undefined;
  const feed = { changed: (change: Change) => spool?.changed(change) };
  const stores = [new Store<object>('queue', feed), new Store<object>('records', feed)] as const;
  const [queue, records] = stores;
  const made = new Spool(
    disk,
    { limitOctets: LIMIT, segmentOctets: 4000, expendable: 'queue', ...options },
    {
      synced: () => {},
      stateChanged: (fault) => states.push(fault),
      damaged: (_, why) => damaged.push(why),
    },
  );
  spool = made;
  /** The disk does what it was told so far. */
  const settle = () => {
    for (const run of later.splice(0)) run();
  };
  const contents = () => stores.map((store) => Object.fromEntries(store.entries()));
  return { disk, spool: made, queue, records, stores, states, damaged, settle, contents };
}

/** What a new process finds on the disk. */
function found(disk: MemorySegments) {
  const after = rig({ disk });
  after.spool.load(after.stores);
  return after;
}

const message = (n: number) => ({ v: 1, n, text: 'a message of some length '.repeat(4) });

describe('the durable queue', () => {
  it('has what a sync covered after any power cut, and every turn as a whole or not at all', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('put' as const), key: fc.nat(20), n: fc.nat() }),
      fc.record({ do: fc.constant('delete' as const), key: fc.nat(20) }),
      fc.record({ do: fc.constantFrom('turn' as const, 'turn' as const, 'sync' as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.nat(), (steps, seed) => {
        const before = rig();
        before.spool.load(before.stores);
        const states = [before.contents()];
        let safe = 0;
        let covered = 0;
        for (const one of steps) {
          if (one.do === 'put') before.queue.put(`k${one.key}`, message(one.n));
          else if (one.do === 'delete') before.queue.delete(`k${one.key}`);
          else if (one.do === 'turn') {
            before.spool.endTurn(1);
            states.push(before.contents());
          } else {
            // What was written before this sync began is safe now.
            before.settle();
            safe = covered;
            covered = states.length - 1;
          }
        }
        before.disk.cutPower(new Random(seed));
        const after = found(before.disk).contents();
        expect(states.slice(safe)).toContainEqual(after);
      }),
    );
  });

  it('is left by a kill as the last turn left it', () => {
    const before = rig();
    before.spool.load(before.stores);
    for (let i = 0; i < 50; i++) {
      before.queue.put(`k${i}`, message(i));
      if (i > 5) before.queue.delete(`k${i - 5}`);
      before.spool.endTurn(i);
    }
    before.disk.kill();
    expect(found(before.disk).contents()).toEqual(before.contents());
  });

  it('is safe from a power cut as soon as the next process has read it', () => {
    const before = rig();
    before.spool.load(before.stores);
    before.queue.put('written by a process that was killed', message(1));
    before.spool.endTurn(1);
    before.disk.kill();
    expect(found(before.disk).queue.size).toBe(1);
    for (let seed = 0; seed < 10; seed++) before.disk.cutPower(new Random(seed));
    expect(found(before.disk).queue.size).toBe(1);
  });

  it('leaves out a write that was torn, and goes on in another segment', () => {
    const before = rig();
    before.spool.load(before.stores);
    before.queue.put('a', message(1));
    before.spool.endTurn(1);
    before.queue.put('b', message(2));
    before.spool.endTurn(2);
    before.disk.tear(3);
    before.disk.kill();
    const after = found(before.disk);
    expect([...after.queue.entries()].map(([key]) => key)).toEqual(['a']);
    after.queue.put('c', message(3));
    after.spool.endTurn(3);
    expect([...found(before.disk).queue.entries()].map(([key]) => key)).toEqual(['a', 'c']);
  });

  it('gives the disk back what it does not need, and loses nothing meanwhile', () => {
    const before = rig();
    before.spool.load(before.stores);
    before.records.put('runs on', message(0));
    let most = 0;
    for (let i = 0; i < 5000; i++) {
      before.queue.put(`k${i}`, message(i));
      before.queue.delete(`k${i - 10}`);
      before.spool.endTurn(i);
      before.settle();
      most = Math.max(most, before.disk.octets);
    }
    // Ten messages of a hundred octets and one record are needed.
    expect(most).toBeLessThan(24_000);
    before.disk.cutPower(new Random(1));
    expect(found(before.disk).contents()).toEqual(before.contents());
  });

  it('one sync covers all turns that ended while the one before ran', () => {
    const { spool, stores, queue, settle, disk } = rig();
    spool.load(stores);
    for (let i = 0; i < 100; i++) {
      queue.put(`k${i}`, message(i));
      spool.endTurn(i);
    }
    settle();
    expect(spool.synced).toBe(1);
    settle();
    expect(spool.synced).toBe(spool.turn);
    expect(disk.syncs).toBe(2);
  });

  it('brings the disk up to records that came from elsewhere', () => {
    const before = rig();
    before.spool.load(before.stores);
    before.queue.put('acknowledged meanwhile', message(1));
    before.queue.put('as it was', message(2));
    before.records.put('counted on', message(3));
    before.spool.endTurn(1);
    before.disk.kill();
    const after = rig({ disk: before.disk });
    after.queue.put('as it was', message(2));
    after.records.put('counted on', message(4));
    after.records.put('new', message(5));
    after.spool.follow(after.stores);
    expect(after.spool.unwritten).toBe(3);
    after.spool.endTurn(2);
    expect(found(before.disk).contents()).toEqual(after.contents());
  });

  it('knows when it was last alive, also where nothing happened', () => {
    const before = rig();
    before.spool.load(before.stores);
    expect(before.spool.aliveAt).toBe(0);
    before.records.put('runs on', message(1));
    before.spool.endTurn(1_000);
    for (let now = 2_000; now < 100_000; now += 1_000) before.spool.alive(now);
    before.disk.kill();
    const { aliveAt } = found(before.disk).spool;
    expect(aliveAt).toBeGreaterThan(85_000);
    expect(aliveAt).toBeLessThan(100_000);
  });

  it('takes any octets for what they are: damage is said and costs the rest of its segment only', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (place, flip) => {
        const before = rig();
        before.spool.load(before.stores);
        for (let i = 0; i < 120; i++) {
          before.queue.put(`k${i}`, message(i));
          before.spool.endTurn(i);
        }
        const [first = 0, ...others] = before.disk.list();
        const octets = before.disk.read(first);
        const at = place % octets.length;
        octets[at] = (octets[at] ?? 0) ^ flip;
        before.disk.remove(first);
        before.disk.append(first, octets);
        const after = found(before.disk);
        const whole = before.contents()[0] ?? {};
        for (const [key, record] of after.queue.entries()) expect(record).toEqual(whole[key]);
        for (const segment of others) expect(after.disk.list()).toContain(segment);
        expect(after.queue.get('k119')).toBeDefined();
      }),
    );
  });
});

describe('a disk that refuses', () => {
  it('keeps what it has; the rest waits in memory, and goes there when it can', () => {
    const { spool, stores, queue, states, settle, disk } = rig();
    spool.load(stores);
    queue.put('written', message(1));
    spool.endTurn(0);
    settle();
    disk.capacity = disk.octets;
    queue.put('waits', message(2));
    spool.endTurn(1);
    expect(states).toEqual(['disk-refused']);
    expect(spool.unwritten).toBeGreaterThan(0);
    expect([...found(disk).queue.entries()].map(([key]) => key)).toEqual(['written']);
    disk.capacity = Number.POSITIVE_INFINITY;
    queue.put('comes too', message(3));
    spool.endTurn(10_000);
    settle();
    settle();
    expect(states).toEqual(['disk-refused', undefined]);
    disk.cutPower(new Random(1));
    expect([...found(disk).queue.entries()].map(([key]) => key)).toEqual(['written', 'waits', 'comes too']);
  });

  it('that is full is made empty by what servers take, and takes again', () => {
    const { spool, stores, queue, records, states, settle, disk } = rig({ limitOctets: 20_000 });
    spool.load(stores);
    for (let i = 0; i < 300; i++) {
      queue.put(`k${i}`, message(i));
      spool.endTurn(i);
      settle();
    }
    expect(states).toEqual(['disk-limit']);
    expect(disk.octets).toBeLessThanOrEqual(20_000);
    records.put('began meanwhile', message(1));
    for (let i = 0; i < 290; i++) {
      queue.delete(`k${i}`);
      spool.endTurn(1_000 + i);
    }
    spool.endTurn(20_000);
    settle();
    settle();
    expect(states).toEqual(['disk-limit', undefined]);
    disk.cutPower(new Random(2));
    const after = found(disk);
    expect(after.queue.size).toBe(10);
    expect(after.records.size).toBe(1);
  });

  it('does not forget a record whose end it could not write', () => {
    const { spool, stores, queue, records, settle, disk } = rig();
    spool.load(stores);
    records.put('session', message(1));
    spool.endTurn(0);
    settle();
    disk.capacity = disk.octets;
    queue.put('its Stop', message(2));
    records.delete('session');
    for (let now = 0; now < 60_000; now += 1_000) spool.alive(now);
    disk.cutPower(new Random(3));
    expect([...found(disk).records.entries()].map(([key]) => key)).toEqual(['session']);
  });

  it('at a sync gets everything again that was not safe, removals too', () => {
    const { spool, stores, queue, states, settle, disk } = rig();
    spool.load(stores);
    queue.put('a', message(1));
    spool.endTurn(0);
    settle();
    queue.put('b', message(2));
    queue.delete('a');
    disk.failSyncs = 1;
    spool.endTurn(1);
    settle();
    expect(states).toEqual(['disk-refused']);
    spool.endTurn(10_000);
    settle();
    settle();
    expect(states).toEqual(['disk-refused', undefined]);
    disk.cutPower(new Random(4));
    expect([...found(disk).queue.entries()].map(([key]) => key)).toEqual(['b']);
  });
});
