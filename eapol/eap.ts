/**
 * EAP packets: RFC 3748 §4. A pass-through authenticator looks at code, identifier, length and type and
 * relays `bytes` as it came; nothing of a method is decided on here. Octets behind the length are padding of
 * the link below and are ignored (§4).
 */
import { putU16, u8, u16 } from '../wire/bytes.ts';
import { type Malformed, malformed } from '../wire/malformed.ts';

/** EAP codes, RFC 3748 §4. */
export const EapCode = { Request: 1, Response: 2, Success: 3, Failure: 4 } as const;

/** EAP types that castgate names (IANA EAP registry); all others are relayed alike. */
export const EapType = {
  Identity: 1,
  Notification: 2,
  Nak: 3,
  Md5Challenge: 4,
  OneTimePassword: 5,
  GenericTokenCard: 6,
  Tls: 13,
  Ttls: 21,
  Peap: 25,
  MsChapV2: 26,
  Fast: 43,
  Teap: 55,
  Expanded: 254,
} as const;

/** One EAP packet. */
export interface EapPacket {
  /** One of EapCode. */
  readonly code: number;
  readonly id: number;
  /** As sent: 4 for Success and Failure, 5 or more for Request and Response. */
  readonly length: number;
  /** Requests and responses only. */
  readonly type: number | undefined;
  /** View behind the type; empty for Success and Failure. */
  readonly typeData: Uint8Array;
  /** View of exactly `length` octets: what goes into EAP-Message (RFC 3579 §3.1). */
  readonly bytes: Uint8Array;
}

/** What encodeEap puts into a packet; `type` undefined for Success and Failure. */
export interface EapParts {
  readonly code: number;
  readonly id: number;
  readonly type?: number | undefined;
  readonly typeData?: Uint8Array;
}

/**
 * Never throws. Refuses a length below 4 or past the input, codes other than 1..4, a request or response
 * without a type, a success or failure with more than its header (RFC 3748 §4, §4.2).
 */
export function decodeEap(b: Uint8Array): EapPacket | Malformed {
  if (b.length < HEADER_LENGTH) return malformed('eap-short-header', b.length);
  const code = u8(b, 0);
  const length = u16(b, 2);
  if (length < HEADER_LENGTH) return malformed('eap-length-below-header', 2);
  if (length > b.length) return malformed('eap-length-overruns-body', 2);
  if (code < EapCode.Request || code > EapCode.Failure) return malformed('eap-unknown-code', 0);
  const typed = code <= EapCode.Response;
  if (typed && length === HEADER_LENGTH) return malformed('eap-missing-type', 2);
  if (!typed && length !== HEADER_LENGTH) return malformed('eap-bad-length-for-code', 2);
  return {
    code,
    id: u8(b, 1),
    length,
    type: typed ? u8(b, 4) : undefined,
    typeData: b.subarray(typed ? 5 : 4, length),
    bytes: b.subarray(0, length),
  };
}

/** One packet. Throws where type and code do not fit together, and on more than 65,535 octets. */
export function encodeEap(parts: EapParts): Uint8Array {
  const typed = parts.code === EapCode.Request || parts.code === EapCode.Response;
  if (typed !== (parts.type !== undefined)) throw new TypeError(`EAP code ${parts.code}, type ${parts.type}`);
  const data = parts.typeData;
  const length = HEADER_LENGTH + (typed ? 1 : 0) + (typed && data !== undefined ? data.length : 0);
  if (length > 0xffff) throw new RangeError(`EAP packet of ${length} octets`);
  const out = new Uint8Array(length);
  out[0] = parts.code;
  out[1] = parts.id;
  putU16(out, 2, length);
  if (parts.type !== undefined) {
    out[4] = parts.type;
    if (data !== undefined) out.set(data, 5);
  }
  return out;
}

const HEADER_LENGTH = 4;
