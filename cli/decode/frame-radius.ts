/**
 * RADIUS as `castgate decode` prints it, and what can be said of a packet by its neighbours in the capture:
 * which request a reply belongs to, which request was sent before, and with the shared secret whether the
 * signatures are right. Replies are matched by addresses, ports and identifier (RFC 2865 §3).
 */
import { describeAttribute, packetName } from '../../config/radius-dictionary.ts';
import { badAttributeLength, decodeVendorSpecific, eapMessage } from '../../radius/attributes.ts';
import {
  decodeRadius,
  isRadiusCode,
  RADIUS_HEADER_LENGTH,
  type RadiusAttribute,
  RadiusCode,
} from '../../radius/packet.ts';
import { authenticity } from '../../radius/sign.ts';
import { toHex, u8, u16, u32 } from '../../wire/bytes.ts';
import { isMalformed, type MalformedReason } from '../../wire/malformed.ts';
import { describeEap, type EapRecord, type Read, readEap } from './frame-eap.ts';

/** One attribute; `vendor` and `vsas` for type 26. */
export interface AttributeRecord {
  readonly type: number;
  readonly name: string;
  /** The octets in hex. */
  readonly value: string;
  /** For people; hidden values are not shown. */
  readonly text?: string;
  readonly vendor?: number;
  readonly vsas?: readonly AttributeRecord[];
}

/** A RADIUS packet. */
export interface RadiusRecord {
  readonly code: number;
  readonly id: number;
  /** The Length field. */
  readonly length: number;
  readonly authenticator: string | null;
  readonly attributes: readonly AttributeRecord[];
  /** Put together of all EAP-Message attributes. */
  readonly eap?: EapRecord;
  readonly reply_to_frame?: number;
  readonly duplicate_of_frame?: number;
  /** Only with a secret, and where there is something to check and the request to check it by. */
  readonly authenticator_ok?: boolean;
  readonly message_authenticator_ok?: boolean;
}

/** Where a packet went from and to: `address port` each. */
export interface Way {
  readonly from: string;
  readonly to: string;
}

/** Reads the RADIUS packets of one capture in order. */
export class RadiusReader {
  readonly #secret: Uint8Array | undefined;
  /** The last request by way and identifier. */
  readonly #requests = new Map<string, { frame: number; authenticator: Uint8Array; bytes: Uint8Array }>();

  constructor(secret: string | undefined) {
    this.#secret = secret === undefined ? undefined : new TextEncoder().encode(secret);
  }

  /** Reads one packet; `b` may have padding behind it. Undefined record: not even code, identifier and length. */
  read(b: Uint8Array, frame: number, way: Way): Read<RadiusRecord> {
    if (b.length < 4) return { record: undefined, malformed: 'radius-short-header' };
    const head = {
      code: u8(b, 0),
      id: u8(b, 1),
      length: u16(b, 2),
      authenticator: b.length < RADIUS_HEADER_LENGTH ? null : toHex(b.subarray(4, RADIUS_HEADER_LENGTH)),
    };
    const packet = decodeRadius(b, 'any');
    if (isMalformed(packet)) {
      // What is wrong with the code is told first: the rest may be of another protocol altogether.
      const reason =
        isRadiusCode(head.code) || b.length < RADIUS_HEADER_LENGTH ? packet.malformed : UNKNOWN_CODE;
      return { record: { ...head, attributes: [] }, malformed: reason };
    }
    const eap = eapOf(packet.code, packet.attributes);
    const record = {
      ...head,
      attributes: packet.attributes.map(attributeRecord),
      ...(eap.record && { eap: eap.record }),
      ...this.#neighbours(b.subarray(0, head.length), packet.authenticator, frame, way),
    };
    return { record, malformed: refusal(packet.code, packet.attributes) ?? eap.malformed };
  }

  #neighbours(bytes: Uint8Array, authenticator: Uint8Array, frame: number, way: Way) {
    const code = u8(bytes, 0);
    const id = u8(bytes, 1);
    if (REQUESTS.has(code)) {
      const key = `${way.from} ${way.to} ${id}`;
      const before = this.#requests.get(key);
      const same = before !== undefined && toHex(before.bytes) === toHex(bytes);
      if (!same) this.#requests.set(key, { frame, authenticator, bytes });
      return { ...(same && { duplicate_of_frame: before.frame }), ...this.#signatures(bytes, undefined) };
    }
    const request = this.#requests.get(`${way.to} ${way.from} ${id}`);
    return {
      ...(request && { reply_to_frame: request.frame }),
      ...this.#signatures(bytes, request?.authenticator),
    };
  }

  #signatures(bytes: Uint8Array, requestAuthenticator: Uint8Array | undefined) {
    if (this.#secret === undefined) return {};
    const found = authenticity(bytes, this.#secret, requestAuthenticator);
    return {
      ...(found.authenticatorOk !== undefined && { authenticator_ok: found.authenticatorOk }),
      ...(found.messageAuthenticatorOk !== undefined && {
        message_authenticator_ok: found.messageAuthenticatorOk,
      }),
    };
  }
}

/** `Access-Request id 7: User-Name=alice, …`. */
export function describeRadius(radius: RadiusRecord): string {
  const parts = radius.attributes
    .filter((attribute) => attribute.name !== 'EAP-Message' && attribute.name !== 'Message-Authenticator')
    .flatMap((attribute) => attribute.vsas ?? [attribute])
    .map((attribute) => `${attribute.name}=${attribute.text ?? attribute.value}`);
  if (radius.eap !== undefined) parts.unshift(describeEap(radius.eap));
  const notes: string[] = [];
  if (radius.reply_to_frame !== undefined) notes.push(`answers frame ${radius.reply_to_frame}`);
  if (radius.duplicate_of_frame !== undefined) notes.push(`same as frame ${radius.duplicate_of_frame}`);
  if (radius.authenticator_ok === false) notes.push('AUTHENTICATOR WRONG');
  if (radius.message_authenticator_ok === false) notes.push('MESSAGE-AUTHENTICATOR WRONG');
  const note = notes.length > 0 ? ` (${notes.join(', ')})` : '';
  const said = parts.length > 0 ? `: ${parts.join(', ')}` : '';
  return `RADIUS ${packetName(radius.code)} id ${radius.id}${note}${said}`;
}

/** A reply with an attribute of impossible length is refused as a whole (RFC 2865 §5); requests are the server's. */
function refusal(code: number, attributes: readonly RadiusAttribute[]): MalformedReason | undefined {
  if (!isRadiusCode(code)) return UNKNOWN_CODE;
  return JUDGED_REPLIES.has(code) ? badAttributeLength(attributes)?.malformed : undefined;
}

function eapOf(code: number, attributes: readonly RadiusAttribute[]): Read<EapRecord> {
  const bytes = eapMessage(attributes);
  // An empty EAP-Message of an Access-Request is EAP-Start (RFC 3579 §2.1).
  const start = bytes?.length === 0 && code === RadiusCode.AccessRequest;
  if (bytes === undefined || start) return { record: undefined, malformed: undefined };
  return readEap(bytes);
}

function attributeRecord({ type, value }: RadiusAttribute): AttributeRecord {
  const plain = { type, ...describeAttribute(type, value), value: toHex(value) };
  if (type !== VENDOR_SPECIFIC || value.length < 4) return plain;
  const inner = decodeVendorSpecific(value);
  const vsas = isMalformed(inner)
    ? []
    : inner.attributes.map((each) => ({
        type: each.type,
        ...describeAttribute(each.type, each.value, inner.vendor),
        value: toHex(each.value),
      }));
  return { ...plain, vendor: u32(value, 0), vsas };
}

const VENDOR_SPECIFIC = 26;
const UNKNOWN_CODE: MalformedReason = 'radius-unknown-code';
const REQUESTS: ReadonlySet<number> = new Set([
  RadiusCode.AccessRequest,
  RadiusCode.AccountingRequest,
  RadiusCode.StatusServer,
  RadiusCode.StatusClient,
  RadiusCode.DisconnectRequest,
  RadiusCode.CoaRequest,
]);
const JUDGED_REPLIES: ReadonlySet<number> = new Set([
  RadiusCode.AccessAccept,
  RadiusCode.AccessReject,
  RadiusCode.AccessChallenge,
]);
