/**
 * What can be read from the outside of EAP methods, for `castgate decode` and for logs: identity, the types a
 * Nak asks for, the MD5 value, the flags of the TLS family. No decision depends on it (RFC 3579 §2.6.3). Each
 * takes the packet and gives undefined where it is not of that kind or is cut.
 */
import { u8, u32 } from '../wire/bytes.ts';
import { EapCode, type EapPacket, EapType } from './eap.ts';

/** The identity of an EAP-Response/Identity, octet by octet (RFC 3748 §5.1): empty is a legal answer. */
export function identityOf(packet: EapPacket): Uint8Array | undefined {
  if (packet.code !== EapCode.Response || packet.type !== EapType.Identity) return undefined;
  return packet.typeData;
}

/** The types that a legacy Nak asks for; [0] means none (RFC 3748 §5.3.1). */
export function nakDesiredTypes(packet: EapPacket): readonly number[] | undefined {
  if (packet.code !== EapCode.Response || packet.type !== EapType.Nak) return undefined;
  return [...packet.typeData];
}

/** Value and name of an MD5-Challenge request or response (RFC 3748 §5.4, RFC 1994 §4.1). */
export function md5ChallengeOf(packet: EapPacket): { value: Uint8Array; name: Uint8Array } | undefined {
  if (packet.type !== EapType.Md5Challenge || packet.typeData.length < 1) return undefined;
  const size = u8(packet.typeData, 0);
  if (1 + size > packet.typeData.length) return undefined;
  return { value: packet.typeData.subarray(1, 1 + size), name: packet.typeData.subarray(1 + size) };
}

/** Flag bits of the TLS family (RFC 5216 §3.1). */
export const TlsFlag = { LengthIncluded: 0x80, MoreFragments: 0x40, Start: 0x20, Version: 0x07 } as const;

/** Flags octet and, with the L bit, the message length of EAP-TLS, TTLS, PEAP, FAST and TEAP (RFC 5216 §3.1). */
export function tlsFlagsOf(
  packet: EapPacket,
): { flags: number; length: number | undefined; data: Uint8Array } | undefined {
  if (packet.type === undefined || !TLS_FAMILY.has(packet.type) || packet.typeData.length < 1)
    return undefined;
  const flags = u8(packet.typeData, 0);
  if ((flags & TlsFlag.LengthIncluded) === 0)
    return { flags, length: undefined, data: packet.typeData.subarray(1) };
  if (packet.typeData.length < 5) return undefined;
  return { flags, length: u32(packet.typeData, 1), data: packet.typeData.subarray(5) };
}

const TLS_FAMILY: ReadonlySet<number> = new Set([
  EapType.Tls,
  EapType.Ttls,
  EapType.Peap,
  EapType.Fast,
  EapType.Teap,
]);
