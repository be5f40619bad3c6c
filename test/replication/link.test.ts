import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeFrame, FrameReader, FrameType } from '../../replication/frame.ts';
import { encodeMessage, readMessage } from '../../replication/message.ts';
import { OWN_RECORDS, type RecordVersions, UNTOLD_RECORDS } from '../../replication/record-version.ts';
import { ReplicationSource } from '../../replication/source.ts';
import type { StateDigest } from '../../replication/state-digest.ts';
import { ReplicationTarget } from '../../replication/target.ts';
import { Keeper } from './keeper.ts';

/** An active and a standby, and the link between them. */
class Pair {
  now = 1000;
  readonly stores: Keeper;
  readonly source: ReplicationSource;
  readonly target: ReplicationTarget<Keeper>;
  faults: string[] = [];

  constructor(
    options: {
      keepOctets?: number;
      logId?: string;
      sliceOctets?: number;
      versions?: { active: RecordVersions; standby: RecordVersions };
    } = {},
    taken: { stores: Keeper | undefined; digest: StateDigest | undefined } = {
      stores: undefined,
      digest: undefined,
    },
  ) {
    this.stores = taken.stores ?? new Keeper();
    this.stores.feed = { changed: (change) => this.source.changed(change) };
    this.source = new ReplicationSource(
      this.stores,
      {
        logId: options.logId ?? 'run-1',
        mode: 'sync',
        patienceMs: 200,
        keepOctets: options.keepOctets ?? 1 << 20,
        digestIntervalMs: 1000,
        ...(options.sliceOctets && { sliceOctets: options.sliceOctets }),
        ...(options.versions && { versions: options.versions.active }),
      },
      taken.digest,
    );
    this.target = new ReplicationTarget(() => new Keeper(), options.versions?.standby);
  }

  connect(): void {
    this.source.connected(this.now);
    this.target.connected();
  }

  disconnect(): void {
    this.source.disconnected('cut');
    this.target.disconnected();
  }

  put(key: string, record: object | undefined, store = 'things'): void {
    this.stores.store(store).apply(key, record);
    this.source.seal(this.now);
  }

  /** Carries octets both ways until nothing moves. `mangle` may change what the active sends. */
  carry(mangle: (octets: Uint8Array) => Uint8Array | undefined = (octets) => octets): void {
    for (let rounds = 0; rounds < 1000; rounds++) {
      const forth = this.source.drainOutput(this.now);
      for (const octets of forth) {
        const arrived = mangle(octets);
        const fault = arrived && this.target.receive(arrived);
        if (fault !== undefined) {
          this.faults.push(fault);
          this.disconnect();
          return;
        }
      }
      const back = this.target.drainOutput();
      for (const octets of back) this.source.receive(this.now, octets);
      if (forth.length === 0 && back.length === 0) return;
    }
    throw new Error('the link does not come to rest');
  }

  same(): void {
    expect(this.target.stores?.contents() ?? {}).toEqual(this.stores.contents());
  }
}

describe('a standby', () => {
  it('takes a snapshot, then follows the log from exactly there', () => {
    const pair = new Pair();
    for (let i = 0; i < 100; i++) pair.put(`k${i}`, { v: 1, i, octets: Uint8Array.of(i) });
    pair.connect();
    pair.carry();
    expect([pair.source.state, pair.target.state]).toEqual(['in-step', 'in-step']);
    pair.same();
    pair.put('k1', undefined);
    pair.put('new', { v: 1, text: 'näme' });
    expect(pair.source.committed).toBe(100);
    pair.carry();
    expect(pair.source.committed).toBe(102);
    pair.same();
  });

  it('is right also when records change, come and go while the snapshot is on its way', () => {
    const pair = new Pair();
    const big = new Uint8Array(50_000);
    for (let i = 0; i < 40; i++) pair.put(`k${i}`, { i, big });
    pair.connect();
    let slices = 0;
    pair.carry((octets) => {
      if (octets[4] === FrameType.Records) {
        slices++;
        pair.put(`k${slices}`, undefined);
        pair.put(`k${30 - slices}`, { changed: slices });
        pair.put(`extra${slices}`, { slices });
      }
      return octets;
    });
    expect(slices).toBeGreaterThan(3);
    expect(pair.target.state).toBe('in-step');
    pair.same();
  });

  it('that was away for a moment goes on where it was, without a snapshot', () => {
    const pair = new Pair();
    pair.put('a', { n: 1 });
    pair.connect();
    pair.carry();
    pair.disconnect();
    pair.put('b', { n: 2 });
    pair.put('a', { n: 3 });
    let records = 0;
    pair.connect();
    pair.carry((octets) => {
      if (octets[4] === FrameType.Records) records++;
      return octets;
    });
    expect(records).toBe(0);
    expect(pair.source.state).toBe('in-step');
    pair.same();
  });

  it('that was away for too long begins again', () => {
    const pair = new Pair({ keepOctets: 100 });
    pair.put('a', { n: 1 });
    pair.connect();
    pair.carry();
    pair.disconnect();
    for (let i = 0; i < 50; i++) pair.put(`b${i}`, { n: 2 });
    pair.connect();
    pair.carry();
    expect(pair.source.state).toBe('in-step');
    pair.same();
  });

  it('keeps its last whole state where a snapshot breaks off', () => {
    const pair = new Pair();
    pair.put('a', { n: 1 });
    pair.connect();
    pair.carry();
    const before = pair.target.stores?.contents();
    pair.disconnect();
    const other = new Pair({ logId: 'run-2' });
    for (let i = 0; i < 40; i++) other.put(`k${i}`, { big: new Uint8Array(50_000) });
    other.source.connected(0);
    pair.target.connected();
    let frames = 0;
    for (let i = 0; i < 4; i++) {
      for (const octets of other.source.drainOutput(0)) {
        pair.target.receive(octets);
        frames++;
      }
      for (const octets of pair.target.drainOutput()) other.source.receive(0, octets);
    }
    expect(frames).toBeGreaterThan(2);
    pair.target.disconnected();
    expect(pair.target.state).toBe('stale');
    expect(pair.target.stores?.contents()).toEqual(before);
  });

  it('takes no snapshot for whole that lacks a slice', () => {
    const pair = new Pair({ sliceOctets: 200 });
    for (let i = 0; i < 40; i++) pair.put(`k${i}`, { i });
    pair.connect();
    let slices = 0;
    pair.carry((octets) => (octets[4] === FrameType.Records && ++slices === 2 ? undefined : octets));
    expect(pair.source.drainEvents()).toContainEqual({ kind: 'diverged', stores: ['things'] });
    // No second snapshot on the same link: where one is always wrong that would go on for ever.
    expect([pair.target.state, pair.source.state, pair.source.wantsLink]).toEqual(['empty', 'away', false]);
    pair.connect();
    pair.carry();
    expect(pair.target.state).toBe('in-step');
    pair.same();
    pair.disconnect();
    pair.put('k1', undefined);
    const before = pair.target.stores?.contents();
    const other = new Pair({ logId: 'run-2', sliceOctets: 200 });
    for (let i = 0; i < 40; i++) other.put(`k${i}`, { other: i });
    other.source.connected(0);
    pair.target.connected();
    for (const octets of other.source.drainOutput(0)) pair.target.receive(octets);
    for (const octets of pair.target.drainOutput()) other.source.receive(0, octets);
    slices = 0;
    while (other.source.hasMore) {
      for (const octets of other.source.drainOutput(0)) {
        if (octets[4] !== FrameType.Records || slices++ !== 1) pair.target.receive(octets);
      }
    }
    expect(slices).toBeGreaterThan(3);
    expect(pair.target.state).toBe('stale');
    expect(pair.target.stores?.contents()).toEqual(before);
  });

  it('keeps stores and fields that it does not know', () => {
    const pair = new Pair();
    pair.put('x', { v: 9, tomorrow: { deep: [1, 2] } }, 'store-of-version-9');
    pair.connect();
    pair.carry();
    pair.same();
  });
});

describe('nodes of two versions', () => {
  const versions = (records: number, leastReader: number, oldestRead: number) => ({
    records,
    leastReader,
    oldestRead,
  });
  const of = (active: RecordVersions, standby: RecordVersions) => {
    const pair = new Pair({ versions: { active, standby } });
    pair.put('a', { n: 1 });
    pair.connect();
    pair.source.beat(pair.now, 1, 0);
    pair.carry();
    return pair;
  };

  it('that read the records of each other come in step', () => {
    const pair = of(versions(5, 4, 3), versions(4, 4, 3));
    expect([pair.source.state, pair.target.state]).toEqual(['in-step', 'in-step']);
    expect([pair.source.mismatch, pair.target.mismatch]).toEqual([undefined, undefined]);
  });

  it.each([
    ['too new for the standby', versions(5, 5, 3), versions(4, 4, 3), 'version 5 or later is needed'],
    ['too old for the standby', versions(2, 2, 1), versions(5, 5, 4), 'this version reads 4 and later'],
  ])('do not come in step where records are %s', (_, active, standby, why) => {
    const pair = of(active, standby);
    expect([pair.source.state, pair.target.state]).toEqual(['away', 'empty']);
    for (const { mismatch } of [pair.source, pair.target]) {
      expect(mismatch?.isOneWay).toBe(false);
      expect(mismatch?.why).toMatch(why);
    }
    const mismatch = expect.objectContaining({ isOneWay: false });
    expect(pair.source.drainEvents()).toEqual([{ kind: 'mismatch', mismatch }]);
    // It hears that the active lives, for as long as that goes on, and gets nothing by asking to serve.
    expect(pair.target.drainEvents()).toEqual([{ kind: 'beat', at: 1000, epoch: 1, saidUntil: 0 }]);
    pair.now += 60_000;
    pair.source.handleTimeout(pair.now);
    pair.target.take();
    pair.put('b', { n: 2 });
    pair.carry();
    expect(pair.source.drainEvents()).toEqual([]);
    expect([pair.source.wantsLink, pair.source.committed, pair.target.stores]).toEqual([true, 2, undefined]);
  });

  it('come in step where only the way back is barred, and say so', () => {
    const pair = of(versions(4, 4, 3), versions(5, 5, 3));
    expect([pair.source.state, pair.target.state]).toEqual(['in-step', 'in-step']);
    for (const { mismatch } of [pair.source, pair.target]) {
      expect(mismatch?.isOneWay).toBe(true);
      expect(mismatch?.why).toMatch(/once the standby serves.*version 5 or later/);
    }
    pair.target.take();
    pair.carry();
    expect(pair.source.drainEvents()).toContainEqual({ kind: 'take' });
  });

  it('count as the last version that told nothing where they tell none', () => {
    const untold = (octets: Uint8Array) => {
      const [frame] = new FrameReader().push(octets);
      const message = frame && frame.type === FrameType.Message ? readMessage(frame.payload) : undefined;
      if (message === undefined || !('versions' in message)) return octets;
      const { versions: _, ...older } = message;
      return encodeFrame(FrameType.Message, encodeMessage(older));
    };
    const pair = new Pair({ versions: { active: OWN_RECORDS, standby: versions(9, 9, 9) } });
    pair.put('a', { n: 1 });
    pair.connect();
    // The active knows nothing of versions, and sends its records.
    const older = new Pair();
    older.put('a', { n: 1 });
    older.connect();
    pair.target.connected();
    for (let i = 0; i < 4; i++) {
      for (const octets of older.source.drainOutput(0)) pair.target.receive(untold(octets));
      for (const octets of pair.target.drainOutput()) older.source.receive(0, untold(octets));
    }
    expect(pair.target.mismatch?.why).toMatch(`version ${UNTOLD_RECORDS.records}`);
    expect([pair.target.state, older.source.state]).toEqual(['empty', 'joining']);
    // And a standby that tells nothing gets no records that it would read wrongly.
    const later = new Pair({ versions: { active: versions(9, 9, 9), standby: UNTOLD_RECORDS } });
    later.put('a', { n: 1 });
    later.source.connected(0);
    later.target.connected();
    for (let i = 0; i < 4; i++) {
      for (const octets of later.source.drainOutput(0)) later.target.receive(untold(octets));
      for (const octets of later.target.drainOutput()) later.source.receive(0, untold(octets));
    }
    expect(later.source.mismatch?.isOneWay).toBe(false);
    expect([later.target.state, later.source.state]).toEqual(['empty', 'away']);
  });
});

describe('a standby that leaves', () => {
  it('is waited for no more, at once', () => {
    const pair = new Pair();
    pair.connect();
    pair.carry();
    pair.put('a', { n: 1 });
    expect(pair.source.committed).toBe(0);
    pair.target.leave();
    for (const octets of pair.target.drainOutput()) pair.source.receive(pair.now, octets);
    expect([pair.source.state, pair.source.committed, pair.source.wantsLink]).toEqual(['away', 1, false]);
    expect(pair.source.drainEvents()).toContainEqual({ kind: 'alone', why: 'the standby has left' });
    pair.target.disconnected();
    pair.connect();
    pair.carry();
    expect(pair.source.state).toBe('in-step');
    pair.same();
  });
});

describe('faults of the link', () => {
  it('a flipped octet is found, and the next link goes on from the last good change', () => {
    const pair = new Pair();
    pair.connect();
    pair.carry();
    pair.put('a', { n: 1 });
    pair.carry((octets) => {
      const broken = octets.slice();
      broken[7] = (broken[7] ?? 0) ^ 1;
      return broken;
    });
    expect(pair.faults).toEqual(['frame-checksum']);
    pair.put('b', { n: 2 });
    pair.connect();
    pair.carry();
    pair.same();
  });

  it.each(['lost', 'twice', 'swapped'])('a batch that is %s is found', (how) => {
    const pair = new Pair();
    pair.connect();
    pair.carry();
    pair.put('a', { n: 1 });
    pair.put('b', { n: 2 });
    const batches = [...pair.source.drainOutput(pair.now)];
    const [a, b] = batches;
    if (a === undefined || b === undefined) throw new Error('two batches expected');
    const arriving = { lost: [b], twice: [a, a], swapped: [b, a] }[how] ?? [];
    const faults = arriving.map((octets) => pair.target.receive(octets));
    expect(faults).toContain('changes-out-of-order');
    pair.disconnect();
    pair.connect();
    pair.carry();
    pair.same();
  });

  it('a standby whose records were edited is found by the digest and begins again', () => {
    const pair = new Pair();
    pair.put('a', { n: 1 });
    pair.connect();
    pair.carry();
    pair.target.stores?.of('things').put('a', { n: 666 });
    pair.now += 1000;
    pair.source.handleTimeout(pair.now);
    pair.carry();
    expect(pair.source.drainEvents()).toContainEqual({ kind: 'diverged', stores: ['things'] });
    expect(pair.source.state).toBe('in-step');
    pair.same();
  });

  it('a record of the active that was changed without being put is found, told, and put into the log', () => {
    const pair = new Pair();
    const record = { n: 1 };
    pair.put('a', record);
    pair.connect();
    pair.carry();
    record.n = 2;
    pair.now += 1000;
    pair.source.handleTimeout(pair.now);
    pair.carry();
    expect(pair.source.drainEvents()).toContainEqual({ kind: 'strayed', store: 'things', key: 'a' });
    expect(pair.target.stores?.contents()).toEqual({ things: { a: { n: 2 } } });
  });

  it('a silent standby is let go after the patience, and effects leave', () => {
    const pair = new Pair();
    pair.connect();
    pair.carry();
    pair.put('a', { n: 1 });
    expect(pair.source.committed).toBe(0);
    pair.now += 199;
    pair.source.handleTimeout(pair.now);
    expect(pair.source.committed).toBe(0);
    pair.now += 1;
    pair.source.handleTimeout(pair.now);
    expect(pair.source.state).toBe('away');
    expect(pair.source.committed).toBe(1);
    expect(pair.source.drainEvents().slice(-2)).toMatchObject([
      { kind: 'standby', state: 'away' },
      { kind: 'alone' },
    ]);
  });

  it('effects wait for a standby that lost its link a moment ago, and no longer than the patience', () => {
    const pair = new Pair();
    pair.connect();
    pair.carry();
    pair.put('a', { n: 1 });
    pair.carry();
    pair.disconnect();
    pair.now += 1000;
    expect(pair.source.committed).toBe(1);
    pair.put('b', { n: 2 });
    expect(pair.source.nextTimeout()).toBe(pair.now + 200);
    pair.now += 199;
    pair.source.handleTimeout(pair.now);
    expect([pair.source.state, pair.source.committed]).toEqual(['away', 1]);
    pair.connect();
    pair.carry();
    expect([pair.source.state, pair.source.committed]).toEqual(['in-step', 2]);
    pair.disconnect();
    pair.put('c', { n: 3 });
    pair.now += 200;
    pair.source.handleTimeout(pair.now);
    expect(pair.source.committed).toBe(3);
    expect(pair.source.drainEvents().at(-1)).toMatchObject({ kind: 'alone' });
  });

  it('a standby that hangs while it joins is given up', () => {
    const pair = new Pair();
    pair.source.connected(pair.now);
    pair.source.drainOutput(pair.now);
    expect(pair.source.nextTimeout()).toBe(pair.now + 10_000);
    pair.now += 10_000;
    pair.source.handleTimeout(pair.now);
    expect([pair.source.wantsLink, pair.source.nextTimeout()]).toEqual([false, undefined]);
  });

  it('a standby that says nothing to a whole snapshot is given up, also where changes go on', () => {
    const pair = new Pair();
    for (let i = 0; i < 20; i++) pair.put(`k${i}`, { i });
    pair.connect();
    for (let i = 0; i < 3; i++) {
      for (const octets of pair.source.drainOutput(pair.now)) pair.target.receive(octets);
      for (const octets of pair.target.drainOutput()) if (i === 0) pair.source.receive(pair.now, octets);
    }
    expect(pair.source.hasMore).toBe(false);
    for (let i = 0; i < 11; i++) {
      expect(pair.source.state).toBe('joining');
      pair.now += 999;
      pair.put('a', { i });
      pair.source.drainOutput(pair.now);
      pair.source.handleTimeout(pair.now);
    }
    expect([pair.source.state, pair.source.wantsLink]).toEqual(['away', false]);
  });

  it('a standby that found itself diverged acknowledges nothing before it has begun again', () => {
    const pair = new Pair();
    pair.put('a', { n: 1 });
    pair.connect();
    pair.carry();
    pair.target.stores?.of('things').put('a', { n: 666 });
    pair.now += 1000;
    pair.put('b', { n: 2 });
    pair.source.handleTimeout(pair.now);
    for (const octets of pair.source.drainOutput(pair.now)) pair.target.receive(octets);
    for (const octets of pair.target.drainOutput()) pair.source.receive(pair.now, octets);
    expect(pair.source.state).toBe('joining');
    const snapshot = [...pair.source.drainOutput(pair.now), ...pair.source.drainOutput(pair.now)];
    for (const octets of pair.target.drainOutput()) pair.source.receive(pair.now, octets);
    expect(pair.source.state).toBe('joining');
    for (const octets of snapshot) pair.target.receive(octets);
    for (const octets of pair.target.drainOutput()) pair.source.receive(pair.now, octets);
    expect(pair.source.state).toBe('in-step');
    pair.same();
  });

  it('a standby that takes over replicates on with the digest that it has', () => {
    const pair = new Pair();
    for (let i = 0; i < 20; i++) pair.put(`k${i}`, { i });
    pair.connect();
    pair.carry();
    const next = new Pair({ logId: 'run-2' }, { stores: pair.target.stores, digest: pair.target.digest });
    next.put('k3', undefined);
    next.connect();
    next.carry();
    next.now += 1000;
    next.source.handleTimeout(next.now);
    next.carry();
    expect(next.source.drainEvents().some(({ kind }) => kind === 'diverged')).toBe(false);
    expect(next.source.state).toBe('in-step');
    next.same();
  });

  it('says where packets reach the active, and up to where the standby has seen connections', () => {
    const pair = new Pair();
    pair.connect();
    pair.carry();
    pair.source.reach('02:00:00:00:00:0a');
    pair.carry();
    expect(pair.target.drainEvents()).toContainEqual({ kind: 'reach', mac: '02:00:00:00:00:0a' });
    const local = { address: '198.18.0.10', port: 40_000 };
    const seen = [
      { local, remote: { address: '198.18.0.2', port: 1812 }, receivedFrom: 0xffff_ff00, awaited: 12 },
    ];
    pair.target.seen(true, seen);
    pair.carry();
    expect(pair.source.drainEvents()).toContainEqual({ kind: 'seen', inTheWay: true, seen });
    expect(pair.faults).toEqual([]);
    for (const message of [
      { say: 'reach', mac: 'here' },
      { say: 'seen', inTheWay: 1, seen: [] },
      { say: 'seen', inTheWay: true, seen: [{ local }] },
    ])
      expect(readMessage(encodeMessage(message as never))).toBeUndefined();
  });

  it('frames are cut out of the stream however it arrives, and hostile octets never throw', () => {
    const frames = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 6 });
    fc.assert(
      fc.property(frames, fc.array(fc.integer({ min: 1, max: 20 })), (payloads, cuts) => {
        const stream = Buffer.concat(payloads.map((payload) => encodeFrame(FrameType.Changes, payload)));
        const reader = new FrameReader();
        const read: Uint8Array[] = [];
        let at = 0;
        for (let i = 0; at < stream.length; i++) {
          const next = at + (cuts[i % Math.max(1, cuts.length)] ?? 7);
          read.push(...reader.push(stream.subarray(at, next)).map((frame) => Uint8Array.from(frame.payload)));
          at = next;
        }
        expect(read).toEqual(payloads);
      }),
    );
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 })), (pieces) => {
        const target = new ReplicationTarget(() => new Keeper());
        target.connected();
        for (const piece of pieces) target.receive(piece);
      }),
    );
  });
});

describe('whatever happens', () => {
  it('a standby in step equals the active after every acknowledged change', () => {
    const step = fc.oneof(
      { weight: 8, arbitrary: fc.record({ kind: fc.constant('put' as const), key: fc.nat(9), n: fc.nat() }) },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('delete' as const), key: fc.nat(9) }) },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constantFrom('cut' as const, 'corrupt' as const, 'lose' as const) }),
      },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const pair = new Pair({ keepOctets: 400 });
        pair.connect();
        for (const what of steps) {
          let mangle = (octets: Uint8Array): Uint8Array | undefined => octets;
          if (what.kind === 'put') pair.put(`k${what.key}`, { n: what.n });
          else if (what.kind === 'delete') pair.put(`k${what.key}`, undefined);
          else if (what.kind === 'cut') pair.disconnect();
          else {
            pair.put('k0', { at: pair.source.last });
            if (what.kind === 'lose') mangle = () => undefined;
            else
              mangle = (octets) => octets.map((octet, i) => (i === octets.length - 1 ? octet ^ 0x55 : octet));
          }
          pair.carry(mangle);
          if (pair.source.state === 'away') {
            pair.connect();
            pair.carry();
          }
          if (pair.source.state === 'in-step' && pair.source.acknowledged === pair.source.last) pair.same();
        }
        pair.disconnect();
        pair.connect();
        pair.carry();
        expect(pair.source.state).toBe('in-step');
        pair.same();
      }),
    );
  });
});

describe('who serves', () => {
  it('is told by beats, which come back with the time that they took', () => {
    const pair = new Pair();
    pair.connect();
    pair.carry();
    expect(pair.source.roundTripMs).toBe(undefined);
    pair.source.beat(pair.now, 7, pair.now - 3);
    expect(pair.target.drainEvents()).toEqual([]);
    const forth = pair.source.drainOutput(pair.now);
    for (const octets of forth) pair.target.receive(octets);
    expect(pair.target.drainEvents()).toEqual([{ kind: 'beat', at: 1000, epoch: 7, saidUntil: 997 }]);
    pair.now += 3;
    for (const octets of pair.target.drainOutput()) pair.source.receive(pair.now, octets);
    expect(pair.source.roundTripMs).toBe(3);
  });

  it('is handed over when the standby asks, after the last change', () => {
    const pair = new Pair();
    pair.connect();
    pair.carry();
    pair.source.drainEvents();
    pair.target.take();
    pair.carry();
    expect(pair.source.drainEvents()).toEqual([{ kind: 'take' }]);
    pair.put('a', { v: 1 });
    expect(pair.source.isCovered).toBe(false);
    pair.carry();
    expect(pair.source.isCovered).toBe(true);
    pair.source.release(8);
    pair.carry();
    expect(pair.target.drainEvents()).toEqual([{ kind: 'released', epoch: 8, whole: true }]);
    pair.same();
  });

  it('is not whole where the standby lacks something', () => {
    const pair = new Pair();
    pair.connect();
    pair.carry();
    pair.put('a', { v: 1 });
    pair.source.drainOutput(pair.now);
    pair.source.release(8);
    pair.carry();
    expect(pair.target.drainEvents()).toEqual([{ kind: 'released', epoch: 8, whole: false }]);
  });
});
