/**
 * Signing of RADIUS packets, and the checks of what a signature claims. Request and Response Authenticator by
 * RFC 2865 §3, RFC 2866 §3 and RFC 5176 §2.3; Message-Authenticator by RFC 3579 §3.2, first in every packet
 * that castgate signs and in every Access-Request, since a forger of MD5 needs room before it (Blast-RADIUS).
 * Whatever a check is handed, it answers; it never throws on input.
 */
import { u8, u16 } from '../wire/bytes.ts';
import { AttributeType } from './attributes.ts';
import { DIGEST_LENGTH, type DigestArea, digestArea } from './digest.ts';
import {
  putAttributes,
  putHeader,
  RADIUS_HEADER_LENGTH,
  RADIUS_MAX_LENGTH,
  type RadiusAttribute,
  RadiusCode,
  radiusLength,
} from './packet.ts';
import { hiddenPasswordLength, hidePassword } from './password.ts';

/** Why a reply is not believed. Also the label of a counter. */
export const replyFaults = [
  'malformed',
  'response-authenticator',
  'message-authenticator',
  'message-authenticator-missing',
  'eap-without-message-authenticator',
] as const;
export type ReplyFault = (typeof replyFaults)[number];

/** Why a request is not believed. Also the label of a counter. */
export const requestFaults = [
  'malformed',
  'request-authenticator',
  'message-authenticator',
  'message-authenticator-missing',
  'eap-without-message-authenticator',
] as const;
export type RequestFault = (typeof requestFaults)[number];

/** What to ask of a packet beyond what it claims itself. */
export interface VerifyOptions {
  /** Refuse it where it has no Message-Authenticator. */
  readonly requireMessageAuthenticator: boolean;
}

/** What can be said of a packet's signatures; undefined where there is nothing to check, or nothing to check it by. */
export interface Authenticity {
  readonly authenticatorOk: boolean | undefined;
  readonly messageAuthenticatorOk: boolean | undefined;
}

/** A request before it is signed. `attributes` hold no Message-Authenticator. */
export interface UnsignedRequest {
  readonly id: number;
  /** 16 octets that nobody can foretell and that never repeat (RFC 2865 §3). */
  readonly authenticator: Uint8Array;
  readonly attributes: readonly RadiusAttribute[];
}

/**
 * An Access-Request (or, with that code, a Status-Server) with Message-Authenticator first. A User-Password
 * among the attributes is given in clear and leaves hidden (RFC 2865 §5.2).
 */
export function signAccessRequest(
  request: UnsignedRequest,
  secret: Uint8Array,
  code: typeof RadiusCode.AccessRequest | typeof RadiusCode.StatusServer = RadiusCode.AccessRequest,
): Uint8Array {
  const attributes = withHiddenPassword(request, secret);
  return signWith(code, request.id, request.authenticator, attributes, secret);
}

/** Octets of the signed form: with the Message-Authenticator and the hidden password. At most 4096 can be sent. */
export function accessRequestLength(attributes: readonly RadiusAttribute[]): number {
  let length = radiusLength(attributes) + MESSAGE_AUTHENTICATOR_LENGTH;
  for (const { type, value } of attributes) {
    if (type === AttributeType.UserPassword) length += hiddenPasswordLength(value.length) - value.length;
  }
  return length;
}

/** An Accounting-Request, RFC 2866 §3: its authenticator is MD5 over the packet with a zeroed one (RFC 5080 §2.2.1). */
export function signAccountingRequest(
  request: { readonly id: number; readonly attributes: readonly RadiusAttribute[] },
  secret: Uint8Array,
): Uint8Array {
  for (const { type } of request.attributes) refuseMessageAuthenticator(type);
  const out = new Uint8Array(radiusLength(request.attributes));
  putHeader(out, RadiusCode.AccountingRequest, request.id, out.length);
  putAttributes(out, RADIUS_HEADER_LENGTH, request.attributes);
  putPacketDigest(out, out, secret);
  return out;
}

/** A CoA-Request or Disconnect-Request as a dynamic authorization client sends it, RFC 5176 §2.3 and §3.4. */
export function signDynamicRequest(
  request: {
    readonly code: typeof RadiusCode.CoaRequest | typeof RadiusCode.DisconnectRequest;
    readonly id: number;
    readonly attributes: readonly RadiusAttribute[];
  },
  secret: Uint8Array,
): Uint8Array {
  const out = signWith(request.code, request.id, ZEROS, request.attributes, secret);
  putPacketDigest(out, out, secret);
  return out;
}

/**
 * A reply to the request with this authenticator. With `messageAuthenticator`, which is the rule, it is the first
 * attribute; without it the reply is that of an old server, or an Accounting-Response, which needs none.
 */
export function signReply(
  reply: { readonly code: number; readonly id: number; readonly attributes: readonly RadiusAttribute[] },
  requestAuthenticator: Uint8Array,
  secret: Uint8Array,
  options: { readonly messageAuthenticator: boolean } = { messageAuthenticator: true },
): Uint8Array {
  if (options.messageAuthenticator) {
    const out = signWith(reply.code, reply.id, requestAuthenticator, reply.attributes, secret);
    putPacketDigest(out, out, secret);
    return out;
  }
  const out = new Uint8Array(radiusLength(reply.attributes));
  putHeader(out, reply.code, reply.id, out.length);
  out.set(requestAuthenticator, 4);
  putAttributes(out, RADIUS_HEADER_LENGTH, reply.attributes);
  putPacketDigest(out, out, secret);
  return out;
}

/**
 * Checks a reply against the authenticator of its request: Message-Authenticator first, then the Response
 * Authenticator. An EAP-Message without Message-Authenticator is refused whatever the options say (RFC 3579 §3.2).
 * That identifier, server and port fit the request is the caller's part.
 */
export function verifyReply(
  requestAuthenticator: Uint8Array,
  reply: Uint8Array,
  secret: Uint8Array,
  options: VerifyOptions,
): 'ok' | ReplyFault {
  const length = packetLength(reply);
  if (length === undefined) return 'malformed';
  const area = layPacket(reply, length, requestAuthenticator, secret);
  const signed = checkMessageAuthenticator(area, reply, length, options);
  if (signed !== 'ok') return signed;
  area.md5(length);
  return area.matches(reply, 4) ? 'ok' : 'response-authenticator';
}

/**
 * Checks a request by its code: Access-Request and Status-Server by their Message-Authenticator, all others
 * (accounting, CoA, Disconnect) by it where present, over a zeroed authenticator, and by the Request
 * Authenticator. A Status-Server must have a Message-Authenticator (RFC 5997 §3).
 */
export function verifyRequest(
  request: Uint8Array,
  secret: Uint8Array,
  options: VerifyOptions,
): 'ok' | RequestFault {
  const length = packetLength(request);
  if (length === undefined) return 'malformed';
  const random = hasRandomAuthenticator(u8(request, 0));
  const area = layPacket(request, length, random ? request.subarray(4, 20) : ZEROS, secret);
  const status = u8(request, 0) === RadiusCode.StatusServer;
  const signed = checkMessageAuthenticator(area, request, length, status ? REQUIRED : options);
  if (signed !== 'ok' || random) return signed;
  area.md5(length);
  return area.matches(request, 4) ? 'ok' : 'request-authenticator';
}

/**
 * What the signatures of any packet are worth, for a reader of captures. A reply needs the authenticator of its
 * request; without it nothing can be said of the reply.
 */
export function authenticity(
  packet: Uint8Array,
  secret: Uint8Array,
  requestAuthenticator?: Uint8Array,
): Authenticity {
  const length = packetLength(packet);
  const code = u8(packet, 0);
  const seed = digestSeed(code, packet, requestAuthenticator);
  if (length === undefined || seed === undefined) {
    return { authenticatorOk: undefined, messageAuthenticatorOk: undefined };
  }
  const area = layPacket(packet, length, seed, secret);
  const signed = checkMessageAuthenticator(area, packet, length, REQUIRED);
  const messageAuthenticatorOk =
    signed === 'ok' ? true : signed === 'message-authenticator' ? false : undefined;
  if (hasRandomAuthenticator(code)) return { authenticatorOk: undefined, messageAuthenticatorOk };
  area.md5(length);
  return { authenticatorOk: area.matches(packet, 4), messageAuthenticatorOk };
}

/** True for the codes whose authenticator is a random number and proves nothing. */
function hasRandomAuthenticator(code: number): boolean {
  return code === RadiusCode.AccessRequest || code === RadiusCode.StatusServer;
}

/** The authenticator that a packet's digests were made over, if it is known. */
function digestSeed(
  code: number,
  packet: Uint8Array,
  requestAuthenticator: Uint8Array | undefined,
): Uint8Array | undefined {
  if (hasRandomAuthenticator(code)) return packet.subarray(4, 20);
  if (ZERO_SEEDED.has(code)) return ZEROS;
  return requestAuthenticator?.length === DIGEST_LENGTH ? requestAuthenticator : undefined;
}

/** Lays the packet into the work area with another authenticator. */
function layPacket(
  packet: Uint8Array,
  length: number,
  authenticator: Uint8Array,
  secret: Uint8Array,
): DigestArea {
  const area = digestArea(secret);
  area.packet.set(packet.length === length ? packet : packet.subarray(0, length));
  area.packet.set(authenticator, 4);
  return area;
}

/** Checks the Message-Authenticator of the packet that lies in `area`, and leaves it there as it was. */
function checkMessageAuthenticator(
  area: DigestArea,
  packet: Uint8Array,
  length: number,
  options: VerifyOptions,
):
  | 'ok'
  | 'malformed'
  | 'message-authenticator'
  | 'message-authenticator-missing'
  | 'eap-without-message-authenticator' {
  let place = 0;
  let eap = false;
  let at = RADIUS_HEADER_LENGTH;
  while (at < length) {
    const type = u8(packet, at);
    const attributeLength = at + 1 < length ? u8(packet, at + 1) : 0;
    if (attributeLength < 2 || at + attributeLength > length) return 'malformed';
    if (type === AttributeType.MessageAuthenticator) {
      // Two of them could vouch for different things; RFC 3579 §3.3 allows one.
      if (place !== 0 || attributeLength !== MESSAGE_AUTHENTICATOR_LENGTH) return 'message-authenticator';
      place = at + 2;
    } else if (type === AttributeType.EapMessage) {
      eap = true;
    }
    at += attributeLength;
  }
  if (place === 0) {
    if (eap) return 'eap-without-message-authenticator';
    return options.requireMessageAuthenticator ? 'message-authenticator-missing' : 'ok';
  }
  area.packet.set(ZEROS, place);
  area.hmac(length);
  if (!area.matches(packet, place)) return 'message-authenticator';
  area.packet.set(packet.subarray(place, place + DIGEST_LENGTH), place);
  return 'ok';
}

/** The Length field, where it fits what there is. */
function packetLength(packet: Uint8Array): number | undefined {
  const length = u16(packet, 2);
  const fits = length >= RADIUS_HEADER_LENGTH && length <= RADIUS_MAX_LENGTH && length <= packet.length;
  return fits ? length : undefined;
}

/** A packet with Message-Authenticator first, computed over `authenticator`, which it then carries. */
function signWith(
  code: number,
  id: number,
  authenticator: Uint8Array,
  attributes: readonly RadiusAttribute[],
  secret: Uint8Array,
): Uint8Array {
  if (authenticator.length !== DIGEST_LENGTH) throw new RangeError('a RADIUS authenticator has 16 octets');
  const out = new Uint8Array(radiusLength(attributes) + MESSAGE_AUTHENTICATOR_LENGTH);
  putHeader(out, code, id, out.length);
  out.set(authenticator, 4);
  out[RADIUS_HEADER_LENGTH] = AttributeType.MessageAuthenticator;
  out[RADIUS_HEADER_LENGTH + 1] = MESSAGE_AUTHENTICATOR_LENGTH;
  for (const { type } of attributes) refuseMessageAuthenticator(type);
  putAttributes(out, RADIUS_HEADER_LENGTH + MESSAGE_AUTHENTICATOR_LENGTH, attributes);
  const area = digestArea(secret);
  area.packet.set(out);
  area.hmac(out.length);
  out.set(area.digest, RADIUS_HEADER_LENGTH + 2);
  return out;
}

/** Writes MD5(packet | secret) into the authenticator field of `out`. */
function putPacketDigest(packet: Uint8Array, out: Uint8Array, secret: Uint8Array): void {
  const area = digestArea(secret);
  area.packet.set(packet);
  area.md5(packet.length);
  out.set(area.digest, 4);
}

function withHiddenPassword(request: UnsignedRequest, secret: Uint8Array): readonly RadiusAttribute[] {
  if (!request.attributes.some((attribute) => attribute.type === AttributeType.UserPassword)) {
    return request.attributes;
  }
  return request.attributes.map(({ type, value }) =>
    type === AttributeType.UserPassword
      ? { type, value: hidePassword(value, request.authenticator, secret) }
      : { type, value },
  );
}

function refuseMessageAuthenticator(type: number): void {
  if (type === AttributeType.MessageAuthenticator) {
    throw new RangeError('Message-Authenticator is set while signing, not by the asker');
  }
}

const MESSAGE_AUTHENTICATOR_LENGTH = 2 + DIGEST_LENGTH;
const ZEROS = new Uint8Array(DIGEST_LENGTH);
const REQUIRED: VerifyOptions = { requireMessageAuthenticator: true };
const ZERO_SEEDED: ReadonlySet<number> = new Set([
  RadiusCode.AccountingRequest,
  RadiusCode.DisconnectRequest,
  RadiusCode.CoaRequest,
]);
