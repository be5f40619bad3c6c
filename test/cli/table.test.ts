import { describe, expect, it } from 'vitest';
import { amount, printable, span, table } from '../../cli/table.ts';

describe('tables', () => {
  it('aligns columns, numbers to the right, without spaces at line ends', () => {
    const columns = [
      { title: 'PORT', cell: (row: { port: string }) => row.port },
      { title: 'N', cell: (row: { n: number }) => String(row.n), right: true },
      { title: 'NOTE', cell: (row: { note: string }) => row.note },
    ];
    const rows = [
      { port: 'swp1', n: 5, note: '' },
      { port: 'very-long-port', n: 12345, note: 'é' },
    ];
    expect(table(columns, rows)).toBe(
      ['PORT                N  NOTE', 'swp1                5', 'very-long-port  12345  é', ''].join('\n'),
    );
  });

  it('does not let a name from the network steer the terminal', () => {
    expect(printable('a\u001b[31m\u0007\u202eb\n')).toBe('a\\x1b[31m\\x07\\x202eb\\x0a');
    expect(table([{ title: 'A', cell: () => '\u001b[2J' }], [{}])).not.toContain('\u001b');
  });
});

describe('time spans', () => {
  it.each([
    [-5, '0s'],
    [999, '0s'],
    [59_999, '59s'],
    [60_000, '1m00s'],
    [192_000, '3m12s'],
    [7_500_000, '2h05m'],
    [86_400_000, '1d00h'],
    [529_200_000, '6d03h'],
  ])('%i ms is %s', (ms, text) => expect(span(ms)).toBe(text));
});

describe('amounts', () => {
  it.each([
    [0, '0'],
    [999, '999'],
    [1000, '1.00k'],
    [9994, '9.99k'],
    [9996, '10.0k'],
    [12_345, '12.3k'],
    [999_400, '999k'],
    [999_600, '1.00M'],
    [4_560_000, '4.56M'],
    [1.5e12, '1.50T'],
  ])('%d is %s', (n, text) => expect(amount(n)).toBe(text));
});
