/**
 * What castgate has opened on one port: hosts and channels, with the counts by which two of them share an
 * entry of the kernel. Pure bookkeeping: the kernel is told by LinuxSwitch, and held to it by reconcile.ts.
 */
import type { IpAddress, Mac } from '../../wire/address.ts';
import { type HostPlace, ORDINARY, type PortService, type SourceFilter } from '../switch.ts';
import { LinkGroups } from './link-groups.ts';
import type { Link } from './netlink/link.ts';

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
  service: PortService = ORDINARY;
  /** The other bridge that it is a port of, by interface number. */
  awayIn: number | undefined;
  /** The VLAN of untagged frames before castgate gave it another. */
  homeVlan: number | undefined;
  /** As last seen; undefined while the port is gone. */
  link: Link | undefined;
  readonly linkGroups = new LinkGroups();
  readonly #hosts = new Map<string, HostPlace>();
  readonly #macs = new Map<Mac, number>();
  readonly #channels = new Map<string, Channel>();
  /** Filters by group and VLAN. */
  readonly #groups = new Map<IpAddress, Map<number, SourceFilter>>();

  constructor(name: string, role: PortRole) {
    this.name = name;
    this.#role = role;
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

  hosts(): Iterable<HostPlace> {
    return this.#hosts.values();
  }

  channels(): Iterable<Channel> {
    return this.#channels.values();
  }

  /** MAC addresses that are open in at least one VLAN. */
  macs(): Iterable<Mac> {
    return this.#macs.keys();
  }

  /** Groups that are forwarded in at least one VLAN. */
  groups(): Iterable<IpAddress> {
    return this.#groups.keys();
  }

  /** What is received of the group: the filter of each VLAN that it is forwarded in. */
  filtersOf(group: IpAddress): SourceFilter[] {
    return [...(this.#groups.get(group)?.values() ?? [])];
  }

  /** The same with another filter in one VLAN. */
  filtersWith({ vlan, group, filter }: Channel): SourceFilter[] {
    return [...new Map(this.#groups.get(group)).set(vlan, filter).values()];
  }

  hasHost(vlan: number, mac: Mac): boolean {
    return this.#hosts.has(`${vlan}/${mac}`);
  }

  hasMac(mac: Mac): boolean {
    return this.#macs.has(mac);
  }

  hasGroup(group: IpAddress): boolean {
    return this.#groups.has(group);
  }

  hasChannel(vlan: number, group: IpAddress): boolean {
    return this.#channels.has(`${vlan}/${group}`);
  }

  addHost(host: HostPlace): void {
    if (this.hasHost(host.vlan, host.mac)) return;
    this.#hosts.set(`${host.vlan}/${host.mac}`, host);
    increase(this.#macs, host.mac);
  }

  /** False where it was not open. */
  removeHost({ vlan, mac }: HostPlace): boolean {
    if (!this.#hosts.delete(`${vlan}/${mac}`)) return false;
    decrease(this.#macs, mac);
    return true;
  }

  setChannel(channel: Channel): void {
    const { vlan, group, filter } = channel;
    this.#channels.set(`${vlan}/${group}`, channel);
    const filters = this.#groups.get(group);
    if (filters === undefined) this.#groups.set(group, new Map([[vlan, filter]]));
    else filters.set(vlan, filter);
  }

  /** False where there was none. */
  removeChannel(vlan: number, group: IpAddress): boolean {
    if (!this.#channels.delete(`${vlan}/${group}`)) return false;
    const filters = this.#groups.get(group);
    filters?.delete(vlan);
    if (filters?.size === 0) this.#groups.delete(group);
    return true;
  }

  clear(): void {
    this.service = ORDINARY;
    this.awayIn = undefined;
    this.linkGroups.clear();
    for (const map of [this.#hosts, this.#macs, this.#channels, this.#groups]) map.clear();
  }
}

function increase<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function decrease<K>(counts: Map<K, number>, key: K): void {
  const left = (counts.get(key) ?? 0) - 1;
  if (left > 0) counts.set(key, left);
  else counts.delete(key);
}
