/**
 * Ethernet II frames and in-band VLAN tags (IEEE 802.3-2022 §3.2, IEEE 802.1Q-2022 §9). A value below 0x600
 * in the type field is an 802.3 length: it stays in `etherType` and matches none of the types castgate reads.
 * The payload is a view and still holds the padding; the protocols above know their own length.
 */
import { type IpAddress, ipBytes, type Mac, macAt, macBytes } from './address.ts';
import { putU16, u8, u16 } from './bytes.ts';
import { type Malformed, malformed } from './malformed.ts';

/** The EtherTypes castgate reads. */
export const EtherType = {
  Ipv4: 0x0800,
  Arp: 0x0806,
  Vlan: 0x8100,
  Ipv6: 0x86dd,
  Eapol: 0x888e,
  ServiceVlan: 0x88a8,
} as const;

/** One in-band tag. */
export interface VlanTag {
  /** 0..4095; 0 is a priority tag without a VLAN. */
  readonly id: number;
  /** Priority, 0..7. */
  readonly pcp: number;
  readonly dei: boolean;
  /** 0x8100 or 0x88a8. */
  readonly tpid: number;
}

/** A decoded frame. */
export interface EthernetFrame {
  readonly dst: Mac;
  readonly src: Mac;
  /** Outermost first; empty for an untagged frame. */
  readonly vlans: readonly VlanTag[];
  readonly etherType: number;
  /** View into the frame, from behind the type field to the end of the input. */
  readonly payload: Uint8Array;
}

/** What encodeEthernet puts into a frame. */
export interface EthernetParts {
  readonly dst: Mac;
  readonly src: Mac;
  readonly vlans?: readonly VlanTag[];
  readonly etherType: number;
  readonly payload: Uint8Array;
}

/** Never throws. Refuses fewer than 14 octets, and a tag that is cut (802.1Q-2022 §9.3). */
export function decodeEthernet(b: Uint8Array): EthernetFrame | Malformed {
  if (b.length < HEADER_LENGTH) return malformed('ethernet-short-header', b.length);
  let etherType = u16(b, 12);
  let at = HEADER_LENGTH;
  let vlans: readonly VlanTag[] = UNTAGGED;
  if (isTag(etherType)) {
    const tags: VlanTag[] = [];
    while (isTag(etherType)) {
      if (at + TAG_LENGTH > b.length) return malformed('vlan-short-tag', at);
      const control = u16(b, at);
      tags.push({ id: control & 0xfff, pcp: control >>> 13, dei: (control & 0x1000) !== 0, tpid: etherType });
      etherType = u16(b, at + 2);
      at += TAG_LENGTH;
    }
    vlans = tags;
  }
  return { dst: macAt(b, 0), src: macAt(b, 6), vlans, etherType, payload: b.subarray(at) };
}

/** One frame without padding or frame check sequence. Throws on text that is no MAC address. */
export function encodeEthernet(parts: EthernetParts): Uint8Array {
  const dst = macBytes(parts.dst);
  const src = macBytes(parts.src);
  if (dst === undefined || src === undefined) throw new TypeError(`no MAC: ${parts.dst} or ${parts.src}`);
  const tags = parts.vlans ?? UNTAGGED;
  const out = new Uint8Array(HEADER_LENGTH + TAG_LENGTH * tags.length + parts.payload.length);
  out.set(dst, 0);
  out.set(src, 6);
  let at = 12;
  for (const tag of tags) {
    putU16(out, at, tag.tpid);
    putU16(out, at + 2, (tag.pcp << 13) | (tag.dei ? 0x1000 : 0) | (tag.id & 0xfff));
    at += TAG_LENGTH;
  }
  putU16(out, at, parts.etherType);
  out.set(parts.payload, at + 2);
  return out;
}

/**
 * The MAC address that a multicast group is sent to: 01:00:5e and the low 23 bits (RFC 1112 §6.4), 33:33 and
 * the low 32 bits (RFC 2464 §7). Throws on text that is no IP address.
 */
export function groupMac(group: IpAddress): Mac {
  const address = ipBytes(group);
  if (address === undefined) throw new TypeError(`no address: ${group}`);
  if (address.length === 16) return macAt(Uint8Array.of(0x33, 0x33, ...address.subarray(12)), 0);
  return macAt(Uint8Array.of(0x01, 0x00, 0x5e, u8(address, 1) & 0x7f, u8(address, 2), u8(address, 3)), 0);
}

function isTag(etherType: number): boolean {
  return etherType === EtherType.Vlan || etherType === EtherType.ServiceVlan;
}

const HEADER_LENGTH = 14;
const TAG_LENGTH = 4;
const UNTAGGED: readonly VlanTag[] = [];
