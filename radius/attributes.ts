/**
 * RADIUS attributes by number, and what is read from and written into a list of them: text, integers,
 * addresses, EAP-Message over several attributes, and vendors' attributes. Numbers are those of RFC 2865,
 * 2866, 2868, 2869, 3162, 3579, 3580, 4372, 4675, 4849 and 5176; values with a meaning are in values.ts.
 */

import { type IpAddress, ipBytes, ipv4At, ipv6At, type Mac } from '../wire/address.ts';
import { concatBytes, putU32, u8, u32 } from '../wire/bytes.ts';
import { type Malformed, malformed } from '../wire/malformed.ts';
import { ATTRIBUTE_MAX_VALUE_LENGTH, type RadiusAttribute } from './packet.ts';

/** Attribute types. */
export const AttributeType = {
  UserName: 1,
  UserPassword: 2,
  ChapPassword: 3,
  NasIpAddress: 4,
  NasPort: 5,
  ServiceType: 6,
  FramedIpAddress: 8,
  FilterId: 11,
  FramedMtu: 12,
  ReplyMessage: 18,
  State: 24,
  Class: 25,
  VendorSpecific: 26,
  SessionTimeout: 27,
  IdleTimeout: 28,
  TerminationAction: 29,
  CalledStationId: 30,
  CallingStationId: 31,
  NasIdentifier: 32,
  ProxyState: 33,
  AcctStatusType: 40,
  AcctDelayTime: 41,
  AcctInputOctets: 42,
  AcctOutputOctets: 43,
  AcctSessionId: 44,
  AcctAuthentic: 45,
  AcctSessionTime: 46,
  AcctInputPackets: 47,
  AcctOutputPackets: 48,
  AcctTerminateCause: 49,
  AcctMultiSessionId: 50,
  AcctLinkCount: 51,
  AcctInputGigawords: 52,
  AcctOutputGigawords: 53,
  EventTimestamp: 55,
  EgressVlanId: 56,
  ChapChallenge: 60,
  NasPortType: 61,
  TunnelType: 64,
  TunnelMediumType: 65,
  ConnectInfo: 77,
  EapMessage: 79,
  MessageAuthenticator: 80,
  TunnelPrivateGroupId: 81,
  AcctInterimInterval: 85,
  NasPortId: 87,
  ChargeableUserIdentity: 89,
  NasFilterRule: 92,
  NasIpv6Address: 95,
  FramedIpv6Prefix: 97,
  ErrorCause: 101,
} as const;
export type AttributeType = (typeof AttributeType)[keyof typeof AttributeType];

/** Octets of a Vendor-Specific attribute that all came from one vendor, RFC 2865 §5.26. */
export interface VendorSpecific {
  /** The vendor's private enterprise number. */
  readonly vendor: number;
  /** In the recommended form: one or several sub-attributes of type, length, value. */
  readonly attributes: readonly RadiusAttribute[];
}

/** An attribute of these octets (at most 253). */
export function octets(type: number, value: Uint8Array): RadiusAttribute {
  return { type, value };
}

/** A text attribute in UTF-8. */
export function text(type: number, value: string): RadiusAttribute {
  // Nearly every text is a short name or a number in ASCII: octet by octet it costs a third of an encoder.
  const { length } = value;
  const out = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    const code = value.charCodeAt(i);
    if (code >= 0x80) return { type, value: ENCODER.encode(value) };
    out[i] = code;
  }
  return { type, value: out };
}

/** An integer attribute: 32 bits; what is above them is cut off. */
export function integer(type: number, value: number): RadiusAttribute {
  const out = new Uint8Array(4);
  putU32(out, 0, value);
  return { type, value: out };
}

/** An address attribute of 4 or 16 octets, by the family. Text that is no address is the caller's bug and throws. */
export function address(type: number, value: IpAddress): RadiusAttribute {
  const out = ipBytes(value);
  if (out === undefined) throw new RangeError(`not an IP address: ${value}`);
  return { type, value: out };
}

/** A station id, `AA-BB-CC-DD-EE-FF` (RFC 3580 §3.20, §3.21). */
export function station(type: number, mac: Mac): RadiusAttribute {
  const value = new Uint8Array(mac.length);
  for (let i = 0; i < mac.length; i++) {
    const code = mac.charCodeAt(i);
    value[i] = code === COLON ? HYPHEN : code >= LETTER_A ? code - UPPER : code;
  }
  return { type, value };
}

/** A MAC address as RADIUS writes it: upper case with hyphens (RFC 3580 §3.20). */
export function stationText(mac: Mac): string {
  return mac.toUpperCase().replaceAll(':', '-');
}

/** A Vendor-Specific attribute with one sub-attribute of up to 247 octets (RFC 2865 §5.26). */
export function vendorSpecific(vendor: number, type: number, value: Uint8Array): RadiusAttribute {
  if (value.length > ATTRIBUTE_MAX_VALUE_LENGTH - 6) {
    throw new RangeError(`vendor ${vendor} attribute ${type} with ${value.length} octets`);
  }
  const out = new Uint8Array(6 + value.length);
  putU32(out, 0, vendor);
  out[4] = type;
  out[5] = 2 + value.length;
  out.set(value, 6);
  return { type: AttributeType.VendorSpecific, value: out };
}

/** An EAP packet as consecutive EAP-Message attributes of at most 253 octets (RFC 3579 §3.1). */
export function splitEapMessage(eap: Uint8Array): RadiusAttribute[] {
  const attributes: RadiusAttribute[] = [];
  for (let at = 0; at < eap.length; at += ATTRIBUTE_MAX_VALUE_LENGTH) {
    attributes.push({
      type: AttributeType.EapMessage,
      value: eap.subarray(at, at + ATTRIBUTE_MAX_VALUE_LENGTH),
    });
  }
  return attributes;
}

/** The value of the first attribute of this type. */
export function firstValue(attributes: readonly RadiusAttribute[], type: number): Uint8Array | undefined {
  for (const attribute of attributes) if (attribute.type === type) return attribute.value;
  return undefined;
}

/** The values of all attributes of this type, in order. */
export function allValues(attributes: readonly RadiusAttribute[], type: number): Uint8Array[] {
  const values: Uint8Array[] = [];
  for (const attribute of attributes) if (attribute.type === type) values.push(attribute.value);
  return values;
}

/** The first attribute of this type as text; octets that are no UTF-8 become U+FFFD. */
export function firstText(attributes: readonly RadiusAttribute[], type: number): string | undefined {
  const value = firstValue(attributes, type);
  return value === undefined ? undefined : textOf(value);
}

/** Octets as text; those that are no UTF-8 become U+FFFD. */
export function textOf(value: Uint8Array): string {
  return DECODER.decode(value);
}

/** The first attribute of this type as an integer; undefined also where it does not have 4 octets. */
export function firstInteger(attributes: readonly RadiusAttribute[], type: number): number | undefined {
  const value = firstValue(attributes, type);
  return value === undefined ? undefined : integerOf(value);
}

/** A value of 4 octets as an integer, else undefined. */
export function integerOf(value: Uint8Array): number | undefined {
  return value.length === 4 ? u32(value, 0) : undefined;
}

/** A value of 4 octets as an IPv4 address or of 16 as an IPv6 address, else undefined. */
export function addressOf(value: Uint8Array): IpAddress | undefined {
  if (value.length === 4) return ipv4At(value, 0);
  return value.length === 16 ? ipv6At(value, 0) : undefined;
}

/** The EAP packet of all EAP-Message attributes in order, or undefined where there is none (RFC 3579 §3.1). */
export function eapMessage(attributes: readonly RadiusAttribute[]): Uint8Array | undefined {
  const parts = allValues(attributes, AttributeType.EapMessage);
  if (parts.length <= 1) return parts[0];
  return concatBytes(...parts);
}

/**
 * A Vendor-Specific value as vendor and sub-attributes. Refuses one under 5 octets, and one whose sub-attributes
 * do not fill it exactly; offsets count from the start of the value. Only for vendors of the recommended form.
 */
export function decodeVendorSpecific(value: Uint8Array): VendorSpecific | Malformed {
  if (value.length < 5) return malformed('radius-vsa-short', value.length);
  const attributes: RadiusAttribute[] = [];
  let at = 4;
  while (at < value.length) {
    const length = u8(value, at + 1);
    if (length < 2 || at + length > value.length) return malformed('radius-vsa-short', at);
    attributes.push({ type: u8(value, at), value: value.subarray(at + 2, at + length) });
    at += length;
  }
  return { vendor: u32(value, 0), attributes };
}

/**
 * The sub-attributes of one vendor in order, whether they came in one Vendor-Specific attribute or in several.
 * A damaged one of this vendor refuses the whole: a right or a limit must not get lost unseen.
 */
export function vendorAttributes(
  attributes: readonly RadiusAttribute[],
  vendor: number,
): RadiusAttribute[] | Malformed {
  const found: RadiusAttribute[] = [];
  for (const { type, value } of attributes) {
    if (type !== AttributeType.VendorSpecific) continue;
    if (value.length < 4) return malformed('radius-vsa-short', value.length);
    if (u32(value, 0) !== vendor) continue;
    const decoded = decodeVendorSpecific(value);
    if ('malformed' in decoded) return decoded;
    found.push(...decoded.attributes);
  }
  return found;
}

/**
 * The first attribute whose value has a length that its type forbids, as a refusal; `offset` is the attribute's
 * index in the list. RFC 2865 §5: an Access-Accept with such an attribute is treated as an Access-Reject.
 */
export function badAttributeLength(attributes: readonly RadiusAttribute[]): Malformed | undefined {
  for (let i = 0; i < attributes.length; i++) {
    const attribute = attributes[i];
    if (attribute === undefined) continue;
    const length = FIXED_LENGTHS.get(attribute.type);
    if (length !== undefined && attribute.value.length !== length) {
      return malformed('radius-attribute-bad-length', i);
    }
    if (attribute.type === AttributeType.VendorSpecific && attribute.value.length < 5) {
      return malformed('radius-vsa-short', i);
    }
  }
  return undefined;
}

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

const T = AttributeType;
const INTEGERS_AND_IPV4: readonly number[] = [
  T.NasIpAddress,
  T.NasPort,
  T.ServiceType,
  T.FramedIpAddress,
  T.FramedMtu,
  T.SessionTimeout,
  T.IdleTimeout,
  T.TerminationAction,
  T.AcctStatusType,
  T.AcctDelayTime,
  T.AcctInputOctets,
  T.AcctOutputOctets,
  T.AcctAuthentic,
  T.AcctSessionTime,
  T.AcctInputPackets,
  T.AcctOutputPackets,
  T.AcctTerminateCause,
  T.AcctLinkCount,
  T.AcctInputGigawords,
  T.AcctOutputGigawords,
  T.EventTimestamp,
  T.EgressVlanId,
  T.NasPortType,
  T.TunnelType,
  T.TunnelMediumType,
  T.AcctInterimInterval,
  T.ErrorCause,
];
const FIXED_LENGTHS: ReadonlyMap<number, number> = new Map([
  ...INTEGERS_AND_IPV4.map((type): [number, number] => [type, 4]),
  [T.MessageAuthenticator, 16],
  [T.NasIpv6Address, 16],
  [T.ChapPassword, 17],
]);
const COLON = 0x3a;
const HYPHEN = 0x2d;
const LETTER_A = 0x61;
/** From a small letter to its capital. */
const UPPER = 0x20;
