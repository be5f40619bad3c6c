import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArpOperation, decodeArp, encodeArp } from '../../wire/arp.ts';
import { concatBytes, fromHex, toHex } from '../../wire/bytes.ts';
import { isMalformed } from '../../wire/malformed.ts';

/** As arping of a Linux host sends it, RFC 826. */
const HEX = '0001080006040001020000000a010a000001000000000000' + '0a000002';
const REQUEST = fromHex(HEX) ?? new Uint8Array();

describe('ARP', () => {
  it('is read and written octet by octet', () => {
    const packet = {
      operation: ArpOperation.Request,
      senderMac: '02:00:00:00:0a:01',
      sender: '10.0.0.1',
      targetMac: '00:00:00:00:00:00',
      target: '10.0.0.2',
    };
    expect(decodeArp(REQUEST)).toEqual(packet);
    expect(toHex(encodeArp(packet))).toBe(HEX);
    expect(decodeArp(concatBytes(REQUEST, new Uint8Array(18)))).toEqual(packet);
  });

  it('refuses what is cut, and other hardware and protocols', () => {
    const whole = REQUEST;
    for (let length = 0; length < whole.length; length++) {
      expect(decodeArp(whole.subarray(0, length))).toEqual({ malformed: 'arp-short', offset: length });
    }
    for (const at of [1, 2, 4, 5]) {
      const other = whole.slice();
      other[at] = 7;
      expect(decodeArp(other)).toEqual({ malformed: 'arp-not-ipv4-on-ethernet', offset: 0 });
    }
  });

  it('never throws, and encode takes back what decode gave (property)', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 20, maxLength: 20 }),
        fc.integer({ min: 0, max: 0xffff }),
        (rest, op) => {
          const bytes = new Uint8Array(28);
          bytes.set(REQUEST.subarray(0, 6));
          bytes.set([op >>> 8, op & 0xff], 6);
          bytes.set(rest, 8);
          const packet = decodeArp(bytes);
          if (isMalformed(packet)) throw new Error('refused');
          expect(encodeArp(packet)).toEqual(bytes);
        },
      ),
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => typeof decodeArp(bytes) === 'object'));
  });

  it('throws on text that is no address', () => {
    const packet = decodeArp(REQUEST);
    if (isMalformed(packet)) throw new Error('refused');
    expect(() => encodeArp({ ...packet, target: 'fe80::1' })).toThrow(TypeError);
    expect(() => encodeArp({ ...packet, senderMac: 'nobody' })).toThrow(TypeError);
  });
});
