import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type GroupRecord, RecordType } from '../../igmp/group-record.ts';
import {
  filterAfter,
  type HostFilter,
  inCompatibilityMode,
  isLinkLocalGroup,
  isSourceSpecific,
  wantedSources,
} from '../../igmp/membership.ts';
import { mergeShares } from '../../igmp/port-filter.ts';

const record = (type: number, ...sources: string[]): GroupRecord => ({
  type,
  group: '239.1.1.1',
  sources,
  auxWords: 0,
});
const inc = (...sources: string[]): HostFilter => ({ mode: 'include', sources });
const exc = (...sources: string[]): HostFilter => ({ mode: 'exclude', sources });

describe('the filter of one host after a record', () => {
  const { IsInclude, IsExclude, ToInclude, ToExclude, Allow, Block } = RecordType;
  it.each<[string, HostFilter | undefined, GroupRecord, HostFilter | undefined]>([
    ['a join', undefined, record(ToExclude), exc()],
    ['a leave', exc(), record(ToInclude), undefined],
    ['a leave of nothing', undefined, record(ToInclude), undefined],
    ['an answer to a query', undefined, record(IsExclude), exc()],
    ['an SSM join', undefined, record(Allow, 's2', 's1'), inc('s1', 's2')],
    ['one more source', inc('s1'), record(Allow, 's2'), inc('s1', 's2')],
    ['one source less', inc('s1', 's2'), record(Block, 's1'), inc('s2')],
    ['the last source less', inc('s1'), record(Block, 's1'), undefined],
    ['block of nothing', undefined, record(Block, 's1'), undefined],
    ['block while all are wanted', exc(), record(Block, 's1'), exc('s1')],
    ['allow of a blocked one', exc('s1', 's2'), record(Allow, 's1'), exc('s2')],
    ['from all to some', exc('s1'), record(ToInclude, 's2'), inc('s2')],
    ['from some to all', inc('s1'), record(ToExclude, 's3'), exc('s3')],
    ['a list in two reports', inc('s1'), record(IsInclude, 's2'), inc('s1', 's2')],
    ['include said by one who excluded', exc(), record(IsInclude, 's2'), inc('s2')],
    ['a source twice', undefined, record(Allow, 's1', 's1'), inc('s1')],
    ['an unknown type', inc('s1'), record(99, 's2'), inc('s1')],
  ])('%s', (_what, before, change, after) => {
    expect(filterAfter(before, change)).toEqual(after);
  });

  it('is never INCLUDE {} and always sorted, whatever is said', () => {
    const any = fc.record({
      type: fc.integer({ min: 0, max: 8 }),
      sources: fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 4 }),
    });
    fc.assert(
      fc.property(fc.array(any), (said) => {
        let filter: HostFilter | undefined;
        for (const { type, sources } of said) {
          filter = filterAfter(filter, record(type, ...sources));
          if (filter === undefined) continue;
          expect(filter.mode === 'include' && filter.sources.length === 0).toBe(false);
          expect(filter.sources).toEqual([...new Set(filter.sources)].sort());
        }
      }),
    );
  });
});

describe('conformance 55: hosts of older versions', () => {
  const { ToInclude, ToExclude, Block, IsExclude } = RecordType;
  it('a v1 host never leaves by a message', () => {
    expect(inCompatibilityMode(record(ToInclude), true, false)).toBeUndefined();
    expect(inCompatibilityMode(record(IsExclude), true, false)).toEqual(record(IsExclude));
  });
  it('a v2 host leaves, but blocks no sources', () => {
    expect(inCompatibilityMode(record(ToInclude), false, true)).toEqual(record(ToInclude));
    expect(inCompatibilityMode(record(Block, 's1'), false, true)).toBeUndefined();
    expect(inCompatibilityMode(record(ToExclude, 's1'), false, true)).toEqual(record(ToExclude));
  });
});

describe('groups', () => {
  it.each([
    ['232.0.0.1', true],
    ['231.255.255.255', false],
    ['239.1.1.1', false],
    ['ff35::101', true],
    ['ff3e:0:1::5', true],
    ['ff3e:40:2001:db8::1', false],
    ['ff15::101', false],
  ])('%s source-specific: %s', (group, expected) => {
    expect(isSourceSpecific(group)).toBe(expected);
  });
  it.each([
    ['224.0.0.251', true],
    ['224.0.1.1', false],
    ['ff02::fb', true],
    ['ff02::1:ff00:1', true],
    ['ff05::2', false],
    ['ff15::2', false],
  ])('%s link-local: %s', (group, expected) => {
    expect(isLinkLocalGroup(group)).toBe(expected);
  });
  it('an EXCLUDE filter wants the any-source channel, an INCLUDE filter its sources', () => {
    expect(wantedSources(exc('s1'))).toEqual([undefined]);
    expect(wantedSources(inc('s1', 's2'))).toEqual(['s1', 's2']);
    expect(wantedSources(undefined)).toEqual([]);
  });
});

describe('what a port receives when several hosts share it', () => {
  const any = (...excluded: string[]) => ({ source: undefined, excluded });
  const only = (source: string) => ({ source, excluded: [] });
  it('adds up, and excludes only what nobody wants', () => {
    expect(mergeShares([])).toBeUndefined();
    expect(mergeShares([only('b'), only('a'), only('a')])).toEqual(inc('a', 'b'));
    expect(mergeShares([any('a', 'b'), any('b', 'c')])).toEqual(exc('b'));
    expect(mergeShares([any('a', 'b'), only('b')])).toEqual(exc('a'));
    expect(mergeShares([any('a'), any()])).toEqual(exc());
  });
});
