import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeEthernet, type EthernetParts, encodeEthernet, groupMac } from '../../wire/ethernet.ts';
import { isMalformed } from '../../wire/malformed.ts';
import { arbitraryMac } from '../arbitraries.ts';
import { describeVectors } from '../vectors.ts';

describeVectors('ethernet', {
  decode: decodeEthernet,
  encode: (frame: EthernetParts) => encodeEthernet(frame),
});

const tag = fc.record({
  id: fc.integer({ min: 0, max: 4095 }),
  pcp: fc.integer({ min: 0, max: 7 }),
  dei: fc.boolean(),
  tpid: fc.constantFrom(0x8100, 0x88a8),
});

describe('Ethernet', () => {
  it('decodes what it encodes', () => {
    const frame = fc.record({
      dst: arbitraryMac,
      src: arbitraryMac,
      vlans: fc.array(tag, { maxLength: 3 }),
      etherType: fc.integer({ min: 0, max: 0xffff }).filter((type) => type !== 0x8100 && type !== 0x88a8),
      payload: fc.uint8Array({ maxLength: 100 }),
    });
    fc.assert(
      fc.property(frame, (parts) => {
        expect(decodeEthernet(encodeEthernet(parts))).toEqual(parts);
      }),
    );
  });

  it('never throws, and keeps all octets behind the header', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const frame = decodeEthernet(bytes);
        if (isMalformed(frame)) return;
        expect(frame.payload.length).toBe(bytes.length - 14 - 4 * frame.vlans.length);
      }),
    );
  });

  it('throws on a MAC that is none: that is a bug of the caller', () => {
    const parts = { dst: '02:00', src: '02:00:00:00:00:01', etherType: 0x888e, payload: new Uint8Array() };
    expect(() => encodeEthernet(parts)).toThrow(TypeError);
  });

  it.each([
    ['239.1.1.1', '01:00:5e:01:01:01'],
    ['239.129.1.1', '01:00:5e:01:01:01'],
    ['224.0.0.251', '01:00:5e:00:00:fb'],
    ['ff15::101', '33:33:00:00:01:01'],
    ['ff02::1:ff00:b01', '33:33:ff:00:0b:01'],
  ])('sends %s to %s', (group, mac) => {
    expect(groupMac(group)).toBe(mac);
  });

  it('has no MAC for text that is no address', () => {
    expect(() => groupMac('group')).toThrow(TypeError);
  });
});
