/**
 * What each port, and all ports together, receive of each group: the result of the grants, as records, so
 * that a takeover or a repair can put the switch into the same state without asking anybody.
 */
import type { HostFilter } from '../igmp/membership.ts';
import { type GrantedShare, mergeShares, sameFilter } from '../igmp/port-filter.ts';
import { KeyIndex } from '../session/key-index.ts';
import { type ForwardingRecord, forwardingKey } from '../session/records.ts';
import type { IpAddress } from '../wire/address.ts';
import type { RecordMap } from '../wire/records.ts';

export class ForwardingTable {
  readonly #records: RecordMap<ForwardingRecord>;
  readonly #ofPort = new KeyIndex();
  readonly #ofGroup = new KeyIndex();

  /** Takes up the records that the store holds already. */
  constructor(records: RecordMap<ForwardingRecord>) {
    this.#records = records;
    for (const record of records.values()) this.#index(record);
    records.follow((key, before, after) => {
      this.#ofPort.move(key, before?.port, after?.port);
      this.#ofGroup.move(
        key,
        before && groupKey(before.vlan, before.group),
        after && groupKey(after.vlan, after.group),
      );
    });
  }

  /** Sets what the port receives of the group, and what of it routers are told; undefined: nothing. Says what changes. */
  set(
    port: string,
    vlan: number,
    group: IpAddress,
    filter: HostFilter | undefined,
    told: HostFilter | undefined,
  ): { readonly received: boolean; readonly told: boolean } {
    const key = forwardingKey(port, vlan, group);
    const there = this.#records.get(key);
    const changes = {
      received: !sameFilter(there, filter),
      told: !sameFilter(there && toldOf(there), told),
    };
    if (!changes.received && !changes.told) return changes;
    if (filter === undefined) {
      this.#records.delete(key);
      this.#ofPort.remove(port, key);
      this.#ofGroup.remove(groupKey(vlan, group), key);
      return changes;
    }
    const { to: _, told: __, ...before }: Partial<ForwardingRecord> = there ?? {};
    const record: ForwardingRecord = { ...before, v: 1, key, port, vlan, group, ...filter };
    const less = sameFilter(told, filter) ? {} : { told: told ?? ('nothing' as const) };
    this.#records.put(key, { ...record, ...less });
    this.#index(record);
    return changes;
  }

  /** What the port receives of the group. */
  of(port: string, vlan: number, group: IpAddress): HostFilter | undefined {
    const record = this.#records.get(forwardingKey(port, vlan, group));
    return record === undefined ? undefined : filterOf(record);
  }

  /** What all ports of the VLAN together receive of the group, as far as upstream is told: what it must send. */
  ofAll(vlan: number, group: IpAddress): HostFilter | undefined {
    const shares: GrantedShare[] = [];
    for (const key of this.#ofGroup.keys(groupKey(vlan, group))) {
      const there = this.#records.get(key);
      const record = there && toldOf(there);
      if (record === undefined) continue;
      if (record.mode === 'include') {
        for (const source of record.sources) shares.push({ source, excluded: NONE });
        continue;
      }
      // One port that receives every source settles it, however many others there are.
      if (record.sources.length === 0) return { mode: 'exclude', sources: NONE };
      shares.push({ source: undefined, excluded: record.sources });
    }
    return mergeShares(shares);
  }

  /** How many groups the port receives. */
  countOfPort(port: string): number {
    return this.#ofPort.count(port);
  }

  #index(record: ForwardingRecord): void {
    this.#ofPort.add(record.port, record.key);
    this.#ofGroup.add(groupKey(record.vlan, record.group), record.key);
  }
}

/** What the record says that the port receives. */
export function filterOf({ mode, sources, to }: ForwardingRecord): HostFilter {
  return to === undefined ? { mode, sources } : { mode, sources, to };
}

/** What of it routers are told; undefined: nothing. */
function toldOf(record: ForwardingRecord): HostFilter | undefined {
  if (record.told === undefined) return filterOf(record);
  return record.told === 'nothing' ? undefined : record.told;
}

function groupKey(vlan: number, group: IpAddress): string {
  return `${vlan}/${group}`;
}

const NONE: readonly IpAddress[] = [];
