import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeIgmp, encodeIgmp, type IgmpMessage } from '../../igmp/igmp.ts';
import { putU16 } from '../../wire/bytes.ts';
import { internetChecksum } from '../../wire/checksum.ts';
import { describeVectors } from '../vectors.ts';
import { arbitraryIgmp } from './arbitraries.ts';

describeVectors('igmp', { decode: decodeIgmp, encode: (message: IgmpMessage) => encodeIgmp(message) });

/** The same octets with a right checksum. */
function summed(bytes: Uint8Array): Uint8Array {
  putU16(bytes, 2, 0);
  putU16(bytes, 2, internetChecksum(bytes));
  return bytes;
}

describe('IGMP', () => {
  it('decodes what it encodes', () => {
    fc.assert(
      fc.property(arbitraryIgmp, (message) => {
        expect(decodeIgmp(encodeIgmp(message))).toEqual(message);
      }),
      { numRuns: 500 },
    );
  });

  it('never throws on any octets with a right checksum', () => {
    const type = fc.constantFrom(0x11, 0x12, 0x16, 0x17, 0x22, 0x13);
    fc.assert(
      fc.property(type, fc.uint8Array({ minLength: 7, maxLength: 60 }), (first, rest) => {
        expect(decodeIgmp(summed(Uint8Array.of(first, ...rest)))).toBeTypeOf('object');
        expect(decodeIgmp(rest)).toBeTypeOf('object');
      }),
      { numRuns: 500 },
    );
  });

  it('conformance 52: one wrong bit anywhere, also behind the last record, is a wrong checksum', () => {
    const report: IgmpMessage = {
      kind: 'record-report',
      version: 3,
      records: [{ type: 4, group: '239.1.1.1', sources: [], auxWords: 0 }],
    };
    const bytes = summed(Uint8Array.of(...encodeIgmp(report), 0xde, 0xad, 0xbe));
    expect(decodeIgmp(bytes)).toEqual(report);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const broken = bytes.slice();
      broken[bit >>> 3] = (broken[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
      expect(decodeIgmp(broken)).toEqual({ malformed: 'igmp-bad-checksum', offset: 2 });
    }
  });

  it('conformance 52: the version of a query is told by length and code; 9 to 11 octets are refused', () => {
    for (let length = 8; length <= 16; length++) {
      for (const code of [0, 100]) {
        const decoded = decodeIgmp(summed(Uint8Array.of(0x11, code, ...new Uint8Array(length - 2))));
        if (length > 8 && length < 12) {
          expect(decoded).toEqual({ malformed: 'igmp-query-bad-length', offset: length });
        } else {
          expect(decoded).toMatchObject({ kind: 'query', version: length >= 12 ? 3 : code === 0 ? 1 : 2 });
        }
      }
    }
  });

  it('conformance 52: unknown types and record types are kept apart, auxiliary data passed over', () => {
    for (let type = 0; type < 256; type++) {
      if ([0x11, 0x12, 0x16, 0x17, 0x22].includes(type)) continue;
      expect(decodeIgmp(summed(Uint8Array.of(type, ...new Uint8Array(7))))).toMatchObject({
        kind: 'unknown',
        type,
      });
    }
    const record = [9, 1, 0, 0, 10, 0, 0, 1, 0xaa, 0xaa, 0xaa, 0xaa];
    const join = [4, 2, 0, 0, 239, 1, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8];
    expect(decodeIgmp(summed(Uint8Array.of(0x22, 0, 0, 0, 0, 0, 0, 2, ...record, ...join)))).toEqual({
      kind: 'record-report',
      version: 3,
      records: [
        { type: 9, group: '10.0.0.1', sources: [], auxWords: 1 },
        { type: 4, group: '239.1.1.1', sources: [], auxWords: 2 },
      ],
    });
  });

  it('throws on messages that are a bug of the caller', () => {
    const query = decodeIgmp(summed(Uint8Array.of(0x11, 100, ...new Uint8Array(10)))) as IgmpMessage;
    if (query.kind !== 'query') throw new Error('not a query');
    expect(() => encodeIgmp({ kind: 'leave', group: '10.0.0.1' })).toThrow(TypeError);
    expect(() => encodeIgmp({ kind: 'report', version: 2, group: 'ff02::1' })).toThrow(TypeError);
    expect(() => encodeIgmp({ ...query, maxRespCode: 256 })).toThrow(RangeError);
    expect(() => encodeIgmp({ ...query, group: '::' })).toThrow(TypeError);
    expect(() => encodeIgmp({ ...query, sources: new Array(65_536).fill('10.0.0.1') })).toThrow(RangeError);
    const record = { type: 4, group: '239.1.1.1', sources: [], auxWords: 256 };
    expect(() => encodeIgmp({ kind: 'record-report', version: 3, records: [record] })).toThrow(RangeError);
  });
});
