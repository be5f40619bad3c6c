/**
 * The two floating-point codes of IGMPv3 and MLDv2 queries: eight bits for IGMP's Max Resp Code and for both
 * QQICs (RFC 9776 §4.1.1, §4.1.7; RFC 9777 §5.1.9), sixteen for MLD's Maximum Response Code (RFC 9777 §5.1.3).
 * Small values stand for themselves. An encoder rounds down, so that no listener waits longer than was meant.
 */

/** Largest value of the eight-bit code. */
export const MAX_FLOAT8 = 31_744;

/** Largest value of the sixteen-bit code. */
export const MAX_FLOAT16 = 8_387_584;

/** The value of an eight-bit code, in the unit of its field. */
export function decodeFloat8(code: number): number {
  return code < 0x80 ? code : ((code & 0x0f) | 0x10) << (((code >>> 4) & 0x07) + 3);
}

/** The code of the largest value that is not above `value`; negative gives 0, above MAX_FLOAT8 the largest. */
export function encodeFloat8(value: number): number {
  const whole = clamp(value, MAX_FLOAT8);
  if (whole < 0x80) return whole;
  const exponent = 31 - Math.clz32(whole) - 7;
  return 0x80 | (exponent << 4) | ((whole >>> (exponent + 3)) & 0x0f);
}

/** The value of a sixteen-bit code, in the unit of its field. */
export function decodeFloat16(code: number): number {
  return code < 0x8000 ? code : ((code & 0x0fff) | 0x1000) << (((code >>> 12) & 0x07) + 3);
}

/** The code of the largest value that is not above `value`; negative gives 0, above MAX_FLOAT16 the largest. */
export function encodeFloat16(value: number): number {
  const whole = clamp(value, MAX_FLOAT16);
  if (whole < 0x8000) return whole;
  const exponent = 31 - Math.clz32(whole) - 15;
  return 0x8000 | (exponent << 12) | ((whole >>> (exponent + 3)) & 0x0fff);
}

function clamp(value: number, max: number): number {
  return Math.max(0, Math.min(max, Math.floor(value)));
}
