import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { verifyFiles, withRotated } from '../../../cli/accounting/read-files.ts';
import { silentLog } from '../../../daemon/log/log.ts';
import { ExportFile } from '../../../daemon/spool/export-file.ts';
import { AttributeType, integer, octets, text } from '../../../radius/attributes.ts';
import type { AccountingMessage } from '../../../session/records.ts';
import { type Change, Store } from '../../../session/store.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'castgate-export-'));
  path = join(folder, 'below', 'accounting.json');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const utf8 = (of: string) => new TextEncoder().encode(of);

function message(n: number, status: 'start' | 'stop', session: string): AccountingMessage {
  const counts =
    status === 'start'
      ? []
      : [
          integer(AttributeType.AcctSessionTime, 60),
          integer(AttributeType.AcctInputOctets, 1),
          integer(AttributeType.AcctInputGigawords, 2),
          integer(AttributeType.AcctOutputOctets, 7),
          integer(AttributeType.AcctTerminateCause, 2),
        ];
  return {
    v: 1,
    key: String(n).padStart(16, '0'),
    status,
    about: 'channel/swp1/7/02:00:00:00:00:01/239.1.1.1/*',
    eventAt: 1_700_000_000_000 + n * 1000,
    attributes: [
      octets(AttributeType.UserName, utf8('älice')),
      text(AttributeType.AcctSessionId, session),
      ...counts,
    ],
  };
}

/** A process with its queue and its export. */
function process_(maxOctets = 1 << 20, messages: readonly AccountingMessage[] = []) {
  const file = new ExportFile({ path, maxOctets, keep: 3 }, silentLog);
  const queue = new Store<object>('queue', { changed: (change: Change) => file.changed(change) });
  for (const one of messages) queue.put(one.key, one);
  const safe: string[] = [];
  const exported = new Promise<string>((resolve) => {
    file.begin(queue, (key) => {
      safe.push(key);
      resolve(key);
    });
  });
  let turn = 0;
  const say = (one: AccountingMessage) => {
    queue.put(one.key, one);
    file.seal(++turn);
    file.write(turn);
  };
  return { file, queue, say, safe, exported };
}

const lines = (of = path) =>
  readFileSync(of, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('the export file', () => {
  it('has each message once, in words that need no RADIUS', async () => {
    const { say, file, exported } = process_();
    say(message(1, 'start', 'A'));
    say(message(2, 'stop', 'A'));
    expect(await exported).toMatch(/^0+[12]$/);
    file.close();
    expect(lines()).toMatchObject([
      { line: 1, status: 'start', session: 'A', account: 'älice', kind: 'channel', inputOctets: null },
      {
        line: 2,
        status: 'stop',
        time: '2023-11-14T22:13:22.000Z',
        port: 'swp1',
        vlan: 7,
        mac: '02:00:00:00:00:01',
        group: '239.1.1.1',
        source: null,
        seconds: 60,
        inputOctets: 2 * 2 ** 32 + 1,
        outputOctets: 7,
        cause: 'Lost-Carrier',
      },
    ]);
  });

  it('waits for the queue to be safe', () => {
    const { file, queue } = process_();
    queue.put('1', message(1, 'start', 'A'));
    file.seal(5);
    file.write(4);
    expect(readFileSync(path, 'utf8')).toBe('');
    file.write(5);
    expect(lines()).toHaveLength(1);
    file.close();
  });

  it('goes on where a process that died was: nothing is missing, nothing is there twice', () => {
    const first = process_();
    first.say(message(1, 'start', 'A'));
    first.say(message(2, 'stop', 'A'));
    writeFileSync(path, `${readFileSync(path, 'utf8')}{"line":3,"sequ`);
    const waiting = [message(2, 'stop', 'A'), message(3, 'start', 'B')];
    const second = process_(1 << 20, waiting);
    second.say(message(4, 'stop', 'B'));
    second.file.close();
    expect(lines().map(({ line, session, status }) => `${line} ${status} ${session}`)).toEqual([
      '1 start A',
      '2 stop A',
      '3 start B',
      '4 stop B',
    ]);
  });

  it('is renamed when it is full, counts on, and keeps so many', () => {
    const { say, file } = process_(2_000);
    for (let i = 0; i < 40; i++) say(message(i + 1, i % 2 === 0 ? 'start' : 'stop', `S${Math.floor(i / 2)}`));
    file.close();
    const names = readdirSync(join(folder, 'below')).sort();
    expect(names).toEqual(['accounting.json', 'accounting.json.1', 'accounting.json.2', 'accounting.json.3']);
    const all = withRotated(path).flatMap((name) => (readFileSync(name, 'utf8') === '' ? [] : lines(name)));
    expect(all.map(({ line }) => line)).toEqual(all.map((_, i) => all[0].line + i));
    const next = process_(2_000, [message(40, 'stop', 'S19'), message(41, 'start', 'S20')]);
    next.file.close();
    expect(lines().at(-1)).toMatchObject({ line: 41, session: 'S20' });
    const said: string[] = [];
    verifyFiles(
      withRotated(path),
      { detail: false, json: true },
      (out) => said.push(out),
      () => {},
    );
    const { findings } = JSON.parse(said.join('')) as { findings: { kind: string }[] };
    // The oldest lines are gone: a record whose Start was there is an orphan, and nothing else is wrong.
    expect(findings.every(({ kind }) => kind === 'orphan')).toBe(true);
    expect(findings.length).toBeLessThanOrEqual(1);
  });

  it('that cannot be written loses nothing: it comes when it can', () => {
    writeFileSync(join(folder, 'below'), 'a file where a folder should be');
    const { say, file } = process_();
    say(message(1, 'start', 'A'));
    rmSync(join(folder, 'below'));
    say(message(2, 'stop', 'A'));
    file.close();
    expect(lines().map(({ status }) => status)).toEqual(['start', 'stop']);
  });
});
