/**
 * The form of netlink messages (linux/netlink.h): a header of 16 octets, the family's own header, then
 * attributes padded to four octets, in the byte order of the machine. Writing and walking only; what the
 * numbers mean is in link.ts, fdb.ts, mdb.ts and nft.ts.
 */
import { endianness } from 'node:os';

/** True where the machine is little-endian: netlink speaks the machine's order. */
export const littleEndian: boolean = endianness() === 'LE';

export const NetlinkProtocol = { Route: 0, Netfilter: 12 } as const;

export const MessageFlag = {
  Request: 0x1,
  Multi: 0x2,
  Ack: 0x4,
  DumpInterrupted: 0x10,
  AckHasText: 0x200,
  Replace: 0x100,
  Exclusive: 0x200,
  Create: 0x400,
  Append: 0x800,
  Dump: 0x300,
} as const;

export const MessageType = { Error: 2, Done: 3 } as const;

const HEADER = 16;
/** Length and type. */
export const ATTRIBUTE_HEADER = 4;
const NESTED = 0x8000;
/** What of an attribute's type is its number. */
export const TYPE_MASK = 0x3fff;

/** Writes messages one after the other into one array, as one sendto takes them. */
export class MessageWriter {
  #octets: Uint8Array;
  #view: DataView;
  #at = 0;
  #start = 0;

  constructor(room = 512) {
    this.#octets = new Uint8Array(room);
    this.#view = new DataView(this.#octets.buffer);
  }

  /** Octets written. */
  get length(): number {
    return this.#at;
  }

  /** Begins a message. The sequence number is set when it is sent. */
  begin(type: number, flags: number): this {
    this.#start = this.#at;
    this.#room(HEADER);
    this.#view.setUint16(this.#at + 4, type, littleEndian);
    this.#view.setUint16(this.#at + 6, flags, littleEndian);
    this.#at += HEADER;
    return this;
  }

  /** Ends the message: fills in its length. */
  end(): this {
    this.#view.setUint32(this.#start, this.#at - this.#start, littleEndian);
    this.#at = aligned(this.#at);
    return this;
  }

  /**
   * For many messages at once: only the last one asks for an acknowledgement. The kernel answers one that it
   * refuses without being asked.
   */
  acknowledgeLast(): this {
    for (let at = 0; at + HEADER <= this.#at; at += aligned(this.#view.getUint32(at, littleEndian))) {
      const flags = this.#view.getUint16(at + 6, littleEndian);
      const wanted = at === this.#start ? flags | MessageFlag.Ack : flags & ~MessageFlag.Ack;
      this.#view.setUint16(at + 6, wanted, littleEndian);
    }
    return this;
  }

  u8(value: number): this {
    this.#room(1);
    this.#octets[this.#at++] = value;
    return this;
  }

  u16(value: number): this {
    this.#room(2);
    this.#view.setUint16(this.#at, value, littleEndian);
    this.#at += 2;
    return this;
  }

  u32(value: number): this {
    this.#room(4);
    this.#view.setUint32(this.#at, value, littleEndian);
    this.#at += 4;
    return this;
  }

  /** Octets as they are. */
  raw(octets: Uint8Array): this {
    this.#room(octets.length);
    this.#octets.set(octets, this.#at);
    this.#at += octets.length;
    return this;
  }

  attribute(type: number, octets: Uint8Array): this {
    this.u16(ATTRIBUTE_HEADER + octets.length).u16(type);
    return this.raw(octets).#pad();
  }

  attributeU8(type: number, value: number): this {
    return this.u16(5).u16(type).u8(value).#pad();
  }

  attributeU16(type: number, value: number): this {
    return this.u16(6).u16(type).u16(value).#pad();
  }

  attributeU32(type: number, value: number): this {
    return this.u16(8).u16(type).u32(value);
  }

  /** A text with the closing zero octet that the kernel wants. */
  attributeText(type: number, text: string): this {
    return this.attribute(type, terminated(text));
  }

  /** An attribute that holds what `inside` writes. */
  nest(type: number, inside: () => void): this {
    const start = this.#at;
    this.u16(0).u16(type | NESTED);
    inside();
    this.#view.setUint16(start, this.#at - start, littleEndian);
    return this;
  }

  /** Forgets what was written. */
  clear(): void {
    this.#at = 0;
    this.#start = 0;
  }

  /** A copy of all that was written. */
  bytes(): Uint8Array {
    return this.#octets.slice(0, this.#at);
  }

  #pad(): this {
    this.#room(3);
    this.#at = aligned(this.#at);
    return this;
  }

  #room(length: number): void {
    if (this.#at + length <= this.#octets.length) return;
    const larger = new Uint8Array(2 * (this.#octets.length + length));
    larger.set(this.#octets);
    this.#octets = larger;
    this.#view = new DataView(larger.buffer);
  }
}

/** One message of an answer; `body` is a view of what follows its header. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly body: Uint8Array;
}

/** The messages in the octets of one read; stops at one that says it is longer than what is there. */
export function* messages(octets: Uint8Array): Generator<Message> {
  const view = viewOf(octets);
  let at = 0;
  while (at + HEADER <= octets.length) {
    const length = view.getUint32(at, littleEndian);
    if (length < HEADER || at + length > octets.length) return;
    yield {
      type: view.getUint16(at + 4, littleEndian),
      flags: view.getUint16(at + 6, littleEndian),
      sequence: view.getUint32(at + 8, littleEndian),
      body: octets.subarray(at + HEADER, at + length),
    };
    at += aligned(length);
  }
}

/** Writes the sequence numbers of all messages in `octets`: `first`, `first + 1`, …; returns the next one. */
export function numberMessages(octets: Uint8Array, first: number): number {
  const view = viewOf(octets);
  let sequence = first;
  for (let at = 0; at + HEADER <= octets.length; at += aligned(view.getUint32(at, littleEndian))) {
    view.setUint32(at + 8, sequence, littleEndian);
    sequence = (sequence + 1) >>> 0;
  }
  return sequence;
}

/** Attributes by number; of a repeated one the last. */
export type Attributes = ReadonlyMap<number, Uint8Array>;

/** The attributes from `at` on, as views. */
export function attributes(octets: Uint8Array, at = 0): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  for (const [type, value] of attributeList(octets, at)) found.set(type, value);
  return found;
}

/** The attributes from `at` on in their order, repeated ones too. */
export function* attributeList(octets: Uint8Array, at = 0): Generator<[number, Uint8Array]> {
  const view = viewOf(octets);
  while (at + ATTRIBUTE_HEADER <= octets.length) {
    const length = view.getUint16(at, littleEndian);
    if (length < ATTRIBUTE_HEADER || at + length > octets.length) return;
    yield [
      view.getUint16(at + 2, littleEndian) & TYPE_MASK,
      octets.subarray(at + ATTRIBUTE_HEADER, at + length),
    ];
    at += aligned(length);
  }
}

/** A number of 1, 2, 4 or 8 octets in the machine's order; undefined where there is none. */
export function numberOf(octets: Uint8Array | undefined): number | undefined {
  if (octets === undefined) return undefined;
  const view = viewOf(octets);
  if (octets.length === 1) return view.getUint8(0);
  if (octets.length === 2) return view.getUint16(0, littleEndian);
  if (octets.length === 4) return view.getUint32(0, littleEndian);
  if (octets.length === 8) return Number(view.getBigUint64(0, littleEndian));
  return undefined;
}

/** A text up to its closing zero octet. */
export function textOf(octets: Uint8Array | undefined): string | undefined {
  if (octets === undefined) return undefined;
  const end = octets.indexOf(0);
  return new TextDecoder().decode(end < 0 ? octets : octets.subarray(0, end));
}

/** The octets of a number in the machine's order, as wide as the kernel's field. */
export function octetsOf(value: number, width: 1 | 2 | 4 | 8): Uint8Array {
  const octets = new Uint8Array(width);
  const view = viewOf(octets);
  if (width === 1) view.setUint8(0, value);
  else if (width === 2) view.setUint16(0, value, littleEndian);
  else if (width === 4) view.setUint32(0, value, littleEndian);
  else view.setBigUint64(0, BigInt(value), littleEndian);
  return octets;
}

/** A DataView of exactly these octets. */
export function viewOf(octets: Uint8Array): DataView {
  return new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
}

/** Names of tables and sets come with every message: their octets are kept. */
function terminated(text: string): Uint8Array {
  let octets = texts.get(text);
  if (octets === undefined) {
    octets = new TextEncoder().encode(`${text}\0`);
    if (texts.size < MAX_TEXTS) texts.set(text, octets);
  }
  return octets;
}

const texts = new Map<string, Uint8Array>();
const MAX_TEXTS = 256;

function aligned(length: number): number {
  return (length + 3) & ~3;
}
