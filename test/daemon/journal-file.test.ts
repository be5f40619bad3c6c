import { mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { JournalFile } from '../../daemon/journal-file.ts';
import { silentLog } from '../../daemon/log.ts';
import { Stores } from '../../daemon/stores.ts';

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
  const stores = new Stores(16);
  return { fault: new JournalFile(path, head, silentLog).load(stores, Date.now(), 600_000), stores };
};
const age = () => utimesSync(path, new Date(Date.now() - HOUR_MS), new Date(Date.now() - HOUR_MS));

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
