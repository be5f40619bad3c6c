import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AttributeType,
  address,
  addressOf,
  allValues,
  badAttributeLength,
  decodeVendorSpecific,
  eapMessage,
  firstInteger,
  firstText,
  firstValue,
  integer,
  integerOf,
  octets,
  splitEapMessage,
  station,
  stationText,
  text,
  textOf,
  vendorAttributes,
  vendorSpecific,
} from '../../radius/attributes.ts';
import { H3cAttribute, Vendor } from '../../radius/values.ts';
import { macAt } from '../../wire/address.ts';
import { concatBytes, fromHex, toHex } from '../../wire/bytes.ts';
import { arbitraryIpv4, arbitraryIpv6 } from '../arbitraries.ts';
import { utf8 } from './arbitraries.ts';

const hex = (digits: string) => fromHex(digits) ?? new Uint8Array();

describe('attributes', () => {
  it('builds and reads text, integers and octets', () => {
    const list = [
      text(AttributeType.UserName, 'zoë'),
      integer(AttributeType.SessionTimeout, 0xfffffffe),
      octets(AttributeType.State, hex('00ff')),
      octets(AttributeType.Class, hex('01')),
      octets(AttributeType.Class, hex('02')),
    ];
    expect(toHex(list[0]?.value ?? new Uint8Array())).toBe('7a6fc3ab');
    expect(firstText(list, AttributeType.UserName)).toBe('zoë');
    expect(firstInteger(list, AttributeType.SessionTimeout)).toBe(4294967294);
    expect(firstValue(list, AttributeType.State)).toEqual(hex('00ff'));
    expect(allValues(list, AttributeType.Class).map(toHex)).toEqual(['01', '02']);
    expect(firstValue(list, AttributeType.ReplyMessage)).toBeUndefined();
    expect(firstText(list, AttributeType.ReplyMessage)).toBeUndefined();
    expect(firstInteger(list, AttributeType.ReplyMessage)).toBeUndefined();
    expect(firstInteger(list, AttributeType.State)).toBeUndefined();
    expect(integerOf(hex('00000001'))).toBe(1);
    expect(textOf(hex('ff41'))).toBe('\ufffdA');
  });

  it('writes text in UTF-8, ASCII or not', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' })),
        (value) => {
          expect(text(AttributeType.UserName, value).value).toEqual(new TextEncoder().encode(value));
        },
      ),
    );
  });

  it('writes a station id as its text says', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (b) => {
        const mac = macAt(b, 0);
        const { value } = station(AttributeType.CallingStationId, mac);
        expect(new TextDecoder().decode(value)).toBe(stationText(mac));
      }),
    );
  });

  it('conformance 27: writes station ids in upper case with hyphens', () => {
    const attribute = station(AttributeType.CallingStationId, '02:00:00:00:0a:ff');
    expect(textOf(attribute.value)).toBe('02-00-00-00-0A-FF');
    expect(attribute.type).toBe(31);
  });

  it('writes and reads addresses of both families', () => {
    fc.assert(
      fc.property(fc.oneof(arbitraryIpv4, arbitraryIpv6), (ip) => {
        expect(addressOf(address(AttributeType.NasIpAddress, ip).value)).toBe(ip);
      }),
    );
    expect(addressOf(hex('01020304ff'))).toBeUndefined();
    expect(() => address(AttributeType.NasIpAddress, '10.0.0')).toThrow(/not an IP address/);
  });

  it('conformance 16: splits an EAP packet over 253 octets into consecutive attributes in order', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 1500 }), (eap) => {
        const parts = splitEapMessage(eap);
        expect(parts).toHaveLength(Math.ceil(eap.length / 253));
        for (const part of parts) expect(part.type).toBe(AttributeType.EapMessage);
        for (const part of parts.slice(0, -1)) expect(part.value).toHaveLength(253);
        expect(eapMessage(parts)).toEqual(eap);
        // Another attribute between them (which RFC 3579 §3.1 forbids the sender) does not tear the packet.
        expect(eapMessage([...parts.slice(0, 1), text(1, 'x'), ...parts.slice(1)])).toEqual(eap);
      }),
    );
    expect(splitEapMessage(new Uint8Array(506)).map((part) => part.value.length)).toEqual([253, 253]);
    expect(eapMessage([text(1, 'x')])).toBeUndefined();
  });
});

describe('vendor attributes', () => {
  const group = vendorSpecific(Vendor.H3c, H3cAttribute.Ipv4MulticastReceiveGroup, hex('ef010101'));

  it('writes the octets that the lab server understands', () => {
    expect(toHex(group.value)).toBe('000063a26206ef010101');
  });

  it('reads several sub-attributes in one attribute and in several alike', () => {
    const inOne = octets(26, concatBytes(hex('000063a2'), hex('6206ef010101'), hex('6206ef010102')));
    const inTwo = [group, text(1, 'x'), vendorSpecific(Vendor.H3c, 98, hex('ef010102'))];
    const expected = [
      { type: 98, value: hex('ef010101') },
      { type: 98, value: hex('ef010102') },
    ];
    expect(vendorAttributes([inOne], Vendor.H3c)).toEqual(expected);
    expect(vendorAttributes(inTwo, Vendor.H3c)).toEqual(expected);
    expect(vendorAttributes(inTwo, Vendor.Huawei)).toEqual([]);
  });

  it.each([
    ['only a vendor', '000063a2', 4],
    ['under four octets', '0063a2', 3],
    ['a sub-attribute of length 1', '000063a26201', 4],
    ['a sub-attribute past the end', '000063a26207ef010101', 4],
    ['a lone octet behind the last one', '000063a26206ef01010105', 10],
  ])('refuses %s', (_what, digits, offset) => {
    const damaged = octets(26, hex(digits));
    expect(vendorAttributes([group, damaged], Vendor.H3c)).toEqual({ malformed: 'radius-vsa-short', offset });
  });

  it('leaves the form of other vendors alone', () => {
    const usRobotics = octets(26, hex('000001ad0000983101'));
    expect(vendorAttributes([usRobotics, group], Vendor.H3c)).toHaveLength(1);
  });

  it('never throws, and gives back what was put together', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (value) => {
        expect(decodeVendorSpecific(value)).toBeTypeOf('object');
      }),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffffffff }),
        fc.integer({ min: 0, max: 255 }),
        fc.uint8Array({ maxLength: 247 }),
        (vendor, type, value) => {
          const attribute = vendorSpecific(vendor, type, value);
          expect(decodeVendorSpecific(attribute.value)).toEqual({ vendor, attributes: [{ type, value }] });
        },
      ),
    );
    expect(() => vendorSpecific(1, 1, new Uint8Array(248))).toThrow(/248 octets/);
  });
});

describe('badAttributeLength', () => {
  it.each([
    ['Session-Timeout of 3 octets', octets(AttributeType.SessionTimeout, hex('000001'))],
    ['Tunnel-Type of 5 octets', octets(AttributeType.TunnelType, hex('000000000d'))],
    ['Message-Authenticator of 15 octets', octets(AttributeType.MessageAuthenticator, new Uint8Array(15))],
    ['NAS-IPv6-Address of 4 octets', octets(AttributeType.NasIpv6Address, new Uint8Array(4))],
  ])('finds %s', (_what, attribute) => {
    const list = [text(1, 'alice'), attribute];
    expect(badAttributeLength(list)).toEqual({ malformed: 'radius-attribute-bad-length', offset: 1 });
  });

  it('finds a Vendor-Specific without content', () => {
    expect(badAttributeLength([octets(26, hex('000063a2'))])).toEqual({
      malformed: 'radius-vsa-short',
      offset: 0,
    });
  });

  it('passes what is right or unknown', () => {
    const list = [
      text(1, utf8('x').toString()),
      integer(27, 1),
      octets(200, hex('00')),
      vendorSpecific(9, 1, hex('00')),
    ];
    expect(badAttributeLength(list)).toBeUndefined();
  });
});
