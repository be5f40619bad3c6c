/**
 * IGMP and MLD as `castgate decode` prints them, with the field names of RFC 9776 and RFC 9777. What is
 * refused for its checksum or for its IP header is still read in full: `malformed` says that it was refused.
 */
import type { GroupMessage, QueryMessage } from '../../igmp/group-message.ts';
import { type GroupRecord, RecordType } from '../../igmp/group-record.ts';
import { decodeIgmp, IgmpType } from '../../igmp/igmp.ts';
import { decodeMld, MldType } from '../../igmp/mld.ts';
import type { IpAddress } from '../../wire/address.ts';
import { putU16, u8, u16 } from '../../wire/bytes.ts';
import { internetChecksum, pseudoHeaderSum } from '../../wire/checksum.ts';
import { IpProtocol } from '../../wire/ipv4.ts';
import { isMalformed } from '../../wire/malformed.ts';

/** One group record of a report. */
export interface GroupRecordRecord {
  readonly type: number;
  readonly aux_words: number;
  readonly group: IpAddress;
  readonly sources: readonly IpAddress[];
}

/** An IGMP message. Times: `max_resp` in tenths of a second, `qqic` in seconds, both decoded; `*_code` as sent. */
export interface IgmpRecord {
  readonly type: number;
  readonly version?: number;
  readonly checksum?: number;
  readonly checksum_ok?: boolean;
  readonly max_resp?: number;
  readonly max_resp_code?: number;
  readonly group?: IpAddress;
  readonly s?: number;
  readonly qrv?: number;
  readonly qqic?: number;
  readonly qqic_code?: number;
  readonly num_src?: number;
  readonly sources?: readonly IpAddress[];
  readonly num_grp_recs?: number;
  readonly records?: readonly GroupRecordRecord[];
}

/** An MLD message. Times: `max_resp` and `max_resp_delay` in milliseconds, `qqic` in seconds. */
export interface MldRecord {
  readonly type: number;
  readonly code?: number;
  readonly version?: number;
  readonly checksum?: number;
  readonly checksum_ok?: boolean;
  readonly max_resp_delay?: number;
  readonly max_resp?: number;
  readonly max_resp_code?: number;
  readonly group?: IpAddress;
  readonly s?: number;
  readonly qrv?: number;
  readonly qqic?: number;
  readonly qqic_code?: number;
  readonly num_src?: number;
  readonly sources?: readonly IpAddress[];
  readonly num_records?: number;
  readonly records?: readonly GroupRecordRecord[];
}

/** An IPv4 payload; undefined where it is empty. */
export function igmpRecord(b: Uint8Array): IgmpRecord | undefined {
  if (b.length === 0) return undefined;
  const type = u8(b, 0);
  if (b.length < 4) return { type };
  const head = { type, checksum: u16(b, 2), checksum_ok: internetChecksum(b) === 0 };
  const message = decodeIgmp(head.checksum_ok ? b : summed(b, 0));
  if (isMalformed(message) || message.kind === 'unknown') return head;
  const version = igmpVersion(message);
  if (message.kind === 'record-report') {
    return { ...head, version, num_grp_recs: u16(b, 6), records: message.records.map(recordRecord) };
  }
  if (version === 1) return { ...head, version, group: message.group };
  const maxResp = message.kind === 'query' ? message.maxRespMs / 100 : u8(b, 1);
  const timed = { ...head, version, max_resp: maxResp, max_resp_code: u8(b, 1), group: message.group };
  return message.kind === 'query' && version === 3 ? { ...timed, ...queryFields(message) } : timed;
}

/** An ICMPv6 message of an MLD type, in a packet from `src` to `dst`. */
export function mldRecord(b: Uint8Array, src: IpAddress, dst: IpAddress): MldRecord {
  const type = u8(b, 0);
  if (b.length < 4) return { type };
  const sum = pseudoHeaderSum(src, dst, b.length, IpProtocol.Icmpv6);
  const ok = internetChecksum(b, 0, b.length, sum) === 0;
  const head = { type, code: u8(b, 1), checksum: u16(b, 2), checksum_ok: ok };
  const message = decodeMld(ok ? b : summed(b, sum), src, dst);
  if (isMalformed(message)) return head;
  if (message.kind === 'record-report') {
    return { ...head, version: 2, num_records: u16(b, 6), records: message.records.map(recordRecord) };
  }
  if (message.kind === 'query' && message.version === 2) {
    const times = { max_resp: message.maxRespMs, max_resp_code: message.maxRespCode };
    return { ...head, version: 2, ...times, group: message.group, ...queryFields(message) };
  }
  return { ...head, version: 1, max_resp_delay: u16(b, 4), group: message.group };
}

function igmpVersion(message: Exclude<GroupMessage, { kind: 'unknown' }>): number {
  return message.kind === 'leave' ? 2 : message.version;
}

function queryFields(message: QueryMessage) {
  return {
    s: message.suppress ? 1 : 0,
    qrv: message.qrv,
    qqic: message.qqicSeconds,
    qqic_code: message.qqicCode,
    num_src: message.sources.length,
    sources: message.sources,
  };
}

function recordRecord(record: GroupRecord): GroupRecordRecord {
  return { type: record.type, aux_words: record.auxWords, group: record.group, sources: record.sources };
}

/** A copy whose checksum is right. */
function summed(b: Uint8Array, sum: number): Uint8Array {
  const copy = new Uint8Array(b);
  putU16(copy, 2, 0);
  putU16(copy, 2, internetChecksum(copy, 0, copy.length, sum));
  return copy;
}

/** `IGMPv3 report: TO_EX 239.1.1.1 {}`. */
export function describeIgmp(igmp: IgmpRecord): string {
  const name = IGMP_NAMES.get(igmp.type) ?? `type 0x${igmp.type.toString(16).padStart(2, '0')}`;
  return describe(`IGMP${igmp.version === undefined ? '' : `v${igmp.version}`} ${name}`, igmp);
}

/** `MLDv2 query, general`. */
export function describeMld(mld: MldRecord): string {
  const name = MLD_NAMES.get(mld.type) ?? `type ${mld.type}`;
  return describe(`MLD${mld.version === undefined ? '' : `v${mld.version}`} ${name}`, mld);
}

function describe(name: string, message: IgmpRecord | MldRecord): string {
  if (message.records !== undefined) {
    const records = message.records.map((r) => {
      const type = RECORD_NAMES.get(r.type) ?? `type-${r.type}`;
      return `${type} ${r.group} {${r.sources.join(' ')}}`;
    });
    return `${name}: ${records.join(', ') || 'no records'}`;
  }
  if (message.group === undefined) return name;
  if (message.group === '0.0.0.0' || message.group === '::') return `${name}, general`;
  const sources = message.sources !== undefined && message.sources.length > 0;
  return `${name} ${message.group}${sources ? ` {${message.sources.join(' ')}}` : ''}`;
}

const IGMP_NAMES: ReadonlyMap<number, string> = new Map<number, string>([
  [IgmpType.Query, 'query'],
  [IgmpType.ReportV1, 'report'],
  [IgmpType.ReportV2, 'report'],
  [IgmpType.Leave, 'leave'],
  [IgmpType.ReportV3, 'report'],
]);
const MLD_NAMES: ReadonlyMap<number, string> = new Map<number, string>([
  [MldType.Query, 'query'],
  [MldType.ReportV1, 'report'],
  [MldType.Done, 'done'],
  [MldType.ReportV2, 'report'],
]);
const RECORD_NAMES: ReadonlyMap<number, string> = new Map<number, string>([
  [RecordType.IsInclude, 'IS_IN'],
  [RecordType.IsExclude, 'IS_EX'],
  [RecordType.ToInclude, 'TO_IN'],
  [RecordType.ToExclude, 'TO_EX'],
  [RecordType.Allow, 'ALLOW'],
  [RecordType.Block, 'BLOCK'],
]);
