/**
 * How a group is written in RADIUS. No RFC has an attribute for it; these are the vendors' that servers'
 * dictionaries know. Neither tells the server about a source: a permission for the group is one for
 * every source of it.
 */
import { vendorSpecific } from '../radius/attributes.ts';
import type { RadiusAttribute } from '../radius/packet.ts';
import { H3cAttribute, HuaweiAttribute, Vendor } from '../radius/values.ts';
import { type IpAddress, ipBytes } from '../wire/address.ts';

/** `h3c`: 26/25506/98 and /100, both families. `huawei`: 26/2011/98, IPv4 alone. */
export type GroupEncoding = 'h3c' | 'huawei';

/** Whether the encoding tells the server the source of an (S,G) channel. */
export function carriesSource(_encoding: GroupEncoding): boolean {
  return false;
}

/** The attributes of a group; undefined where the encoding has none for its family. */
export function groupAttributes(encoding: GroupEncoding, group: IpAddress): RadiusAttribute[] | undefined {
  const value = ipBytes(group);
  if (value === undefined) return undefined;
  if (encoding === 'h3c') {
    const { Ipv4MulticastReceiveGroup, Ipv6MulticastReceiveGroup } = H3cAttribute;
    const type = value.length === 4 ? Ipv4MulticastReceiveGroup : Ipv6MulticastReceiveGroup;
    return [vendorSpecific(Vendor.H3c, type, value)];
  }
  if (value.length !== 4) return undefined;
  return [vendorSpecific(Vendor.Huawei, HuaweiAttribute.MulticastReceiveGroup, value)];
}
