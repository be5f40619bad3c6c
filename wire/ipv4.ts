/**
 * IPv4 headers (RFC 791 §3.1) for packets that castgate judges or makes: whole ones only. A fragment is
 * refused, because no IGMP or RADIUS decision may rest on half a packet; so is a header whose checksum or
 * lengths are wrong, since its addresses and its payload's end cannot be believed.
 */
import { type IpAddress, ipBytes, ipv4At } from './address.ts';
import { putU16, u8, u16 } from './bytes.ts';
import { internetChecksum } from './checksum.ts';
import { type Malformed, type MalformedReason, malformed } from './malformed.ts';

/** The protocol numbers castgate reads (IANA: IPv4 protocol, IPv6 next header). */
export const IpProtocol = { Igmp: 2, Tcp: 6, Udp: 17, Icmpv6: 58, Pim: 103 } as const;

/** Type of service of all IGMP messages: Internetwork Control (RFC 9776 §4). */
export const TOS_INTERNETWORK_CONTROL = 0xc0;

/** A decoded packet. */
export interface Ipv4Packet {
  readonly src: IpAddress;
  readonly dst: IpAddress;
  readonly ttl: number;
  readonly tos: number;
  readonly protocol: number;
  /** The Router Alert option is there (RFC 2113 §2.1), whatever its value. */
  readonly routerAlert: boolean;
  /** In octets, 20..60. */
  readonly headerLength: number;
  /** View, cut to the total length: Ethernet padding is outside of it. */
  readonly payload: Uint8Array;
}

/** What encodeIpv4 puts into a packet. */
export interface Ipv4Parts {
  readonly src: IpAddress;
  readonly dst: IpAddress;
  readonly ttl: number;
  readonly protocol: number;
  readonly tos?: number;
  readonly id?: number;
  /** Adds the Router Alert option with value 0 (RFC 2113 §2.1). */
  readonly routerAlert?: boolean;
  readonly payload: Uint8Array;
}

/** Never throws. Refuses bad version, header length, total length, checksum, options, and fragments. */
export function decodeIpv4(b: Uint8Array): Ipv4Packet | Malformed {
  if (b.length < MIN_HEADER_LENGTH) return malformed('ipv4-short-header', b.length);
  const first = u8(b, 0);
  if (first >>> 4 !== 4) return malformed('ipv4-bad-version', 0);
  const headerLength = (first & 0x0f) * 4;
  if (headerLength < MIN_HEADER_LENGTH || headerLength > b.length)
    return malformed('ipv4-bad-header-length', 0);
  const totalLength = u16(b, 2);
  if (totalLength < headerLength || totalLength > b.length) return malformed('ipv4-bad-total-length', 2);
  if (internetChecksum(b, 0, headerLength) !== 0) return malformed('ipv4-bad-checksum', 10);
  if ((u16(b, 6) & (MORE_FRAGMENTS | FRAGMENT_OFFSET)) !== 0) return malformed('ipv4-fragment', 6);
  const routerAlert = headerLength > MIN_HEADER_LENGTH ? findRouterAlert(b, headerLength) : false;
  if (typeof routerAlert === 'string') return malformed(routerAlert, MIN_HEADER_LENGTH);
  return {
    src: ipv4At(b, 12),
    dst: ipv4At(b, 16),
    ttl: u8(b, 8),
    tos: u8(b, 1),
    protocol: u8(b, 9),
    routerAlert,
    headerLength,
    payload: b.subarray(headerLength, totalLength),
  };
}

/** One packet, Don't Fragment set. Throws on text that is no IPv4 address and on more than 65,535 octets. */
export function encodeIpv4(parts: Ipv4Parts): Uint8Array {
  const src = ipBytes(parts.src);
  const dst = ipBytes(parts.dst);
  if (src?.length !== 4 || dst?.length !== 4) throw new TypeError(`no IPv4: ${parts.src} or ${parts.dst}`);
  const headerLength = parts.routerAlert === true ? MIN_HEADER_LENGTH + 4 : MIN_HEADER_LENGTH;
  const totalLength = headerLength + parts.payload.length;
  if (totalLength > 0xffff) throw new RangeError(`IPv4 packet of ${totalLength} octets`);
  const out = new Uint8Array(totalLength);
  out[0] = 0x40 | (headerLength / 4);
  out[1] = parts.tos ?? 0;
  putU16(out, 2, totalLength);
  putU16(out, 4, parts.id ?? 0);
  putU16(out, 6, DONT_FRAGMENT);
  out[8] = parts.ttl;
  out[9] = parts.protocol;
  out.set(src, 12);
  out.set(dst, 16);
  if (parts.routerAlert === true) {
    out[20] = OptionType.RouterAlert;
    out[21] = 4;
  }
  putU16(out, 10, internetChecksum(out, 0, headerLength));
  out.set(parts.payload, headerLength);
  return out;
}

function findRouterAlert(b: Uint8Array, headerLength: number): boolean | MalformedReason {
  let at = MIN_HEADER_LENGTH;
  let found = false;
  while (at < headerLength) {
    const type = u8(b, at);
    if (type === OptionType.End) break;
    if (type === OptionType.NoOperation) {
      at++;
      continue;
    }
    const length = at + 1 < headerLength ? u8(b, at + 1) : 0;
    if (length < 2 || at + length > headerLength) return 'ipv4-bad-option';
    if (type === OptionType.RouterAlert && length === 4) found = true;
    at += length;
  }
  return found;
}

const MIN_HEADER_LENGTH = 20;
const DONT_FRAGMENT = 0x4000;
const MORE_FRAGMENTS = 0x2000;
const FRAGMENT_OFFSET = 0x1fff;
const OptionType = { End: 0, NoOperation: 1, RouterAlert: 148 } as const;
