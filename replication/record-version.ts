/**
 * Which records this version of castgate writes, for a process that is to go on with those of another version.
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

/** Why this version does not go on with such records; undefined: it does. */
export function unreadable(
  of: RecordsOf,
  reader: { readonly records: number; readonly oldestRead: number } = {
    records: RECORDS_VERSION,
    oldestRead: OLDEST_READ,
  },
): string | undefined {
  if (reader.records < of.leastReader)
    return `its records are of version ${of.records}: version ${of.leastReader} or later is needed to read them, this is ${reader.records}`;
  if (of.records < reader.oldestRead)
    return `its records are of version ${of.records}: this version reads ${reader.oldestRead} and later`;
  return undefined;
}
