/**
 * The Internet checksum (RFC 1071) and the IPv6 pseudo header under it (RFC 8200 §8.1). Sums are kept as
 * plain numbers until they are folded, so a pseudo header or a second range of octets is just added.
 */
import { type IpAddress, ipBytes } from './address.ts';
import { u8 } from './bytes.ts';

/**
 * Adds the octets from `from` up to `to` (exclusive) to `sum` as big-endian 16-bit words; an odd last octet
 * counts as the upper half of a word. Exact for up to 2^37 octets.
 */
export function addWords(b: Uint8Array, from: number, to: number, sum = 0): number {
  let total = sum;
  const even = from + ((to - from) & ~1);
  for (let i = from; i < even; i += 2) total += (u8(b, i) << 8) | u8(b, i + 1);
  if (even < to) total += u8(b, even) << 8;
  return total;
}

/** One's complement of a sum folded to 16 bits: the checksum to send; 0 where the sum included a right one. */
export function foldChecksum(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded % 0x10000) + Math.floor(folded / 0x10000);
  return ~folded & 0xffff;
}

/** The Internet checksum over octets `from` to `to`, with `sum` added first. */
export function internetChecksum(b: Uint8Array, from = 0, to = b.length, sum = 0): number {
  return foldChecksum(addWords(b, from, to, sum));
}

/**
 * Sum of the pseudo header over an upper-layer packet of `length` octets: for IPv6 as RFC 8200 §8.1 has it,
 * for IPv4 as RFC 768. Throws on text that is no address, or on addresses of two families.
 */
export function pseudoHeaderSum(src: IpAddress, dst: IpAddress, length: number, protocol: number): number {
  const from = ipBytes(src);
  const to = ipBytes(dst);
  if (from === undefined || to === undefined || from.length !== to.length) {
    throw new TypeError(`no pseudo header for ${src} and ${dst}`);
  }
  return addWords(from, 0, from.length, addWords(to, 0, to.length, length + protocol));
}
