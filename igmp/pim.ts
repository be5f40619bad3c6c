/** PIM as far as a switch looks at it: who says Hello, and for how long (RFC 7761 §4.9.2). */
import { u8, u16 } from '../wire/bytes.ts';
import { internetChecksum } from '../wire/checksum.ts';
import { EtherType } from '../wire/ethernet.ts';
import { decodeIpv4, IpProtocol } from '../wire/ipv4.ts';
import { decodeIpv6 } from '../wire/ipv6.ts';
import { isMalformed } from '../wire/malformed.ts';

/** True where the packet's IP header names PIM, whole or damaged. */
export function isPim(etherType: number, payload: Uint8Array): boolean {
  if (etherType === EtherType.Ipv4) return payload.length >= 20 && u8(payload, 9) === IpProtocol.Pim;
  return etherType === EtherType.Ipv6 && payload.length >= 40 && u8(payload, 6) === IpProtocol.Pim;
}

/** How long the sender of a PIM Hello counts as there; undefined where the packet is none. Never throws. */
export function pimHelloHoldMs(etherType: number, payload: Uint8Array): number | undefined {
  if (!isPim(etherType, payload)) return undefined;
  const v4 = etherType === EtherType.Ipv4;
  const ip = v4 ? decodeIpv4(payload) : decodeIpv6(payload);
  if (isMalformed(ip)) return undefined;
  const pim = ip.payload;
  if (pim.length < 4 || u8(pim, 0) !== HELLO) return undefined;
  // Over IPv6 the checksum covers a pseudo header too; a router port that is learned for nothing harms nobody.
  if (v4 && internetChecksum(pim) !== 0) return undefined;
  for (let at = 4; at + 4 <= pim.length; ) {
    const length = u16(pim, at + 2);
    if (u16(pim, at) === HOLDTIME_OPTION && length === 2 && at + 6 <= pim.length) {
      const seconds = u16(pim, at + 4);
      return (seconds === FOREVER ? DEFAULT_HOLD_S : seconds) * 1000;
    }
    at += 4 + length;
  }
  return DEFAULT_HOLD_S * 1000;
}

/** Version 2, type 0. */
const HELLO = 0x20;
const HOLDTIME_OPTION = 1;
const FOREVER = 0xffff;
/** RFC 7761 §4.11: 3.5 × Hello_Period. */
const DEFAULT_HOLD_S = 105;
