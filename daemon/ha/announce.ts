/**
 * Tells the networks behind the uplinks that the hosts are here now: their switches learn it from any frame
 * with the host's source address. A reverse ARP request (RFC 903) is what virtual machines send after they
 * have moved; nobody answers it.
 */
import type { Switch } from '../../switch/switch.ts';
import { macBytes } from '../../wire/address.ts';
import type { Stores } from '../core/stores.ts';

/** One frame a host and uplink. Between so many of them the node does other work, while `goesOn`. */
export function announce(
  stores: Stores,
  uplinks: readonly string[],
  bridge: Switch,
  goesOn: () => boolean,
): void {
  const hosts = [...stores.sessions.values()];
  const send = () => {
    if (!goesOn()) return;
    const frames = new Map<number, Uint8Array[]>();
    for (const { vlan, mac } of hosts.splice(-HOSTS_AT_ONCE)) {
      const octets = macBytes(mac);
      if (octets === undefined) continue;
      const inVlan = frames.get(vlan);
      if (inVlan === undefined) frames.set(vlan, [announcement(octets)]);
      else inVlan.push(announcement(octets));
    }
    for (const uplink of uplinks) {
      for (const [vlan, inVlan] of frames) bridge.sendFrames(uplink, vlan, inVlan);
    }
    if (hosts.length > 0) setImmediate(send);
  };
  send();
}

/** A whole frame without VLAN tag. */
export function announcement(mac: Uint8Array): Uint8Array {
  const frame = Buffer.alloc(LENGTH);
  frame.fill(0xff, 0, 6);
  frame.set(mac, 6);
  frame.writeUInt16BE(RARP, 12);
  // Ethernet, IPv4, address lengths 6 and 4, operation 3: request reverse.
  frame.set([0, 1, 8, 0, 6, 4, 0, 3], 14);
  frame.set(mac, 22);
  frame.set(mac, 32);
  return frame;
}

const HOSTS_AT_ONCE = 128;
const RARP = 0x8035;
const LENGTH = 60;
