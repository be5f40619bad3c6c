/**
 * TCP segments (RFC 9293 §3.1): as far as it takes to judge what leaves, to ask a peer where it stands, and to
 * read its answer. Decoders never throw.
 */
import { type IpAddress, ipv4At, ipv6At } from '../wire/address.ts';
import { putU16, putU32, u8, u16, u32 } from '../wire/bytes.ts';
import { internetChecksum, pseudoHeaderSum } from '../wire/checksum.ts';
import { IpProtocol } from '../wire/ipv4.ts';
import type { Endpoint } from './records.ts';

export const TcpFlag = { Fin: 0x01, Syn: 0x02, Rst: 0x04, Ack: 0x10 } as const;

export interface Segment {
  readonly source: Endpoint;
  readonly destination: Endpoint;
  readonly sequence: number;
  readonly acknowledgement: number;
  readonly flags: number;
  /** As it stands there: not scaled. */
  readonly window: number;
  /** Octets of data. */
  readonly length: number;
  /** What its sender holds out of order: sequence numbers of first octets and behind last ones (RFC 2018 §3). */
  readonly sack: readonly { readonly from: number; readonly to: number }[];
}

/**
 * A segment out of an IPv4 or IPv6 packet; undefined where it is none, or cut off within its TCP header. Data may be
 * cut off. IPv6 extension headers do not occur on these connections, and are not read.
 */
export function decodeSegment(packet: Uint8Array): Segment | undefined {
  if (packet.length < 1) return undefined;
  return u8(packet, 0) >> 4 === 6 ? fromIpv6(packet) : fromIpv4(packet);
}

function fromIpv4(packet: Uint8Array): Segment | undefined {
  if (packet.length < IPV4_HEADER || u8(packet, 0) >> 4 !== 4 || u8(packet, 9) !== IpProtocol.Tcp)
    return undefined;
  // Only a first fragment has a TCP header.
  if ((u16(packet, 6) & 0x1fff) !== 0) return undefined;
  const start = (u8(packet, 0) & 0x0f) * 4;
  if (start < IPV4_HEADER) return undefined;
  return decodeTcp(packet, start, u16(packet, 2) - start, ipv4At(packet, 12), ipv4At(packet, 16));
}

function fromIpv6(packet: Uint8Array): Segment | undefined {
  if (packet.length < IPV6_HEADER || u8(packet, 6) !== IpProtocol.Tcp) return undefined;
  return decodeTcp(packet, IPV6_HEADER, u16(packet, 4), ipv6At(packet, 8), ipv6At(packet, 24));
}

/** A TCP header and its data, `octets` long as the IP header says, at `start` of `b`. */
export function decodeTcp(
  b: Uint8Array,
  start: number,
  octets: number,
  source: IpAddress,
  destination: IpAddress,
): Segment | undefined {
  if (octets < TCP_HEADER || b.length - start < TCP_HEADER) return undefined;
  const header = (u8(b, start + 12) >> 4) * 4;
  if (header < TCP_HEADER || header > octets || header > b.length - start) return undefined;
  return {
    source: { address: source, port: u16(b, start) },
    destination: { address: destination, port: u16(b, start + 2) },
    sequence: u32(b, start + 4),
    acknowledgement: u32(b, start + 8),
    flags: u8(b, start + 13),
    window: u16(b, start + 14),
    length: octets - header,
    sack: sackBlocks(b, start + TCP_HEADER, start + header),
  };
}

function sackBlocks(b: Uint8Array, from: number, to: number): { from: number; to: number }[] {
  const blocks: { from: number; to: number }[] = [];
  for (let at = from; at < to; ) {
    const kind = u8(b, at);
    if (kind === 0) break;
    if (kind === 1) {
      at++;
      continue;
    }
    const length = at + 1 < to ? u8(b, at + 1) : 0;
    if (length < 2 || at + length > to) break;
    if (kind === KIND_SACK)
      for (let block = at + 2; block + 8 <= at + length; block += 8)
        blocks.push({ from: u32(b, block), to: u32(b, block + 4) });
    at += length;
  }
  return blocks;
}

/** What is to be in a question to a peer. */
export interface QuestionParts {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  /** The oldest sequence number that the peer may not have acknowledged, and the next that is awaited of it. */
  readonly unacknowledged: number;
  readonly awaited: number;
  readonly window: number;
  /** Undefined: timestamps were not agreed on. */
  readonly timestamp: number | undefined;
}

/**
 * A TCP segment with one octet that the peer has had already: it answers at once where it stands, and takes
 * nothing of it. (Without that octet Linux would answer twice a second at most.)
 */
export function encodeQuestion(parts: QuestionParts): Uint8Array {
  const { local, remote, unacknowledged, awaited, window, timestamp } = parts;
  const header = TCP_HEADER + (timestamp === undefined ? 0 : TIMESTAMP_OCTETS);
  const b = new Uint8Array(header + 1);
  putU16(b, 0, local.port);
  putU16(b, 2, remote.port);
  putU32(b, 4, (unacknowledged - 1) >>> 0);
  putU32(b, 8, awaited);
  b[12] = (header / 4) << 4;
  b[13] = TcpFlag.Ack;
  putU16(b, 14, Math.min(window, 0xffff));
  if (timestamp !== undefined) {
    b.set([1, 1, KIND_TIMESTAMP, 10], TCP_HEADER);
    putU32(b, TCP_HEADER + 4, timestamp >>> 0);
  }
  const pseudo = pseudoHeaderSum(local.address, remote.address, b.length, IpProtocol.Tcp);
  putU16(b, 16, internetChecksum(b, 0, b.length, pseudo));
  return b;
}

const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
const TCP_HEADER = 20;
const TIMESTAMP_OCTETS = 12;
const KIND_SACK = 5;
const KIND_TIMESTAMP = 8;
