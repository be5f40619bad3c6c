/**
 * The source map of source-specific groups: what a host means that cannot name sources, or names none (RFC 4604 §2.2 has
 * its wish ignored otherwise). Such a wish becomes one for the sources of the map, each of which is asked for,
 * forwarded, reported upstream and accounted for as if the host had named it.
 */
import type { ChannelRange } from '../../session/records.ts';
import type { IpAddress } from '../../wire/address.ts';
import { RangeTable } from './channel-range.ts';

/** Groups by their prefix, and the sources that they have. The range itself names none. */
export interface MappedRange extends ChannelRange {
  readonly sources: readonly IpAddress[];
}

export class SsmMap {
  readonly #ranges: RangeTable<MappedRange>;

  constructor(ranges: Iterable<MappedRange>) {
    this.#ranges = new RangeTable(ranges);
  }

  /** By the longest prefix that covers the group; none where none does. */
  sourcesOf(group: IpAddress): readonly IpAddress[] {
    return this.#ranges.find(group, undefined)?.sources ?? NONE;
  }
}

const NONE: readonly IpAddress[] = [];
