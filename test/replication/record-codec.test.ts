import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecordDecoder, RecordEncoder } from '../../replication/record-codec.ts';

const value = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constant(undefined),
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true }),
    fc.constantFrom(Infinity, -Infinity, -0, 0),
    fc.string({ unit: 'binary' }).filter((text) => Buffer.from(text).toString() === text),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(fc.string({ unit: 'binary-ascii', maxLength: 12 }), tie('value'), {
      maxKeys: 6,
      noNullPrototype: true,
    }),
  ),
})).value;

const encode = (input: unknown) => {
  const encoder = new RecordEncoder();
  encoder.value(input);
  return encoder.take();
};

describe('records as octets', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(value, (input) => {
        const decoder = new RecordDecoder(encode(input));
        expect(decoder.value()).toStrictEqual(input);
        expect(decoder.fault).toBeUndefined();
        expect(decoder.remaining).toBe(0);
      }),
    );
  });

  it('never throw, whatever the octets; what is cut off is refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
        new RecordDecoder(octets).value();
      }),
    );
    fc.assert(
      fc.property(value, fc.nat(), (input, cut) => {
        const octets = encode(input);
        const decoder = new RecordDecoder(octets.subarray(0, cut % octets.length));
        decoder.value();
        expect(decoder.fault).toBeDefined();
      }),
    );
  });

  it('have no way to promise more than they hold, or to nest without end', () => {
    const hostile = (...octets: number[]) => {
      const decoder = new RecordDecoder(Uint8Array.from(octets));
      decoder.value();
      return decoder.fault;
    };
    expect(hostile(8, 0xff, 0xff, 0xff, 0xff, 0x0f)).toBe('record-cut-off');
    expect(hostile(9, 0xff, 0xff, 0xff, 0xff, 0x0f)).toBe('record-cut-off');
    expect(hostile(4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)).toBe('record-bad-number');
    expect(hostile(...new Array<number[]>(100).fill([9, 1]).flat(), 0)).toBe('record-too-deep');
    expect(hostile(77)).toBe('record-unknown-tag');
  });

  it('refuse to hold what is no data', () => {
    expect(() => encode({ f: () => 0 })).toThrow(TypeError);
    expect(() => encode({ n: 1n })).toThrow(TypeError);
  });

  it('a name like __proto__ is a field like any other', () => {
    const input = JSON.parse('{"__proto__": {"admin": true}}');
    const output = new RecordDecoder(encode(input)).value() as Record<string, unknown>;
    expect(Object.hasOwn(output, '__proto__')).toBe(true);
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
    expect(output['admin']).toBeUndefined();
  });
});
