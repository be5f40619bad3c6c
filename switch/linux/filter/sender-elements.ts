/**
 * What a host may send to, as elements of castgate's sets: a range of groups for a port and MAC address, in
 * `senders4` and `senders6`; with a source, in `sources_of4` and `sources_of6`. Ranges of one host in one set
 * never overlap, which these sets would refuse: of two prefixes one holds the other, or they have nothing in common.
 */
import type { ChannelRange } from '../../../session/records.ts';
import { ipBytes, ipFamily, type Mac } from '../../../wire/address.ts';
import { concatBytes } from '../../../wire/bytes.ts';
import type { SetElement } from '../netlink/nft.ts';
import { hostKeyOf } from '../port/port-key.ts';

export const SENDER_SETS = ['senders4', 'senders6', 'sources_of4', 'sources_of6'] as const;

export type SenderSet = (typeof SENDER_SETS)[number];

/** The elements of all that a host may send to; a range within another one of the same source has none. */
export function* senderElements(
  port: string,
  mac: Mac,
  sends: readonly ChannelRange[],
): Generator<SetElement> {
  const host = hostKeyOf(port, mac);
  const widestFirst = [...sends].sort((a, b) => a.prefixLength - b.prefixLength);
  const kept: ChannelRange[] = [];
  for (const range of widestFirst) {
    if (kept.some((other) => isWithin(range, other))) continue;
    kept.push(range);
    const { group, prefixLength, source } = range;
    const family = ipFamily(group);
    const from = source === undefined ? NOTHING : (ipBytes(source) ?? NOTHING);
    yield {
      set: source === undefined ? `senders${family}` : `sources_of${family}`,
      key: concatBytes(host, bound(group, prefixLength, 0), from),
      end: concatBytes(host, bound(group, prefixLength, 1), from),
    };
  }
}

function isWithin(range: ChannelRange, other: ChannelRange): boolean {
  if (range.source !== other.source || ipFamily(range.group) !== ipFamily(other.group)) return false;
  const [a, b] = [range.group, other.group].map((group) => bound(group, other.prefixLength, 0));
  return a !== undefined && b?.every((octet, i) => octet === a[i]) === true;
}

/** The first (`fill` 0) or last (1) address of the prefix. */
function bound(group: string, prefixLength: number, fill: 0 | 1): Uint8Array {
  const address = Uint8Array.from(ipBytes(group) ?? NOTHING);
  for (let i = 0; i < address.length; i++) {
    const free = 0xff >>> Math.max(0, Math.min(8, prefixLength - 8 * i));
    address[i] = fill === 1 ? (address[i] ?? 0) | free : (address[i] ?? 0) & ~free;
  }
  return address;
}

const NOTHING = new Uint8Array();
