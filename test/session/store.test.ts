import { describe, expect, it } from 'vitest';
import { accountText } from '../../session/account.ts';
import { KeyIndex } from '../../session/key-index.ts';
import { type Change, Store } from '../../session/store.ts';

describe('store', () => {
  it('whoever follows the feed holds the same records', () => {
    const changes: Change[] = [];
    const store = new Store<{ n: number }>('things', { changed: (change) => changes.push(change) });
    store.put('a', { n: 1 });
    store.put('b', { n: 2 });
    store.put('a', { n: 3 });
    expect(store.delete('b')).toBe(true);
    expect(store.delete('b')).toBe(false);
    const copy = new Map<string, object>();
    for (const { store: name, key, record } of changes) {
      expect(name).toBe('things');
      if (record === undefined) copy.delete(key);
      else copy.set(key, record);
    }
    expect([...copy]).toEqual([...store.entries()]);
    expect(changes).toHaveLength(4);
  });
});

describe('key index', () => {
  it('keeps keys by owner, and its answers are safe to change the index by', () => {
    const index = new KeyIndex();
    index.add('port', 'a');
    index.add('port', 'b');
    index.add('port', 'a');
    expect(index.count('port')).toBe(2);
    for (const key of index.keys('port')) index.remove('port', key);
    expect(index.count('port')).toBe(0);
    expect(index.keys('port')).toEqual([]);
    index.remove('nobody', 'x');
  });
});

describe('account names', () => {
  const bytes = (...octets: number[]) => Uint8Array.from(octets);
  it.each([
    [new TextEncoder().encode('alice@isp.example'), 'alice@isp.example'],
    [new TextEncoder().encode('zoë'), 'zoë'],
    [bytes(0xff, 0xfe), '0xfffe'],
    [bytes(0x61, 0x0a, 0x62), '0x610a62'],
    [new TextEncoder().encode('0xfffe'), '0x307866666665'],
    [bytes(), ''],
  ])('%s', (name, text) => {
    expect(accountText(name)).toBe(text);
  });
});
