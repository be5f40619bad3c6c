/**
 * Whether somebody else is the querier of a VLAN (RFC 9776 §6.6.2, RFC 9777 §7.6.2): of all who query, the
 * lowest address is, and goes on being it until it was silent for the other querier present interval. A
 * proxy's queries (from 0.0.0.0, RFC 4541 §2.1.1) win nothing, castgate's own from that address included.
 */
import { type IpAddress, ipBytes } from '../../wire/address.ts';
import type { RecordMap } from '../../wire/records.ts';

/** A querier that castgate gives way to. */
export interface OtherQuerierRecord {
  readonly v: 1;
  /** VLAN / family. */
  readonly key: string;
  readonly vlan: number;
  readonly family: 4 | 6;
  readonly address: IpAddress;
  /** When it counts as gone unless it is heard again (RFC 9776 §8.5). */
  readonly until: number;
  /** Its own robustness and interval: those of a VLAN are its querier's (RFC 9776 §4.1.6, §4.1.7). */
  readonly robustness: number;
  readonly queryIntervalMs: number;
}

/** A query of another router. `qrv` and `qqicMs` are 0 where it says nothing of them. */
export interface RivalQuery {
  readonly vlan: number;
  readonly family: 4 | 6;
  readonly source: IpAddress;
  readonly qrv: number;
  readonly qqicMs: number;
}

/** RFC 9776 §8.1, §8.2, §8.3; `otherQuerierPresentMs` undefined: as §8.5 computes it. */
export interface ElectionTimers {
  readonly robustness: number;
  readonly queryIntervalMs: number;
  readonly queryResponseIntervalMs: number;
  readonly otherQuerierPresentMs: number | undefined;
}

export class QuerierElection {
  readonly #timers: ElectionTimers;
  readonly #records: RecordMap<OtherQuerierRecord>;

  constructor(timers: ElectionTimers, records: RecordMap<OtherQuerierRecord>) {
    this.#timers = timers;
    this.#records = records;
  }

  /** Takes a query into account; true where its sender is the querier now. `own`: castgate's address. */
  heard(now: number, query: RivalQuery, own: IpAddress): boolean {
    const { vlan, family, source } = query;
    if (isUnspecified(source)) return false;
    const known = this.querier(now, vlan, family);
    const rival = known?.address ?? (isUnspecified(own) ? undefined : own);
    if (rival !== undefined && isLower(rival, source)) return false;
    const robustness = query.qrv === 0 ? this.#timers.robustness : query.qrv;
    const queryIntervalMs = query.qqicMs === 0 ? this.#timers.queryIntervalMs : query.qqicMs;
    const computed = robustness * queryIntervalMs + this.#timers.queryResponseIntervalMs / 2;
    const until = now + (this.#timers.otherQuerierPresentMs ?? computed);
    const key = keyOf(vlan, family);
    this.#records.put(key, {
      ...this.#records.get(key),
      ...{ v: 1, key, vlan, family, address: source, until, robustness, queryIntervalMs },
    });
    return true;
  }

  /** Who queries the VLAN in castgate's place; undefined where castgate does. */
  querier(now: number, vlan: number, family: 4 | 6): OtherQuerierRecord | undefined {
    const record = this.#records.get(keyOf(vlan, family));
    return record !== undefined && record.until > now ? record : undefined;
  }

  /** Forgets those who fell silent; gives their VLANs and families: castgate is querier there again. */
  takeSilent(now: number): OtherQuerierRecord[] {
    const silent = [...this.#records.values()].filter((record) => record.until <= now);
    for (const { key } of silent) this.#records.delete(key);
    return silent;
  }

  nextTimeout(): number | undefined {
    let next: number | undefined;
    for (const { until } of this.#records.values()) if (next === undefined || until < next) next = until;
    return next;
  }
}

function keyOf(vlan: number, family: 4 | 6): string {
  return `${vlan}/${family}`;
}

function isUnspecified(address: IpAddress): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** True where `a` is numerically lower than `b`, both of one family. */
function isLower(a: IpAddress, b: IpAddress): boolean {
  const [x, y] = [ipBytes(a) ?? new Uint8Array(), ipBytes(b) ?? new Uint8Array()];
  for (let i = 0; i < x.length; i++) {
    const [left = 0, right = 0] = [x[i], y[i]];
    if (left !== right) return left < right;
  }
  return false;
}
