/** The channels of a simulated world, and where they come from. */
import { isSourceSpecific } from '../../../igmp/membership.ts';
import { type IpAddress, ipFamily } from '../../../wire/address.ts';

/** By family. */
export const ANY_SOURCE_GROUPS: Readonly<Record<4 | 6, readonly IpAddress[]>> = {
  4: ['239.1.1.1', '239.1.1.2', '239.1.1.3', '239.1.1.4'],
  6: ['ff15::1:1', 'ff15::1:2', 'ff15::1:3', 'ff15::1:4'],
};
export const SOURCE_GROUPS: Readonly<Record<4 | 6, readonly IpAddress[]>> = {
  4: ['232.1.1.1', '232.1.1.2'],
  6: ['ff35::8000:1', 'ff35::8000:2'],
};
export const GROUPS: readonly IpAddress[] = [
  ...ANY_SOURCE_GROUPS[4],
  ...SOURCE_GROUPS[4],
  ...ANY_SOURCE_GROUPS[6],
  ...SOURCE_GROUPS[6],
];
/** Where channels come from. */
export const NETWORK_SOURCES: Readonly<Record<4 | 6, readonly IpAddress[]>> = {
  4: ['10.9.0.1', '10.9.0.2', '10.9.0.3'],
  6: ['2001:db8:9::1', '2001:db8:9::2', '2001:db8:9::3'],
};
/** Sources of the first source-specific group of each family, for hosts that name none. */
export const MAPPED_SOURCES: Readonly<Record<4 | 6, readonly IpAddress[]>> = {
  4: NETWORK_SOURCES[4].slice(0, 2),
  6: NETWORK_SOURCES[6].slice(1),
};

/** What a wish for any source means. */
export function anySourceOf(group: IpAddress): readonly (IpAddress | undefined)[] {
  return isSourceSpecific(group) ? MAPPED_SOURCES[ipFamily(group)] : [undefined];
}
