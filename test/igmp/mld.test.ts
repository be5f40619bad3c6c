import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeMld, decodeMldSummed, encodeMld, isMldType, type MldMessage } from '../../igmp/mld.ts';
import { putU16 } from '../../wire/bytes.ts';
import { internetChecksum, pseudoHeaderSum } from '../../wire/checksum.ts';
import { arbitraryIpv6 } from '../arbitraries.ts';
import { describeVectors } from '../vectors.ts';
import { arbitraryMld } from './arbitraries.ts';

const SRC = 'fe80::1';
const DST = 'ff02::16';

describeVectors('mld', {
  decode: (bytes) => decodeMld(bytes, SRC, DST),
  encode: (message: MldMessage) => encodeMld(message, SRC, DST),
});

/** The same octets with a right checksum. */
function summed(bytes: Uint8Array): Uint8Array {
  putU16(bytes, 2, 0);
  putU16(bytes, 2, internetChecksum(bytes, 0, bytes.length, pseudoHeaderSum(SRC, DST, bytes.length, 58)));
  return bytes;
}

describe('MLD', () => {
  it('decodes what it encodes, between any addresses', () => {
    fc.assert(
      fc.property(arbitraryMld, arbitraryIpv6, arbitraryIpv6, (message, src, dst) => {
        expect(decodeMld(encodeMld(message, src, dst), src, dst)).toEqual(message);
      }),
      { numRuns: 500 },
    );
  });

  it('never throws on any octets with a right checksum', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(130, 131, 132, 143),
        fc.uint8Array({ minLength: 7, maxLength: 90 }),
        (first, rest) => {
          expect(decodeMld(summed(Uint8Array.of(first, ...rest)), SRC, DST)).toBeTypeOf('object');
          expect(decodeMldSummed(rest, 0)).toBeTypeOf('object');
        },
      ),
      { numRuns: 500 },
    );
  });

  it('conformance 52: the checksum covers message, trailing octets and both addresses', () => {
    const report: MldMessage = { kind: 'report', version: 1, group: 'ff15::101' };
    const bytes = summed(Uint8Array.of(...encodeMld(report, SRC, DST), 1, 2, 3));
    expect(decodeMld(bytes, SRC, DST)).toEqual(report);
    const wrong = { malformed: 'mld-bad-checksum', offset: 2 };
    expect(decodeMld(bytes, 'fe80::2', DST)).toEqual(wrong);
    expect(decodeMld(bytes, SRC, 'ff02::17')).toEqual(wrong);
    expect(decodeMld(Uint8Array.of(...bytes, 1), SRC, DST)).toEqual(wrong);
    for (let bit = 8; bit < bytes.length * 8; bit++) {
      const broken = bytes.slice();
      broken[bit >>> 3] = (broken[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
      expect(decodeMld(broken, SRC, DST)).toEqual(wrong);
    }
  });

  it('conformance 52: the version of a query is told by length; 25 to 27 octets are refused', () => {
    for (let length = 24; length <= 32; length++) {
      const decoded = decodeMld(summed(Uint8Array.of(130, ...new Uint8Array(length - 1))), SRC, DST);
      if (length > 24 && length < 28) {
        expect(decoded).toEqual({ malformed: 'mld-query-bad-length', offset: length });
      } else {
        expect(decoded).toMatchObject({ kind: 'query', version: length === 24 ? 1 : 2 });
      }
    }
  });

  it('knows its four ICMPv6 types', () => {
    const known = Array.from({ length: 256 }, (_, type) => type).filter(isMldType);
    expect(known).toEqual([130, 131, 132, 143]);
    expect(decodeMldSummed(Uint8Array.of(135, ...new Uint8Array(23)), 0)).toMatchObject({
      malformed: 'mld-short',
    });
  });

  it('throws on messages that are a bug of the caller', () => {
    expect(() => encodeMld({ kind: 'leave', group: '239.1.1.1' }, SRC, DST)).toThrow(TypeError);
    expect(() => encodeMld({ kind: 'leave', group: 'ff02::1' }, '10.0.0.1', DST)).toThrow(TypeError);
    const record = { type: 4, group: 'ff15::1', sources: [], auxWords: 256 };
    const report: MldMessage = { kind: 'record-report', version: 2, records: [record] };
    expect(() => encodeMld(report, SRC, DST)).toThrow(RangeError);
    const query = decodeMld(summed(Uint8Array.of(130, ...new Uint8Array(27))), SRC, DST) as MldMessage;
    if (query.kind !== 'query') throw new Error('not a query');
    for (const wrong of [{ maxRespCode: 65_536 }, { maxRespCode: -1 }, { qqicCode: 256 }]) {
      expect(() => encodeMld({ ...query, ...wrong }, SRC, DST)).toThrow(RangeError);
    }
  });
});
