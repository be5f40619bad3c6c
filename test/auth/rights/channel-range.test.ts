import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatChannelRange, parseChannelRange, RangeTable } from '../../../auth/rights/channel-range.ts';
import type { ChannelRange } from '../../../session/records.ts';

const range = (text: string): ChannelRange => {
  const parsed = parseChannelRange(text);
  if (parsed === undefined) throw new Error(`no range: ${text}`);
  return parsed;
};

describe('ranges of channels', () => {
  it('are a group, a prefix, or a source of a group', () => {
    expect(range('239.1.1.1')).toEqual({ group: '239.1.1.1', prefixLength: 32, source: undefined });
    expect(range('239.1.0.0/16')).toEqual({ group: '239.1.0.0', prefixLength: 16, source: undefined });
    expect(range('FF15:0::101')).toEqual({ group: 'ff15::101', prefixLength: 128, source: undefined });
    expect(range('232.1.1.1 from 198.51.100.7').source).toBe('198.51.100.7');
    expect(range(' ff3e::/32  from  2001:db8::7 ')).toEqual({
      group: 'ff3e::',
      prefixLength: 32,
      source: '2001:db8::7',
    });
  });

  it('are nothing else', () => {
    for (const text of [
      '',
      'news',
      '10.0.0.1',
      '2001:db8::1',
      '239.1.1.1/33',
      '239.1.1.1/3',
      'ff15::/7',
      'ff15::/129',
      '239.1.1.1 from ff15::1',
      '239.1.1.1 from 2001:db8::1',
      '239.1.1.1 from 224.0.0.1',
      '239.1.1.1 from',
      '239.1.1.1 and more',
    ])
      expect([text, parseChannelRange(text)]).toEqual([text, undefined]);
  });

  it('are written as they are read', () => {
    for (const text of ['239.1.1.1', '239.0.0.0/8', 'ff15::/32 from 2001:db8::1', '232.1.1.1 from 10.0.0.1'])
      expect(formatChannelRange(range(text))).toBe(text);
    fc.assert(fc.property(fc.string(), (text) => void parseChannelRange(text)));
  });

  it('of several the longest prefix counts, then the one with the source, then the first', () => {
    const table = new RangeTable(
      [
        '239.0.0.0/8',
        '239.1.0.0/16',
        '239.1.1.1',
        '239.1.1.1 from 10.0.0.1',
        '239.2.0.0/15',
        '224.0.0.0/4',
      ].map(range),
    );
    const found = (group: string, source?: string) => {
      const one = table.find(group, source);
      return one === undefined ? undefined : formatChannelRange(one);
    };
    expect(found('239.1.1.1')).toBe('239.1.1.1');
    expect(found('239.1.1.1', '10.0.0.1')).toBe('239.1.1.1 from 10.0.0.1');
    expect(found('239.1.1.1', '10.0.0.2')).toBe('239.1.1.1');
    expect(found('239.1.1.2')).toBe('239.1.0.0/16');
    expect(found('239.3.255.1')).toBe('239.2.0.0/15');
    expect(found('239.4.0.1')).toBe('239.0.0.0/8');
    expect(found('225.0.0.1')).toBe('224.0.0.0/4');
    expect(found('ff15::1')).toBeUndefined();
  });

  it('with a source alone does not cover any source', () => {
    const table = new RangeTable([range('232.1.1.1 from 10.0.0.1')]);
    expect(table.find('232.1.1.1', undefined)).toBeUndefined();
    expect(table.find('232.1.1.1', '10.0.0.2')).toBeUndefined();
    expect(table.find('232.1.1.1', '10.0.0.1')).toBeDefined();
  });
});
