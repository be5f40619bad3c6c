/**
 * What castgate has opened on one port: hosts and channels, with the counts by which two of them share an
 * entry of the kernel. Pure bookkeeping: the kernel is told by LinuxSwitch, and held to it by reconcile.ts.
 */
import type { FilterRule } from '../../../session/filter-rule.ts';
import type { ChannelRange } from '../../../session/records.ts';
import type { IpAddress, Mac } from '../../../wire/address.ts';
import {
  type HostOpening,
  type HostPlace,
  ORDINARY,
  type PortService,
  type SourceFilter,
} from '../../switch.ts';
import type { DatabaseUse } from '../bridge/database-use.ts';
import { LinkGroups } from '../link/link-groups.ts';
import type { Link } from '../netlink/link.ts';

export interface Channel {
  readonly vlan: number;
  readonly group: IpAddress;
  readonly filter: SourceFilter;
}

/** A subscriber port is `locked` but for its open hosts, or (`open`) nobody there needs to be let in. */
export type PortRole = 'locked' | 'open' | 'uplink';

export class PortState {
  readonly name: string;
  readonly #role: PortRole;
  readonly #use: DatabaseUse | undefined;
  service: PortService = ORDINARY;
  /** The other bridge that it is a port of, by interface number. */
  awayIn: number | undefined;
  /** The VLAN of untagged frames before castgate gave it another. */
  homeVlan: number | undefined;
  /** Takes the MAC addresses and groups that change here, where somebody wants to know. */
  touched: Set<string> | undefined;
  /** As last seen; undefined while the port is gone. */
  link: Link | undefined;
  readonly linkGroups = new LinkGroups();
  /** By MAC address and VLAN. */
  readonly #hosts = new Map<Mac, Map<number, HostOpening>>();
  /** By group and VLAN. */
  readonly #channels = new Map<IpAddress, Map<number, Channel>>();

  /** `use` counts the channels of all ports together. */
  constructor(name: string, role: PortRole, use?: DatabaseUse) {
    this.name = name;
    this.#role = role;
    this.#use = use;
  }

  /** As configured, or open for now. */
  get role(): PortRole {
    return this.service.open ? 'open' : this.#role;
  }

  get subscriber(): boolean {
    return this.role !== 'uplink';
  }

  /** Nobody is open here. */
  get vacant(): boolean {
    return this.role !== 'open' && this.#hosts.size === 0;
  }

  *hosts(): Generator<HostOpening> {
    for (const places of this.#hosts.values()) yield* places.values();
  }

  *channels(): Generator<Channel> {
    for (const channels of this.#channels.values()) yield* channels.values();
  }

  /** MAC addresses that are open in at least one VLAN. */
  macs(): Iterable<Mac> {
    return this.#hosts.keys();
  }

  /** Groups that are forwarded in at least one VLAN. */
  groups(): Iterable<IpAddress> {
    return this.#channels.keys();
  }

  /** What is received of the group: the filter of each VLAN that it is forwarded in. */
  filtersOf(group: IpAddress): SourceFilter[] {
    const channels = this.#channels.get(group);
    return channels === undefined ? [] : [...channels.values()].map(({ filter }) => filter);
  }

  /** The same with another filter in one VLAN. */
  filtersWith(channel: Channel): SourceFilter[] {
    const channels = this.#channels.get(channel.group);
    if (channels === undefined) return [channel.filter];
    return [...new Map(channels).set(channel.vlan, channel).values()].map(({ filter }) => filter);
  }

  channel(vlan: number, group: IpAddress): Channel | undefined {
    return this.#channels.get(group)?.get(vlan);
  }

  hasHost(vlan: number, mac: Mac): boolean {
    return this.#hosts.get(mac)?.has(vlan) === true;
  }

  hasMac(mac: Mac): boolean {
    return this.#hosts.has(mac);
  }

  hasGroup(group: IpAddress): boolean {
    return this.#channels.has(group);
  }

  hasChannel(vlan: number, group: IpAddress): boolean {
    return this.channel(vlan, group) !== undefined;
  }

  /** Hosts and channels; one in two VLANs counts once. */
  get size(): number {
    return this.#hosts.size + this.#channels.size;
  }

  /** The VLANs in which the address is open. */
  vlansOf(mac: Mac): Iterable<number> {
    return this.#hosts.get(mac)?.keys() ?? [];
  }

  /** What is received of the group in each VLAN. */
  channelsOf(group: IpAddress): Iterable<Channel> {
    return this.#channels.get(group)?.values() ?? [];
  }

  /** The host as it was opened; undefined where it is not. */
  openingOf({ vlan, mac }: HostPlace): HostOpening | undefined {
    return this.#hosts.get(mac)?.get(vlan);
  }

  /** What the address may send to in at least one VLAN; without `but`, the place of one. */
  sendsOf(mac: Mac, but?: HostPlace): ChannelRange[] {
    const sends: ChannelRange[] = [];
    for (const host of this.#hosts.get(mac)?.values() ?? []) {
      if (host.vlan !== but?.vlan) sends.push(...(host.sends ?? []));
    }
    return sends;
  }

  /** The filter of the address, in whichever VLAN; without `but`, the place of one. */
  filterOf(mac: Mac, but?: HostPlace): readonly FilterRule[] | undefined {
    for (const host of this.#hosts.get(mac)?.values() ?? []) if (host.vlan !== but?.vlan) return host.filter;
    return undefined;
  }

  /** Opens it, or changes what it may. */
  addHost(host: HostOpening): void {
    this.touched?.add(host.mac);
    put(this.#hosts, host.mac, host.vlan, host);
  }

  /** False where it was not open. */
  removeHost({ vlan, mac }: HostPlace): boolean {
    this.touched?.add(mac);
    return take(this.#hosts, mac, vlan);
  }

  setChannel(channel: Channel): void {
    this.touched?.add(channel.group);
    const before = this.channel(channel.vlan, channel.group);
    this.#use?.add(channel);
    if (before !== undefined) this.#use?.remove(before);
    put(this.#channels, channel.group, channel.vlan, channel);
  }

  /** False where there was none. */
  removeChannel(vlan: number, group: IpAddress): boolean {
    this.touched?.add(group);
    const before = this.channel(vlan, group);
    if (before !== undefined) this.#use?.remove(before);
    return take(this.#channels, group, vlan);
  }

  clear(): void {
    for (const mac of this.#hosts.keys()) this.touched?.add(mac);
    for (const group of this.#channels.keys()) this.touched?.add(group);
    for (const channel of this.channels()) this.#use?.remove(channel);
    this.service = ORDINARY;
    this.awayIn = undefined;
    this.linkGroups.clear();
    this.#hosts.clear();
    this.#channels.clear();
  }
}

function put<K, V>(map: Map<K, Map<number, V>>, key: K, vlan: number, value: V): void {
  const inner = map.get(key);
  if (inner === undefined) map.set(key, new Map([[vlan, value]]));
  else inner.set(vlan, value);
}

/** False where there was nothing. */
function take<K, V>(map: Map<K, Map<number, V>>, key: K, vlan: number): boolean {
  const inner = map.get(key);
  if (inner?.delete(vlan) !== true) return false;
  if (inner.size === 0) map.delete(key);
  return true;
}
