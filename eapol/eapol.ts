/**
 * EAPOL PDUs: IEEE 802.1X-2020 §11.3. `body` is a view. A version above castgate's own is read as its own
 * (§11.4); octets behind the body are Ethernet padding and are ignored.
 */
import { putU16, u8, u16 } from '../wire/bytes.ts';
import { type Malformed, malformed } from '../wire/malformed.ts';

/** EAPOL packet types, 802.1X-2020 table 11-3. */
export const EapolType = {
  Packet: 0,
  Start: 1,
  Logoff: 2,
  Key: 3,
  EncapsulatedAsfAlert: 4,
  Mka: 5,
  AnnouncementGeneric: 6,
  AnnouncementSpecific: 7,
  AnnouncementReq: 8,
} as const;

/** One EAPOL PDU. */
export interface EapolPdu {
  /** As sent, 0..255. */
  readonly version: number;
  /** One of EapolType. */
  readonly type: number;
  readonly body: Uint8Array;
}

/** Never throws. Refuses fewer than 4 octets, a body longer than the frame, and an unknown packet type (§11.4). */
export function decodeEapol(b: Uint8Array): EapolPdu | Malformed {
  if (b.length < HEADER_LENGTH) return malformed('eapol-short-header', b.length);
  const type = u8(b, 1);
  if (type > EapolType.AnnouncementReq) return malformed('eapol-unknown-type', 1);
  const length = u16(b, 2);
  if (HEADER_LENGTH + length > b.length) return malformed('eapol-body-overruns-frame', 2);
  return { version: u8(b, 0), type, body: b.subarray(HEADER_LENGTH, HEADER_LENGTH + length) };
}

/** One PDU. Throws on a body of more than 65,535 octets. */
export function encodeEapol(pdu: EapolPdu): Uint8Array {
  if (pdu.body.length > 0xffff) throw new RangeError(`EAPOL body of ${pdu.body.length} octets`);
  const out = new Uint8Array(HEADER_LENGTH + pdu.body.length);
  out[0] = pdu.version;
  out[1] = pdu.type;
  putU16(out, 2, pdu.body.length);
  out.set(pdu.body, HEADER_LENGTH);
  return out;
}

const HEADER_LENGTH = 4;
