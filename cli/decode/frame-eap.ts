/**
 * EAPOL and EAP as `castgate decode` prints them. Of what the decoders refuse, the header is still shown as
 * far as it goes: a reader of captures wants to see what was refused.
 */
import { decodeEap, type EapPacket, EapType } from '../../eapol/eap.ts';
import { identityOf, md5ChallengeOf, nakDesiredTypes, tlsFlagsOf } from '../../eapol/eap-methods.ts';
import { decodeEapol, EapolType } from '../../eapol/eapol.ts';
import { toHex, u8, u16 } from '../../wire/bytes.ts';
import { isMalformed, type MalformedReason } from '../../wire/malformed.ts';

/** The EAPOL header; what the frame does not hold is null. */
export interface EapolRecord {
  readonly version: number | null;
  readonly type: number | null;
  readonly length: number | null;
}

/** An EAP packet: its header, and what can be read of some methods without keys. */
export interface EapRecord {
  readonly code: number;
  readonly id: number;
  readonly length: number;
  readonly type?: number;
  /** As text; octets that are no UTF-8 are U+FFFD. */
  readonly identity?: string;
  readonly identity_hex?: string;
  readonly desired_types?: readonly number[];
  readonly md5_value?: string;
  readonly tls_flags?: number;
  readonly tls_length?: number;
}

/** What became of a part of a frame: what can be shown of it, and why it was refused, if it was. */
export interface Read<T> {
  readonly record: T | undefined;
  readonly malformed: MalformedReason | undefined;
}

/** An EAPOL PDU and the EAP packet in it. */
export function readEapol(b: Uint8Array): { eapol: EapolRecord } & Read<EapRecord> {
  const eapol = {
    version: b.length >= 1 ? u8(b, 0) : null,
    type: b.length >= 2 ? u8(b, 1) : null,
    length: b.length >= 4 ? u16(b, 2) : null,
  };
  const pdu = decodeEapol(b);
  if (isMalformed(pdu)) return { eapol, record: undefined, malformed: pdu.malformed };
  if (pdu.type !== EapolType.Packet) return { eapol, record: undefined, malformed: undefined };
  return { eapol, ...readEap(pdu.body) };
}

/** An EAP packet, out of EAPOL or out of RADIUS. */
export function readEap(b: Uint8Array): Read<EapRecord> {
  const packet = decodeEap(b);
  if (!isMalformed(packet)) return { record: eapRecord(packet), malformed: undefined };
  const record = b.length < 4 ? undefined : { code: u8(b, 0), id: u8(b, 1), length: u16(b, 2) };
  return { record, malformed: packet.malformed };
}

function eapRecord(packet: EapPacket): EapRecord {
  const { code, id, length, type } = packet;
  if (type === undefined) return { code, id, length };
  const identity = identityOf(packet);
  const desired = nakDesiredTypes(packet);
  const md5 = md5ChallengeOf(packet);
  const tls = tlsFlagsOf(packet);
  return {
    code,
    id,
    length,
    type,
    ...(identity && { identity: UTF8.decode(identity), identity_hex: toHex(identity) }),
    ...(desired && { desired_types: desired }),
    ...(md5 && { md5_value: toHex(md5.value) }),
    ...(tls && { tls_flags: tls.flags }),
    ...(tls?.length !== undefined && { tls_length: tls.length }),
  };
}

/** `Response Identity "alice"`, `Success`. */
export function describeEap(eap: EapRecord): string {
  const code = CODE_NAMES[eap.code] ?? `code ${eap.code}`;
  const type = eap.type === undefined ? '' : ` ${TYPE_NAMES.get(eap.type) ?? `type ${eap.type}`}`;
  let detail = '';
  if (eap.identity !== undefined) detail = ` "${eap.identity}"`;
  if (eap.desired_types !== undefined) {
    detail = `, wants ${eap.desired_types.map((t) => TYPE_NAMES.get(t) ?? (t === 0 ? 'nothing' : t)).join(' ')}`;
  }
  return `EAP ${code}${type}${detail}, id ${eap.id}`;
}

/** `EAPOL-Start`, `EAPOL type 9`. */
export function describeEapol(eapol: EapolRecord): string {
  const type = EAPOL_NAMES.get(eapol.type ?? -1) ?? ` type ${eapol.type ?? '?'}`;
  return `EAPOL${type} v${eapol.version ?? '?'}`;
}

const UTF8 = new TextDecoder();
const CODE_NAMES: readonly string[] = ['code 0', 'Request', 'Response', 'Success', 'Failure'];
const TYPE_NAMES: ReadonlyMap<number, string> = new Map<number, string>([
  [EapType.Identity, 'Identity'],
  [EapType.Notification, 'Notification'],
  [EapType.Nak, 'Nak'],
  [EapType.Md5Challenge, 'MD5-Challenge'],
  [EapType.OneTimePassword, 'OTP'],
  [EapType.GenericTokenCard, 'GTC'],
  [EapType.Tls, 'TLS'],
  [EapType.Ttls, 'TTLS'],
  [EapType.Peap, 'PEAP'],
  [EapType.MsChapV2, 'MSCHAPv2'],
  [EapType.Fast, 'FAST'],
  [EapType.Teap, 'TEAP'],
  [EapType.Expanded, 'Expanded'],
]);
const EAPOL_NAMES: ReadonlyMap<number, string> = new Map<number, string>([
  [EapolType.Packet, ''],
  [EapolType.Start, '-Start'],
  [EapolType.Logoff, '-Logoff'],
  [EapolType.Key, '-Key'],
  [EapolType.EncapsulatedAsfAlert, '-ASF-Alert'],
  [EapolType.Mka, '-MKA'],
  [EapolType.AnnouncementGeneric, '-Announcement'],
  [EapolType.AnnouncementSpecific, '-Announcement'],
  [EapolType.AnnouncementReq, '-Announcement-Req'],
]);
