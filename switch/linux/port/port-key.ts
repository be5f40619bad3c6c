/** Names of ports and hosts as the keys of castgate's sets hold them. */
import { type Mac, macBytes } from '../../../wire/address.ts';

/** An interface name: sixteen octets, filled with zeros. */
export function portKey(port: string): Uint8Array {
  let key = portKeys.get(port);
  if (key === undefined) {
    key = new Uint8Array(IFNAMSIZ);
    key.set(new TextEncoder().encode(port).subarray(0, IFNAMSIZ - 1));
    portKeys.set(port, key);
  }
  return key;
}

/** A port and a MAC address on it: the address takes eight octets. */
export function hostKeyOf(port: string, mac: Mac): Uint8Array {
  const key = new Uint8Array(IFNAMSIZ + 8);
  key.set(portKey(port));
  key.set(macBytes(mac) ?? [], IFNAMSIZ);
  return key;
}

/** One for each configured port. */
const portKeys = new Map<string, Uint8Array>();
const IFNAMSIZ = 16;
