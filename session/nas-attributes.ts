/**
 * The attributes that say which switch, which port and which host a RADIUS packet is about: the same in
 * logins, group questions and accounting (RFC 3579 §3, RFC 3580 §3).
 */
import { AttributeType, address, integer, station, text } from '../radius/attributes.ts';
import type { RadiusAttribute } from '../radius/packet.ts';
import { NasPortType } from '../radius/values.ts';
import { type IpAddress, ipFamily, type Mac } from '../wire/address.ts';

/** How RADIUS servers know this switch; at least one of the two is there. */
export interface NasIdentity {
  readonly identifier: string | undefined;
  readonly address: IpAddress | undefined;
}

/** A host's place as RADIUS is told of it. */
export interface PortIdentity {
  readonly port: string;
  readonly mac: Mac;
  /** The interface's number; undefined where the port is gone. */
  readonly portNumber: number | undefined;
  /** The port's own MAC address, for Called-Station-Id. */
  readonly portMac: Mac | undefined;
}

/** NAS-Identifier, NAS-IP-Address or NAS-IPv6-Address. */
export function nasAttributes(nas: NasIdentity): RadiusAttribute[] {
  const attributes: RadiusAttribute[] = [];
  if (nas.address !== undefined) {
    const type = ipFamily(nas.address) === 4 ? AttributeType.NasIpAddress : AttributeType.NasIpv6Address;
    attributes.push(address(type, nas.address));
  }
  if (nas.identifier !== undefined) attributes.push(text(AttributeType.NasIdentifier, nas.identifier));
  return attributes;
}

/** NAS-Port, NAS-Port-Id, NAS-Port-Type, Called-Station-Id and Calling-Station-Id. */
export function portAttributes(place: PortIdentity): RadiusAttribute[] {
  const attributes: RadiusAttribute[] = [];
  if (place.portNumber !== undefined) attributes.push(integer(AttributeType.NasPort, place.portNumber));
  attributes.push(text(AttributeType.NasPortId, place.port));
  attributes.push(integer(AttributeType.NasPortType, NasPortType.Ethernet));
  if (place.portMac !== undefined) attributes.push(station(AttributeType.CalledStationId, place.portMac));
  attributes.push(station(AttributeType.CallingStationId, place.mac));
  return attributes;
}
