import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChangeLog } from '../../replication/change-log.ts';
import { type JournalHead, journalEntry, journalSnapshot, readJournal } from '../../replication/journal.ts';
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
        expect(readJournal(octets.subarray(0, length), HEAD, stores)).toBeUndefined();
        expect(stores.contents()).toEqual(whole <= 1 ? {} : states[whole - 1]);
      }),
    );
  });

  it('is not used once any octet of it has changed', () => {
    const { frames, states } = written([[['a', 1]], [['b', 2]]]);
    const octets = Buffer.concat(frames);
    for (let at = 0; at < octets.length; at++) {
      const broken = Uint8Array.from(octets);
      broken[at] = (broken[at] ?? 0) ^ 0x40;
      const stores = new Keeper();
      const fault = readJournal(broken, HEAD, stores);
      // A length that grew looks like a file that was cut off: what is behind is left out, never misread.
      if (fault === undefined) expect([{}, ...states]).toContainEqual(stores.contents());
      else expect(fault).toBe('damaged');
    }
  });

  it('is not used for another start of the machine or another bridge, nor where there is none', () => {
    const octets = Buffer.concat(written([]).frames);
    expect(readJournal(octets, { ...HEAD, bootId: 'boot-2' }, new Keeper())).toBe('other-boot');
    expect(readJournal(octets, { ...HEAD, bridge: 'br1' }, new Keeper())).toBe('other-bridge');
    expect(readJournal(new Uint8Array(0), HEAD, new Keeper())).toBe('no-journal');
    expect(readJournal(new TextEncoder().encode('{"not": "a journal"}'), HEAD, new Keeper())).toBe('damaged');
  });
});
