/**
 * What `castgate replay` takes out of a capture: EAPOL, IGMP and MLD with the place where they were seen,
 * and RADIUS packets with who sent them to whom. Everything else is left behind. Who sent a frame is told by
 * what it says, since most captures do not tell: only a host starts, logs off, responds and reports; only a
 * switch requests, decides and queries.
 */
import { decodeEap, EapCode, type EapPacket } from '../../eapol/eap.ts';
import { decodeEapol, EapolType } from '../../eapol/eapol.ts';
import { decodeGroupPacket } from '../../igmp/group-packet.ts';
import { decodeRadius, type RadiusPacket } from '../../radius/packet.ts';
import { u8, u16, u32 } from '../../wire/bytes.ts';
import { type EthernetFrame, EtherType } from '../../wire/ethernet.ts';
import { decodeIpv4, IpProtocol } from '../../wire/ipv4.ts';
import { decodeIpv6 } from '../../wire/ipv6.ts';
import { isMalformed } from '../../wire/malformed.ts';
import { decodeUdp } from '../../wire/udp.ts';
import { type CapturedFrame, readCapture } from '../decode/capture-file.ts';
import { decodeLink } from '../decode/link-layer.ts';
import { RadiusStreams, readTcp } from '../decode/radius-streams.ts';

/** Where and when a frame was seen. */
interface Seen {
  /** From 1, as Wireshark counts. */
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The interface's number, which Linux cooked v2 alone tells. */
  readonly ifindex: number | undefined;
  /** Sent by the machine that captured; undefined where the link type does not tell. */
  readonly outgoing: boolean | undefined;
}

/** A frame between a host and the switch. */
export interface PortFrame extends Seen {
  readonly kind: 'port';
  /** Undefined where the link header itself is broken; then `octets` is the frame as it was seen. */
  readonly link: EthernetFrame | undefined;
  readonly octets: Uint8Array;
  /** Whose word it is, by what it says; 'either' also where it is broken. */
  readonly says: 'host' | 'switch' | 'either';
  /** The EAP packet in it, where it is a whole one. */
  readonly eap: EapPacket | undefined;
  readonly protocol: 'eapol' | 'group' | 'broken';
}

/** One RADIUS packet between two sockets. */
export interface RadiusFrame extends Seen {
  readonly kind: 'radius';
  readonly from: string;
  readonly to: string;
  readonly packet: RadiusPacket;
}

export type ReplayFrame = PortFrame | RadiusFrame;

/** What a capture holds for a replay. */
export interface ReplayCapture {
  /** The frames that matter, in order. */
  readonly frames: readonly ReplayFrame[];
  /** Time of the first frame of all, milliseconds since 1970; undefined where there is none. */
  readonly startsAt: number | undefined;
  /** Long silences that were shortened. */
  readonly gaps: readonly Gap[];
}

/** From `at` on the frames' times are `skippedMs` before those of the capture. */
export interface Gap {
  readonly at: number;
  readonly skippedMs: number;
}

/**
 * Reads a capture. `radiusPorts` are looked at beside the well-known ones. A silence of more than
 * LONGEST_SILENCE_MS counts as one of that time: whatever was waited for has come to its end, and a clock
 * that was set would otherwise stand for years of queries. Rejects as readCapture does.
 */
export async function readReplay(path: string, radiusPorts: Iterable<number>): Promise<ReplayCapture> {
  const sorter = new Sorter(new Set([...RADIUS_PORTS, ...radiusPorts]));
  const frames: ReplayFrame[] = [];
  const gaps: Gap[] = [];
  let startsAt: number | undefined;
  let last: number | undefined;
  let skippedMs = 0;
  await readCapture(path, (frame) => {
    const recorded = frame.timeUs / 1000;
    startsAt ??= recorded;
    // A capture's time may step back, by a little or by a clock that was set; that of the machines never does.
    let at = Math.max(last ?? recorded, recorded - skippedMs);
    if (last !== undefined && at - last > LONGEST_SILENCE_MS) {
      skippedMs += at - last - LONGEST_SILENCE_MS;
      at = last + LONGEST_SILENCE_MS;
      gaps.push({ at, skippedMs });
    }
    last = at;
    frames.push(...sorter.sort(frame, at));
  });
  return { frames, startsAt, gaps };
}

class Sorter {
  readonly #radiusPorts: ReadonlySet<number>;
  readonly #streams = new RadiusStreams();

  constructor(radiusPorts: ReadonlySet<number>) {
    this.#radiusPorts = radiusPorts;
  }

  sort(frame: CapturedFrame, at: number): ReplayFrame[] {
    const { data } = frame;
    const seen: Seen = { number: frame.number, at, ...placeOf(frame) };
    const link = decodeLink(frame.linkType, data);
    if (isMalformed(link)) {
      const broken = { link: undefined, octets: data, eap: undefined, protocol: 'broken' } as const;
      return frame.linkType === 'ethernet' ? [{ kind: 'port', ...seen, ...broken, says: 'either' }] : [];
    }
    if (frame.linkType === 'raw-ip') return this.#radius(seen, link);
    const port = { kind: 'port', ...seen, link, octets: data } as const;
    if (link.etherType === EtherType.Eapol) return [{ ...port, protocol: 'eapol', ...eapolSays(link) }];
    const says = groupSays(link);
    if (says !== undefined) return [{ ...port, protocol: 'group', eap: undefined, says }];
    return this.#radius(seen, link);
  }

  #radius(seen: Seen, link: EthernetFrame): RadiusFrame[] {
    const { etherType, payload } = link;
    if (etherType !== EtherType.Ipv4 && etherType !== EtherType.Ipv6) return [];
    const ip = etherType === EtherType.Ipv4 ? decodeIpv4(payload) : decodeIpv6(payload);
    if (isMalformed(ip)) return [];
    const protocol = 'protocol' in ip ? ip.protocol : ip.nextHeader;
    const between = (src: number, dst: number) => ({
      from: `${protocol} ${ip.src} ${src}`,
      to: `${protocol} ${ip.dst} ${dst}`,
    });
    if (protocol === IpProtocol.Udp) {
      const udp = decodeUdp(ip.payload);
      if (isMalformed(udp) || !this.#isRadius(udp.srcPort, udp.dstPort)) return [];
      return radiusFrames(seen, between(udp.srcPort, udp.dstPort), [udp.payload]);
    }
    if (protocol !== IpProtocol.Tcp) return [];
    const segment = readTcp(ip.payload);
    if (segment === undefined || !this.#isRadius(segment.srcPort, segment.dstPort)) return [];
    const ends = between(segment.srcPort, segment.dstPort);
    return radiusFrames(seen, ends, this.#streams.take(`${ends.from} ${ends.to}`, segment));
  }

  #isRadius(a: number, b: number): boolean {
    return this.#radiusPorts.has(a) || this.#radiusPorts.has(b);
  }
}

function radiusFrames(
  seen: Seen,
  ends: { readonly from: string; readonly to: string },
  packets: readonly Uint8Array[],
): RadiusFrame[] {
  return packets.flatMap((octets): RadiusFrame[] => {
    const packet = decodeRadius(octets);
    return isMalformed(packet) ? [] : [{ kind: 'radius', ...seen, ...ends, packet }];
  });
}

/** Interface and direction, out of the header of a cooked capture. */
function placeOf({ linkType, data }: CapturedFrame): Pick<Seen, 'ifindex' | 'outgoing'> {
  switch (linkType) {
    case 'linux-sll':
      return { ifindex: undefined, outgoing: u16(data, 0) === PACKET_OUTGOING };
    case 'linux-sll2':
      return { ifindex: u32(data, 4), outgoing: u8(data, 10) === PACKET_OUTGOING };
    default:
      return { ifindex: undefined, outgoing: undefined };
  }
}

function eapolSays({ payload }: EthernetFrame): Pick<PortFrame, 'says' | 'eap'> {
  const pdu = decodeEapol(payload);
  if (isMalformed(pdu)) return { says: 'either', eap: undefined };
  if (pdu.type === EapolType.Start || pdu.type === EapolType.Logoff) return { says: 'host', eap: undefined };
  const eap = pdu.type === EapolType.Packet ? decodeEap(pdu.body) : undefined;
  if (eap === undefined || isMalformed(eap)) return { says: 'either', eap: undefined };
  return { says: eap.code === EapCode.Response ? 'host' : 'switch', eap };
}

/** Undefined where the frame is neither IGMP nor MLD. */
function groupSays({ etherType, payload }: EthernetFrame): PortFrame['says'] | undefined {
  const packet = decodeGroupPacket(etherType, payload);
  if (packet === undefined) return undefined;
  if (isMalformed(packet) || packet.message.kind === 'unknown') return 'either';
  return packet.message.kind === 'query' ? 'switch' : 'host';
}

/** Two days: longer than any permission holds. */
export const LONGEST_SILENCE_MS = 2 * 86_400_000;
/** linux/if_packet.h: the packet type of what this machine sent. */
const PACKET_OUTGOING = 4;
/** Authentication and accounting, and the ports that they had before (RFC 2865 §3, RFC 2866 §3). */
const RADIUS_PORTS = [1812, 1813, 1645, 1646];
