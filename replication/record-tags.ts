/** The first octet of each value in a record's octets. Numbers are for ever: a new kind gets a new one. */
export const Tag = {
  Undefined: 0,
  Null: 1,
  False: 2,
  True: 3,
  /** A whole number that is not negative. */
  Count: 4,
  /** Its absolute value follows. */
  Negative: 5,
  Float: 6,
  Text: 7,
  Octets: 8,
  Array: 9,
  Object: 10,
} as const;

/** How deep values may be nested in what is received. */
export const DECODE_DEPTH = 32;
