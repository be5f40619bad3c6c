import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeSegment, decodeTcp, encodeQuestion, TcpFlag } from '../../connection-backup/segment.ts';
import { distance, plus } from '../../connection-backup/sequence.ts';
import { concatBytes, fromHex, toHex } from '../../wire/bytes.ts';
import { internetChecksum, pseudoHeaderSum } from '../../wire/checksum.ts';
import { encodeIpv4 } from '../../wire/ipv4.ts';

const local = { address: '198.18.0.10', port: 44200 };
const remote = { address: '198.18.0.2', port: 1812 };
const parts = {
  local,
  remote,
  unacknowledged: 0x4b1ec8e4,
  awaited: 0x01020304,
  window: 63,
  timestamp: 0xa4637138,
};

describe('sequence numbers', () => {
  it('go round in a circle, for positions of hours of traffic too', () => {
    expect(plus(0xffffffff, 1)).toBe(0);
    expect(plus(5, -6)).toBe(0xffffffff);
    expect(plus(1, 2 ** 40 + 3)).toBe(4);
    expect(distance(0xfffffff0, 0x10)).toBe(0x20);
    expect(distance(0x10, 0xfffffff0)).toBe(-0x20);
  });
});

describe('a question to a peer', () => {
  const withoutChecksum = (b: Uint8Array) =>
    toHex(Uint8Array.from(b, (octet, i) => (i === 16 || i === 17 ? 0 : octet)));

  it('is one old octet with the place and the clock', () => {
    expect(withoutChecksum(encodeQuestion(parts))).toBe(
      'aca80714' + '4b1ec8e3' + '01020304' + '8010003f' + '00000000' + '0101080aa463713800000000' + '00',
    );
    expect(withoutChecksum(encodeQuestion({ ...parts, timestamp: undefined }))).toBe(
      'aca80714' + '4b1ec8e3' + '01020304' + '5010003f' + '00000000' + '00',
    );
  });

  it('has a right checksum over its pseudo header, for both families', () => {
    for (const [a, b] of [
      [local.address, remote.address],
      ['fd77::1', 'fd77::2'],
    ] as const) {
      const octets = encodeQuestion({
        ...parts,
        local: { ...local, address: a },
        remote: { ...remote, address: b },
      });
      expect(internetChecksum(octets, 0, octets.length, pseudoHeaderSum(a, b, octets.length, 6))).toBe(0);
    }
  });

  it('is read as it was written', () => {
    const payload = encodeQuestion(parts);
    const packet = encodeIpv4({ src: local.address, dst: remote.address, protocol: 6, ttl: 64, payload });
    expect(decodeSegment(packet)).toEqual({
      source: local,
      destination: remote,
      sequence: 0x4b1ec8e3,
      acknowledgement: 0x01020304,
      flags: TcpFlag.Ack,
      window: 63,
      length: 1,
      sack: [],
    });
  });
});

describe('an answer', () => {
  // As Linux answers: an acknowledgement with its clock, and what came twice as a block.
  const header =
    fromHex('0714aca8016462f84b1ec8e4b0100049ffff00000101080ae116c00da46371380101050a4b1ec8e34b1ec8e4') ??
    new Uint8Array(0);
  const read = (b: Uint8Array) => decodeTcp(b, 0, header.length, remote.address, local.address);

  it('tells window, place and blocks', () => {
    expect(read(header)).toEqual({
      source: remote,
      destination: local,
      sequence: 0x016462f8,
      acknowledgement: 0x4b1ec8e4,
      flags: TcpFlag.Ack,
      window: 73,
      length: 0,
      sack: [{ from: 0x4b1ec8e3, to: 0x4b1ec8e4 }],
    });
  });

  it('that is cut off anywhere in its header is none', () => {
    for (let length = 0; length < header.length; length++)
      expect(read(header.subarray(0, length))).toBeUndefined();
  });

  it('never throws, whatever comes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), (octets) => void decodeSegment(octets)));
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 20, maxLength: 80 }), (tcp) => {
        decodeSegment(encodeIpv4({ src: '10.0.0.1', dst: '10.0.0.2', protocol: 6, ttl: 64, payload: tcp }));
        decodeSegment(
          concatBytes(Uint8Array.of(0x60, 0, 0, 0, 0, tcp.length, 6, 64), new Uint8Array(32), tcp),
        );
      }),
    );
  });
});
