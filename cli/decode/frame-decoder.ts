/**
 * One frame of a capture as one record: link, IP and transport headers, and what of castgate's protocols is in
 * it. `malformed` is the reason for which castgate would drop the frame, false where it is well-formed or none
 * of castgate's business; whole fragments of other protocols are such. Headers are shown as far as they go.
 */
import { decodeGroupPacket } from '../../igmp/group-packet.ts';
import { isMldType } from '../../igmp/mld.ts';
import { type IpAddress, ipv4At, ipv6At, type Mac } from '../../wire/address.ts';
import { u8, u16 } from '../../wire/bytes.ts';
import { EtherType, type VlanTag } from '../../wire/ethernet.ts';
import { decodeIpv4, IpProtocol } from '../../wire/ipv4.ts';
import { decodeIpv6 } from '../../wire/ipv6.ts';
import { isMalformed, type MalformedReason } from '../../wire/malformed.ts';
import { decodeUdp } from '../../wire/udp.ts';
import type { CapturedFrame } from './capture-file.ts';
import { type EapolRecord, type EapRecord, readEapol } from './frame-eap.ts';
import { type IgmpRecord, igmpRecord, type MldRecord, mldRecord } from './frame-group.ts';
import { RadiusReader, type RadiusRecord } from './frame-radius.ts';
import { decodeLink } from './link-layer.ts';
import { RadiusStreams, readTcp } from './radius-streams.ts';

/** One frame. */
export interface FrameRecord {
  readonly frame: number;
  readonly len: number;
  readonly caplen: number;
  /** Seconds since the first frame, nine digits behind the point. */
  readonly time: string;
  readonly eth?: { readonly dst: Mac; readonly src: Mac; readonly type: string };
  /** Outermost first; `tpid` where it is not 0x8100. */
  readonly vlan?: readonly { readonly id: number; readonly pcp: number; readonly tpid?: string }[];
  readonly ip?: IpRecord;
  readonly udp?: { readonly src: number; readonly dst: number };
  /** `payload` in octets. */
  readonly tcp?: { readonly src: number; readonly dst: number; readonly payload: number };
  readonly eapol?: EapolRecord;
  readonly eap?: EapRecord;
  /** A list where one TCP segment ends several packets. */
  readonly radius?: RadiusRecord | readonly RadiusRecord[];
  readonly igmp?: IgmpRecord;
  readonly mld?: MldRecord;
  readonly malformed: MalformedReason | false;
}

/** An IP header; what the frame does not hold is null. `ttl` is the hop limit in version 6. */
export interface IpRecord {
  readonly version: 4 | 6;
  readonly src: IpAddress | null;
  readonly dst: IpAddress | null;
  readonly ttl: number | null;
  readonly router_alert: boolean;
}

/** What was found inside a frame; `malformed` undefined: nothing wrong. */
interface Found extends Partial<Omit<FrameRecord, 'malformed'>> {
  readonly malformed?: MalformedReason | undefined;
}

/** Decodes the frames of one capture in order. */
export class FrameDecoder {
  readonly #radius: RadiusReader;
  readonly #streams = new RadiusStreams();
  #startUs: number | undefined;

  /** With the RADIUS secret, signatures are checked. */
  constructor(secret: string | undefined) {
    this.#radius = new RadiusReader(secret);
  }

  /** Never throws. */
  decode(frame: CapturedFrame): FrameRecord {
    this.#startUs ??= frame.timeUs;
    const { malformed, ...found } = this.#link(frame);
    return {
      frame: frame.number,
      len: frame.length,
      caplen: frame.capturedLength,
      time: seconds(frame.timeUs - this.#startUs),
      ...found,
      malformed: malformed ?? false,
    };
  }

  #link(frame: CapturedFrame): Found {
    const link = decodeLink(frame.linkType, frame.data);
    if (isMalformed(link)) return { malformed: link.malformed };
    const { dst, src, vlans, etherType, payload } = link;
    const outer = vlans[0]?.tpid ?? etherType;
    return {
      ...(frame.linkType === 'ethernet' && { eth: { dst, src, type: `0x${hex4(outer)}` } }),
      ...(vlans.length > 0 && { vlan: vlans.map(vlanRecord) }),
      ...this.#packet(etherType, payload, frame.number),
    };
  }

  #packet(etherType: number, payload: Uint8Array, frame: number): Found {
    if (etherType === EtherType.Eapol) {
      const { eapol, record, malformed } = readEapol(payload);
      return { eapol, ...(record && { eap: record }), malformed };
    }
    if (etherType === EtherType.Ipv4) return this.#ipv4(payload, frame);
    if (etherType === EtherType.Ipv6) return this.#ipv6(payload, frame);
    return {};
  }

  #ipv4(b: Uint8Array, frame: number): Found {
    const packet = decodeIpv4(b);
    const ip: IpRecord = {
      version: 4,
      src: b.length < 16 ? null : ipv4At(b, 12),
      dst: b.length < 20 ? null : ipv4At(b, 16),
      ttl: b.length < 9 ? null : u8(b, 8),
      router_alert: !isMalformed(packet) && packet.routerAlert,
    };
    const group = decodeGroupPacket(EtherType.Ipv4, b);
    const malformed = group !== undefined && isMalformed(group) ? group.malformed : undefined;
    if (isMalformed(packet)) {
      return { ip, malformed: malformed ?? (isFragment(packet.malformed) ? undefined : packet.malformed) };
    }
    if (packet.protocol !== IpProtocol.Igmp) {
      return { ip, ...this.#transport(packet.protocol, packet.payload, packet.src, packet.dst, frame) };
    }
    const igmp = igmpRecord(packet.payload);
    return { ip, ...(igmp && { igmp }), malformed };
  }

  #ipv6(b: Uint8Array, frame: number): Found {
    const packet = decodeIpv6(b);
    const ip: IpRecord = {
      version: 6,
      src: b.length < 24 ? null : ipv6At(b, 8),
      dst: b.length < 40 ? null : ipv6At(b, 24),
      ttl: b.length < 8 ? null : u8(b, 7),
      router_alert: !isMalformed(packet) && packet.routerAlert !== undefined,
    };
    const group = decodeGroupPacket(EtherType.Ipv6, b);
    const malformed = group !== undefined && isMalformed(group) ? group.malformed : undefined;
    if (isMalformed(packet)) {
      return { ip, malformed: malformed ?? (isFragment(packet.malformed) ? undefined : packet.malformed) };
    }
    const { nextHeader, payload, src, dst } = packet;
    if (nextHeader !== IpProtocol.Icmpv6) {
      return { ip, ...this.#transport(nextHeader, payload, src, dst, frame) };
    }
    if (payload.length === 0 || !isMldType(u8(payload, 0))) return { ip };
    return { ip, mld: mldRecord(payload, src, dst), malformed };
  }

  #transport(protocol: number, b: Uint8Array, src: IpAddress, dst: IpAddress, frame: number): Found {
    if (protocol === IpProtocol.Udp) return this.#udp(b, src, dst, frame);
    if (protocol === IpProtocol.Tcp) return this.#tcp(b, src, dst, frame);
    return {};
  }

  #udp(b: Uint8Array, src: IpAddress, dst: IpAddress, frame: number): Found {
    const udp = b.length < 4 ? undefined : { src: u16(b, 0), dst: u16(b, 2) };
    const datagram = decodeUdp(b);
    if (isMalformed(datagram)) return { ...(udp && { udp }), malformed: datagram.malformed };
    const { srcPort, dstPort, payload } = datagram;
    const ports = { udp: { src: srcPort, dst: dstPort } };
    if (!isRadiusPort(srcPort, dstPort) || isTls(payload)) return ports;
    const way = { from: `udp ${src} ${srcPort}`, to: `udp ${dst} ${dstPort}` };
    const { record, malformed } = this.#radius.read(payload, frame, way);
    return { ...ports, ...(record && { radius: record }), malformed };
  }

  #tcp(b: Uint8Array, src: IpAddress, dst: IpAddress, frame: number): Found {
    const segment = readTcp(b);
    if (segment === undefined) return {};
    const { srcPort, dstPort, payload } = segment;
    const tcp = { src: srcPort, dst: dstPort, payload: payload.length };
    if (!isRadiusPort(srcPort, dstPort) || isTls(payload)) return { tcp };
    const way = { from: `tcp ${src} ${srcPort}`, to: `tcp ${dst} ${dstPort}` };
    const packets = this.#streams.take(`${way.from} ${way.to}`, segment);
    const read = packets.map((packet) => this.#radius.read(packet, frame, way));
    const records = read.flatMap(({ record }) => (record === undefined ? [] : [record]));
    const [only] = records;
    return {
      tcp,
      ...(only !== undefined && { radius: records.length === 1 ? only : records }),
      malformed: read.find((each) => each.malformed !== undefined)?.malformed,
    };
  }
}

function isFragment(reason: MalformedReason): boolean {
  return reason === 'ipv4-fragment' || reason === 'ipv6-fragment';
}

function isRadiusPort(a: number, b: number): boolean {
  return RADIUS_PORTS.has(a) || RADIUS_PORTS.has(b);
}

/** A TLS or DTLS record (RFC 8446 §5.1, RFC 9147 §4): RADIUS inside it cannot be read. */
function isTls(b: Uint8Array): boolean {
  const type = u8(b, 0);
  return type >= 20 && type <= 23 && (u8(b, 1) === 0x03 || u8(b, 1) === 0xfe);
}

function vlanRecord(tag: VlanTag) {
  const { id, pcp, tpid } = tag;
  return tpid === EtherType.Vlan ? { id, pcp } : { id, pcp, tpid: `0x${hex4(tpid)}` };
}

function hex4(value: number): string {
  return value.toString(16).padStart(4, '0');
}

function seconds(microseconds: number): string {
  const magnitude = Math.abs(microseconds);
  const fraction = String(magnitude % 1_000_000).padStart(6, '0');
  return `${microseconds < 0 ? '-' : ''}${Math.floor(magnitude / 1_000_000)}.${fraction}000`;
}

/** Authentication, accounting, the two old ones, dynamic authorization, RADIUS/TLS (RFC 2865 §3, 5176 §2.1, 6614). */
const RADIUS_PORTS: ReadonlySet<number> = new Set([1812, 1813, 1645, 1646, 3799, 2083]);
