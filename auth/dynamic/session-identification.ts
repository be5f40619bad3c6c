/**
 * Which sessions a request of a dynamic authorization client is about, and whether it is about this switch at
 * all (RFC 5176 §3). Every identification attribute that is there must fit; what castgate does not know of its
 * sessions (an IP address of the host) identifies none.
 */
import { AttributeType, addressOf, integerOf, textOf } from '../../radius/attributes.ts';
import type { RadiusAttribute } from '../../radius/packet.ts';
import { NasPortType } from '../../radius/values.ts';
import type { NasIdentity, PortIdentity } from '../../session/nas-attributes.ts';
import type { IpAddress, Mac } from '../../wire/address.ts';
import { fromHex, sameBytes } from '../../wire/bytes.ts';

/** What is known of a session, or of a login that is to become one. */
export interface IdentifiedSession {
  readonly key: string;
  readonly userName: Uint8Array;
  readonly acctSessionId: string;
  readonly acctMultiSessionId: string;
  readonly place: PortIdentity;
  readonly chargeableUserIdentity?: Uint8Array | undefined;
}

/** True for the attributes that say which NAS is meant. */
export function identifiesNas(type: number): boolean {
  return NAS_ATTRIBUTES.has(type);
}

/** True for the attributes by which castgate finds sessions. */
export function identifiesSession(type: number): boolean {
  return SESSION_ATTRIBUTES.has(type);
}

/** True where every NAS identification attribute is this switch's; also where there is none. */
export function isThisNas(
  attributes: readonly RadiusAttribute[],
  nas: NasIdentity,
  addresses: readonly IpAddress[],
): boolean {
  return attributes.every(({ type, value }) => {
    if (!identifiesNas(type)) return true;
    if (type === AttributeType.NasIdentifier) return textOf(value) === nas.identifier;
    const address = addressOf(value);
    return address !== undefined && (address === nas.address || addresses.includes(address));
  });
}

/** True where every session identification attribute fits the session. */
export function isMeant(attributes: readonly RadiusAttribute[], session: IdentifiedSession): boolean {
  return attributes.every(({ type, value }) => !identifiesSession(type) || fits(type, value, session));
}

/** True where an attribute says which session, and not only on which switch. */
export function namesSession(attributes: readonly RadiusAttribute[]): boolean {
  return attributes.some(({ type }) => identifiesSession(type) && type !== AttributeType.NasPortType);
}

function fits(type: number, value: Uint8Array, session: IdentifiedSession): boolean {
  const { place } = session;
  switch (type) {
    case AttributeType.UserName:
      return sameBytes(value, session.userName);
    case AttributeType.NasPort:
      return place.portNumber !== undefined && integerOf(value) === place.portNumber;
    case AttributeType.NasPortId:
      return textOf(value) === place.port;
    case AttributeType.NasPortType:
      return integerOf(value) === NasPortType.Ethernet;
    case AttributeType.CallingStationId:
      return macIn(value) === place.mac;
    case AttributeType.CalledStationId:
      return place.portMac !== undefined && macIn(value) === place.portMac;
    case AttributeType.AcctSessionId:
      return textOf(value) === session.acctSessionId;
    case AttributeType.AcctMultiSessionId:
      return textOf(value) === session.acctMultiSessionId;
    case AttributeType.ChargeableUserIdentity:
      return session.chargeableUserIdentity !== undefined && sameBytes(value, session.chargeableUserIdentity);
    default:
      return false;
  }
}

/** A MAC address however it is written: hyphens, colons, dots or none. */
function macIn(value: Uint8Array): Mac | undefined {
  const octets = fromHex(textOf(value).replaceAll('.', ''));
  if (octets?.length !== 6) return undefined;
  return Array.from(octets, (octet) => octet.toString(16).padStart(2, '0')).join(':');
}

const NAS_ATTRIBUTES: ReadonlySet<number> = new Set([
  AttributeType.NasIpAddress,
  AttributeType.NasIdentifier,
  AttributeType.NasIpv6Address,
]);
const SESSION_ATTRIBUTES: ReadonlySet<number> = new Set([
  AttributeType.UserName,
  AttributeType.NasPort,
  AttributeType.NasPortId,
  AttributeType.NasPortType,
  AttributeType.CallingStationId,
  AttributeType.CalledStationId,
  AttributeType.AcctSessionId,
  AttributeType.AcctMultiSessionId,
  AttributeType.ChargeableUserIdentity,
]);
