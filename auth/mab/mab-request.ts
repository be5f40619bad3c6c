/**
 * The Access-Request of MAC authentication: User-Name and password are the MAC address, Service-Type Call-Check
 * tells the server that nobody typed them (RFC 3580 §3.7 has the addresses; the practice is the vendors').
 */
import { EapCode, type EapPacket, EapType, encodeEap } from '../../eapol/eap.ts';
import { AttributeType, integer, octets, splitEapMessage, text } from '../../radius/attributes.ts';
import type { RadiusAttribute } from '../../radius/packet.ts';
import { chapResponse } from '../../radius/password.ts';
import { ServiceType } from '../../radius/values.ts';
import {
  type NasIdentity,
  nasAttributes,
  type PortIdentity,
  portAttributes,
} from '../../session/nas-attributes.ts';
import type { Mac } from '../../wire/address.ts';
import { concatBytes } from '../../wire/bytes.ts';
import type { MabRecord } from './mab-record.ts';

/** How the MAC address is proved: as a password, by CHAP, or by EAP-MD5 with castgate as the supplicant. */
export type MabMethod = 'pap' | 'chap' | 'eap-md5';

/** How it is written: `0200000001ab`, `02-00-00-00-01-AB` or `02:00:00:00:01:ab`. */
export type MacFormat = 'plain' | 'hyphens' | 'colons';

export interface MabForm {
  readonly nas: NasIdentity;
  readonly method: MabMethod;
  readonly format: MacFormat;
  readonly framedMtu: number;
}

/** The MAC address as user name and password. */
export function macText(mac: Mac, format: MacFormat): string {
  if (format === 'colons') return mac;
  return format === 'plain' ? mac.replaceAll(':', '') : mac.toUpperCase().replaceAll(':', '-');
}

/** The first request of an asking. `challenge` are 16 octets that nobody can foretell, for CHAP. */
export function mabRequest(
  form: MabForm,
  record: MabRecord,
  place: PortIdentity,
  challenge: Uint8Array,
): RadiusAttribute[] {
  const name = new TextEncoder().encode(macText(record.mac, form.format));
  return [...common(form, record, place, name), ...proof(form.method, record.round & 0xff, name, challenge)];
}

/** The request that answers the server's EAP request; undefined where it is none that castgate can answer. */
export function mabAnswer(
  form: MabForm,
  record: MabRecord,
  place: PortIdentity,
  request: EapPacket,
): RadiusAttribute[] | undefined {
  if (form.method !== 'eap-md5' || request.code !== EapCode.Request) return undefined;
  const name = new TextEncoder().encode(macText(record.mac, form.format));
  const eap = eapAnswer(request, name);
  if (eap === undefined) return undefined;
  const attributes = [...common(form, record, place, name), ...splitEapMessage(eap)];
  if (record.radiusState !== undefined) attributes.push(octets(AttributeType.State, record.radiusState));
  return attributes;
}

function common(form: MabForm, record: MabRecord, place: PortIdentity, name: Uint8Array): RadiusAttribute[] {
  return [
    octets(AttributeType.UserName, name),
    ...nasAttributes(form.nas),
    ...portAttributes(place),
    integer(AttributeType.ServiceType, ServiceType.CallCheck),
    integer(AttributeType.FramedMtu, form.framedMtu),
    text(AttributeType.AcctSessionId, record.acctSessionId),
    text(AttributeType.AcctMultiSessionId, record.acctMultiSessionId),
  ];
}

function proof(method: MabMethod, id: number, name: Uint8Array, challenge: Uint8Array): RadiusAttribute[] {
  switch (method) {
    case 'pap':
      return [octets(AttributeType.UserPassword, name)];
    case 'chap':
      return [
        octets(AttributeType.ChapPassword, concatBytes(Uint8Array.of(id), chapResponse(id, name, challenge))),
        octets(AttributeType.ChapChallenge, challenge),
      ];
    case 'eap-md5':
      return splitEapMessage(
        encodeEap({ code: EapCode.Response, id, type: EapType.Identity, typeData: name }),
      );
  }
}

/** EAP-MD5 (RFC 3748 §5.4), or a Nak that asks for it where the server begins with another method (§5.3.1). */
function eapAnswer({ id, type, typeData }: EapPacket, name: Uint8Array): Uint8Array | undefined {
  const respond = (kind: number, data: Uint8Array) =>
    encodeEap({ code: EapCode.Response, id, type: kind, typeData: data });
  if (type === EapType.Identity) return respond(EapType.Identity, name);
  if (type !== EapType.Md5Challenge) return respond(EapType.Nak, Uint8Array.of(EapType.Md5Challenge));
  const size = typeData[0] ?? 0;
  if (size === 0 || typeData.length < 1 + size) return undefined;
  const value = chapResponse(id, name, typeData.subarray(1, 1 + size));
  return respond(EapType.Md5Challenge, concatBytes(Uint8Array.of(value.length), value, name));
}
