import { describe, expect, it } from 'vitest';
import { parseVectors } from './vectors.ts';

describe('vector files', () => {
  it('reads name, octets and expectation', () => {
    const [vector] = parseVectors('# one\ndecode 0a0b\nexpect {"a":1}\ncount 1\n', 'x');
    expect(vector).toEqual({
      name: 'one',
      line: 3,
      bytes: Uint8Array.of(10, 11),
      bothWays: true,
      expected: { a: 1 },
    });
  });

  it.each([
    ['a lost vector', 'decode 00\nexpect 1\ncount 2\n', /count 2, but 1/],
    ['a lost expect line', 'decode 00\ndecode 01\nexpect 1\ncount 1\n', /no expect line/],
    ['a lost decode line', 'expect 1\ncount 1\n', /no decode line/],
    ['a lost count', 'decode 00\nexpect 1\n', /count undefined/],
    ['a cut hex digit', 'decode 0\nexpect 1\ncount 1\n', /not hex/],
    ['a foreign word', 'encode 00\ncount 0\n', /no such word/],
    ['something after the count', 'count 0\ndecode 00\n', /after the count/],
  ])('does not load with %s', (_what, text, message) => {
    expect(() => parseVectors(text, 'x')).toThrow(message);
  });
});
