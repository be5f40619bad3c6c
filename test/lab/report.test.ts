import { describe, expect, it } from 'vitest';
import { Report } from '../../lab/report.ts';

function told(tell: (report: Report) => void, colour = false): { text: string; report: Report } {
  let text = '';
  const report = new Report((part) => {
    text += part;
  }, colour);
  tell(report);
  return { text, report };
}

describe('the report of npm start', () => {
  it('passes only when there were expectations and all came true', () => {
    expect(told(() => {}).report.passed).toBe(false);
    expect(told((report) => report.expect('a', 'b', true)).report.passed).toBe(true);
    const mixed = told((report) => {
      report.expect('a', 'b', true);
      report.expect('c', 'd', false);
    });
    expect(mixed.report.passed).toBe(false);
  });

  it('says every expectation in the table, in columns, and how many failed', () => {
    const { text } = told((report) => {
      report.expect('news flows', '120 packets', true);
      report.expect('film does not', '3 packets leaked', false);
      report.table();
    });
    const table = text.slice(text.indexOf('Expectation'));
    expect(table).toMatch(/^news flows {3} │ 120 packets {5} │ pass$/m);
    expect(table).toMatch(/^film does not │ 3 packets leaked │ FAIL$/m);
    expect(table).toContain('1 of 2 did not come true.');
  });

  it('has no escape sequences without colour', () => {
    const tell = (report: Report) => {
      report.chapter('one');
      report.expect('a', 'b', true);
      report.table();
    };
    expect(told(tell).text).not.toContain('\u001b');
    expect(told(tell, true).text).toContain('\u001b[32mpass\u001b[0m');
  });
});
