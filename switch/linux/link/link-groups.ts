/**
 * IPv6 groups of the link (RFC 4291 §2.7, scope 2) that hosts on a port have joined. Neighbour discovery
 * lives on them, nobody authorizes them, and a bridge that snoops forwards them to members only (but for
 * ff02::1): so the switch itself makes an open host a member of those that it reports. A host reports as
 * soon as its link is up, which is before it is open: what closed hosts report is remembered, within limits.
 */
import { decodeGroupPacket } from '../../../igmp/group-packet.ts';
import { type GroupRecord, RecordType } from '../../../igmp/group-record.ts';
import type { IpAddress, Mac } from '../../../wire/address.ts';
import { macAt } from '../../../wire/address.ts';
import { u16 } from '../../../wire/bytes.ts';
import { EtherType } from '../../../wire/ethernet.ts';
import { isMalformed } from '../../../wire/malformed.ts';

/** A group in a VLAN as the bridge numbers it. */
export interface LinkGroup {
  readonly vlan: number;
  readonly group: IpAddress;
}

/** What has to change in the bridge for one host. */
export interface LinkGroupChanges {
  readonly begin: readonly LinkGroup[];
  readonly end: readonly LinkGroup[];
}

/** The groups of one host. */
export interface HeardOfHost {
  readonly vlan: number;
  readonly mac: Mac;
  readonly groups: readonly IpAddress[];
}

/** The groups of one port. */
export class LinkGroups {
  /** By host, the latest heard last. */
  readonly #heard = new Map<string, Set<IpAddress>>();
  /** Of open hosts: what the bridge was told for each. */
  readonly #told = new Map<string, readonly LinkGroup[]>();
  readonly #members = new Map<string, { readonly at: LinkGroup; count: number }>();

  /** Open hosts that count. */
  get hosts(): number {
    return this.#told.size;
  }

  /** Groups that the port has to receive. */
  inForce(): LinkGroup[] {
    return [...this.#members.values()].map(({ at }) => at);
  }

  get size(): number {
    return this.#members.size;
  }

  has(vlan: number, group: IpAddress): boolean {
    return this.#members.has(`${vlan}/${group}`);
  }

  /** Takes a frame into account; the MAC address whose groups it changed, or undefined. Never throws. */
  hear(vlan: number, frame: Uint8Array): Mac | undefined {
    if (u16(frame, 12) !== EtherType.Ipv6) return undefined;
    const packet = decodeGroupPacket(EtherType.Ipv6, frame.subarray(14));
    if (packet === undefined || isMalformed(packet)) return undefined;
    const { message } = packet;
    const joined: IpAddress[] = [];
    const left: IpAddress[] = [];
    if (message.kind === 'report') joined.push(message.group);
    else if (message.kind === 'leave') left.push(message.group);
    else if (message.kind === 'record-report') {
      for (const record of message.records) {
        if (isJoin(record)) joined.push(record.group);
        else if (isLeave(record)) left.push(record.group);
      }
    }
    const mac = macAt(frame, 6);
    return this.remember(vlan, mac, joined.filter(isOfLink), left) ? mac : undefined;
  }

  /** Remembers what a host joined and left; true where that changed something. */
  remember(vlan: number, mac: Mac, joined: readonly IpAddress[], left: readonly IpAddress[]): boolean {
    const key = `${vlan}/${mac}`;
    const known = this.#heard.get(key);
    if (known === undefined && joined.length === 0) return false;
    const groups = known ?? new Set();
    let changed = false;
    for (const group of left) changed = groups.delete(group) || changed;
    for (const group of joined) {
      if (groups.has(group) || groups.size >= MAX_GROUPS_PER_HOST) continue;
      groups.add(group);
      changed = true;
    }
    this.#heard.delete(key);
    this.#heard.set(key, groups);
    if (this.#heard.size > MAX_HOSTS_PER_PORT + this.#told.size) this.#forgetOldest();
    return changed;
  }

  /** A host is open, with changed groups or not, or no longer is. `number`: its VLAN as the bridge has it. */
  update(vlan: number, mac: Mac, number: number, open: boolean): LinkGroupChanges {
    const key = `${vlan}/${mac}`;
    const wanted = open ? [...(this.#heard.get(key) ?? [])].map((group) => ({ vlan: number, group })) : [];
    const told = this.#told.get(key) ?? [];
    if (open) this.#told.set(key, wanted);
    else this.#told.delete(key);
    const begin = wanted.filter((at) => this.#count(at, 1) === 1);
    const end = told.filter((at) => this.#count(at, -1) === 0);
    const isIn = (list: readonly LinkGroup[], at: LinkGroup) =>
      list.some((other) => keyOf(other) === keyOf(at));
    return { begin: begin.filter((at) => !isIn(end, at)), end: end.filter((at) => !isIn(begin, at)) };
  }

  /** What was heard of each host, for another process; the latest heard last. */
  heard(): HeardOfHost[] {
    return [...this.#heard].map(([key, groups]) => {
      const [vlan = '', mac = ''] = key.split('/');
      return { vlan: Number(vlan), mac, groups: [...groups] };
    });
  }

  clear(): void {
    for (const map of [this.#heard, this.#told, this.#members]) map.clear();
  }

  #count(at: LinkGroup, by: 1 | -1): number {
    const member = this.#members.get(keyOf(at)) ?? { at, count: 0 };
    member.count += by;
    if (member.count > 0) this.#members.set(keyOf(at), member);
    else this.#members.delete(keyOf(at));
    return member.count;
  }

  #forgetOldest(): void {
    for (const key of this.#heard.keys()) {
      if (this.#told.has(key)) continue;
      this.#heard.delete(key);
      return;
    }
  }
}

/** True for the groups of the link that a bridge keeps from those who are no members. */
export function isOfLink(group: IpAddress): boolean {
  return /^ff[0-9a-f]2:/.test(group) && group !== 'ff02::1';
}

function isJoin({ type, sources }: GroupRecord): boolean {
  if (type === RecordType.IsExclude || type === RecordType.ToExclude) return true;
  return (
    sources.length > 0 &&
    (type === RecordType.IsInclude || type === RecordType.ToInclude || type === RecordType.Allow)
  );
}

function isLeave({ type, sources }: GroupRecord): boolean {
  return sources.length === 0 && (type === RecordType.IsInclude || type === RecordType.ToInclude);
}

function keyOf({ vlan, group }: LinkGroup): string {
  return `${vlan}/${group}`;
}

const MAX_GROUPS_PER_HOST = 32;
/** Hosts that are remembered without being let in one by one. */
export const MAX_HOSTS_PER_PORT = 256;
