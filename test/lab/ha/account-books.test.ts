import { describe, expect, it } from 'vitest';
import { AccountBooks } from '../../../lab/ha/account-books.ts';
import { DetailRecord } from '../../../lab/radius/detail-file.ts';

function record(status: string, id: string, more: Readonly<Record<string, string>> = {}): DetailRecord {
  return new DetailRecord(
    Object.entries({ 'Acct-Status-Type': status, 'Acct-Session-Id': id, 'User-Name': 'ann', ...more }),
  );
}

describe('AccountBooks', () => {
  it('knows what is open', () => {
    const books = new AccountBooks();
    const told = [record('Start', '1'), record('Start', '2'), record('Stop', '1')];
    books.take(told);
    expect(books.accounts().map(({ id, open }) => [id, open])).toEqual([
      ['1', false],
      ['2', true],
    ]);
    expect(books.faults()).toEqual([]);
  });

  it('takes a record that only arrived later once more for a retransmission', () => {
    const books = new AccountBooks();
    books.take([
      record('Start', '1', { 'Acct-Delay-Time': '0', Timestamp: '5' }),
      record('Start', '1', { 'Acct-Delay-Time': '2', Timestamp: '7' }),
    ]);
    expect(books.retransmissions).toBe(1);
    expect(books.faults()).toEqual([]);
  });

  it('tells doubled and lost records', () => {
    const books = new AccountBooks();
    books.take([
      record('Start', '1'),
      record('Stop', '1', { 'Acct-Output-Octets': '10' }),
      record('Stop', '1', { 'Acct-Output-Octets': '11' }),
      record('Stop', '2'),
      record('Interim-Update', '1', { 'Acct-Session-Time': '9' }),
      record('Accounting-On', '0'),
    ]);
    expect(books.faults().map((fault) => fault.slice(0, 7))).toEqual(['doubled', 'lost: S', 'doubled']);
    expect(books.accountingOn).toBe(1);
    expect(books.faults()).toEqual([]);
  });
});
