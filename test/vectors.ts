/**
 * Golden vectors as text, in fixtures/vectors: `decode <hex>` or `decode-only <hex>`, then `expect <json>`, and
 * `count <n>` at the end. `#` begins a comment; the one above a vector is its name. A file that lost a line
 * does not load.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../wire/bytes.ts';

/** One vector. */
export interface Vector {
  readonly name: string;
  readonly line: number;
  readonly bytes: Uint8Array;
  /** False: the encoder does not give these octets back. */
  readonly bothWays: boolean;
  readonly expected: unknown;
}

/** All vectors of a file. Throws where a line is wrong or the count does not match. */
export function loadVectors(name: string): readonly Vector[] {
  const path = new URL(`../fixtures/vectors/${name}.txt`, import.meta.url);
  return parseVectors(readFileSync(path, 'utf8'), name);
}

/** As loadVectors, from text. */
export function parseVectors(text: string, name: string): readonly Vector[] {
  const vectors: Vector[] = [];
  let title = '';
  let counted: number | undefined;
  let pending: { bytes: Uint8Array; bothWays: boolean } | undefined;
  text.split('\n').forEach((raw, index) => {
    const line = raw.trim();
    const wrong = (what: string) => new Error(`${name}.txt:${index + 1}: ${what}: ${line}`);
    if (line === '') return;
    if (counted !== undefined) throw wrong('a line after the count');
    if (line.startsWith('#')) {
      title = line.slice(1).trim();
      return;
    }
    const space = line.indexOf(' ');
    const word = space < 0 ? line : line.slice(0, space);
    const rest = space < 0 ? '' : line.slice(space + 1);
    if (word === 'decode' || word === 'decode-only') {
      if (pending !== undefined) throw wrong('the vector before has no expect line');
      const bytes = fromHex(rest);
      if (bytes === undefined) throw wrong('not hex');
      pending = { bytes, bothWays: word === 'decode' };
    } else if (word === 'expect') {
      if (pending === undefined) throw wrong('no decode line before');
      vectors.push({ name: title, line: index + 1, ...pending, expected: JSON.parse(rest) });
      pending = undefined;
    } else if (word === 'count') {
      counted = Number(rest);
    } else {
      throw wrong('no such word');
    }
  });
  if (pending !== undefined) throw new Error(`${name}.txt: the last vector has no expect line`);
  if (counted !== vectors.length)
    throw new Error(`${name}.txt: count ${counted}, but ${vectors.length} vectors`);
  return vectors;
}

/** A decoded value as the vector files write it: octets as hex, undefined left out. */
export function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_key, item) => (item instanceof Uint8Array ? toHex(item) : item)));
}

/** A codec under test. */
export interface CodecUnderTest {
  readonly decode: (bytes: Uint8Array) => unknown;
  /** Encodes what `decode` gave. */
  readonly encode: (value: never) => Uint8Array;
}

/** Checks every vector of a file, and that no truncation of any makes the decoder throw or read what is not there. */
export function describeVectors(file: string, codec: CodecUnderTest): void {
  describe(`vectors of ${file}.txt`, () => {
    const vectors = loadVectors(file);
    for (const vector of vectors) {
      it(`${vector.name} (line ${vector.line})`, () => {
        const value = codec.decode(vector.bytes);
        expect(plain(value)).toEqual(vector.expected);
        if (refused(value)) return;
        const encoded = codec.encode(value as never);
        if (vector.bothWays) expect(toHex(encoded)).toBe(toHex(vector.bytes));
        else expect(toHex(encoded)).not.toBe(toHex(vector.bytes));
      });
    }

    it('every truncation gives a value, and the same one inside a longer buffer', () => {
      for (const { bytes } of vectors) {
        const room = new Uint8Array(bytes.length + 32).fill(0xa5);
        room.set(bytes, 16);
        for (let length = 0; length <= bytes.length; length++) {
          const value = codec.decode(bytes.slice(0, length));
          expect(value).toBeTypeOf('object');
          expect(plain(codec.decode(room.subarray(16, 16 + length)))).toEqual(plain(value));
        }
      }
    });
  });
}

/** True where a decoder refused. */
export function refused(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'malformed' in value;
}
