/**
 * MAC and IP addresses as canonical text, which is how records, keys and logs hold them:
 * `02:00:00:00:0a:01`, `239.1.1.1`, `ff15::101` (RFC 5952).
 */
import { u8, u16 } from './bytes.ts';

/** A MAC address, lower-case hex with colons. */
export type Mac = string;

/** An IPv4 address in dotted decimal, or an IPv6 address in the text of RFC 5952. */
export type IpAddress = string;

/** The MAC address at `at` (six octets). */
export function macAt(b: Uint8Array, at: number): Mac {
  const high = (u8(b, at) << 8) | u8(b, at + 1);
  const low = word(b, at + 2);
  const slot = slotOf(low ^ Math.imul(high, SPREAD));
  if (macHigh[slot] === high && macLow[slot] === low) return macText[slot] ?? '';
  const text = `${H[u8(b, at)]}:${H[u8(b, at + 1)]}:${H[u8(b, at + 2)]}:${H[u8(b, at + 3)]}:${H[u8(b, at + 4)]}:${H[u8(b, at + 5)]}`;
  macHigh[slot] = high;
  macLow[slot] = low;
  macText[slot] = text;
  return text;
}

/** The six octets of a MAC address in canonical text, or undefined where it is none. */
export function macBytes(mac: Mac): Uint8Array | undefined {
  if (mac.length !== 17) return undefined;
  const out = new Uint8Array(6);
  for (let i = 0; i < 6; i++) {
    const high = hexDigit(mac.charCodeAt(3 * i));
    const low = hexDigit(mac.charCodeAt(3 * i + 1));
    if (high < 0 || low < 0 || (i < 5 && mac.charCodeAt(3 * i + 2) !== COLON)) return undefined;
    out[i] = 16 * high + low;
  }
  return out;
}

/** True for a group address: the lowest bit of the first octet is set. */
export function isGroupMac(mac: Mac): boolean {
  return (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1;
}

/** The IPv4 address at `at` (four octets). */
export function ipv4At(b: Uint8Array, at: number): IpAddress {
  const key = word(b, at);
  const slot = slotOf(key);
  if (ipv4Key[slot] === key) return ipv4Text[slot] ?? '';
  const text = `${u8(b, at)}.${u8(b, at + 1)}.${u8(b, at + 2)}.${u8(b, at + 3)}`;
  ipv4Key[slot] = key;
  ipv4Text[slot] = text;
  return text;
}

/** The IPv6 address at `at` (sixteen octets), RFC 5952: longest run of zero words shortened, first of equals. */
export function ipv6At(b: Uint8Array, at: number): IpAddress {
  const w0 = word(b, at);
  const w1 = word(b, at + 4);
  const w2 = word(b, at + 8);
  const w3 = word(b, at + 12);
  const slot = slotOf(w3 ^ Math.imul(w2 ^ Math.imul(w1 ^ Math.imul(w0, SPREAD), SPREAD), SPREAD));
  const key = slot * 4;
  if (ipv6Key[key] === w0 && ipv6Key[key + 1] === w1 && ipv6Key[key + 2] === w2 && ipv6Key[key + 3] === w3) {
    return ipv6Text[slot] ?? '';
  }
  const text = writeIpv6(b, at);
  ipv6Key[key] = w0;
  ipv6Key[key + 1] = w1;
  ipv6Key[key + 2] = w2;
  ipv6Key[key + 3] = w3;
  ipv6Text[slot] = text;
  return text;
}

/** The 4 or 16 octets of an address in text, or undefined where it is none. */
export function ipBytes(address: IpAddress): Uint8Array | undefined {
  return address.includes(':') ? ipv6Bytes(address) : ipv4Bytes(address);
}

/** 4 or 6, by the form of the text. */
export function ipFamily(address: IpAddress): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}

/** True for 224.0.0.0/4 and ff00::/8. */
export function isMulticastIp(address: IpAddress): boolean {
  if (address.includes(':')) return /^ff[0-9a-f]{2}:/i.test(address);
  const first = Number.parseInt(address, 10);
  return first >= 224 && first <= 239;
}

/** An address that one host can have: no group, broadcast or loopback, not 0.0.0.0 or ::. */
export function isHostIp(address: IpAddress): boolean {
  if (isMulticastIp(address)) return false;
  if (address.includes(':')) return ipBytes(address) !== undefined && address !== '::' && address !== '::1';
  const first = ipBytes(address)?.[0];
  return first !== undefined && first !== 0 && first !== 127 && first < 240;
}

/** True for fe80::/10. */
export function isLinkLocalIp(address: IpAddress): boolean {
  return /^fe[89ab][0-9a-f]:/.test(address);
}

/** The link-local address that an interface makes of its MAC address (RFC 4291 appendix A). Throws on other text. */
export function linkLocalAddress(mac: Mac): IpAddress {
  const octets = macBytes(mac);
  if (octets === undefined) throw new TypeError(`no MAC address: ${mac}`);
  const address = new Uint8Array(16);
  address.set([0xfe, 0x80]);
  address.set(octets.subarray(0, 3), 8);
  address.set([0xff, 0xfe], 11);
  address.set(octets.subarray(3), 13);
  address[8] = u8(octets, 0) ^ UNIVERSAL;
  return ipv6At(address, 0);
}

function writeIpv6(b: Uint8Array, at: number): IpAddress {
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && u16(b, at + 2 * (i + length)) === 0) length++;
    if (length > bestLength) {
      best = i;
      bestLength = length;
    }
    if (length > 0) i += length - 1;
  }
  let text = '';
  for (let i = 0; i < 8; i++) {
    if (i === best) {
      text += '::';
      i += bestLength - 1;
    } else {
      const colon = i === 0 || i === best + bestLength ? '' : ':';
      text += colon + u16(b, at + 2 * i).toString(16);
    }
  }
  return text;
}

/** Four octets as a signed number: all 32 bits, and never one that has to be stored on the heap. */
function word(b: Uint8Array, at: number): number {
  return (u8(b, at) << 24) | (u8(b, at + 1) << 16) | (u8(b, at + 2) << 8) | u8(b, at + 3);
}

/** Fibonacci hashing to a slot. */
function slotOf(key: number): number {
  return Math.imul(key, SPREAD) >>> (32 - SLOT_BITS);
}

/** The value of a hex digit's code; -1 where it is none. */
function hexDigit(code: number): number {
  if (code >= ZERO && code <= ZERO + 9) return code - ZERO;
  const letter = code | 0x20;
  return letter >= LETTER_A && letter <= LETTER_A + 5 ? letter - LETTER_A + 10 : -1;
}

function ipv4Bytes(text: string): Uint8Array | undefined {
  const out = new Uint8Array(4);
  let part = 0;
  let digits = 0;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === DOT) {
      if (digits === 0 || part === 3) return undefined;
      out[part++] = value;
      digits = 0;
      value = 0;
      continue;
    }
    if (code < ZERO || code > ZERO + 9 || ++digits > 3) return undefined;
    value = 10 * value + code - ZERO;
    if (value > 255) return undefined;
  }
  if (part !== 3 || digits === 0) return undefined;
  out[3] = value;
  return out;
}

function ipv6Bytes(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = ipv6Words(halves[0] ?? '');
  const tail = halves.length === 2 ? ipv6Words(halves[1] ?? '') : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const words = [...head, ...new Array<number>(halves.length === 2 ? missing : 0).fill(0), ...tail];
  const out = new Uint8Array(16);
  words.forEach((word, i) => {
    out[2 * i] = word >>> 8;
    out[2 * i + 1] = word;
  });
  return out;
}

function ipv6Words(text: string): number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const last = parts.at(-1) ?? '';
  const words: number[] = [];
  for (const part of last.includes('.') ? parts.slice(0, -1) : parts) {
    if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined;
    words.push(Number.parseInt(part, 16));
  }
  if (last.includes('.')) {
    const v4 = ipv4Bytes(last);
    if (v4 === undefined) return undefined;
    words.push(u16(v4, 0), u16(v4, 2));
  }
  return words;
}

/** The bit that says "given by a manufacturer" in a MAC address, and the opposite in an interface identifier. */
const UNIVERSAL = 0x02;
/** Codes of `.`, `:`, `0` and `a`. */
const DOT = 0x2e;
const COLON = 0x3a;
const ZERO = 0x30;
const LETTER_A = 0x61;

// The text of the addresses last seen: frames name the same few over and over, and a text that was used as a
// key before is found again in a Map without being hashed anew. One slot each, the newer one stays; what is
// looked up never depends on it. Every slot begins with the address of zeros.
const SPREAD = 0x9e3779b1;
const SLOT_BITS = 11;
const SLOTS = 2 ** SLOT_BITS;
const macHigh = new Int32Array(SLOTS);
const macLow = new Int32Array(SLOTS);
const macText: Mac[] = new Array<Mac>(SLOTS).fill('00:00:00:00:00:00');
const ipv4Key = new Int32Array(SLOTS);
const ipv4Text: IpAddress[] = new Array<IpAddress>(SLOTS).fill('0.0.0.0');
const ipv6Key = new Int32Array(4 * SLOTS);
const ipv6Text: IpAddress[] = new Array<IpAddress>(SLOTS).fill('::');

const H: readonly string[] = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));
