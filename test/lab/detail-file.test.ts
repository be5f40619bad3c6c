import { describe, expect, it } from 'vitest';
import { parseDetailFile } from '../../lab/radius/detail-file.ts';

const TWO = `Mon Nov 23 01:20:00 2026
\tAcct-Status-Type = Start
\tUser-Name = "alice \\"a\\""
\tClass = 0x676f6c64
\tTimestamp = 1795397000

Mon Nov 23 01:20:05 2026
\tAcct-Status-Type = Stop
\tUser-Name = "alice"
\tClass = 0x61
\tClass = 0x62
\tAcct-Output-Octets = 1234
\tAcct-Output-Gigawords = 2
\tTimestamp = 1795397005

`;

describe('detail files', () => {
  it('reads records in order, with quotes undone', () => {
    const records = parseDetailFile(TWO);
    expect(records.map((record) => record.text('Acct-Status-Type'))).toEqual(['Start', 'Stop']);
    expect(records[0]?.text('User-Name')).toBe('alice "a"');
  });

  it('keeps repeated attributes', () => {
    expect(parseDetailFile(TWO)[1]?.all('Class')).toEqual(['0x61', '0x62']);
  });

  it('joins octets and gigawords', () => {
    const stop = parseDetailFile(TWO)[1];
    expect(stop?.octets('Output')).toBe(2 * 2 ** 32 + 1234);
    expect(stop?.octets('Input')).toBe(0);
  });

  it('leaves out a record that is still being written', () => {
    expect(parseDetailFile(TWO.slice(0, -1))).toHaveLength(1);
    expect(parseDetailFile(TWO.slice(0, -40))).toHaveLength(1);
    expect(parseDetailFile('')).toEqual([]);
  });
});
