/**
 * Ranges of channels as configuration and RADIUS write them: `239.1.1.1`, `239.1.0.0/16`, `ff15::/32`,
 * `232.1.1.1 from 198.51.100.7`. Of several ranges that cover a channel the longest prefix counts, among equal
 * ones that with a source, among these the first.
 */
import type { ChannelRange } from '../../session/records.ts';
import { type IpAddress, ipBytes, ipFamily, ipv4At, ipv6At, isMulticastIp } from '../../wire/address.ts';
import { toHex } from '../../wire/bytes.ts';

/** Undefined where the text is none: no multicast prefix, a source of the other family, a prefix that is too long. */
export function parseChannelRange(text: string): ChannelRange | undefined {
  const found = /^(\S+?)(?:\/(\d{1,3}))?(?:\s+from\s+(\S+))?$/.exec(text.trim());
  if (found === null) return undefined;
  const [, groupText = '', lengthText, sourceText] = found;
  const bytes = ipBytes(groupText);
  if (bytes === undefined) return undefined;
  const group = canonical(bytes);
  const prefixLength = lengthText === undefined ? 8 * bytes.length : Number(lengthText);
  const least = bytes.length === 4 ? 4 : 8;
  if (!isMulticastIp(group) || prefixLength < least || prefixLength > 8 * bytes.length) return undefined;
  if (sourceText === undefined) return { group, prefixLength, source: undefined };
  const sourceBytes = ipBytes(sourceText);
  if (sourceBytes?.length !== bytes.length) return undefined;
  const source = canonical(sourceBytes);
  return isMulticastIp(source) ? undefined : { group, prefixLength, source };
}

/** As parseChannelRange reads it. */
export function formatChannelRange({ group, prefixLength, source }: ChannelRange): string {
  const whole = prefixLength === (ipFamily(group) === 4 ? 32 : 128);
  return `${group}${whole ? '' : `/${prefixLength}`}${source === undefined ? '' : ` from ${source}`}`;
}

/** Finds the range that counts for a channel, however many there are. */
export class RangeTable<T extends ChannelRange> {
  /** By family and prefix length, the longest first. */
  readonly #levels: { readonly family: 4 | 6; readonly length: number; readonly ranges: Map<string, T[]> }[] =
    [];

  constructor(ranges: Iterable<T>) {
    for (const range of ranges) this.#add(range);
    this.#levels.sort((a, b) => b.length - a.length);
  }

  /** `source` undefined is the any-source channel, which a range with a source does not cover. */
  find(group: IpAddress, source: IpAddress | undefined): T | undefined {
    if (this.#levels.length === 0) return undefined;
    const family = ipFamily(group);
    const bytes = ipBytes(group);
    if (bytes === undefined) return undefined;
    for (const level of this.#levels) {
      if (level.family !== family) continue;
      const ranges = level.ranges.get(prefixKey(bytes, level.length));
      if (ranges === undefined) continue;
      const exact = source === undefined ? undefined : ranges.find((range) => range.source === source);
      const found = exact ?? ranges.find((range) => range.source === undefined);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #add(range: T): void {
    const family = ipFamily(range.group);
    const length = range.prefixLength;
    let level = this.#levels.find((one) => one.family === family && one.length === length);
    if (level === undefined) {
      level = { family, length, ranges: new Map() };
      this.#levels.push(level);
    }
    const key = prefixKey(ipBytes(range.group) ?? new Uint8Array(), length);
    const there = level.ranges.get(key);
    if (there === undefined) level.ranges.set(key, [range]);
    else there.push(range);
  }
}

function prefixKey(bytes: Uint8Array, length: number): string {
  const masked = bytes.slice(0, Math.ceil(length / 8));
  const rest = length % 8;
  if (rest > 0) masked[masked.length - 1] = (masked.at(-1) ?? 0) & (0xff << (8 - rest));
  return toHex(masked);
}

function canonical(bytes: Uint8Array): IpAddress {
  return bytes.length === 4 ? ipv4At(bytes, 0) : ipv6At(bytes, 0);
}
