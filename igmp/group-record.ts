/**
 * Group records of IGMPv3 and MLDv2 reports (RFC 9776 §4.2.4, RFC 9777 §5.2.4), one type for both families.
 * A record of an unknown type is kept with its number; who acts on records ignores it (RFC 9776 §4.2.13).
 */
import type { IpAddress } from '../wire/address.ts';

/** Record types, RFC 9776 §4.2.13 and RFC 9777 §5.2.12. */
export const RecordType = {
  IsInclude: 1,
  IsExclude: 2,
  ToInclude: 3,
  ToExclude: 4,
  Allow: 5,
  Block: 6,
} as const;

/** One record. */
export interface GroupRecord {
  /** One of RecordType, or any other octet. */
  readonly type: number;
  readonly group: IpAddress;
  readonly sources: readonly IpAddress[];
  /** Length of the auxiliary data in 32-bit words; the data are ignored (RFC 9776 §4.2.11). */
  readonly auxWords: number;
}

/** True for the six types that RFC 9776 defines. */
export function isKnownRecordType(type: number): boolean {
  return type >= RecordType.IsInclude && type <= RecordType.Block;
}
