import { describe, expect, it } from 'vitest';
import { RecordType } from '../../igmp/group-record.ts';
import {
  ProxyReporter,
  type UpstreamQuerierRecord,
  type UpstreamRecord,
} from '../../igmp/querier/proxy-reporter.ts';
import { Store } from '../../session/store.ts';

const { IsExclude, IsInclude, ToInclude, ToExclude, Allow, Block } = RecordType;
const NEWS = '239.1.1.1';
const any = { mode: 'exclude', sources: [] } as const;
const only = (...sources: string[]) => ({ mode: 'include', sources }) as const;

class Bench {
  now = 1000;
  readonly groups = new Store<UpstreamRecord>('groups');
  readonly queriers = new Store<UpstreamQuerierRecord>('queriers');
  readonly proxy = new ProxyReporter(
    { robustness: 2, unsolicitedReportIntervalMs: 1000, olderQuerierTimeoutMs: 260_000 },
    this.groups,
    this.queriers,
    () => 0.5,
  );

  set(group: string, filter: { mode: 'include' | 'exclude'; sources: readonly string[] } | undefined) {
    this.proxy.set(this.now, 0, group, filter);
    return this.said();
  }
  pass(ms: number) {
    const until = this.now + ms;
    for (
      let next = this.proxy.nextTimeout();
      next !== undefined && next <= until;
      next = this.proxy.nextTimeout()
    ) {
      this.now = next;
      this.proxy.handleTimeout(this.now);
    }
    this.now = until;
    return this.said();
  }
  said() {
    return this.proxy
      .drainReports()
      .flatMap((report) => report.records.map((r) => [r.type, r.group, [...r.sources]] as const));
  }
}

describe('proxy reporting', () => {
  it('says a join once at once and once again, and a leave likewise, then forgets', () => {
    const bench = new Bench();
    expect(bench.set(NEWS, any)).toEqual([[ToExclude, NEWS, []]]);
    expect(bench.set(NEWS, any)).toEqual([]);
    expect(bench.pass(10_000)).toEqual([[ToExclude, NEWS, []]]);
    expect(bench.set(NEWS, undefined)).toEqual([[ToInclude, NEWS, []]]);
    expect(bench.pass(10_000)).toEqual([[ToInclude, NEWS, []]]);
    expect(bench.groups.size).toBe(0);
  });

  it('says changes of source lists as differences', () => {
    const bench = new Bench();
    expect(bench.set(NEWS, only('a'))).toEqual([[Allow, NEWS, ['a']]]);
    bench.pass(5000);
    expect(bench.set(NEWS, only('b'))).toEqual([
      [Allow, NEWS, ['b']],
      [Block, NEWS, ['a']],
    ]);
    bench.pass(5000);
    expect(bench.set(NEWS, { mode: 'exclude', sources: ['a'] })).toEqual([[ToExclude, NEWS, ['a']]]);
    bench.pass(5000);
    expect(bench.set(NEWS, any)).toEqual([[Allow, NEWS, ['a']]]);
  });

  it('a change that comes before the last one was repeated is said as the whole state', () => {
    const bench = new Bench();
    bench.set(NEWS, any);
    expect(bench.set(NEWS, undefined)).toEqual([[ToInclude, NEWS, []]]);
    expect(bench.set(NEWS, any)).toEqual([[ToExclude, NEWS, []]]);
    expect(bench.pass(10_000)).toEqual([[ToExclude, NEWS, []]]);
  });

  it('says repetitions that are due together in one report, and has one deadline whatever the number', () => {
    const bench = new Bench();
    const groups = Array.from({ length: 20 }, (_, i) => `239.1.1.${i + 1}`);
    for (const group of groups) bench.set(group, any);
    const due = bench.proxy.nextTimeout() ?? 0;
    bench.proxy.handleTimeout(due - 0.001);
    expect(bench.proxy.drainReports()).toEqual([]);
    bench.proxy.handleTimeout(due);
    const reports = bench.proxy.drainReports();
    expect(reports.length).toBe(1);
    expect(reports[0]?.records.map((record) => record.group)).toEqual(expect.arrayContaining(groups));
    expect(bench.proxy.nextTimeout()).toBeUndefined();
  });

  it('says everything unasked and once again, since the first may be lost', () => {
    const bench = new Bench();
    bench.set(NEWS, any);
    bench.set('239.1.1.2', only('a'));
    bench.pass(10_000);
    bench.set('239.1.1.3', any);
    bench.proxy.sayAll(bench.now);
    expect(bench.said()).toEqual([
      [IsExclude, NEWS, []],
      [IsInclude, '239.1.1.2', ['a']],
      [IsExclude, '239.1.1.3', []],
    ]);
    const again = bench.pass(10_000);
    expect(again).toHaveLength(3);
    expect(again).toContainEqual([IsExclude, NEWS, []]);
    expect(again).toContainEqual([IsInclude, '239.1.1.2', ['a']]);
    expect(again).toContainEqual([ToExclude, '239.1.1.3', []]);
  });

  it('says once more what may not have left, and a change that is said again anyhow no oftener', () => {
    const bench = new Bench();
    bench.set(NEWS, any);
    bench.set('239.1.1.2', only('a'));
    bench.pass(10_000);
    bench.set('239.1.1.3', any);
    bench.proxy.repeat(bench.now, 7);
    bench.proxy.repeat(bench.now, 0);
    expect(bench.said()).toEqual([]);
    const again = bench.pass(10_000);
    expect(again).toHaveLength(3);
    expect(again).toContainEqual([IsExclude, NEWS, []]);
    expect(again).toContainEqual([IsInclude, '239.1.1.2', ['a']]);
    expect(again).toContainEqual([ToExclude, '239.1.1.3', []]);
    expect(bench.pass(10_000)).toEqual([]);
  });

  it('goes on with the records that there are', () => {
    const bench = new Bench();
    bench.set(NEWS, any);
    const next = new ProxyReporter(
      { robustness: 2, unsolicitedReportIntervalMs: 1000, olderQuerierTimeoutMs: 260_000 },
      bench.groups,
      bench.queriers,
      () => 0.5,
    );
    expect(next.nextTimeout()).toBe(bench.proxy.nextTimeout());
    next.handleTimeout(bench.now + 1000);
    expect(next.drainReports().map((report) => report.records[0]?.group)).toEqual([NEWS]);
  });

  it('answers a general query with everything, within its time, in one report', () => {
    const bench = new Bench();
    bench.set(NEWS, any);
    bench.set('232.1.1.1', only('a'));
    bench.pass(5000);
    bench.proxy.heardQuery(bench.now, {
      vlan: 0,
      family: 4,
      version: 3,
      group: undefined,
      maxResponseMs: 10_000,
    });
    expect(bench.pass(4999)).toEqual([]);
    bench.now += 1;
    bench.proxy.handleTimeout(bench.now);
    const reports = bench.proxy.drainReports();
    expect(reports).toHaveLength(1);
    expect(reports[0]?.records.map((r) => [r.type, r.group])).toEqual([
      [IsExclude, NEWS],
      [IsInclude, '232.1.1.1'],
    ]);
  });

  it('answers a group query for that group alone, and says nothing of other VLANs', () => {
    const bench = new Bench();
    bench.set(NEWS, any);
    bench.set('239.1.1.2', any);
    bench.pass(5000);
    bench.proxy.heardQuery(bench.now, { vlan: 0, family: 4, version: 3, group: NEWS, maxResponseMs: 1000 });
    expect(bench.pass(1000)).toEqual([[IsExclude, NEWS, []]]);
    bench.proxy.heardQuery(bench.now, {
      vlan: 7,
      family: 4,
      version: 3,
      group: undefined,
      maxResponseMs: 1000,
    });
    expect(bench.pass(1000)).toEqual([]);
  });

  it('speaks the version of an older querier, until its time is over', () => {
    const bench = new Bench();
    bench.proxy.heardQuery(bench.now, {
      vlan: 0,
      family: 4,
      version: 2,
      group: undefined,
      maxResponseMs: 1000,
    });
    bench.proxy.set(bench.now, 0, NEWS, any);
    expect(bench.proxy.drainReports()).toMatchObject([{ version: 2 }]);
    bench.now += 260_000;
    bench.proxy.set(bench.now, 0, '239.1.1.2', any);
    expect(bench.proxy.drainReports()).toMatchObject([{ version: 3 }]);
  });
});
