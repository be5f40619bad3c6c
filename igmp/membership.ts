/**
 * What one host wants of one group, as its reports say: the router side of RFC 9776 §6.4 (and RFC 9777 for
 * IPv6) kept per host instead of per port, so that a leave needs no query to find out who remains. A host
 * speaks only for itself, so a state-change record replaces its state at once.
 *
 * Pure functions over a plain record; who may receive what is decided elsewhere (auth/).
 */
import type { IpAddress, Mac } from '../wire/address.ts';
import { type GroupRecord, RecordType } from './group-record.ts';

/** Filter state of one host for one group. A host in INCLUDE {} has no record. */
export interface MembershipRecord {
  readonly v: 1;
  /** membershipKey(host, group). */
  readonly key: string;
  /** hostKey. */
  readonly host: string;
  readonly port: string;
  readonly vlan: number;
  readonly mac: Mac;
  readonly group: IpAddress;
  readonly mode: 'include' | 'exclude';
  /** Sources wanted (include) or not wanted (exclude), sorted. */
  readonly sources: readonly IpAddress[];
  /** In include mode, beside each source, when it ends unless it is said again; empty in exclude mode. */
  readonly sourceUntil: readonly number[];
  /** Those of the sources that the source map put in where the host named none; undefined: none. */
  readonly mapped?: readonly IpAddress[] | undefined;
  /** The next time at which something of this ends unless it is said again (RFC 9776 §8.4). */
  readonly expiresAt: number;
  /** Until when the host counts as an IGMPv1, and as an IGMPv2 or MLDv1 host (RFC 9776 §7.3.2). */
  readonly v1Until: number;
  readonly v2Until: number;
}

/** What is known of a host's filter: mode and sources. Undefined is INCLUDE {}. */
export interface HostFilter {
  readonly mode: 'include' | 'exclude';
  readonly sources: readonly IpAddress[];
  /** Of what a port receives: the only host that it is for, where it is delivered to that host's MAC address. */
  readonly to?: Mac | undefined;
}

/** Protocol intervals (RFC 9776 §8), milliseconds and counts. */
export interface MembershipTimers {
  readonly robustness: number;
  readonly queryIntervalMs: number;
  readonly queryResponseIntervalMs: number;
}

/** Key of what one host wants of one group. */
export function membershipKey(host: string, group: IpAddress): string {
  return `${host}/${group}`;
}

/** Group membership interval: robustness × query interval + query response interval. */
export function membershipIntervalMs(timers: MembershipTimers): number {
  return timers.robustness * timers.queryIntervalMs + timers.queryResponseIntervalMs;
}

/**
 * The filter after one group record. `heardVersion` 1 or 2 means that the record stands for a report or
 * leave of that version (MLDv1 counts as 2). Undefined: the host wants nothing of the group (any more).
 * An unknown record type changes nothing (RFC 9776 §4.2.12).
 */
export function filterAfter(current: HostFilter | undefined, record: GroupRecord): HostFilter | undefined {
  const sources = [...new Set(record.sources)].sort();
  switch (record.type) {
    case RecordType.IsExclude:
    case RecordType.ToExclude:
      return { mode: 'exclude', sources };
    case RecordType.ToInclude:
      return sources.length === 0 ? undefined : { mode: 'include', sources };
    case RecordType.IsInclude:
      // A long list may come in several records, so they add up; each source ends with the interval.
      return include(current?.mode === 'include' ? union(current.sources, sources) : sources);
    case RecordType.Allow:
      if (current?.mode === 'exclude') return { mode: 'exclude', sources: without(current.sources, sources) };
      return include(union(current?.sources ?? [], sources));
    case RecordType.Block:
      if (current === undefined) return undefined;
      if (current.mode === 'exclude') return { mode: 'exclude', sources: union(current.sources, sources) };
      return include(without(current.sources, sources));
    default:
      return current;
  }
}

/**
 * The record as an older host would have meant it (RFC 9776 §7.3.2): with a v1 or v2 host BLOCK is ignored
 * and TO_EX has no sources; with a v1 host TO_IN, which is also its Leave, is ignored. Undefined: ignore it.
 */
export function inCompatibilityMode(record: GroupRecord, v1: boolean, v2: boolean): GroupRecord | undefined {
  if (!v1 && !v2) return record;
  if (record.type === RecordType.Block) return undefined;
  if (v1 && record.type === RecordType.ToInclude) return undefined;
  if (record.type === RecordType.ToExclude) return { ...record, sources: [] };
  return record;
}

/** The channels that a filter wants: undefined stands for "any source". */
export function wantedSources(filter: HostFilter | undefined): readonly (IpAddress | undefined)[] {
  if (filter === undefined) return [];
  return filter.mode === 'exclude' ? ANY_SOURCE : filter.sources;
}

/** 232.0.0.0/8 and ff3x::/32: channels there have a source (RFC 4607). */
export function isSourceSpecific(group: IpAddress): boolean {
  return group.startsWith('232.') || /^ff3[0-9a-f]:(:|0:)/i.test(group);
}

/** Groups that never leave the link and that castgate never admits nor blocks: 224.0.0.0/24, ff01::/16, ff02::/16. */
export function isLinkLocalGroup(group: IpAddress): boolean {
  return group.startsWith('224.0.0.') || /^ff[0-9a-f][0-2]:/i.test(group);
}

function include(sources: readonly IpAddress[]): HostFilter | undefined {
  return sources.length === 0 ? undefined : { mode: 'include', sources };
}

function union(a: readonly IpAddress[], b: readonly IpAddress[]): readonly IpAddress[] {
  return [...new Set([...a, ...b])].sort();
}

function without(a: readonly IpAddress[], b: readonly IpAddress[]): readonly IpAddress[] {
  const gone = new Set(b);
  return a.filter((source) => !gone.has(source));
}

const ANY_SOURCE: readonly undefined[] = [undefined];
