import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChangeLog } from '../../replication/change-log.ts';
import {
  type JournalHead,
  JournalLog,
  journalEntry,
  journalSnapshot,
  readJournal,
} from '../../replication/journal.ts';
import { OWN_RECORDS, type RecordsOf } from '../../replication/record-version.ts';
import { Keeper } from './keeper.ts';

const HEAD: JournalHead = { bootId: 'boot-1', bridge: 'br0' };

/** A journal of some records and turns, and what the stores held after each frame. */
function written(turns: readonly (readonly (readonly [key: string, n: number | undefined])[])[]) {
  const log = new ChangeLog(0);
  const stores = new Keeper(log);
  stores.store('things').apply('first', { n: 0 });
  log.seal();
  const frames = [...journalSnapshot(HEAD, stores)];
  const states = frames.map(() => stores.contents());
  for (const turn of turns) {
    for (const [key, n] of turn) stores.store('things').apply(key, n === undefined ? undefined : { n });
    const batch = log.seal();
    if (batch === undefined) continue;
    frames.push(journalEntry(batch));
    states.push(stores.contents());
  }
  return { frames, states };
}

const turn = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.option(fc.nat(), { nil: undefined })), {
  maxLength: 4,
});

describe('journal', () => {
  it('gives back the records as they were after the last turn that is whole, wherever it was cut off', () => {
    fc.assert(
      fc.property(fc.array(turn, { maxLength: 8 }), fc.nat(), (turns, cut) => {
        const { frames, states } = written(turns);
        const octets = Buffer.concat(frames);
        const length =
          frames[0] === undefined ? 0 : frames[0].length + (cut % (octets.length - frames[0].length + 1));
        let whole = 0;
        for (let at = 0; whole < frames.length; whole++) {
          at += frames[whole]?.length ?? 0;
          if (at > length) break;
        }
        const stores = new Keeper();
        expect(readJournal(octets.subarray(0, length), HEAD, stores)).toBeTypeOf('object');
        expect(stores.contents()).toEqual(whole <= 1 ? {} : states[whole - 1]);
      }),
    );
  });

  it('says what the last turn changed, and nothing where it begins anew after that', () => {
    const { frames } = written([
      [['a', 1]],
      [
        ['b', 2],
        ['c', 3],
      ],
    ]);
    const lastTurn = (octets: Uint8Array) => {
      const end = readJournal(octets, HEAD, new Keeper());
      return typeof end === 'string' ? end : end.lastTurn.map(({ store, key }) => `${store}/${key}`);
    };
    const octets = Buffer.concat(frames);
    expect(lastTurn(octets)).toEqual(['things/b', 'things/c']);
    // Cut off in the middle of that turn: the one before it is the last.
    expect(lastTurn(octets.subarray(0, octets.length - 1))).toEqual(['things/a']);
    const records = frames[1] ?? new Uint8Array(0);
    expect(lastTurn(Buffer.concat([octets, records]))).toEqual([]);
  });

  it('is not used once any octet of it has changed', () => {
    const { frames, states } = written([[['a', 1]], [['b', 2]]]);
    const octets = Buffer.concat(frames);
    for (let at = 0; at < octets.length; at++) {
      const broken = Uint8Array.from(octets);
      broken[at] = (broken[at] ?? 0) ^ 0x40;
      const stores = new Keeper();
      const end = readJournal(broken, HEAD, stores);
      // A length that grew looks like a file that was cut off: what is behind is left out, never misread.
      if (typeof end === 'object') expect([{}, ...states]).toContainEqual(stores.contents());
      else expect(end).toBe('damaged');
    }
  });

  it('has no ticket of a TLS session, neither from its beginning nor from a turn, and gives none back', () => {
    const log = new JournalLog();
    const stores = new Keeper(log);
    const ticket = { session: Buffer.from('a ticket that nobody else may have') };
    stores.store('tls-tickets').apply('r1/auth/0', ticket);
    expect(log.seal()).toBeUndefined();
    stores.store('things').apply('a', { n: 1 });
    stores.store('tls-tickets').apply('r1/acct/0', ticket);
    const batch = log.seal();
    const entry = batch === undefined ? new Uint8Array(0) : journalEntry(batch);
    const octets = Buffer.concat([...journalSnapshot(HEAD, stores), entry]);
    expect(octets.includes(ticket.session)).toBe(false);
    const read = new Keeper();
    expect(readJournal(octets, HEAD, read)).toBeTypeOf('object');
    expect(read.contents()).toEqual({ things: { a: { n: 1 } } });
    // One that an older version has written, which did not know what it was.
    const older = new ChangeLog(0);
    older.changed({ store: 'tls-tickets', key: 'r1/auth/0', record: ticket });
    const of = older.seal();
    const old = Buffer.concat([octets, of === undefined ? new Uint8Array(0) : journalEntry(of)]);
    const readAgain = new Keeper();
    expect(readJournal(old, HEAD, readAgain)).toBeTypeOf('object');
    expect(readAgain.contents()).toEqual({ things: { a: { n: 1 } } });
  });

  it('is not used for another start of the machine or another bridge, nor where there is none', () => {
    const octets = Buffer.concat(written([]).frames);
    expect(readJournal(octets, { ...HEAD, bootId: 'boot-2' }, new Keeper())).toBe('other-boot');
    expect(readJournal(octets, { ...HEAD, bridge: 'br1' }, new Keeper())).toBe('other-bridge');
    const { records, oldestRead } = OWN_RECORDS;
    const of = (versions: RecordsOf) => {
      const stores = new Keeper();
      stores.store('things').apply('first', { n: 0 });
      const read = new Keeper();
      const end = readJournal(Buffer.concat([...journalSnapshot(HEAD, stores, versions)]), HEAD, read);
      return typeof end === 'string' ? [end, read.contents()] : 'read';
    };
    expect(of({ records: records + 1, leastReader: records })).toBe('read');
    // One of a version that did not say so yet.
    expect(of({} as RecordsOf)).toBe('read');
    expect(of({ records: records + 1, leastReader: records + 1 })).toEqual(['other-version', {}]);
    expect(of({ records: oldestRead - 1, leastReader: oldestRead - 1 })).toEqual(['other-version', {}]);
    expect(readJournal(new Uint8Array(0), HEAD, new Keeper())).toBe('no-journal');
    expect(readJournal(new TextEncoder().encode('{"not": "a journal"}'), HEAD, new Keeper())).toBe('damaged');
  });
});
