import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readDetail, readExport } from '../../../cli/accounting/entry.ts';
import { verify } from '../../../cli/accounting/verify.ts';
import { runCommand } from '../../../cli/program.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'castgate-verify-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

let line = 0;
const say = (session: string, status: string, time: number, more: object = {}) =>
  `${JSON.stringify({ line: ++line, sequence: `${line}`, status, time: `t${time}`, session, account: 'alice', ...more })}\n`;
const used = (inputOctets: number, outputOctets: number) => ({ inputOctets, outputOctets, seconds: 10 });
const kinds = (text: string) => verify(readExport(text).entries).findings.map(({ kind }) => kind);

async function castgate(...words: string[]) {
  let out = '';
  let err = '';
  const code = await runCommand(words, {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
  });
  return { code, out, err };
}

const WHOLE = () => {
  line = 0;
  return [
    say('M', 'on', 0),
    say('A', 'start', 1),
    say('A', 'interim', 2, used(5, 5)),
    say('A', 'stop', 3, used(9, 5)),
    say('B', 'start', 4),
    say('R', 'refused', 4, { note: 'refused: limit' }),
  ];
};

describe('castgate accounting verify', () => {
  it('adds up what is whole', async () => {
    const file = join(folder, 'accounting.json');
    writeFileSync(file, WHOLE().join(''));
    const { code, out } = await castgate('accounting', 'verify', file);
    expect(out).toBe(
      [
        'ACCOUNT  RECORDS  TIME  IN  OUT',
        'alice          1   10s   9    5',
        '',
        '6 messages, 0 of them came again, 2 records, 1 not ended, 1 refused joins, 0 findings',
        '',
      ].join('\n'),
    );
    expect(code).toBe(0);
  });

  it('finds gaps, orphans, doubles, falling octets, and what was said in two ways', () => {
    const whole = WHOLE();
    expect(kinds(whole.join(''))).toEqual([]);
    expect(kinds(whole.toSpliced(1, 1).join(''))).toEqual(['gap', 'orphan']);
    expect(kinds([...whole, say('A', 'stop', 9, used(9, 9))].join(''))).toEqual(['double']);
    line = 6;
    expect(kinds([...whole, say('B', 'start', 9)].join(''))).toEqual(['double']);
    line = 6;
    expect(kinds([...whole, say('A', 'stop', 3, used(9, 6))].join(''))).toEqual(['contradiction']);
    line = 6;
    expect(
      kinds([...whole, say('B', 'interim', 5, used(2, 2)), say('B', 'stop', 6, used(1, 2))].join('')),
    ).toEqual(['fell']);
    line = 6;
    const slow = { ...used(2, 2), seconds: 9 };
    expect(kinds([...whole, say('B', 'interim', 5, used(2, 2)), say('B', 'stop', 6, slow)].join(''))).toEqual(
      ['fell'],
    );
    line = 6;
    expect(kinds([...whole, say('A', 'interim', 8, used(10, 10))].join(''))).toEqual(['late']);
    line = 6;
    expect(kinds([...whole, say('A', 'stop', 3, used(9, 5))].join(''))).toEqual([]);
  });

  it('ends with 1 where something is wrong, and 2 where a file is none', async () => {
    const file = join(folder, 'accounting.json');
    writeFileSync(file, WHOLE().toSpliced(1, 1).join(''));
    const wrong = await castgate('accounting', 'verify', file);
    expect(wrong.code).toBe(1);
    expect(wrong.out).toContain('orphan A: there is no Start');
    expect((await castgate('accounting', 'verify', join(folder, 'none'))).code).toBe(2);
    writeFileSync(file, 'no accounting\n');
    const none = await castgate('accounting', 'verify', file);
    expect(none.code).toBe(2);
    expect(none.err).toContain('--detail');
  });

  it('reads what FreeRADIUS wrote down, where late copies say the same', async () => {
    const block = (status: string, delay: number, more = '') =>
      [
        'Tue Nov 24 22:00:00 2026',
        `\tAcct-Status-Type = ${status}`,
        '\tAcct-Session-Id = "A"',
        '\tUser-Name = "alice"',
        `\tEvent-Timestamp = "Nov 24 2026 22:00:00 UTC"`,
        `\tAcct-Delay-Time = ${delay}`,
        `\tTimestamp = ${1_700_000_000 + delay}`,
        ...(more === '' ? [] : [more]),
        '',
        '',
      ].join('\n');
    const file = join(folder, 'detail');
    const octets = '\tAcct-Input-Octets = 5\n\tAcct-Input-Gigawords = 1\n\tAcct-Session-Time = 3';
    writeFileSync(file, [block('Start', 0), block('Start', 7), block('Stop', 1, octets)].join(''));
    const { code, out } = await castgate('accounting', 'verify', '--detail', '--json', file);
    expect(JSON.parse(out)).toMatchObject({
      messages: 3,
      repeated: 1,
      records: 1,
      open: 0,
      findings: [],
      sums: [{ account: 'alice', records: 1, input: 2 ** 32 + 5 }],
    });
    expect(code).toBe(0);
  });

  it('takes any text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('{', '}', '"', '\n', '\t', '=', ' ', 'a', '1') }),
        (text) => {
          verify(readExport(text).entries);
          verify(readDetail(text).entries);
        },
      ),
    );
  });
});

describe('castgate accounting tail', () => {
  it('prints the last ones for people', async () => {
    const file = join(folder, 'accounting.json');
    writeFileSync(file, WHOLE().join(''));
    const { out } = await castgate('accounting', 'tail', '-n', '3', file);
    expect(out.split('\n')).toEqual([
      't3  stop  alice  10s in 9  out 5  A',
      't4  start  alice  B',
      't4  refused  alice  refused: limit  R',
      '',
    ]);
    expect((await castgate('accounting', 'tail', join(folder, 'none'))).code).toBe(2);
  });
});
