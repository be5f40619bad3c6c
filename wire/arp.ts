/**
 * ARP for IPv4 on Ethernet (RFC 826): who a host says it is, and the question whether it is still there. A request to
 * the host's own MAC address is the unicast poll of RFC 1122 §2.3.2.1; from 0.0.0.0 it is a probe, which no cache
 * learns from (RFC 5227 §1.1).
 */
import { type IpAddress, ipBytes, ipv4At, type Mac, macAt, macBytes } from './address.ts';
import { putU16, u8, u16 } from './bytes.ts';
import { type Malformed, malformed } from './malformed.ts';

export const ArpOperation = { Request: 1, Reply: 2 } as const;

/** A decoded packet; 0.0.0.0 as sender is a probe's (RFC 5227). */
export interface ArpPacket {
  readonly operation: number;
  readonly senderMac: Mac;
  readonly sender: IpAddress;
  readonly targetMac: Mac;
  readonly target: IpAddress;
}

/** Never throws. Octets behind the packet are padding. Refuses any other hardware or protocol than Ethernet and IPv4. */
export function decodeArp(b: Uint8Array): ArpPacket | Malformed {
  if (b.length < LENGTH) return malformed('arp-short', b.length);
  const isIpv4 = u16(b, 0) === ETHERNET && u16(b, 2) === IPV4 && u8(b, 4) === 6 && u8(b, 5) === 4;
  if (!isIpv4) return malformed('arp-not-ipv4-on-ethernet', 0);
  return {
    operation: u16(b, 6),
    senderMac: macAt(b, 8),
    sender: ipv4At(b, 14),
    targetMac: macAt(b, 18),
    target: ipv4At(b, 24),
  };
}

/** One packet of 28 octets. Throws on text that is no MAC or IPv4 address. */
export function encodeArp({ operation, senderMac, sender, targetMac, target }: ArpPacket): Uint8Array {
  const out = new Uint8Array(LENGTH);
  putU16(out, 0, ETHERNET);
  putU16(out, 2, IPV4);
  out[4] = 6;
  out[5] = 4;
  putU16(out, 6, operation);
  const parts: readonly [number, Uint8Array | undefined, number][] = [
    [8, macBytes(senderMac), 6],
    [14, ipBytes(sender), 4],
    [18, macBytes(targetMac), 6],
    [24, ipBytes(target), 4],
  ];
  for (const [at, octets, length] of parts) {
    if (octets?.length !== length) throw new TypeError(`no ARP for ${sender} at ${senderMac}, ${target}`);
    out.set(octets, at);
  }
  return out;
}

const LENGTH = 28;
const ETHERNET = 1;
const IPV4 = 0x0800;
