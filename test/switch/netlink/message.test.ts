import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  attributeList,
  attributes,
  littleEndian,
  MessageFlag,
  MessageWriter,
  messages,
  numberMessages,
  numberOf,
  octetsOf,
  textOf,
} from '../../../switch/linux/netlink/message.ts';
import { fromHex, toHex } from '../../../wire/bytes.ts';

// The vectors below are of a little-endian machine; netlink speaks the machine's order.
describe.skipIf(!littleEndian)('netlink messages', () => {
  it('writes header, fixed part, padded attributes and nests', () => {
    const writer = new MessageWriter().begin(0x10, MessageFlag.Request | MessageFlag.Ack).u32(7);
    writer.attributeU8(8, 1).attributeU16(5, 10).attributeU32(9, 2).attributeText(3, 'br0');
    writer.nest(12, () => writer.attribute(39, Uint8Array.of(1, 2, 3)));
    expect(toHex(writer.end().bytes())).toBe(
      [
        '40000000 1000 0500 00000000 00000000 07000000',
        '05000800 01000000',
        '06000500 0a000000',
        '08000900 02000000',
        '08000300 62723000',
        '0c000c80 07002700 01020300',
      ]
        .join('')
        .replaceAll(' ', ''),
    );
  });

  it('keeps growing beyond its first room', () => {
    const writer = new MessageWriter().begin(1, 0).attribute(1, new Uint8Array(2000).fill(7));
    const [message] = [...messages(writer.end().bytes())];
    expect(attributes(message?.body ?? new Uint8Array(0)).get(1)).toEqual(new Uint8Array(2000).fill(7));
  });

  it('numbers several messages in one array, over the wrap too', () => {
    const writer = new MessageWriter().begin(1, 0).end().begin(2, 0).u8(1).end().begin(3, 0).end();
    const octets = writer.bytes();
    expect(numberMessages(octets, 0xfffffffe)).toBe(1);
    expect([...messages(octets)].map(({ type, sequence }) => [type, sequence])).toEqual([
      [1, 0xfffffffe],
      [2, 0xffffffff],
      [3, 0],
    ]);
  });

  it('gives back what was written (property)', () => {
    const attribute = fc.tuple(fc.integer({ min: 1, max: 0x3fff }), fc.uint8Array({ maxLength: 70 }));
    fc.assert(
      fc.property(fc.array(attribute, { maxLength: 12 }), (list) => {
        const writer = new MessageWriter().begin(99, 0);
        for (const [type, value] of list) writer.attribute(type, value);
        const found = [...messages(writer.end().bytes())].map(({ type, body }) => [
          type,
          [...attributeList(body)],
        ]);
        expect(found).toEqual([[99, list]]);
      }),
    );
  });

  it('lets only the last of many messages ask for an acknowledgement', () => {
    const writer = new MessageWriter(16);
    for (const type of [1, 2, 3])
      writer
        .begin(type, MessageFlag.Request | MessageFlag.Ack)
        .u32(type)
        .end();
    const flags = () => [...messages(writer.acknowledgeLast().bytes())].map((m) => [m.type, m.flags]);
    expect(flags()).toEqual([
      [1, 1],
      [2, 1],
      [3, 5],
    ]);
    writer.clear();
    expect(writer.length).toBe(0);
    writer.begin(4, MessageFlag.Request).end();
    expect(flags()).toEqual([[4, 5]]);
  });

  it('stops at what is cut, and never throws (property)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => {
        for (const { body } of messages(octets)) {
          for (const [, value] of attributeList(body)) {
            numberOf(value);
            textOf(value);
            attributes(value);
          }
        }
      }),
    );
    const whole = new MessageWriter().begin(1, 0).attributeU32(1, 5).end().bytes();
    for (let length = 0; length < whole.length; length++) {
      expect([...messages(whole.subarray(0, length))]).toEqual([]);
    }
    expect([...attributeList(fromHex('0300010008000200aabbccdd') ?? new Uint8Array(0))]).toEqual([]);
  });

  it('reads and writes numbers of every width', () => {
    for (const [value, width, hex] of [
      [0x12, 1, '12'],
      [0x1234, 2, '3412'],
      [0x12345678, 4, '78563412'],
      [0x123456789a, 8, '9a78563412000000'],
    ] as const) {
      expect(toHex(octetsOf(value, width))).toBe(hex);
      expect(numberOf(octetsOf(value, width))).toBe(value);
    }
    expect(numberOf(Uint8Array.of(1, 2, 3))).toBeUndefined();
    expect(numberOf(undefined)).toBeUndefined();
    expect(textOf(Uint8Array.of(0x61, 0, 0x62))).toBe('a');
    expect(textOf(undefined)).toBeUndefined();
  });
});
