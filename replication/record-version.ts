/**
 * Which records this version of castgate writes, for a process or a node that is to go on with those of another version.
 * Records describe themselves, and fields that a version does not know are kept and handed on: so the number changes
 * only where a field gets another meaning, and `LEAST_READER` only where an older version would read it wrongly.
 */

/**
 * Goes up with each change of what records mean.
 *
 *   2   attributes of accounting records and messages are octets (radius/attribute-octets.ts); lists are still read
 */
export const RECORDS_VERSION = 2;
/** The lowest version that reads these records rightly. */
export const LEAST_READER = 2;
/** The lowest version whose records are read rightly here. */
export const OLDEST_READ = 1;

export interface RecordsOf {
  readonly records: number;
  readonly leastReader: number;
}

/** What a version writes, and what it reads. */
export interface RecordVersions extends RecordsOf {
  readonly oldestRead: number;
}

export const OWN_RECORDS: RecordVersions = {
  records: RECORDS_VERSION,
  leastReader: LEAST_READER,
  oldestRead: OLDEST_READ,
};

/** Of a node or journal that does not tell its versions: those of the last version that did not. For ever. */
export const UNTOLD_RECORDS: RecordVersions = { records: 2, leastReader: 2, oldestRead: 1 };

/** What the versions of two nodes are to each other, where they are not the same to both. */
export interface Mismatch {
  /** The standby can follow nevertheless: there is no way back, until the other node has its version too. */
  readonly isOneWay: boolean;
  readonly why: string;
}

/** Undefined: each of them reads the other's records. */
export function mismatchOf(active: RecordVersions, standby: RecordVersions): Mismatch | undefined {
  const now = unreadable(active, standby);
  if (now !== undefined)
    return { isOneWay: false, why: `the standby cannot read the records of the node that serves: ${now}` };
  const later = unreadable(standby, active);
  if (later === undefined) return undefined;
  return { isOneWay: true, why: `once the standby serves, the other node cannot read its records: ${later}` };
}

/** Why this version does not go on with such records; undefined: it does. */
export function unreadable(
  of: RecordsOf,
  reader: { readonly records: number; readonly oldestRead: number } = OWN_RECORDS,
): string | undefined {
  if (reader.records < of.leastReader)
    return `its records are of version ${of.records}: version ${of.leastReader} or later is needed to read them, this is ${reader.records}`;
  if (of.records < reader.oldestRead)
    return `its records are of version ${of.records}: this version reads ${reader.oldestRead} and later`;
  return undefined;
}
