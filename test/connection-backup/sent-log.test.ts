import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SentRecord } from '../../connection-backup/records.ts';
import { SentLog } from '../../connection-backup/sent-log.ts';
import { Store } from '../../session/store.ts';
import { concatBytes } from '../../wire/bytes.ts';

const messages = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 30 });

function logOf(all: readonly Uint8Array[]): { log: SentLog; store: Store<SentRecord> } {
  const store = new Store<SentRecord>('sent');
  const log = new SentLog('c', store, 0);
  for (const octets of all) log.append(octets);
  return { log, store };
}

describe('what was sent and is not acknowledged', () => {
  it('gives each message its boundary, one behind the other', () => {
    const { log, store } = logOf([Uint8Array.of(1, 2, 3), Uint8Array.of(4)]);
    expect(log.messages.map(({ begin, end }) => [begin, end])).toEqual([
      [0, 3],
      [3, 4],
    ]);
    expect([...store.values()].map(({ key }) => key)).toEqual(['c#0', 'c#3']);
  });

  it('drops a message only when the peer has all of it', () => {
    const { log, store } = logOf([Uint8Array.of(1, 2, 3), Uint8Array.of(4, 5)]);
    expect(log.acknowledged(2)).toBe(false);
    expect(log.acknowledged(4)).toBe(true);
    expect([log.begin, log.end, store.size]).toEqual([3, 5, 1]);
    expect(log.acknowledged(5)).toBe(true);
    expect([log.begin, log.end, store.size]).toEqual([5, 5, 0]);
  });

  it('is the same again from its records, and keeps exactly the octets of the stream', () => {
    fc.assert(
      fc.property(messages, fc.nat(1200), fc.nat(), fc.nat(), (all, acknowledged, a, b) => {
        const stream = concatBytes(...all);
        const { log, store } = logOf(all);
        log.acknowledged(Math.min(acknowledged, stream.length));
        expect(log.begin).toBeLessThanOrEqual(Math.min(acknowledged, stream.length));
        const again = SentLog.resumed('c', store, log.begin);
        if (again === undefined) throw new Error('its records follow on each other');
        expect([again.begin, again.end]).toEqual([log.begin, stream.length]);
        const span = stream.length - log.begin;
        const [from = 0, to = 0] = [a % (span + 1), b % (span + 1)]
          .sort((x, y) => x - y)
          .map((x) => x + log.begin);
        expect(again.between(from, to)).toEqual(stream.slice(from, to));
      }),
    );
  });

  it('leaves the messages of other connections alone', () => {
    const store = new Store<SentRecord>('sent');
    new SentLog('other', store, 0).append(Uint8Array.of(9));
    const log = new SentLog('c', store, 0);
    log.append(Uint8Array.of(1));
    log.acknowledged(1);
    expect([...store.values()].map(({ connection }) => connection)).toEqual(['other']);
  });

  it('does not go on with records that do not follow on each other', () => {
    const all = [Uint8Array.of(1), Uint8Array.of(2, 3), Uint8Array.of(4)];
    const spoilt = (spoil: (store: Store<SentRecord>) => void, acknowledged = 0) => {
      const { store } = logOf(all);
      spoil(store);
      return SentLog.resumed('c', store, acknowledged);
    };
    const change = (key: string, fields: Partial<SentRecord>) => (store: Store<SentRecord>) => {
      const record = store.get(key);
      if (record !== undefined) store.put(key, { ...record, ...fields });
    };
    expect(spoilt(() => {})?.end).toBe(4);
    expect(spoilt((store) => store.delete('c#1'))).toBeUndefined();
    expect(spoilt((store) => store.delete('c#0'))).toBeUndefined();
    expect(spoilt(() => {}, 2)).toBeUndefined();
    expect(spoilt(change('c#1', { octets: Uint8Array.of(2) }))).toBeUndefined();
    expect(spoilt(change('c#1', { octets: 'text' as never }))).toBeUndefined();
    expect(spoilt(change('c#1', { end: Number.NaN }))).toBeUndefined();
    expect(spoilt(change('c#3', { begin: 2, end: 3 }))).toBeUndefined();
  });
});
