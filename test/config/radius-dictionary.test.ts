import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  attributeName,
  describeAttribute,
  describeAttributes,
  packetName,
} from '../../config/radius-dictionary.ts';

const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'));
const ascii = (text: string) => Uint8Array.from(Buffer.from(text));

describe('names of RADIUS attributes', () => {
  it('knows standard, vendor and unknown attributes', () => {
    expect(attributeName(1)).toBe('User-Name');
    expect(attributeName(168)).toBe('Framed-IPv6-Address');
    expect(attributeName(250)).toBe('Attr-250');
    expect(attributeName(98, 25506)).toBe('H3C-IPv4-Multicast-Receive-Group');
    expect(attributeName(98, 2011)).toBe('Huawei-Multicast-Receive-Group');
    expect(attributeName(1, 4242)).toBe('Vendor-4242-Attr-1');
    expect(packetName(2)).toBe('Access-Accept');
    expect(packetName(99)).toBe('Code-99');
  });
});

describe('readable values', () => {
  it.each([
    [1, ascii('alice'), 'alice'],
    [1, ascii('4'), '4'],
    [1, ascii('1.2.3'), '1.2.3'],
    [1, ascii('Zürich'), 'Zürich'],
    [1, hex('00ff'), '0x00ff'],
    [1, hex(''), ''],
    [4, hex('c0000201'), '192.0.2.1'],
    [4, hex('c00002'), '0xc00002'],
    [8, ascii('1.2.'), '49.46.50.46'],
    [6, hex('00000011'), 'Authorize-Only'],
    [6, hex('000011'), '0x000011'],
    [6, hex('0000001100'), '0x0000001100'],
    [27, hex('00000e10'), '3600'],
    [40, hex('00000001'), 'Start'],
    [49, hex('00000013'), 'Supplicant-Restart'],
    [55, hex('5f000000'), '2020-07-04T04:05:20.000Z'],
    [61, hex('0000000f'), 'Ethernet'],
    [64, hex('0000000d'), 'VLAN'],
    [64, hex('0100000d'), 'VLAN (tag 1)'],
    [81, hex('3432'), '42'],
    [81, hex('013432'), '42 (tag 1)'],
    [87, ascii('1.2.3.4'), '1.2.3.4'],
    [95, hex('20010db8000000000000000000000001'), '2001:db8::1'],
    [80, hex('00'.repeat(16)), `0x${'00'.repeat(16)}`],
    [250, hex('01'), '0x01'],
  ])('attribute %i of %o reads %s', (type, value, text) => {
    expect(describeAttribute(type, value).text).toBe(text);
  });

  it('cuts long octets', () => {
    expect(describeAttribute(79, hex('02'.repeat(100))).text).toBe(`0x${'02'.repeat(64)}… (100 octets)`);
  });

  it('never shows a password or a key', () => {
    for (const [type, vendor] of [[2], [3], [69], [16, 311], [17, 311]] as const) {
      expect(describeAttribute(type, ascii('hunter2hunter2!!'), vendor).text).toBe('<hidden>');
    }
  });

  it("takes a vendor's attributes apart, several to one Vendor-Specific", () => {
    const h3c = hex(`000063a2${'6206ef010101'}${'6412ff150000000000000000000000000101'}`);
    expect(
      describeAttributes([
        { type: 26, value: h3c },
        { type: 1, value: ascii('bob') },
      ]),
    ).toEqual([
      { name: 'H3C-IPv4-Multicast-Receive-Group', text: '239.1.1.1' },
      { name: 'H3C-IPv6-Multicast-Receive-Group', text: 'ff15::101' },
      { name: 'User-Name', text: 'bob' },
    ]);
  });

  it('shows a broken Vendor-Specific as octets', () => {
    expect(describeAttributes([{ type: 26, value: hex('000063a26206') }])).toEqual([
      { name: 'Vendor-25506', text: '0x6206' },
    ]);
    expect(describeAttributes([{ type: 26, value: hex('00') }])).toEqual([
      { name: 'Vendor-Specific', text: '0x00' },
    ]);
  });

  it('takes any type, vendor and value', () => {
    const octets = fc.uint8Array({ maxLength: 253 });
    fc.assert(
      fc.property(
        fc.nat(255),
        octets,
        fc.option(fc.nat(70000), { nil: undefined }),
        (type, value, vendor) => {
          const { name, text } = describeAttribute(type, value, vendor);
          expect(name).not.toBe('');
          expect(text).not.toMatch(/\p{Cc}/u);
          expect(describeAttributes([{ type, value }]).length).toBeGreaterThan(0);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
