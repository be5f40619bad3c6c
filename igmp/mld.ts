/**
 * MLDv1 and MLDv2 messages inside ICMPv6: RFC 2710 §3, RFC 9777 §5. The checksum includes the IPv6 pseudo
 * header (RFC 8200 §8.1). Versions of a query are told by length alone: 24 octets v1, 28 or more v2, others
 * refused (RFC 9777 §8.1). What the IP header must be like is checked in group-packet.ts.
 */
import { type IpAddress, ipBytes, ipv6At } from '../wire/address.ts';
import { putU16, u8, u16 } from '../wire/bytes.ts';
import { internetChecksum, pseudoHeaderSum } from '../wire/checksum.ts';
import { IpProtocol } from '../wire/ipv4.ts';
import { type Malformed, malformed } from '../wire/malformed.ts';
import { decodeFloat8, decodeFloat16 } from './float-code.ts';
import type { LeaveMessage, QueryMessage, RecordReportMessage, ReportMessage } from './group-message.ts';
import { type GroupRecord, isKnownRecordType } from './group-record.ts';

/** ICMPv6 types of MLD, RFC 2710 §3.1 and RFC 9777 §5. */
export const MldType = { Query: 130, ReportV1: 131, Done: 132, ReportV2: 143 } as const;

/** An MLD message; `version` is 1 or 2. */
export type MldMessage = QueryMessage | ReportMessage | LeaveMessage | RecordReportMessage;

/** True for the four ICMPv6 types that are MLD. */
export function isMldType(type: number): boolean {
  return (type >= MldType.Query && type <= MldType.Done) || type === MldType.ReportV2;
}

/** Decodes an ICMPv6 message of an MLD type; as decodeMldSummed, with the pseudo header made from the addresses. */
export function decodeMld(b: Uint8Array, src: IpAddress, dst: IpAddress): MldMessage | Malformed {
  return decodeMldSummed(b, pseudoHeaderSum(src, dst, b.length, IpProtocol.Icmpv6));
}

/**
 * Decodes an ICMPv6 message; `sum` is that of its pseudo header. Never throws. Refuses a message too short
 * for its type, a wrong checksum, a group outside ff00::/8 (but :: in queries), lists that run past the end.
 * An ICMPv6 type that is not MLD is refused as `mld-short`: ask isMldType first.
 */
export function decodeMldSummed(b: Uint8Array, sum: number): MldMessage | Malformed {
  const type = u8(b, 0);
  const known = isMldType(type);
  const least = type === MldType.ReportV2 ? REPORT_LENGTH : V1_LENGTH;
  if (!known || b.length < least) return malformed('mld-short', b.length);
  if (internetChecksum(b, 0, b.length, sum) !== 0) return malformed('mld-bad-checksum', 2);
  if (type === MldType.ReportV2) return decodeReport(b);
  if (type === MldType.Query) return decodeQuery(b);
  if (u8(b, 8) !== MULTICAST_OCTET) return malformed('mld-group-not-multicast', 8);
  const group = ipv6At(b, 8);
  return type === MldType.Done ? { kind: 'leave', group } : { kind: 'report', version: 1, group };
}

/**
 * One ICMPv6 message with its checksum for a packet from `src` to `dst`. Throws on text that is no IPv6
 * address, and where a number does not fit its field.
 */
export function encodeMld(message: MldMessage, src: IpAddress, dst: IpAddress): Uint8Array {
  const out = encodeUnsummed(message);
  putU16(
    out,
    2,
    internetChecksum(out, 0, out.length, pseudoHeaderSum(src, dst, out.length, IpProtocol.Icmpv6)),
  );
  return out;
}

function decodeQuery(b: Uint8Array): MldMessage | Malformed {
  const v2 = b.length >= V2_QUERY_LENGTH;
  if (!v2 && b.length !== V1_LENGTH) return malformed('mld-query-bad-length', b.length);
  if (u8(b, 8) !== MULTICAST_OCTET && !isZero(b, 8, 24)) return malformed('mld-group-not-multicast', 8);
  const group = ipv6At(b, 8);
  const maxRespCode = u16(b, 4);
  if (!v2) {
    return {
      kind: 'query',
      version: 1,
      group,
      maxRespCode,
      maxRespMs: maxRespCode,
      suppress: false,
      qrv: 0,
      qqicCode: 0,
      qqicSeconds: 0,
      sources: NO_SOURCES,
    };
  }
  const count = u16(b, 26);
  if (V2_QUERY_LENGTH + 16 * count > b.length) return malformed('mld-query-sources-overrun', 26);
  const flags = u8(b, 24);
  const qqicCode = u8(b, 25);
  return {
    kind: 'query',
    version: 2,
    group,
    maxRespCode,
    maxRespMs: decodeFloat16(maxRespCode),
    suppress: (flags & SUPPRESS) !== 0,
    qrv: flags & 0x07,
    qqicCode,
    qqicSeconds: decodeFloat8(qqicCode),
    sources: sourcesAt(b, V2_QUERY_LENGTH, count),
  };
}

function decodeReport(b: Uint8Array): MldMessage | Malformed {
  const count = u16(b, 6);
  const records: GroupRecord[] = [];
  let at = REPORT_LENGTH;
  for (let i = 0; i < count; i++) {
    if (at + RECORD_LENGTH > b.length) return malformed('mld-record-overruns-report', at);
    const type = u8(b, at);
    const auxWords = u8(b, at + 1);
    const sourceCount = u16(b, at + 2);
    const next = at + RECORD_LENGTH + 16 * sourceCount + 4 * auxWords;
    if (next > b.length) return malformed('mld-record-overruns-report', at + 2);
    // The fields of a record of unknown type are not ours to judge: it is ignored whole (RFC 9777 §5.2.12).
    if (u8(b, at + 4) !== MULTICAST_OCTET && isKnownRecordType(type)) {
      return malformed('mld-group-not-multicast', at + 4);
    }
    const sources = sourcesAt(b, at + RECORD_LENGTH, sourceCount);
    records.push({ type, group: ipv6At(b, at + 4), sources, auxWords });
    at = next;
  }
  return { kind: 'record-report', version: 2, records };
}

function sourcesAt(b: Uint8Array, at: number, count: number): readonly IpAddress[] {
  if (count === 0) return NO_SOURCES;
  const sources: IpAddress[] = [];
  for (let i = 0; i < count; i++) sources.push(ipv6At(b, at + 16 * i));
  return sources;
}

function isZero(b: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (u8(b, i) !== 0) return false;
  return true;
}

function encodeUnsummed(message: MldMessage): Uint8Array {
  switch (message.kind) {
    case 'query':
      return encodeQuery(message);
    case 'record-report':
      return encodeReport(message.records);
    case 'leave':
      return short(MldType.Done, 0, message.group);
    case 'report':
      return short(MldType.ReportV1, 0, message.group);
  }
}

function encodeQuery(message: QueryMessage): Uint8Array {
  if (message.version === 1) return short(MldType.Query, message.maxRespCode, message.group);
  const out = new Uint8Array(V2_QUERY_LENGTH + 16 * message.sources.length);
  out[0] = MldType.Query;
  putU16(out, 4, fitting(message.maxRespCode, 0xffff));
  putIpv6(out, 8, message.group);
  out[24] = (message.suppress ? SUPPRESS : 0) | (message.qrv & 0x07);
  out[25] = fitting(message.qqicCode, 0xff);
  putU16(out, 26, fitting(message.sources.length, 0xffff));
  let at = V2_QUERY_LENGTH;
  for (const source of message.sources) {
    putIpv6(out, at, source);
    at += 16;
  }
  return out;
}

function encodeReport(records: readonly GroupRecord[]): Uint8Array {
  let length = REPORT_LENGTH;
  for (const record of records) length += RECORD_LENGTH + 16 * record.sources.length + 4 * record.auxWords;
  const out = new Uint8Array(length);
  out[0] = MldType.ReportV2;
  putU16(out, 6, fitting(records.length, 0xffff));
  let at = REPORT_LENGTH;
  for (const record of records) {
    out[at] = record.type;
    out[at + 1] = fitting(record.auxWords, 0xff);
    putU16(out, at + 2, fitting(record.sources.length, 0xffff));
    putIpv6(out, at + 4, record.group);
    at += RECORD_LENGTH;
    for (const source of record.sources) {
      putIpv6(out, at, source);
      at += 16;
    }
    at += 4 * record.auxWords;
  }
  return out;
}

function short(type: number, delay: number, group: IpAddress): Uint8Array {
  const out = new Uint8Array(V1_LENGTH);
  out[0] = type;
  putU16(out, 4, fitting(delay, 0xffff));
  putIpv6(out, 8, group);
  return out;
}

function putIpv6(out: Uint8Array, at: number, address: IpAddress): void {
  const bytes = ipBytes(address);
  if (bytes?.length !== 16) throw new TypeError(`no IPv6 address: ${address}`);
  out.set(bytes, at);
}

function fitting(value: number, max: number): number {
  if (value < 0 || value > max) throw new RangeError(`${value} does not fit a field of at most ${max}`);
  return value;
}

const V1_LENGTH = 24;
const V2_QUERY_LENGTH = 28;
const REPORT_LENGTH = 8;
const RECORD_LENGTH = 20;
const SUPPRESS = 0x08;
const MULTICAST_OCTET = 0xff;
const NO_SOURCES: readonly IpAddress[] = [];
