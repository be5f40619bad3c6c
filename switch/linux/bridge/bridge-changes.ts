/**
 * Changes of a bridge's tables that are sent together: each is one of its own, and the kernel refuses each
 * for itself. Saves the way into the kernel and back, which is most of what a single change costs.
 */
import type { IpAddress, Mac } from '../../../wire/address.ts';
import type { SourceFilter } from '../../switch.ts';
import { putCloseMac, putOpenMac } from '../netlink/fdb.ts';
import { putClearMembership } from '../netlink/mdb.ts';
import { MessageWriter } from '../netlink/message.ts';
import type { NetlinkSocket, Refusal } from '../netlink/netlink-socket.ts';
import type { MdbWay } from './mdb-way.ts';

export class BridgeChanges {
  readonly #mdb: MdbWay;
  readonly #messages = new MessageWriter(2 * FULL);
  /** True for a membership that was set. */
  readonly #sets: boolean[] = [];

  constructor(mdb: MdbWay) {
    this.#mdb = mdb;
  }

  /** As many as are sent at once. */
  get isFull(): boolean {
    return this.#messages.length >= FULL;
  }

  openMac(port: number, vlan: number, mac: Mac, how: 'create' | 'replace'): void {
    putOpenMac(this.#messages, port, vlan, mac, how);
    this.#sets.push(false);
  }

  closeMac(port: number, vlan: number, mac: Mac): void {
    putCloseMac(this.#messages, port, vlan, mac);
    this.#sets.push(false);
  }

  setMembership(bridge: number, port: number, vlan: number, group: IpAddress, filter: SourceFilter): void {
    this.#mdb.putSet(this.#messages, bridge, port, vlan, group, filter);
    this.#sets.push(true);
  }

  clearMembership(bridge: number, port: number, vlan: number, group: IpAddress): void {
    putClearMembership(this.#messages, bridge, port, vlan, group);
    this.#sets.push(false);
  }

  /** Sends the changes and forgets them; what the kernel refused, by the changes' places. */
  carryOut(socket: NetlinkSocket): Map<number, Refusal> {
    const refused = socket.transactEach(this.#messages, this.#sets.length);
    for (const [place, refusal] of refused) {
      if (this.#sets[place] === true && this.#mdb.isThere(refusal)) refused.delete(place);
    }
    this.forget();
    return refused;
  }

  forget(): void {
    this.#messages.clear();
    this.#sets.length = 0;
  }
}

/** Octets; a message of the kernel's default buffer for sending is 208 KiB. */
const FULL = 32_768;
