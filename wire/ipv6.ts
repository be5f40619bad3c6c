/**
 * IPv6 headers and the extension headers before the payload (RFC 8200 §3, §4). Like IPv4: whole packets only.
 * An atomic fragment (offset 0, nothing more to come) is whole (RFC 6946 §4). An unknown option whose type
 * says "discard" is obeyed (RFC 8200 §4.2), which refuses jumbograms too.
 */
import { type IpAddress, ipBytes, ipv6At } from './address.ts';
import { putU16, u8, u16 } from './bytes.ts';
import { type Malformed, malformed } from './malformed.ts';

/** A decoded packet. */
export interface Ipv6Packet {
  readonly src: IpAddress;
  readonly dst: IpAddress;
  readonly hopLimit: number;
  /** Value of the Router Alert option of the hop-by-hop header, 0 for MLD (RFC 2711 §2.1); undefined: none. */
  readonly routerAlert: number | undefined;
  /** What the payload is: the first header that is no extension header known here. */
  readonly nextHeader: number;
  /** Octets before the payload, 40 or more. */
  readonly headerLength: number;
  /** View, cut to the payload length of the header. */
  readonly payload: Uint8Array;
}

/** What encodeIpv6 puts into a packet. */
export interface Ipv6Parts {
  readonly src: IpAddress;
  readonly dst: IpAddress;
  readonly hopLimit: number;
  readonly nextHeader: number;
  /** Adds a hop-by-hop header with this Router Alert value (RFC 2711 §2.1). */
  readonly routerAlert?: number;
  readonly trafficClass?: number;
  readonly payload: Uint8Array;
}

/** Never throws. Refuses bad version, payload length, extension headers or options, and fragments. */
export function decodeIpv6(b: Uint8Array): Ipv6Packet | Malformed {
  if (b.length < HEADER_LENGTH) return malformed('ipv6-short-header', b.length);
  if (u8(b, 0) >>> 4 !== 6) return malformed('ipv6-bad-version', 0);
  const end = HEADER_LENGTH + u16(b, 4);
  if (end > b.length) return malformed('ipv6-bad-payload-length', 4);
  let nextHeader = u8(b, 6);
  let at = HEADER_LENGTH;
  let routerAlert: number | undefined;
  for (;;) {
    if (nextHeader === ExtensionHeader.Fragment) {
      if (at + 8 > end) return malformed('ipv6-bad-extension-header', at);
      if ((u16(b, at + 2) & OFFSET_AND_MORE) !== 0) return malformed('ipv6-fragment', at + 2);
      nextHeader = u8(b, at);
      at += 8;
      continue;
    }
    const hopByHop = nextHeader === ExtensionHeader.HopByHop;
    const options = hopByHop || nextHeader === ExtensionHeader.DestinationOptions;
    if (!options && nextHeader !== ExtensionHeader.Routing) break;
    // RFC 8200 §4.1: hop-by-hop options stand right behind the IPv6 header or nowhere.
    if (hopByHop && at !== HEADER_LENGTH) return malformed('ipv6-bad-extension-header', at);
    if (at + 8 > end) return malformed('ipv6-bad-extension-header', at);
    const headerEnd = at + 8 + u8(b, at + 1) * 8;
    if (headerEnd > end) return malformed('ipv6-bad-extension-header', at + 1);
    if (options) {
      const alert = walkOptions(b, at + 2, headerEnd);
      if (alert === BAD_OPTION) return malformed('ipv6-bad-extension-header', at + 2);
      if (hopByHop && alert !== NO_ALERT) routerAlert = alert;
    }
    nextHeader = u8(b, at);
    at = headerEnd;
  }
  return {
    src: ipv6At(b, 8),
    dst: ipv6At(b, 24),
    hopLimit: u8(b, 7),
    routerAlert,
    nextHeader,
    headerLength: at,
    payload: b.subarray(at, end),
  };
}

/** One packet. Throws on text that is no IPv6 address and on a payload of more than 65,535 octets. */
export function encodeIpv6(parts: Ipv6Parts): Uint8Array {
  const src = ipBytes(parts.src);
  const dst = ipBytes(parts.dst);
  if (src?.length !== 16 || dst?.length !== 16) throw new TypeError(`no IPv6: ${parts.src} or ${parts.dst}`);
  const headerLength = parts.routerAlert === undefined ? HEADER_LENGTH : HEADER_LENGTH + 8;
  const payloadLength = headerLength - HEADER_LENGTH + parts.payload.length;
  if (payloadLength > 0xffff) throw new RangeError(`IPv6 payload of ${payloadLength} octets`);
  const out = new Uint8Array(headerLength + parts.payload.length);
  const trafficClass = parts.trafficClass ?? 0;
  out[0] = 0x60 | (trafficClass >>> 4);
  out[1] = (trafficClass & 0x0f) << 4;
  putU16(out, 4, payloadLength);
  out[6] = parts.routerAlert === undefined ? parts.nextHeader : ExtensionHeader.HopByHop;
  out[7] = parts.hopLimit;
  out.set(src, 8);
  out.set(dst, 24);
  if (parts.routerAlert !== undefined) {
    out[40] = parts.nextHeader;
    out[42] = OptionType.RouterAlert;
    out[43] = 2;
    putU16(out, 44, parts.routerAlert);
    out[46] = OptionType.PadN;
  }
  out.set(parts.payload, headerLength);
  return out;
}

/** The Router Alert value, NO_ALERT, or BAD_OPTION. */
function walkOptions(b: Uint8Array, from: number, to: number): number {
  let alert = NO_ALERT;
  let at = from;
  while (at < to) {
    const type = u8(b, at);
    if (type === OptionType.Pad1) {
      at++;
      continue;
    }
    if (at + 2 > to) return BAD_OPTION;
    const length = u8(b, at + 1);
    if (at + 2 + length > to) return BAD_OPTION;
    if (type === OptionType.RouterAlert) {
      if (length !== 2) return BAD_OPTION;
      alert = u16(b, at + 2);
    } else if (type !== OptionType.PadN && type >>> 6 !== 0) {
      return BAD_OPTION;
    }
    at += 2 + length;
  }
  return alert;
}

const HEADER_LENGTH = 40;
const OFFSET_AND_MORE = 0xfff9;
const NO_ALERT = -1;
const BAD_OPTION = -2;
const ExtensionHeader = { HopByHop: 0, Routing: 43, Fragment: 44, DestinationOptions: 60 } as const;
const OptionType = { Pad1: 0, PadN: 1, RouterAlert: 5 } as const;
