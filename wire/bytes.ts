/**
 * Big-endian reads and writes on octet arrays. A read past the end gives 0 and never throws: every
 * decoder checks the length first, and the property tests of each codec hold it to that.
 */

/** The octet at `at`. */
export function u8(b: Uint8Array, at: number): number {
  return b[at] ?? 0;
}

/** The 16-bit number at `at`. */
export function u16(b: Uint8Array, at: number): number {
  return ((b[at] ?? 0) << 8) | (b[at + 1] ?? 0);
}

/** The 32-bit number at `at`, unsigned. */
export function u32(b: Uint8Array, at: number): number {
  return (((b[at] ?? 0) << 24) | ((b[at + 1] ?? 0) << 16) | ((b[at + 2] ?? 0) << 8) | (b[at + 3] ?? 0)) >>> 0;
}

/** Writes an octet. */
export function putU8(b: Uint8Array, at: number, value: number): void {
  b[at] = value;
}

/** Writes a 16-bit number. */
export function putU16(b: Uint8Array, at: number, value: number): void {
  b[at] = value >>> 8;
  b[at + 1] = value;
}

/** Writes a 32-bit number. */
export function putU32(b: Uint8Array, at: number, value: number): void {
  b[at] = value >>> 24;
  b[at + 1] = value >>> 16;
  b[at + 2] = value >>> 8;
  b[at + 3] = value;
}

/** True where both hold the same octets. Not for secrets: its time depends on the input. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** One array of all the octets, in order. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Lower-case hex, two digits an octet, nothing between. */
export function toHex(b: Uint8Array): string {
  let text = '';
  for (const octet of b) text += HEX[octet];
  return text;
}

/** The octets of hex digits; whitespace, `:` and `-` are skipped. An odd or foreign digit gives undefined. */
export function fromHex(text: string): Uint8Array | undefined {
  const digits = text.replace(/[\s:-]/g, '');
  if (digits.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(digits)) return undefined;
  const out = new Uint8Array(digits.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return out;
}

const HEX: readonly string[] = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));
