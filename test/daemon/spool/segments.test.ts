import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SegmentFiles } from '../../../daemon/spool/segments.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'castgate-segments-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const octets = (text: string) => new TextEncoder().encode(text);
const read = (files: SegmentFiles, segment: number) => new TextDecoder().decode(files.read(segment));
const synced = (files: SegmentFiles) => new Promise<Error | undefined>((resolve) => files.sync(resolve));

describe('segments as files', () => {
  it('are for their owner alone, and there for the next process', async () => {
    const files = new SegmentFiles(join(folder, 'state'), 'accounting-br0');
    expect(files.list()).toEqual([]);
    files.append(1, octets('one '));
    files.append(1, octets('two'));
    expect(await synced(files)).toBeUndefined();
    files.append(2, octets('three'));
    expect(await synced(files)).toBeUndefined();
    const next = new SegmentFiles(join(folder, 'state'), 'accounting-br0');
    expect(next.list()).toEqual([1, 2]);
    expect(read(next, 1)).toBe('one two');
    expect(read(next, 2)).toBe('three');
    const [name = ''] = readdirSync(join(folder, 'state'));
    expect(statSync(join(folder, 'state', name)).mode & 0o777).toBe(0o600);
    files.remove(1);
    expect(await synced(files)).toBeUndefined();
    expect(next.list()).toEqual([2]);
    files.close();
  });

  it('of another bridge, and other files, are none of theirs', () => {
    for (const name of [
      'accounting-br1.000000000001',
      'journal-br0',
      'accounting-br0.new',
      'accounting-br0',
    ]) {
      writeFileSync(join(folder, name), 'x');
    }
    expect(new SegmentFiles(folder, 'accounting-br0').list()).toEqual([]);
  });

  it('many syncs one after the other leave nothing open that is not the newest', async () => {
    const files = new SegmentFiles(folder, 'a');
    const open = () => readdirSync('/proc/self/fd').length;
    for (let i = 1; i <= 3; i++) {
      files.append(i, octets('x'));
      await synced(files);
    }
    const before = open();
    for (let i = 4; i <= 40; i++) {
      files.append(i, octets('x'));
      expect(await synced(files)).toBeUndefined();
    }
    expect(open()).toBeLessThanOrEqual(before + 1);
    files.close();
  });

  it('throws what the system says', () => {
    mkdirSync(join(folder, 'a.000000000001'));
    expect(() => new SegmentFiles(folder, 'a').append(1, octets('x'))).toThrow('EEXIST');
    writeFileSync(join(folder, 'no-folder'), '');
    expect(() => new SegmentFiles(join(folder, 'no-folder', 'below'), 'a').append(1, octets('x'))).toThrow();
  });
});
