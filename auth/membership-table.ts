/**
 * What each host wants of each group, by its reports: the records of igmp/membership.ts with their deadlines
 * (RFC 9776 §6.4, RFC 9777 §7.4). Says what a report changes; who may receive what is decided elsewhere.
 */
import { type GroupRecord, isKnownRecordType, RecordType } from '../igmp/group-record.ts';
import {
  filterAfter,
  type HostFilter,
  inCompatibilityMode,
  isSourceSpecific,
  type MembershipRecord,
  membershipKey,
} from '../igmp/membership.ts';
import { KeyIndex } from '../session/key-index.ts';
import { hostKey } from '../session/records.ts';
import { type IpAddress, ipFamily, type Mac } from '../wire/address.ts';
import { DeadlineHeap } from '../wire/deadline-heap.ts';
import type { RecordMap } from '../wire/records.ts';

/** Where a report came from. */
export interface Reporter {
  readonly port: string;
  readonly vlan: number;
  readonly mac: Mac;
}

/** How long things hold without being said again, in milliseconds, and what is put in where no source is named. */
export interface MembershipOptions {
  /** Group membership interval (RFC 9776 §8.4); who is querier may change it. */
  readonly intervalMs: (now: number, vlan: number, group: IpAddress) => number;
  /** Older host present interval (RFC 9776 §8.13); undefined: the membership interval. */
  readonly olderPresentMs: number | undefined;
  /** The source map: what a source-specific group means without sources. */
  readonly sourcesOf: (group: IpAddress) => readonly IpAddress[];
}

/** What one record of a report means for one host's wish. */
export interface Meant {
  readonly host: string;
  readonly before: MembershipRecord | undefined;
  /** Undefined: nothing of the group (any more). */
  readonly filter: HostFilter | undefined;
  /** The record of a host of this version, with sources where the source map has them. */
  readonly record: GroupRecord;
  /** The sources of the filter that come from the map. */
  readonly mapped: readonly IpAddress[];
  readonly v1Until: number;
  readonly v2Until: number;
}

export class MembershipTable {
  readonly #records: RecordMap<MembershipRecord>;
  readonly #options: MembershipOptions;
  readonly #ofHost = new KeyIndex();
  readonly #deadlines = new DeadlineHeap();

  /** Takes up the records that the store holds already. */
  constructor(records: RecordMap<MembershipRecord>, options: MembershipOptions) {
    this.#records = records;
    this.#options = options;
    for (const record of records.values()) this.#index(record);
    records.follow((key, before, after) => {
      this.#ofHost.move(key, before?.host, after?.host);
      this.#deadlines.set(key, after?.expiresAt);
    });
  }

  of(host: string, group: IpAddress): MembershipRecord | undefined {
    return this.#records.get(membershipKey(host, group));
  }

  ofHost(host: string): MembershipRecord[] {
    return this.#ofHost.keys(host).flatMap((key) => this.#records.get(key) ?? []);
  }

  countOfHost(host: string): number {
    return this.#ofHost.count(host);
  }

  /**
   * What the record says, without keeping it. Undefined where it says nothing: of an unknown type (RFC 9776 §4.2.13),
   * or what an older host cannot have meant (§7.3.2).
   */
  read(now: number, from: Reporter, version: 1 | 2 | 3, record: GroupRecord): Meant | undefined {
    if (!isKnownRecordType(record.type)) return undefined;
    const host = hostKey(from.port, from.vlan, from.mac);
    const before = this.of(host, record.group);
    const olderUntil =
      version === 3
        ? 0
        : now + (this.#options.olderPresentMs ?? this.#options.intervalMs(now, from.vlan, record.group));
    const v1Until = version === 1 ? olderUntil : (before?.v1Until ?? 0);
    const v2Until = version === 2 ? olderUntil : (before?.v2Until ?? 0);
    const meant = inCompatibilityMode(record, v1Until > now, v2Until > now && version === 3);
    if (meant === undefined) return undefined;
    const any = this.#anySource(before, meant);
    if (any !== undefined) return { host, before, ...any, v1Until, v2Until };
    const filter = filterAfter(before, meant);
    const isStill = (source: IpAddress) =>
      filter?.sources.includes(source) && !meant.sources.includes(source);
    const mapped = (before?.mapped ?? NONE).filter(isStill);
    return { host, before, filter, record: meant, mapped, v1Until, v2Until };
  }

  /**
   * Keeps a wish for as long as it holds without being said again. `lingering`: sources in the filter that the
   * host no longer wants, and until when they stay nevertheless.
   */
  keep(
    now: number,
    from: Reporter,
    meant: Meant,
    filter: HostFilter,
    lingering?: { readonly sources: readonly IpAddress[]; readonly until: number },
  ): MembershipRecord {
    const { host, before, record, v1Until, v2Until } = meant;
    const mapped = meant.mapped.length === 0 ? undefined : meant.mapped;
    const { port, vlan, mac } = from;
    const { group } = record;
    const { mode, sources } = filter;
    const until = now + this.#options.intervalMs(now, vlan, group);
    let sourceUntil = mode === 'exclude' ? [] : sourceDeadlines(until, filter, record, before);
    if (lingering !== undefined) {
      sourceUntil = sourceUntil.map((at, i) =>
        lingering.sources.includes(sources[i] ?? '') ? Math.min(at, lingering.until) : at,
      );
    }
    const expiresAt = mode === 'include' ? Math.min(...sourceUntil) : until;
    const key = membershipKey(host, group);
    const kept: MembershipRecord = {
      ...before,
      ...{ v: 1, key, host, port, vlan, mac, group, mode, sources, sourceUntil, mapped, expiresAt },
      ...{ v1Until, v2Until },
    };
    this.#put(kept);
    return kept;
  }

  /** The wish by the map as it is now; undefined where nothing remains of it. The same record: nothing changes. */
  remap(record: MembershipRecord): MembershipRecord | undefined {
    if (record.mapped === undefined) return record;
    const named = namedSources(record);
    const mapped = this.#options.sourcesOf(record.group).filter((source) => !named.includes(source));
    const sources = [...named, ...mapped].sort();
    if (sources.length === 0) return undefined;
    if (sources.join() === record.sources.join()) return record;
    const last = Math.max(...record.sourceUntil);
    const sourceUntil = sources.map((source) => record.sourceUntil[record.sources.indexOf(source)] ?? last);
    const next = { ...record, sources, sourceUntil, mapped, expiresAt: Math.min(...sourceUntil) };
    this.#put(next);
    return next;
  }

  /** The host said that it leaves: the wish ends at `until` at the latest, unless it is said again. */
  shorten(record: MembershipRecord, until: number): void {
    const sourceUntil = record.sourceUntil.map((at) => Math.min(at, until));
    this.#put({ ...record, sourceUntil, expiresAt: Math.min(record.expiresAt, until) });
  }

  /** Wishes of a VLAN that nobody was asked for lately hold until then at least. */
  extend(vlan: number, family: 4 | 6, until: number): void {
    for (const record of [...this.#records.values()]) {
      if (record.vlan !== vlan || ipFamily(record.group) !== family || record.expiresAt >= until) continue;
      const sourceUntil = record.sourceUntil.map((at) => Math.max(at, until));
      this.#put({ ...record, sourceUntil, expiresAt: until });
    }
  }

  forget({ key, host }: MembershipRecord): void {
    this.#records.delete(key);
    this.#ofHost.remove(host, key);
    this.#deadlines.set(key, undefined);
  }

  /** A wish of which something is over by now: undefined where none is. */
  takeDue(now: number): MembershipRecord | undefined {
    for (;;) {
      const key = this.#deadlines.takeDue(now);
      if (key === undefined) return undefined;
      const record = this.#records.get(key);
      if (record !== undefined) return record;
    }
  }

  /** Takes off the sources that were not said again; undefined where nothing remains of the wish. */
  expire(now: number, record: MembershipRecord): MembershipRecord | undefined {
    const kept = record.sources.flatMap((source, i) => {
      const until = record.sourceUntil[i] ?? 0;
      return until > now ? [{ source, until }] : [];
    });
    if (record.mode === 'exclude' || kept.length === 0) return undefined;
    const next: MembershipRecord = {
      ...record,
      sources: kept.map((k) => k.source),
      sourceUntil: kept.map((k) => k.until),
      expiresAt: Math.min(...kept.map((k) => k.until)),
    };
    this.#put(next);
    return next;
  }

  nextTimeout(): number | undefined {
    return this.#deadlines.next();
  }

  /** A wish for any source of a group that the map has sources of: all of these but those that it excludes. */
  #anySource(
    before: MembershipRecord | undefined,
    record: GroupRecord,
  ): Pick<Meant, 'filter' | 'record' | 'mapped'> | undefined {
    const { group, type } = record;
    if (type !== RecordType.IsExclude && type !== RecordType.ToExclude) return undefined;
    const all = isSourceSpecific(group) ? this.#options.sourcesOf(group) : NONE;
    if (all.length === 0) return undefined;
    const named = before === undefined ? NONE : namedSources(before);
    const mapped = all.filter((source) => !named.includes(source) && !record.sources.includes(source));
    const sources = [...named.filter((source) => !record.sources.includes(source)), ...mapped];
    const said = { ...record, type: RecordType.ToInclude, sources };
    return { filter: filterAfter(before, said), record: said, mapped };
  }

  #put(record: MembershipRecord): void {
    this.#records.put(record.key, record);
    this.#index(record);
  }

  #index({ key, host, expiresAt }: MembershipRecord): void {
    this.#ofHost.add(host, key);
    this.#deadlines.set(key, expiresAt);
  }
}

/** The sources that the host named itself. */
function namedSources({ mode, sources, mapped = NONE }: MembershipRecord): readonly IpAddress[] {
  return mode === 'exclude' ? NONE : sources.filter((source) => !mapped.includes(source));
}

/** When each source ends: `until` where it was said now. */
function sourceDeadlines(
  until: number,
  filter: HostFilter,
  record: GroupRecord,
  before: MembershipRecord | undefined,
): readonly number[] {
  const said = new Set(record.type === RecordType.Block ? [] : record.sources);
  return filter.sources.map((source) => {
    if (said.has(source)) return until;
    const index = before?.sources.indexOf(source) ?? -1;
    return before?.sourceUntil[index] ?? until;
  });
}

const NONE: readonly IpAddress[] = [];
