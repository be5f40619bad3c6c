import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ipBytes,
  ipFamily,
  ipv4At,
  ipv6At,
  isGroupMac,
  isMulticastIp,
  linkLocalAddress,
  macAt,
  macBytes,
} from '../../wire/address.ts';
import { fromHex, u16 } from '../../wire/bytes.ts';

const octets = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const hex = (text: string) => fromHex(text) ?? new Uint8Array();

/** Text near an address: of its characters, with some that are not. */
const almost = (characters: string) =>
  fc.array(fc.constantFrom(...characters), { maxLength: 20 }).map((list) => list.join(''));

describe('MAC addresses', () => {
  it('are read from six pairs of hex digits in either case, and from nothing else', () => {
    const pair = fc.constantFrom('00', '9f', 'aB', 'FF', '5', '0g', '`1', '+1', '');
    const pairs = fc.array(pair, { minLength: 5, maxLength: 7 });
    const joined = fc.tuple(pairs, fc.constantFrom(':', ':', ':', '-', '')).map(([p, by]) => p.join(by));
    fc.assert(
      fc.property(fc.oneof(joined, almost('0123456789abcdefABCDEF:/@G')), (text) => {
        const plain = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text);
        const expected = plain ? text.split(':').map((part) => Number.parseInt(part, 16)) : undefined;
        const read = macBytes(text);
        expect(read && [...read]).toEqual(expected);
      }),
    );
  });

  it('are the same text from octets and back, among many of them', () => {
    fc.assert(
      fc.property(fc.array(octets(6), { maxLength: 60 }), (list) => {
        const texts = list.map((b) => macAt(b, 0));
        expect(texts).toEqual(
          list.map((b) => Array.from(b, (o) => o.toString(16).padStart(2, '0')).join(':')),
        );
        expect(texts.map((text) => macBytes(text))).toEqual(list);
        // Asked again, when others have been seen in between.
        expect(list.map((b) => macAt(b, 0))).toEqual(texts);
      }),
    );
  });

  it('begin with zeros', () => {
    expect(macAt(new Uint8Array(6), 0)).toBe('00:00:00:00:00:00');
  });

  it.each([
    '',
    '02:00:00:00:00',
    '02:00:00:00:00:0g',
    '02:00:00:00:00:001',
    '020000000001',
    '02-00-00-00-00-01',
  ])('%j is none', (text) => {
    expect(macBytes(text)).toBeUndefined();
  });

  it('are of a group by the lowest bit of the first octet', () => {
    expect(isGroupMac('01:80:c2:00:00:03')).toBe(true);
    expect(isGroupMac('ff:ff:ff:ff:ff:ff')).toBe(true);
    expect(isGroupMac('02:00:00:00:00:01')).toBe(false);
  });
});

describe('IPv4 addresses', () => {
  it('are read from four numbers up to 255 of one to three digits, and from nothing else', () => {
    const number = fc.oneof(
      fc.nat(300).map(String),
      fc.constantFrom('007', '0', '', '1234', '+1', ' 1', '1e1', '٣'),
    );
    const dotted = fc.array(number, { minLength: 3, maxLength: 5 }).map((list) => list.join('.'));
    fc.assert(
      fc.property(fc.oneof(dotted, almost('0123456789./')), (text) => {
        const parts = text.split('.');
        const plain = parts.length === 4 && parts.every((p) => /^[0-9]{1,3}$/.test(p) && Number(p) <= 255);
        const read = ipBytes(text);
        expect(read && [...read]).toEqual(plain ? parts.map(Number) : undefined);
      }),
      { numRuns: 1000 },
    );
  });

  it('are the same text from octets and back, among many of them', () => {
    fc.assert(
      fc.property(fc.array(octets(4), { maxLength: 60 }), (list) => {
        const texts = list.map((b) => ipv4At(b, 0));
        expect(texts).toEqual(list.map((b) => b.join('.')));
        expect(texts.map((text) => ipBytes(text))).toEqual(list);
        expect(list.map((b) => ipv4At(b, 0))).toEqual(texts);
      }),
    );
  });

  it.each(['', '1.2.3', '1.2.3.4.5', '1.2.3.256', '1.2.3.-4', '1.2.3.', 'a.b.c.d', '1.2.3.0004', ' 1.2.3.4'])(
    '%j is none',
    (text) => {
      expect(ipBytes(text)).toBeUndefined();
    },
  );
});

describe('IPv6 addresses', () => {
  it.each([
    ['00000000000000000000000000000000', '::'],
    ['00000000000000000000000000000001', '::1'],
    ['00010000000000000000000000000000', '1::'],
    ['20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
    ['20010db8000000010001000100010001', '2001:db8:0:1:1:1:1:1'],
    ['20010000000000010000000000000001', '2001:0:0:1::1'],
    ['00000001000200030004000500060007', '0:1:2:3:4:5:6:7'],
    ['00010002000300040005000600070000', '1:2:3:4:5:6:7:0'],
    ['00000000000300040005000600000000', '::3:4:5:6:0:0'],
    ['ff0200000000000000000001ff000b01', 'ff02::1:ff00:b01'],
    ['00000000000000000000ffffc0000201', '::ffff:c000:201'],
  ])('%s reads %s (RFC 5952 §4)', (octetText, text) => {
    expect(ipv6At(hex(octetText), 0)).toBe(text);
    expect(ipBytes(text)).toEqual(hex(octetText));
  });

  it('come back from their text, among many of them', () => {
    const sparse = fc
      .array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: 8, maxLength: 8 })
      .map((words) => Uint8Array.from(words.flatMap((word) => [word >>> 8, word & 0xff])));
    fc.assert(
      fc.property(fc.array(sparse, { maxLength: 40 }), (list) => {
        const texts = list.map((b) => ipv6At(b, 0));
        expect(texts.map((text) => ipBytes(text))).toEqual(list);
        expect(list.map((b) => ipv6At(b, 0))).toEqual(texts);
        for (const [i, text] of texts.entries()) {
          // The longest run of zero words is the one that is left out.
          const words = Array.from({ length: 8 }, (_, n) =>
            u16(list[i] ?? new Uint8Array(), 2 * n) === 0 ? '0' : 'x',
          );
          const longest = Math.max(
            ...words
              .join('')
              .split('x')
              .map((run) => run.length),
          );
          expect(text.includes('::')).toBe(longest > 1);
          expect(text.split(':').filter((part) => part !== '').length).toBe(longest > 1 ? 8 - longest : 8);
        }
      }),
    );
  });

  it('may end in dotted decimal', () => {
    expect(ipBytes('::ffff:192.0.2.1')).toEqual(hex('00000000000000000000ffffc0000201'));
  });

  it.each([
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8',
    '12345::',
    'g::',
    '::1%eth0',
    '::1.2.3',
  ])('%j is none', (text) => {
    expect(ipBytes(text)).toBeUndefined();
  });
});

describe('IP addresses', () => {
  it('have a family by their form', () => {
    expect(ipFamily('192.0.2.1')).toBe(4);
    expect(ipFamily('::1')).toBe(6);
  });

  it.each([
    ['223.255.255.255', false],
    ['224.0.0.0', true],
    ['239.255.255.255', true],
    ['240.0.0.0', false],
    ['ff00::', true],
    ['FF02::1', true],
    ['fe80::1', false],
    ['ff::1', false],
    ['::', false],
  ])('%s is multicast: %s', (address, multicast) => {
    expect(isMulticastIp(address)).toBe(multicast);
  });
});

it('makes the link-local address of a MAC address (RFC 4291 appendix A)', () => {
  expect(linkLocalAddress('34:56:78:9a:bc:de')).toBe('fe80::3656:78ff:fe9a:bcde');
  expect(linkLocalAddress('02:ca:57:00:00:fe')).toBe('fe80::ca:57ff:fe00:fe');
  expect(() => linkLocalAddress('no')).toThrow(TypeError);
});
