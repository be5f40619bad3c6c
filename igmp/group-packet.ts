/**
 * IGMP and MLD as whole IP packets: what stands behind the Ethernet header of a join. For MLD the rules about
 * the IP header are part of the message's validity: hop limit 1, Router Alert, link-local source (RFC 9777
 * §5, §6.2, §7.6; RFC 2710 §3); a report from :: is refused (RFC 9777 §5.2.14). IGMP has no such refusals:
 * IGMPv3 reports from 0.0.0.0 are accepted (RFC 9776 §4.2.14).
 */
import type { IpAddress } from '../wire/address.ts';
import { u8 } from '../wire/bytes.ts';
import { addWords } from '../wire/checksum.ts';
import { EtherType } from '../wire/ethernet.ts';
import { decodeIpv4, encodeIpv4, IpProtocol, TOS_INTERNETWORK_CONTROL } from '../wire/ipv4.ts';
import { decodeIpv6, encodeIpv6 } from '../wire/ipv6.ts';
import { isMalformed, type Malformed, malformed } from '../wire/malformed.ts';
import type { GroupMessage } from './group-message.ts';
import { decodeIgmp, encodeIgmp, type IgmpMessage } from './igmp.ts';
import { decodeMldSummed, encodeMld, isMldType, type MldMessage } from './mld.ts';

/** One IGMP (family 4) or MLD (family 6) message with what its IP header said. */
export interface GroupPacket {
  readonly family: 4 | 6;
  readonly src: IpAddress;
  readonly dst: IpAddress;
  readonly hopLimit: number;
  readonly routerAlert: boolean;
  readonly message: GroupMessage;
}

/**
 * Decodes the payload of an Ethernet frame. Never throws. Undefined where the packet is neither IGMP nor MLD:
 * another EtherType, protocol or ICMPv6 type.
 */
export function decodeGroupPacket(
  etherType: number,
  payload: Uint8Array,
): GroupPacket | Malformed | undefined {
  if (etherType === EtherType.Ipv4) return decodeIgmpPacket(payload);
  if (etherType === EtherType.Ipv6) return decodeMldPacket(payload);
  return undefined;
}

/** Addresses and message of a packet to be made. */
export interface GroupPacketParts<M extends GroupMessage> {
  readonly src: IpAddress;
  readonly dst: IpAddress;
  readonly message: M;
}

/** A whole IPv4 packet: TTL 1, Internetwork Control, Router Alert (RFC 9776 §4). Throws as encodeIgmp does. */
export function encodeIgmpPacket(parts: GroupPacketParts<IgmpMessage>): Uint8Array {
  return encodeIpv4({
    src: parts.src,
    dst: parts.dst,
    ttl: 1,
    tos: TOS_INTERNETWORK_CONTROL,
    protocol: IpProtocol.Igmp,
    routerAlert: true,
    payload: encodeIgmp(parts.message),
  });
}

/** A whole IPv6 packet: hop limit 1, Router Alert in a hop-by-hop header (RFC 9777 §5). Throws as encodeMld does. */
export function encodeMldPacket(parts: GroupPacketParts<MldMessage>): Uint8Array {
  return encodeIpv6({
    src: parts.src,
    dst: parts.dst,
    hopLimit: 1,
    nextHeader: IpProtocol.Icmpv6,
    routerAlert: ROUTER_ALERT_MLD,
    payload: encodeMld(parts.message, parts.src, parts.dst),
  });
}

function decodeIgmpPacket(b: Uint8Array): GroupPacket | Malformed | undefined {
  if (b.length >= IPV4_HEADER_LENGTH && u8(b, IPV4_PROTOCOL_AT) !== IpProtocol.Igmp) return undefined;
  const ip = decodeIpv4(b);
  if (isMalformed(ip)) return ip;
  const message = decodeIgmp(ip.payload);
  if (isMalformed(message)) return message;
  return {
    family: 4,
    src: ip.src,
    dst: ip.dst,
    hopLimit: ip.ttl,
    routerAlert: ip.routerAlert,
    message,
  };
}

function decodeMldPacket(b: Uint8Array): GroupPacket | Malformed | undefined {
  const ip = decodeIpv6(b);
  if (isMalformed(ip)) return mayHoldMld(b, ip) ? ip : undefined;
  const icmp = ip.payload;
  if (ip.nextHeader !== IpProtocol.Icmpv6 || icmp.length === 0 || !isMldType(u8(icmp, 0))) return undefined;
  if (ip.hopLimit !== 1) return malformed('mld-hop-limit-not-1', IPV6_HOP_LIMIT_AT);
  if (ip.routerAlert === undefined) return malformed('mld-no-router-alert', IPV6_NEXT_HEADER_AT);
  if (!isLinkLocal(b)) return malformed('mld-source-not-link-local', IPV6_SOURCE_AT);
  const sum = addWords(b, IPV6_SOURCE_AT, IPV6_HEADER_LENGTH, icmp.length + IpProtocol.Icmpv6);
  const message = decodeMldSummed(icmp, sum);
  if (isMalformed(message)) return message;
  return { family: 6, src: ip.src, dst: ip.dst, hopLimit: ip.hopLimit, routerAlert: true, message };
}

/**
 * False where the damage is to a packet that cannot be MLD: another protocol's, or a fragment that is not the
 * first of an MLD message. The later ones are worth nothing without the first, which is refused.
 */
function mayHoldMld(b: Uint8Array, damage: Malformed): boolean {
  if (damage.malformed === 'ipv6-fragment') {
    const at = damage.offset - 2;
    const first = u8(b, at + 2) === 0 && u8(b, at + 3) >>> 3 === 0;
    return first && u8(b, at) === IpProtocol.Icmpv6 && isMldType(u8(b, at + FRAGMENT_HEADER_LENGTH));
  }
  const nextHeader = u8(b, IPV6_NEXT_HEADER_AT);
  return b.length < IPV6_HEADER_LENGTH || (nextHeader !== IpProtocol.Udp && nextHeader !== IpProtocol.Tcp);
}

/** fe80::/10 in the source address of an IPv6 header. */
function isLinkLocal(b: Uint8Array): boolean {
  return u8(b, IPV6_SOURCE_AT) === 0xfe && (u8(b, IPV6_SOURCE_AT + 1) & 0xc0) === 0x80;
}

/** RFC 2711 §2.1: the datagram holds a Multicast Listener Discovery message. */
const ROUTER_ALERT_MLD = 0;
const IPV4_HEADER_LENGTH = 20;
const IPV4_PROTOCOL_AT = 9;
const IPV6_NEXT_HEADER_AT = 6;
const IPV6_HOP_LIMIT_AT = 7;
const IPV6_SOURCE_AT = 8;
const IPV6_HEADER_LENGTH = 40;
const FRAGMENT_HEADER_LENGTH = 8;
