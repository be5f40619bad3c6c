/**
 * How a channel is written in RADIUS. No RFC has attributes for it: these are the vendors' that servers'
 * dictionaries know, D-Link's habit of using Framed-IP-Address, and castgate's own. Where an encoding has no
 * words for the source, a permission for the group is one for every source of it.
 */
import { AttributeType, address, vendorSpecific } from '../../radius/attributes.ts';
import type { RadiusAttribute } from '../../radius/packet.ts';
import { CastgateAttribute, H3cAttribute, HuaweiAttribute, Vendor } from '../../radius/values.ts';
import { type IpAddress, ipBytes, ipFamily } from '../../wire/address.ts';

/**
 * `h3c`: 26/25506/98 and /100, both families. `huawei`: 26/2011/98, with a source also /97; IPv4 alone. `dlink`:
 * Framed-IP-Address, IPv4 alone. `native`: group, source, VLAN and family as castgate's own attributes.
 */
export type GroupEncoding = 'h3c' | 'huawei' | 'dlink' | 'native';

/** An encoding with what it needs. */
export interface GroupForm {
  readonly encoding: GroupEncoding;
  /** The vendor number of castgate's own attributes. */
  readonly nativeVendor: number;
}

/** A channel to be named. */
export interface NamedChannel {
  readonly group: IpAddress;
  readonly source: IpAddress | undefined;
  readonly vlan: number;
}

/** Whether the encoding tells the server the source of an (S,G) channel. */
export function carriesSource(encoding: GroupEncoding): boolean {
  return encoding === 'huawei' || encoding === 'native';
}

/** The attributes of a channel in a question; undefined where the encoding has none for its family. */
export function channelAttributes(form: GroupForm, channel: NamedChannel): RadiusAttribute[] | undefined {
  const { group, source } = channel;
  const value = ipBytes(group);
  if (value === undefined) return undefined;
  const v4 = value.length === 4;
  switch (form.encoding) {
    case 'h3c':
      return [h3cGroup(value)];
    case 'huawei': {
      if (!v4) return undefined;
      const named = vendorSpecific(Vendor.Huawei, HuaweiAttribute.MulticastReceiveGroup, value);
      if (source === undefined) return [named];
      // The dictionaries have a text there and no word on its form.
      const pair = utf8.encode(`${source} ${group}`);
      return [named, vendorSpecific(Vendor.Huawei, HuaweiAttribute.MulticastSourceGroup, pair)];
    }
    case 'dlink':
      return v4 ? [address(AttributeType.FramedIpAddress, group)] : undefined;
    case 'native':
      return nativeAttributes(form.nativeVendor, channel);
  }
}

/** The same in accounting, where Framed-IP-Address would be the host's (RFC 2866 §5): H3C's attributes instead. */
export function accountedChannel(form: GroupForm, channel: NamedChannel): RadiusAttribute[] {
  const encoding = form.encoding === 'dlink' ? 'h3c' : form.encoding;
  return channelAttributes({ ...form, encoding }, channel) ?? [];
}

function h3cGroup(value: Uint8Array): RadiusAttribute {
  const { Ipv4MulticastReceiveGroup, Ipv6MulticastReceiveGroup } = H3cAttribute;
  const type = value.length === 4 ? Ipv4MulticastReceiveGroup : Ipv6MulticastReceiveGroup;
  return vendorSpecific(Vendor.H3c, type, value);
}

function nativeAttributes(vendor: number, { group, source, vlan }: NamedChannel): RadiusAttribute[] {
  const said = [
    vendorSpecific(vendor, CastgateAttribute.Group, utf8.encode(group)),
    vendorSpecific(vendor, CastgateAttribute.Family, integerOctets(ipFamily(group))),
    vendorSpecific(vendor, CastgateAttribute.Vlan, integerOctets(vlan)),
  ];
  if (source !== undefined) {
    said.push(vendorSpecific(vendor, CastgateAttribute.Source, utf8.encode(source)));
  }
  return said;
}

function integerOctets(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

const utf8 = new TextEncoder();
