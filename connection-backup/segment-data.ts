/** The data of a TCP segment out of its IP packet, and whether it is as its sender sent it. Never throws. */
import { u8, u16 } from '../wire/bytes.ts';
import { addWords, foldChecksum, pseudoHeaderSum } from '../wire/checksum.ts';
import { IpProtocol } from '../wire/ipv4.ts';
import type { Segment } from './segment.ts';

/** `cut`: not all of it is here. `damaged`: its checksum is wrong. */
export type DataFault = 'cut' | 'damaged';

/** A view of the data. The segment is one that was decoded from this packet. */
export function segmentData(packet: Uint8Array, segment: Segment): Uint8Array | DataFault {
  const isIpv6 = u8(packet, 0) >> 4 === 6;
  const start = isIpv6 ? IPV6_HEADER : (u8(packet, 0) & 0x0f) * 4;
  const end = isIpv6 ? IPV6_HEADER + u16(packet, 4) : u16(packet, 2);
  if (end > packet.length) return 'cut';
  // More fragments follow: this one has only the beginning.
  if (!isIpv6 && (u16(packet, 6) & 0x2000) !== 0) return 'cut';
  const { source, destination, length } = segment;
  const pseudo = pseudoHeaderSum(source.address, destination.address, end - start, IpProtocol.Tcp);
  // Within one machine nobody fills in the checksum: there stands what the network card would begin with.
  const unfinished = ~foldChecksum(pseudo) & 0xffff;
  if (
    u16(packet, start + CHECKSUM_AT) !== unfinished &&
    foldChecksum(addWords(packet, start, end, pseudo)) !== 0
  )
    return 'damaged';
  return packet.subarray(end - length, end);
}

const IPV6_HEADER = 40;
const CHECKSUM_AT = 16;
