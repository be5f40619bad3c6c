/**
 * What IGMP and MLD say, in one form for both: MLDv1 is IGMPv2, MLDv2 is IGMPv3 (RFC 9777 §1). The family is
 * told by the addresses and by GroupPacket; `version` counts as the family does (IGMP 1..3, MLD 1..2).
 */
import type { IpAddress } from '../wire/address.ts';
import type { GroupRecord } from './group-record.ts';

/** A query. `group` is 0.0.0.0 or :: in a general query. Encoders write the codes, not the decoded times. */
export interface QueryMessage {
  readonly kind: 'query';
  readonly version: 1 | 2 | 3;
  readonly group: IpAddress;
  /** As sent; IGMPv1: 0. */
  readonly maxRespCode: number;
  /** Decoded, in milliseconds; IGMPv1: 10,000 (RFC 9776 §7.2.1). */
  readonly maxRespMs: number;
  /** S flag: Suppress Router-side Processing. False in IGMPv1, IGMPv2, MLDv1, as the next four are 0 and empty. */
  readonly suppress: boolean;
  /** Querier's Robustness Variable, 0..7. */
  readonly qrv: number;
  /** Querier's Query Interval Code as sent. */
  readonly qqicCode: number;
  /** Decoded, in seconds. */
  readonly qqicSeconds: number;
  readonly sources: readonly IpAddress[];
}

/** IGMPv1, IGMPv2 or MLDv1 report of one group. */
export interface ReportMessage {
  readonly kind: 'report';
  readonly version: 1 | 2;
  readonly group: IpAddress;
}

/** IGMPv2 leave, MLDv1 done. */
export interface LeaveMessage {
  readonly kind: 'leave';
  readonly group: IpAddress;
}

/** IGMPv3 (`version` 3) or MLDv2 (`version` 2) report. */
export interface RecordReportMessage {
  readonly kind: 'record-report';
  readonly version: 2 | 3;
  readonly records: readonly GroupRecord[];
}

/** An IGMP type that castgate does not know: to be ignored (RFC 9776 §4). `bytes` is the whole message. */
export interface UnknownMessage {
  readonly kind: 'unknown';
  readonly type: number;
  readonly bytes: Uint8Array;
}

/** Any of them. */
export type GroupMessage = QueryMessage | ReportMessage | LeaveMessage | RecordReportMessage | UnknownMessage;
