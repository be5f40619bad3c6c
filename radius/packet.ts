/**
 * RADIUS packets: octets to a packet and back, RFC 2865 §3. The attributes are an ordered list of type and
 * octets and never a map: order and repetition mean something (EAP-Message, Class, Proxy-State), and what is
 * not known here re-encodes unchanged. Decoded values are views into the input.
 */
import { putU16, u8, u16 } from '../wire/bytes.ts';
import { type Malformed, malformed } from '../wire/malformed.ts';

/** Packet codes: RFC 2865 §3, RFC 2866 §3, RFC 5176 §2.3. */
export const RadiusCode = {
  AccessRequest: 1,
  AccessAccept: 2,
  AccessReject: 3,
  AccountingRequest: 4,
  AccountingResponse: 5,
  AccessChallenge: 11,
  StatusServer: 12,
  StatusClient: 13,
  DisconnectRequest: 40,
  DisconnectAck: 41,
  DisconnectNak: 42,
  CoaRequest: 43,
  CoaAck: 44,
  CoaNak: 45,
} as const;
export type RadiusCode = (typeof RadiusCode)[keyof typeof RadiusCode];

/** One attribute, RFC 2865 §5. `value` holds 0 to 253 octets. */
export interface RadiusAttribute {
  readonly type: number;
  readonly value: Uint8Array;
}

/** `code` and `id` are octets, `authenticator` holds 16. */
export interface RadiusPacket {
  readonly code: number;
  readonly id: number;
  readonly authenticator: Uint8Array;
  readonly attributes: readonly RadiusAttribute[];
}

/** Octets of code, identifier, length and authenticator. */
export const RADIUS_HEADER_LENGTH = 20;
/** The greatest packet, RFC 2865 §3. */
export const RADIUS_MAX_LENGTH = 4096;
/** The greatest value of one attribute, RFC 2865 §5. */
export const ATTRIBUTE_MAX_VALUE_LENGTH = 253;

/** True for a code of `RadiusCode`. */
export function isRadiusCode(code: number): code is RadiusCode {
  return KNOWN_CODES.has(code);
}

/**
 * Decodes one packet; never throws. Octets beyond the Length field are padding (RFC 2865 §3). A code outside
 * `RadiusCode` is refused, unless `codes` is `'any'`: then the packet is only checked for its form.
 */
export function decodeRadius(b: Uint8Array, codes: 'known' | 'any' = 'known'): RadiusPacket | Malformed {
  if (b.length < RADIUS_HEADER_LENGTH) return malformed('radius-short-header', b.length);
  const length = u16(b, 2);
  if (length < RADIUS_HEADER_LENGTH || length > RADIUS_MAX_LENGTH || length > b.length) {
    return malformed('radius-bad-length', 2);
  }
  const code = u8(b, 0);
  if (codes === 'known' && !KNOWN_CODES.has(code)) return malformed('radius-unknown-code', 0);
  const attributes: RadiusAttribute[] = [];
  let at = RADIUS_HEADER_LENGTH;
  while (at < length) {
    // A last lone octet is a type without a length.
    const attributeLength = at + 1 < length ? u8(b, at + 1) : 0;
    if (attributeLength < 2) return malformed('radius-attribute-length-below-2', at);
    if (at + attributeLength > length) return malformed('radius-attribute-overruns-packet', at);
    attributes.push({ type: u8(b, at), value: b.subarray(at + 2, at + attributeLength) });
    at += attributeLength;
  }
  return { code, id: u8(b, 1), authenticator: b.subarray(4, RADIUS_HEADER_LENGTH), attributes };
}

/**
 * The octets of a packet as it stands; nothing is signed (sign.ts does that). A value over 253 octets or a
 * packet over 4096 is the caller's bug and throws: ask `radiusLength` first where the network decides the size.
 */
export function encodeRadius(packet: RadiusPacket): Uint8Array {
  const out = new Uint8Array(radiusLength(packet.attributes));
  putHeader(out, packet.code, packet.id, out.length);
  if (packet.authenticator.length !== 16) throw new RangeError('a RADIUS authenticator has 16 octets');
  out.set(packet.authenticator, 4);
  putAttributes(out, RADIUS_HEADER_LENGTH, packet.attributes);
  return out;
}

/** Octets of a packet with these attributes. */
export function radiusLength(attributes: readonly RadiusAttribute[]): number {
  let length = RADIUS_HEADER_LENGTH;
  for (const attribute of attributes) length += 2 + attribute.value.length;
  return length;
}

/** Writes code, identifier and length. Throws on a length over 4096. */
export function putHeader(out: Uint8Array, code: number, id: number, length: number): void {
  if (length > RADIUS_MAX_LENGTH) throw new RangeError(`a RADIUS packet of ${length} octets`);
  out[0] = code;
  out[1] = id;
  putU16(out, 2, length);
}

/** Writes the attributes from `at` on and gives the place after them. Throws on a value over 253 octets. */
export function putAttributes(
  out: Uint8Array,
  start: number,
  attributes: readonly RadiusAttribute[],
): number {
  let at = start;
  for (const { type, value } of attributes) {
    if (value.length > ATTRIBUTE_MAX_VALUE_LENGTH) {
      throw new RangeError(`RADIUS attribute ${type} with ${value.length} octets`);
    }
    out[at] = type;
    out[at + 1] = value.length + 2;
    out.set(value, at + 2);
    at += 2 + value.length;
  }
  return at;
}

const KNOWN_CODES: ReadonlySet<number> = new Set(Object.values(RadiusCode));
