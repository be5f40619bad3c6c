import { mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Stores } from '../../daemon/core/stores.ts';
import { JournalFile } from '../../daemon/journal/journal-file.ts';
import { silentLog } from '../../daemon/log/log.ts';
import { ChangeLog } from '../../replication/change-log.ts';
import type { DecisionRecord } from '../../session/records.ts';

const HEAD = { bootId: 'boot-1', bridge: 'br0' };
const HOUR_MS = 3_600_000;
let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'castgate-journal-'));
  path = join(folder, 'journal-br0');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function begun(): { journal: JournalFile; stores: Stores } {
  const stores = new Stores(16);
  stores.queriers.put('swp1', { v: 1, key: 'swp1', port: 'swp1', startupLeft: 0, nextAt: 5 });
  const journal = new JournalFile(path, HEAD, silentLog);
  journal.begin(stores);
  return { journal, stores };
}

const load = (head = HEAD) => {
  const stores = new Stores(1000);
  const end = new JournalFile(path, head, silentLog).load(stores, Date.now(), 600_000);
  return { fault: typeof end === 'string' ? end : undefined, stores };
};
const age = () => utimesSync(path, new Date(Date.now() - HOUR_MS), new Date(Date.now() - HOUR_MS));

function decision(key: string): DecisionRecord {
  const classes = [new Uint8Array(600)];
  return {
    v: 1,
    key,
    permit: true,
    reason: undefined,
    decidedAt: 0,
    expiresAt: 1e12,
    classes,
  } as DecisionRecord;
}

describe('the journal on the disk', () => {
  it('is for its owner alone, and gives back what it was given', () => {
    const { journal } = begun();
    journal.close();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const { fault, stores } = load();
    expect(fault).toBeUndefined();
    expect(stores.queriers.get('swp1')).toMatchObject({ nextAt: 5 });
  });

  it('is not used when nobody has been alive for it for too long, or after another start of the machine', () => {
    begun().journal.close();
    expect(load({ ...HEAD, bootId: 'boot-2' }).fault).toBeDefined();
    age();
    expect(load().fault).toBe('too-old');
  });

  it('stays young while its daemon lives, though nothing changes', () => {
    const { journal } = begun();
    age();
    journal.sync();
    expect(load().fault).toBeUndefined();
    age();
    journal.close();
    expect(load().fault).toBeUndefined();
  });

  it('is written between other work, with what happens meanwhile', async () => {
    const stores = new Stores(1000, { changed: (change) => log.changed(change) });
    const log = new ChangeLog(0, 'none');
    const question = (i: number) => decision(`account/239.1.${i >> 8}.${i & 255}`);
    const many = 900;
    for (let i = 0; i < many; i++) stores.decisions.put(question(i));
    log.seal();
    const journal = new JournalFile(path, HEAD, silentLog);
    journal.beginSoon(stores);
    expect(journal.isKept).toBe(true);
    const turn = () => {
      const batch = log.seal();
      if (batch !== undefined) journal.append(batch, stores);
    };
    for (let i = 0; load().fault !== undefined; i++) {
      // Uses what is just being written, ends one, and brings another.
      for (let j = many; j > 0; j--) stores.decisions.get(0, question(j - 1).key);
      stores.decisions.delete(question(i).key);
      stores.decisions.put(question(many + i));
      turn();
      await new Promise(setImmediate);
    }
    stores.decisions.delete(question(many - 1).key);
    turn();
    journal.close();
    const { stores: loaded } = load();
    const sorted = (of: Stores) => [...of.decisions.entries()].sort(([a], [b]) => (a < b ? -1 : 1));
    expect(sorted(loaded)).toEqual(sorted(stores));
  });

  it('that was of other records is gone before it begins', () => {
    begun().journal.close();
    expect(load().fault).toBeUndefined();
    new JournalFile(path, HEAD, silentLog).beginSoon(new Stores(16));
    expect(load().fault).toBe('no-journal');
  });

  it('begins anew without a moment in which a start would find less', async () => {
    const { journal, stores } = begun();
    const log = new ChangeLog(0, 'none');
    log.changed({ store: 'queriers', key: 'swp2', record: { v: 1, key: 'swp2' } });
    stores.queriers.put('swp2', { v: 1, key: 'swp2', port: 'swp2', startupLeft: 0, nextAt: 6 });
    journal.beginSoon(stores);
    const batch = log.seal();
    if (batch !== undefined) journal.append(batch, stores);
    expect(load().stores.queriers.has('swp2')).toBe(true);
    await new Promise(setImmediate);
    journal.close();
    expect(load().stores.queriers.get('swp2')).toMatchObject({ port: 'swp2' });
  });

  it('says that nothing is kept where it cannot be written', () => {
    writeFileSync(path, 'a file where a folder should be');
    const stores = new Stores(16);
    const journal = new JournalFile(join(path, 'below', 'journal-br0'), HEAD, silentLog);
    journal.begin(stores);
    expect(journal.isKept).toBe(false);
    journal.sync();
    journal.close();
  });
});
