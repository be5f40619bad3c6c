/**
 * Records as octets: what replication sends, what the journal keeps and what digests are taken over. It
 * describes itself, so that a node of another version keeps the fields that it does not know and hands
 * them on. Equal records that were put with their fields in the same order give equal octets.
 *
 * Values: undefined, null, booleans, numbers (also Infinity), text, octets, arrays, objects with text keys.
 * Anything else in a record is a bug and throws. What was received is never trusted: `decodeRecord` refuses.
 */
import { DECODE_DEPTH, Tag } from './record-tags.ts';

/** Appends a record's octets to a growing buffer. One encoder serves a whole stream. */
export class RecordEncoder {
  #buffer = Buffer.allocUnsafe(INITIAL_OCTETS);
  #at = 0;

  /** Octets written since the last `take`. */
  get length(): number {
    return this.#at;
  }

  /** A copy of what was written, and an empty encoder. */
  take(): Uint8Array {
    const out = Buffer.allocUnsafe(this.#at);
    this.#buffer.copy(out, 0, 0, this.#at);
    this.#at = 0;
    return out;
  }

  /** Forgets what was written. */
  clear(): void {
    this.#at = 0;
  }

  /** What was written from `start` on, without a copy: valid until the next write. */
  since(start: number): Uint8Array {
    return this.#buffer.subarray(start, this.#at);
  }

  /** A value of a record. */
  value(value: unknown): void {
    switch (typeof value) {
      case 'undefined':
        this.#tag(Tag.Undefined);
        return;
      case 'boolean':
        this.#tag(value ? Tag.True : Tag.False);
        return;
      case 'number':
        this.#number(value);
        return;
      case 'string':
        this.#tag(Tag.Text);
        this.text(value);
        return;
      case 'object':
        this.#object(value);
        return;
      default:
        throw new TypeError(`a record cannot hold a ${typeof value}`);
    }
  }

  /** Text without a tag: its length, then UTF-8. */
  text(text: string): void {
    this.#room(5 + 3 * text.length);
    if (this.#shortAscii(text)) return;
    // One octet is enough for the length of nearly every text: write behind it, then correct where not.
    const at = this.#at;
    const octets = this.#buffer.write(text, at + 1, 'utf8');
    if (octets < 0x80) {
      this.#buffer[at] = octets;
      this.#at = at + 1 + octets;
      return;
    }
    this.count(octets);
    this.#at += this.#buffer.write(text, this.#at, 'utf8');
  }

  /** Writes names and keys octet by octet: the way into native code and back costs more. False where it is none. */
  #shortAscii(text: string): boolean {
    const { length } = text;
    if (length > SHORT) return false;
    const buffer = this.#buffer;
    const start = this.#at + 1;
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code >= 0x80) return false;
      buffer[start + i] = code;
    }
    buffer[this.#at] = length;
    this.#at = start + length;
    return true;
  }

  /** A whole number from 0 to 2^53 - 1, seven bits an octet, lowest first. */
  count(count: number): void {
    this.#room(8);
    let rest = count;
    while (rest >= 0x80) {
      this.#buffer[this.#at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#buffer[this.#at++] = rest;
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      this.#tag(value >= 0 ? Tag.Count : Tag.Negative);
      this.count(Math.abs(value));
      return;
    }
    this.#room(9);
    this.#buffer[this.#at++] = Tag.Float;
    this.#at = this.#buffer.writeDoubleBE(value, this.#at);
  }

  #object(value: object | null): void {
    if (value === null) this.#tag(Tag.Null);
    else if (value instanceof Uint8Array) {
      this.#tag(Tag.Octets);
      this.count(value.length);
      this.#room(value.length);
      this.#buffer.set(value, this.#at);
      this.#at += value.length;
    } else if (Array.isArray(value)) {
      this.#tag(Tag.Array);
      this.count(value.length);
      for (const item of value) this.value(item);
    } else {
      this.#fields(value as Readonly<Record<string, unknown>>);
    }
  }

  #fields(fields: Readonly<Record<string, unknown>>): void {
    this.#tag(Tag.Object);
    const at = this.#at;
    this.#tag(0); // room for the count
    let count = 0;
    // The engine reads the fields of such a loop in place; Object.keys would look each of them up by name.
    for (const key in fields) {
      this.text(key);
      this.value(fields[key]);
      count++;
    }
    if (count < 0x80) {
      this.#buffer[at] = count;
      return;
    }
    this.#at = at;
    this.count(count);
    for (const key in fields) {
      this.text(key);
      this.value(fields[key]);
    }
  }

  #tag(tag: number): void {
    this.#room(1);
    this.#buffer[this.#at++] = tag;
  }

  #room(octets: number): void {
    if (this.#at + octets <= this.#buffer.length) return;
    const bigger = Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, this.#at + octets));
    this.#buffer.copy(bigger, 0, 0, this.#at);
    this.#buffer = bigger;
  }
}

/** Why octets are no record. */
export type RecordFault = 'record-cut-off' | 'record-unknown-tag' | 'record-too-deep' | 'record-bad-number';

/** Reads values one after the other. After a fault every further read is one. */
export class RecordDecoder {
  readonly #b: Buffer;
  #at: number;
  /** Undefined while everything could be read. */
  fault: RecordFault | undefined;

  constructor(octets: Uint8Array, at = 0) {
    this.#b = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
    this.#at = at;
  }

  /** Octets that were not read yet. */
  get remaining(): number {
    return this.#b.length - this.#at;
  }

  /** Where the next value begins. */
  get at(): number {
    return this.#at;
  }

  /** The next value; meaningless where `fault` is set. */
  value(depth = 0): unknown {
    if (depth > DECODE_DEPTH) return this.#fail('record-too-deep');
    if (this.remaining < 1) return this.#fail('record-cut-off');
    const tag = this.#b[this.#at++];
    switch (tag) {
      case Tag.Undefined:
        return undefined;
      case Tag.Null:
        return null;
      case Tag.False:
        return false;
      case Tag.True:
        return true;
      case Tag.Count:
        return this.count();
      case Tag.Negative:
        return -this.count();
      case Tag.Float:
        return this.#float();
      case Tag.Text:
        return this.text();
      case Tag.Octets:
        return this.#octets();
      case Tag.Array:
        return this.#array(depth);
      case Tag.Object:
        return this.#object(depth);
      default:
        return this.#fail('record-unknown-tag');
    }
  }

  count(): number {
    let count = 0;
    let weight = 1;
    for (let i = 0; i < 8; i++) {
      if (this.remaining < 1) {
        this.#fail('record-cut-off');
        return 0;
      }
      const octet = this.#b[this.#at++] ?? 0;
      count += (octet & 0x7f) * weight;
      if (octet < 0x80) {
        if (Number.isSafeInteger(count)) return count;
        this.#fail('record-bad-number');
        return 0;
      }
      weight *= 0x80;
    }
    this.#fail('record-bad-number');
    return 0;
  }

  text(): string {
    const length = this.count();
    if (this.fault !== undefined || length > this.remaining) return this.#failText();
    const at = this.#at;
    this.#at += length;
    return this.#b.toString('utf8', at, this.#at);
  }

  /** The name of a field. The same few come again and again: making each anew would cost most of the reading. */
  #name(): string {
    const b = this.#b;
    const at = this.#at;
    const length = b[at] ?? 0;
    const end = at + 1 + length;
    if (length === 0 || length > SHORT || end > b.length) return this.text();
    const slot = (length * 31 + (b[at + 1] ?? 0) * 7 + (b[end - 1] ?? 0) * 131) % names.length;
    const known = names[slot];
    if (known !== undefined && known.length === length && isSpelled(known, b, at + 1)) {
      this.#at = end;
      return known;
    }
    const name = this.text();
    // Only where each octet is a character can the one be compared with the other.
    if (name.length === length) names[slot] = name;
    return name;
  }

  #float(): number {
    if (this.remaining < 8) {
      this.#fail('record-cut-off');
      return 0;
    }
    this.#at += 8;
    return this.#b.readDoubleBE(this.#at - 8);
  }

  #octets(): Uint8Array | undefined {
    const length = this.count();
    if (this.fault !== undefined || length > this.remaining) return this.#fail('record-cut-off');
    this.#at += length;
    return new Uint8Array(this.#b.subarray(this.#at - length, this.#at));
  }

  #array(depth: number): unknown[] {
    const length = this.count();
    const items: unknown[] = [];
    if (length > this.remaining) this.#fail('record-cut-off');
    for (let i = 0; i < length && this.fault === undefined; i++) items.push(this.value(depth + 1));
    return items;
  }

  #object(depth: number): Record<string, unknown> {
    const length = this.count();
    const object: Record<string, unknown> = {};
    if (length > this.remaining) this.#fail('record-cut-off');
    for (let i = 0; i < length && this.fault === undefined; i++) {
      const key = this.#name();
      const value = this.value(depth + 1);
      // An own property whatever its name is, `__proto__` too.
      if (key === '__proto__')
        Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
      else object[key] = value;
    }
    return object;
  }

  #fail(fault: RecordFault): undefined {
    this.fault ??= fault;
    this.#at = this.#b.length;
    return undefined;
  }

  #failText(): string {
    this.#fail('record-cut-off');
    return '';
  }
}

function isSpelled(text: string, b: Uint8Array, at: number): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== b[at + i]) return false;
  return true;
}

/** Names of fields that were read lately, each where its length and ends put it. */
const names: (string | undefined)[] = new Array(512).fill(undefined);
const INITIAL_OCTETS = 1 << 16;
const SHORT = 48;
