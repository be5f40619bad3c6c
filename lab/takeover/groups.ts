/** Groups of the takeover lab by number: each is asked about once in its life, so that a question that comes twice shows. */
import type { IpAddress } from '../../wire/address.ts';

/** 239.64.0.0 and on. */
export function groupOf(number: number): IpAddress {
  return `239.${64 + (number >> 16)}.${(number >> 8) & 0xff}.${number & 0xff}`;
}

/** Undefined: not one of these. */
export function numberOfGroup(group: Uint8Array): number | undefined {
  const [a = 0, b = 0, c = 0, d = 0] = group;
  return group.length === 4 && a === 239 && b >= 64 ? ((b - 64) << 16) | (c << 8) | d : undefined;
}
