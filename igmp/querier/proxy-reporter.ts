/**
 * The host side towards the upstream querier, RFC 9776 §5 on behalf of all subscribers (RFC 4605 §4.1):
 * one membership for the whole switch, said once however many ports receive the group. It knows only what
 * was granted, so that a refused join never shows upstream. MLD alike (RFC 9777 §6); versions count as IGMP's.
 */
import { type IpAddress, ipFamily } from '../../wire/address.ts';
import { DeadlineHeap } from '../../wire/deadline-heap.ts';
import type { RecordMap } from '../../wire/records.ts';
import { type GroupRecord, RecordType } from '../group-record.ts';
import type { HostFilter } from '../membership.ts';

/** What castgate receives of one group on one VLAN, and what of it upstream has still to be told. */
export interface UpstreamRecord {
  readonly v: 1;
  /** vlan + '/' + group. */
  readonly key: string;
  readonly vlan: number;
  readonly group: IpAddress;
  /** Undefined: left; the record goes when upstream was told. */
  readonly filter: HostFilter | undefined;
  /** State-change records to say again. */
  readonly pending: readonly GroupRecord[];
  readonly pendingLeft: number;
  /** Next repetition of `pending`; Infinity: none. */
  readonly pendingAt: number;
  /** Answer to a query is due then; Infinity: none. */
  readonly answerAt: number;
}

/** Which older queriers were heard on a VLAN (RFC 9776 §7.2.1, RFC 9777 §8.2.1). */
export interface UpstreamQuerierRecord {
  readonly v: 1;
  /** VLAN; for MLD with `/6`. */
  readonly key: string;
  readonly v1Until: number;
  readonly v2Until: number;
}

/** RFC 9776 §8.1, §8.11 and the older version querier timeout §8.12. */
export interface ProxyTimers {
  readonly robustness: number;
  readonly unsolicitedReportIntervalMs: number;
  readonly olderQuerierTimeoutMs: number;
}

/** What to send on the uplinks; `version` is the one that the querier there understands. */
export interface UpstreamReport {
  readonly vlan: number;
  readonly family: 4 | 6;
  /** In IGMP's counting: MLDv1 is 2, MLDv2 is 3. */
  readonly version: 1 | 2 | 3;
  readonly records: readonly GroupRecord[];
}

/** A query heard on an uplink. `group` undefined: general. */
export interface HeardQuery {
  readonly vlan: number;
  readonly family: 4 | 6;
  readonly version: 1 | 2 | 3;
  readonly group: IpAddress | undefined;
  readonly maxResponseMs: number;
}

export class ProxyReporter {
  readonly #timers: ProxyTimers;
  readonly #groups: RecordMap<UpstreamRecord>;
  readonly #queriers: RecordMap<UpstreamQuerierRecord>;
  readonly #random: () => number;
  readonly #deadlines = new DeadlineHeap();
  #reports: UpstreamReport[] = [];

  /** Takes up the records that there are. `random` gives a number in [0, 1): the spread of answers and repetitions. */
  constructor(
    timers: ProxyTimers,
    groups: RecordMap<UpstreamRecord>,
    queriers: RecordMap<UpstreamQuerierRecord>,
    random: () => number,
  ) {
    this.#timers = timers;
    this.#groups = groups;
    this.#queriers = queriers;
    this.#random = random;
    for (const record of groups.values()) this.#deadlines.set(record.key, deadlineOf(record));
    groups.follow((key, _, after) => this.#deadlines.set(key, after && deadlineOf(after)));
  }

  /** What all subscribers of the VLAN together receive of the group now; undefined: nothing any more. */
  set(now: number, vlan: number, group: IpAddress, filter: HostFilter | undefined): void {
    const key = `${vlan}/${group}`;
    const before = this.#groups.get(key);
    const changes = stateChange(before?.filter, filter);
    if (changes.length === 0) return;
    // Repetitions of an older change would contradict this one, so both become the whole state.
    const open = before !== undefined && before.pendingLeft > 0;
    const pending = open
      ? [wholeState(filter)].map((r) => ({ ...r, group }))
      : changes.map((r) => ({ ...r, group }));
    const pendingLeft = this.#timers.robustness - 1;
    this.#report(now, vlan, ipFamily(group), pending);
    this.#keep({
      ...before,
      v: 1,
      key,
      vlan,
      group,
      filter,
      pending,
      pendingLeft,
      pendingAt: pendingLeft > 0 ? now + this.#repetitionDelay() : Infinity,
      answerAt: before?.answerAt ?? Infinity,
    });
  }

  /** A querier asked: the answer goes out within its time. */
  heardQuery(now: number, query: HeardQuery): void {
    if (query.version < 3) this.#heardOlderQuerier(now, query);
    const answerAt = now + this.#random() * query.maxResponseMs;
    for (const record of [...this.#groups.values()]) {
      if (record.vlan !== query.vlan || record.filter === undefined) continue;
      if (ipFamily(record.group) !== query.family) continue;
      if (query.group !== undefined && query.group !== record.group) continue;
      if (answerAt < record.answerAt) this.#keep({ ...record, answerAt });
    }
  }

  /** Says everything that is received, unasked, and as often as a change: nobody asks for it if it is lost. */
  sayAll(now: number): void {
    for (const record of [...this.#groups.values()]) {
      const { group, filter } = record;
      if (filter === undefined) continue;
      const isOpen = record.pendingLeft > 0;
      const pendingLeft = isOpen ? record.pendingLeft : this.#timers.robustness - 1;
      this.#keep({
        ...record,
        answerAt: now,
        pending: isOpen ? record.pending : [currentState(group, filter)],
        pendingLeft,
        pendingAt: isOpen || pendingLeft === 0 ? record.pendingAt : now + this.#repetitionDelay(),
      });
    }
    this.handleTimeout(now);
  }

  /**
   * A report of the VLAN may not have left: its state is said once more, after a while, as what has just changed
   * is anyhow.
   */
  repeat(now: number, vlan: number): void {
    for (const record of [...this.#groups.values()]) {
      if (record.vlan !== vlan || record.pendingLeft > 0 || record.filter === undefined) continue;
      const pending = [currentState(record.group, record.filter)];
      this.#keep({ ...record, pending, pendingLeft: 1, pendingAt: now + this.#repetitionDelay() });
    }
  }

  /** Sends what is due: of each VLAN the answers together, and the repetitions together. */
  handleTimeout(now: number): void {
    const answers = new Collection();
    const repetitions = new Collection();
    for (let key = this.#deadlines.takeDue(now); key !== undefined; key = this.#deadlines.takeDue(now)) {
      const record = this.#groups.get(key);
      if (record === undefined) continue;
      let next = record;
      if (next.answerAt <= now) {
        if (next.filter !== undefined) answers.add(next, [currentState(next.group, next.filter)]);
        next = { ...next, answerAt: Infinity };
      }
      if (next.pendingAt <= now) {
        repetitions.add(next, next.pending);
        const pendingLeft = next.pendingLeft - 1;
        next = {
          ...next,
          pendingLeft,
          pendingAt: pendingLeft > 0 ? now + this.#repetitionDelay() : Infinity,
        };
      }
      this.#keep(next);
    }
    for (const { vlan, family, records } of repetitions.all()) this.#report(now, vlan, family, records);
    for (const { vlan, family, records } of answers.all()) this.#report(now, vlan, family, records);
  }

  /** The earliest report that is due. */
  nextTimeout(): number | undefined {
    return this.#deadlines.next();
  }

  /** Takes the reports to send, in order. */
  drainReports(): UpstreamReport[] {
    const reports = this.#reports;
    this.#reports = [];
    return reports;
  }

  #keep(record: UpstreamRecord): void {
    if (record.filter === undefined && record.pendingLeft <= 0) {
      this.#groups.delete(record.key);
      this.#deadlines.set(record.key, undefined);
    } else {
      this.#groups.put(record.key, record);
      this.#deadlines.set(record.key, deadlineOf(record));
    }
  }

  #report(now: number, vlan: number, family: 4 | 6, records: readonly GroupRecord[]): void {
    this.#reports.push({ vlan, family, version: this.#versionAt(now, vlan, family), records });
  }

  #versionAt(now: number, vlan: number, family: 4 | 6): 1 | 2 | 3 {
    const heard = this.#queriers.get(querierKey(vlan, family));
    if (heard === undefined) return 3;
    if (heard.v1Until > now) return 1;
    return heard.v2Until > now ? 2 : 3;
  }

  #heardOlderQuerier(now: number, query: HeardQuery): void {
    const key = querierKey(query.vlan, query.family);
    const before = this.#queriers.get(key) ?? { v: 1, key, v1Until: 0, v2Until: 0 };
    const until = now + this.#timers.olderQuerierTimeoutMs;
    this.#queriers.put(
      key,
      query.version === 1 ? { ...before, v1Until: until } : { ...before, v2Until: until },
    );
  }

  #repetitionDelay(): number {
    return this.#random() * this.#timers.unsolicitedReportIntervalMs;
  }
}

/** The state-change records from one filter to another, RFC 9776 §5.1; `group` is filled in by the caller. */
function stateChange(before: HostFilter | undefined, after: HostFilter | undefined): GroupRecord[] {
  const modeBefore = before?.mode ?? 'include';
  const modeAfter = after?.mode ?? 'include';
  if (modeBefore !== modeAfter) return [wholeState(after)];
  const gone = minus(before?.sources ?? [], after?.sources ?? []);
  const come = minus(after?.sources ?? [], before?.sources ?? []);
  if (modeAfter === 'include') {
    if (after === undefined && before !== undefined) return [wholeState(undefined)];
    return [...change(RecordType.Allow, come), ...change(RecordType.Block, gone)];
  }
  return [...change(RecordType.Allow, gone), ...change(RecordType.Block, come)];
}

function wholeState(filter: HostFilter | undefined): GroupRecord {
  const type = filter?.mode === 'exclude' ? RecordType.ToExclude : RecordType.ToInclude;
  return { type, group: '', sources: filter?.sources ?? [], auxWords: 0 };
}

function currentState(group: IpAddress, filter: HostFilter): GroupRecord {
  const type = filter.mode === 'exclude' ? RecordType.IsExclude : RecordType.IsInclude;
  return { type, group, sources: filter.sources, auxWords: 0 };
}

/** When something is to be said of the group; undefined: nothing is. */
function deadlineOf(record: UpstreamRecord): number | undefined {
  const at = Math.min(record.pendingAt, record.answerAt);
  return at === Infinity ? undefined : at;
}

function querierKey(vlan: number, family: 4 | 6): string {
  return family === 4 ? String(vlan) : `${vlan}/6`;
}

/** Records that go out together: those of one family in one VLAN. */
class Collection {
  readonly #lists = new Map<string, { vlan: number; family: 4 | 6; records: GroupRecord[] }>();

  add({ vlan, group }: UpstreamRecord, records: readonly GroupRecord[]): void {
    const family = ipFamily(group);
    const key = querierKey(vlan, family);
    const list = this.#lists.get(key);
    if (list === undefined) this.#lists.set(key, { vlan, family, records: [...records] });
    else list.records.push(...records);
  }

  all() {
    return this.#lists.values();
  }
}

function change(type: number, sources: readonly IpAddress[]): GroupRecord[] {
  return sources.length === 0 ? [] : [{ type, group: '', sources, auxWords: 0 }];
}

function minus(a: readonly IpAddress[], b: readonly IpAddress[]): readonly IpAddress[] {
  return a.filter((item) => !b.includes(item));
}
