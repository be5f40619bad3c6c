/**
 * IGMPv1, v2 and v3 messages: RFC 1112 appendix I, RFC 2236 §2, RFC 9776 §4 (STD 100). The checksum covers
 * the whole IP payload, also what stands behind the last record (§4.1.2). Versions of a query are told by
 * length and code alone (§7.1). Auxiliary data and reserved fields are ignored.
 */
import { type IpAddress, ipBytes, ipv4At, isMulticastIp } from '../wire/address.ts';
import { putU16, u8, u16, u32 } from '../wire/bytes.ts';
import { internetChecksum } from '../wire/checksum.ts';
import { type Malformed, malformed } from '../wire/malformed.ts';
import { decodeFloat8 } from './float-code.ts';
import type { GroupMessage, QueryMessage } from './group-message.ts';
import { type GroupRecord, isKnownRecordType } from './group-record.ts';

/** IGMP message types, RFC 9776 §4. */
export const IgmpType = {
  Query: 0x11,
  ReportV1: 0x12,
  ReportV2: 0x16,
  Leave: 0x17,
  ReportV3: 0x22,
} as const;

/** An IGMP message; `version` is 1, 2 or 3. */
export type IgmpMessage = GroupMessage;

/** Max Resp Time of an IGMPv1 query, which has no such field (RFC 9776 §7.2.1). */
export const IGMPV1_MAX_RESP_MS = 10_000;

/**
 * Decodes an IPv4 payload. Never throws. Refuses fewer than 8 octets, a wrong checksum, a group outside
 * 224.0.0.0/4 (but 0.0.0.0 in queries), queries of 9 to 11 octets, lists that run past the end.
 */
export function decodeIgmp(b: Uint8Array): IgmpMessage | Malformed {
  if (b.length < MIN_LENGTH) return malformed('igmp-short', b.length);
  if (internetChecksum(b) !== 0) return malformed('igmp-bad-checksum', 2);
  const type = u8(b, 0);
  if (type === IgmpType.ReportV3) return decodeReport(b);
  if (type === IgmpType.Query) return decodeQuery(b);
  if (type !== IgmpType.ReportV1 && type !== IgmpType.ReportV2 && type !== IgmpType.Leave) {
    return { kind: 'unknown', type, bytes: b };
  }
  if (u8(b, 4) >>> 4 !== MULTICAST_NIBBLE) return malformed('igmp-group-not-multicast', 4);
  const group = ipv4At(b, 4);
  if (type === IgmpType.Leave) return { kind: 'leave', group };
  return { kind: 'report', version: type === IgmpType.ReportV1 ? 1 : 2, group };
}

/**
 * One message with its checksum. Auxiliary data are written as zeros; an unknown message goes out as it came.
 * Throws on groups or sources that are no IPv4 addresses, and where a number does not fit its field.
 */
export function encodeIgmp(message: IgmpMessage): Uint8Array {
  if (message.kind === 'unknown') return new Uint8Array(message.bytes);
  const out = encodeUnsummed(message);
  putU16(out, 2, internetChecksum(out));
  return out;
}

function decodeQuery(b: Uint8Array): IgmpMessage | Malformed {
  const v3 = b.length >= V3_QUERY_LENGTH;
  if (!v3 && b.length !== MIN_LENGTH) return malformed('igmp-query-bad-length', b.length);
  if (u8(b, 4) >>> 4 !== MULTICAST_NIBBLE && u32(b, 4) !== 0) return malformed('igmp-group-not-multicast', 4);
  const group = ipv4At(b, 4);
  const maxRespCode = u8(b, 1);
  if (!v3) {
    return {
      kind: 'query',
      version: maxRespCode === 0 ? 1 : 2,
      group,
      maxRespCode,
      maxRespMs: maxRespCode === 0 ? IGMPV1_MAX_RESP_MS : maxRespCode * 100,
      suppress: false,
      qrv: 0,
      qqicCode: 0,
      qqicSeconds: 0,
      sources: NO_SOURCES,
    };
  }
  const count = u16(b, 10);
  if (V3_QUERY_LENGTH + 4 * count > b.length) return malformed('igmp-query-sources-overrun', 10);
  const flags = u8(b, 8);
  const qqicCode = u8(b, 9);
  return {
    kind: 'query',
    version: 3,
    group,
    maxRespCode,
    maxRespMs: decodeFloat8(maxRespCode) * 100,
    suppress: (flags & SUPPRESS) !== 0,
    qrv: flags & 0x07,
    qqicCode,
    qqicSeconds: decodeFloat8(qqicCode),
    sources: sourcesAt(b, V3_QUERY_LENGTH, count),
  };
}

function decodeReport(b: Uint8Array): IgmpMessage | Malformed {
  const count = u16(b, 6);
  const records: GroupRecord[] = [];
  let at = MIN_LENGTH;
  for (let i = 0; i < count; i++) {
    if (at + RECORD_LENGTH > b.length) return malformed('igmp-record-overruns-report', at);
    const type = u8(b, at);
    const auxWords = u8(b, at + 1);
    const sourceCount = u16(b, at + 2);
    const next = at + RECORD_LENGTH + 4 * (sourceCount + auxWords);
    if (next > b.length) return malformed('igmp-record-overruns-report', at + 2);
    // The fields of a record of unknown type are not ours to judge: it is ignored whole (RFC 9776 §4.2.13).
    if (u8(b, at + 4) >>> 4 !== MULTICAST_NIBBLE && isKnownRecordType(type)) {
      return malformed('igmp-group-not-multicast', at + 4);
    }
    const sources = sourcesAt(b, at + RECORD_LENGTH, sourceCount);
    records.push({ type, group: ipv4At(b, at + 4), sources, auxWords });
    at = next;
  }
  return { kind: 'record-report', version: 3, records };
}

function sourcesAt(b: Uint8Array, at: number, count: number): readonly IpAddress[] {
  if (count === 0) return NO_SOURCES;
  const sources: IpAddress[] = [];
  for (let i = 0; i < count; i++) sources.push(ipv4At(b, at + 4 * i));
  return sources;
}

function encodeUnsummed(message: Exclude<IgmpMessage, { kind: 'unknown' }>): Uint8Array {
  switch (message.kind) {
    case 'query':
      return encodeQuery(message);
    case 'record-report':
      return encodeReport(message.records);
    case 'leave':
      return short(IgmpType.Leave, 0, message.group);
    case 'report':
      return short(message.version === 1 ? IgmpType.ReportV1 : IgmpType.ReportV2, 0, message.group);
  }
}

function encodeQuery(message: QueryMessage): Uint8Array {
  if (message.version === 1) return short(IgmpType.Query, 0, message.group);
  if (message.maxRespCode < 0 || message.maxRespCode > 0xff) throw new RangeError('IGMP Max Resp Code');
  if (message.version === 2) return short(IgmpType.Query, message.maxRespCode, message.group);
  const out = new Uint8Array(V3_QUERY_LENGTH + 4 * message.sources.length);
  out[0] = IgmpType.Query;
  out[1] = message.maxRespCode;
  putIpv4(out, 4, message.group);
  out[8] = (message.suppress ? SUPPRESS : 0) | (message.qrv & 0x07);
  out[9] = message.qqicCode;
  putU16(out, 10, fitting(message.sources.length, 0xffff));
  let at = V3_QUERY_LENGTH;
  for (const source of message.sources) {
    putIpv4(out, at, source);
    at += 4;
  }
  return out;
}

function encodeReport(records: readonly GroupRecord[]): Uint8Array {
  let length = MIN_LENGTH;
  for (const record of records) length += RECORD_LENGTH + 4 * (record.sources.length + record.auxWords);
  const out = new Uint8Array(length);
  out[0] = IgmpType.ReportV3;
  putU16(out, 6, fitting(records.length, 0xffff));
  let at = MIN_LENGTH;
  for (const record of records) {
    out[at] = record.type;
    out[at + 1] = fitting(record.auxWords, 0xff);
    putU16(out, at + 2, fitting(record.sources.length, 0xffff));
    putIpv4(out, at + 4, record.group);
    at += RECORD_LENGTH;
    for (const source of record.sources) {
      putIpv4(out, at, source);
      at += 4;
    }
    at += 4 * record.auxWords;
  }
  return out;
}

function short(type: number, code: number, group: IpAddress): Uint8Array {
  if (group !== '0.0.0.0' && !isMulticastIp(group)) throw new TypeError(`no group: ${group}`);
  const out = new Uint8Array(MIN_LENGTH);
  out[0] = type;
  out[1] = code;
  putIpv4(out, 4, group);
  return out;
}

function putIpv4(out: Uint8Array, at: number, address: IpAddress): void {
  const bytes = ipBytes(address);
  if (bytes?.length !== 4) throw new TypeError(`no IPv4 address: ${address}`);
  out.set(bytes, at);
}

function fitting(value: number, max: number): number {
  if (value > max) throw new RangeError(`${value} does not fit a field of at most ${max}`);
  return value;
}

const MIN_LENGTH = 8;
const V3_QUERY_LENGTH = 12;
const RECORD_LENGTH = 8;
const SUPPRESS = 0x08;
const MULTICAST_NIBBLE = 0xe;
const NO_SOURCES: readonly IpAddress[] = [];
