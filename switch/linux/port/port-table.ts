/**
 * The ports of a switch by name and, while they are there, by interface number; and which port each open
 * MAC address is on, for a bridge has one place for it. Pure bookkeeping.
 */
import type { Mac } from '../../../wire/address.ts';
import type { HostOpening } from '../../switch.ts';
import { DatabaseUse, RESERVED_ENTRIES } from '../bridge/database-use.ts';
import type { Link } from '../netlink/link.ts';
import { type Channel, PortState } from './port-state.ts';

export interface PortNames {
  /** Subscriber ports. */
  readonly ports: readonly string[];
  /** Those of `ports` that are open to everybody. */
  readonly openPorts?: readonly string[];
  readonly uplinks: readonly string[];
}

export class PortTable {
  /** The bridge has refused a group for want of room, and none was given up since. */
  isFull = false;
  readonly #use = new DatabaseUse();
  readonly #ports = new Map<string, PortState>();
  /** Ports that are there: whose frames count. */
  readonly #byIndex = new Map<number, PortState>();
  /** By VLAN as the bridge knows it, and MAC. */
  readonly #openMacs = new Map<number, Map<Mac, string>>();

  constructor({ ports, openPorts, uplinks }: PortNames) {
    for (const name of ports) {
      this.#ports.set(name, new PortState(name, openPorts?.includes(name) ? 'open' : 'locked', this.#use));
    }
    for (const name of uplinks) this.#ports.set(name, new PortState(name, 'uplink', this.#use));
  }

  all(): Iterable<PortState> {
    return this.#ports.values();
  }

  named(name: string): PortState | undefined {
    return this.#ports.get(name);
  }

  /** The port that is there under this number. */
  numbered(index: number): PortState | undefined {
    return this.#byIndex.get(index);
  }

  /** False where the bridge's database, of this size, has no room for what the channel adds to it. */
  hasRoom(channel: Channel, size: number): boolean {
    const needs = this.#use.needs(channel);
    if (needs === 0) return true;
    if (this.isFull) return false;
    let left = size - RESERVED_ENTRIES - this.#use.size - needs;
    if (left < 0 || left > size / 2) return left >= 0;
    for (const { linkGroups } of this.#ports.values()) left -= linkGroups.size;
    return left >= 0;
  }

  /** True for the address of a port. */
  hasMac(mac: Mac): boolean {
    for (const { link } of this.#ports.values()) if (link?.mac === mac) return true;
    return false;
  }

  /** The numbers of the interfaces that are there. */
  indexes(): number[] {
    return [...this.#byIndex.keys()];
  }

  /** A set that from now on, until the next call, takes every MAC address and group that changes on any port. */
  track(): ReadonlySet<string> {
    const touched = new Set<string>();
    for (const port of this.#ports.values()) port.touched = touched;
    return touched;
  }

  /** The interface of a port is there. */
  put(link: Link): void {
    const port = this.#ports.get(link.name);
    if (port === undefined) return;
    port.link = link;
    this.#byIndex.set(link.index, port);
  }

  /** The interface is gone, with all that was opened on it. `vlanOf`: as the bridge knew its VLANs. */
  forget(port: PortState, link: Link, vlanOf: (vlan: number) => number): void {
    for (const host of port.hosts()) this.closed(vlanOf(host.vlan), host.mac);
    port.clear();
    port.link = undefined;
    this.#byIndex.delete(link.index);
  }

  forgetAll(): void {
    for (const port of this.#ports.values()) {
      port.clear();
      port.link = undefined;
    }
    this.#byIndex.clear();
    this.#openMacs.clear();
    this.isFull = false;
  }

  /** The name of the port on which the address is open, in this VLAN of the bridge. */
  portOf(vlan: number, mac: Mac): string | undefined {
    return this.#openMacs.get(vlan)?.get(mac);
  }

  /** A host is open. */
  opened(port: PortState, host: HostOpening, vlan: number): void {
    port.addHost(host);
    const inVlan = this.#openMacs.get(vlan);
    if (inVlan === undefined) this.#openMacs.set(vlan, new Map([[host.mac, port.name]]));
    else inVlan.set(host.mac, port.name);
  }

  /** No host of the port has the address in this VLAN of the bridge any more. */
  closed(vlan: number, mac: Mac): void {
    this.#openMacs.get(vlan)?.delete(mac);
  }
}
