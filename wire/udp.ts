/**
 * UDP datagrams (RFC 768). The checksum is not verified on receipt: captures taken beside the sender hold
 * checksums that its network card had still to fill in, and RADIUS has its own integrity check.
 */
import type { IpAddress } from './address.ts';
import { putU16, u16 } from './bytes.ts';
import { internetChecksum, pseudoHeaderSum } from './checksum.ts';
import { IpProtocol } from './ipv4.ts';
import { type Malformed, malformed } from './malformed.ts';

/** A decoded datagram. */
export interface UdpDatagram {
  readonly srcPort: number;
  readonly dstPort: number;
  readonly checksum: number;
  /** View, cut to the length of the header. */
  readonly payload: Uint8Array;
}

/** What encodeUdp puts into a datagram; the addresses are for the checksum. */
export interface UdpParts {
  readonly src: IpAddress;
  readonly srcPort: number;
  readonly dst: IpAddress;
  readonly dstPort: number;
  readonly payload: Uint8Array;
}

/** Never throws. Refuses fewer than 8 octets, and a length below 8 or past the input. */
export function decodeUdp(b: Uint8Array): UdpDatagram | Malformed {
  if (b.length < HEADER_LENGTH) return malformed('udp-short-header', b.length);
  const length = u16(b, 4);
  if (length < HEADER_LENGTH || length > b.length) return malformed('udp-bad-length', 4);
  return {
    srcPort: u16(b, 0),
    dstPort: u16(b, 2),
    checksum: u16(b, 6),
    payload: b.subarray(HEADER_LENGTH, length),
  };
}

/** One datagram with its checksum (RFC 768, RFC 8200 §8.1). Throws on text that is no address, and over 65,535 octets. */
export function encodeUdp(parts: UdpParts): Uint8Array {
  const length = HEADER_LENGTH + parts.payload.length;
  if (length > 0xffff) throw new RangeError(`UDP datagram of ${length} octets`);
  const out = new Uint8Array(length);
  putU16(out, 0, parts.srcPort);
  putU16(out, 2, parts.dstPort);
  putU16(out, 4, length);
  out.set(parts.payload, HEADER_LENGTH);
  const checksum = internetChecksum(
    out,
    0,
    length,
    pseudoHeaderSum(parts.src, parts.dst, length, IpProtocol.Udp),
  );
  // 0 means "no checksum", so a computed 0 is sent as its other form.
  putU16(out, 6, checksum === 0 ? 0xffff : checksum);
  return out;
}

const HEADER_LENGTH = 8;
