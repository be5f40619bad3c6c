import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { putU16, toHex } from '../../wire/bytes.ts';
import { internetChecksum, pseudoHeaderSum } from '../../wire/checksum.ts';
import { decodeIpv6, encodeIpv6, type Ipv6Packet } from '../../wire/ipv6.ts';
import { isMalformed } from '../../wire/malformed.ts';
import {
  advertisedAddress,
  encodeNeighbourAdvertisement,
  encodeNeighbourSolicitation,
  solicitedAddress,
} from '../../wire/neighbour.ts';

const HOST = 'fe80::2';
const SWITCH = 'fe80::1';

function packet(bytes: Uint8Array): Ipv6Packet {
  const decoded = decodeIpv6(bytes);
  if (isMalformed(decoded)) throw new Error('refused');
  return decoded;
}

/** An advertisement of `target`, with some octets otherwise; its checksum is right unless `checksum` is given. */
function advertisement(
  changes: ReadonlyMap<number, number> = new Map(),
  hopLimit = 255,
  checksum?: number,
): Ipv6Packet {
  const message = new Uint8Array(24);
  message[0] = 136;
  message[4] = 0x60;
  message.set([0xfe, 0x80], 8);
  message[23] = 2;
  for (const [at, octet] of changes) message[at] = octet;
  const sum = pseudoHeaderSum(HOST, SWITCH, message.length, 58);
  putU16(message, 2, checksum ?? internetChecksum(message, 0, message.length, sum));
  return packet(encodeIpv6({ src: HOST, dst: SWITCH, hopLimit, nextHeader: 58, payload: message }));
}

describe('neighbour discovery', () => {
  it('asks a host at its own address, with the address to answer to', () => {
    const bytes = encodeNeighbourSolicitation(SWITCH, '02:00:00:00:00:01', HOST);
    const { src, dst, hopLimit, nextHeader, payload } = packet(bytes);
    expect({ src, dst, hopLimit, nextHeader }).toEqual({
      src: SWITCH,
      dst: HOST,
      hopLimit: 255,
      nextHeader: 58,
    });
    expect(toHex(payload.subarray(0, 2))).toBe('8700');
    expect(toHex(payload.subarray(4))).toBe('00000000fe8000000000000000000000000000020101020000000001');
    const sum = pseudoHeaderSum(SWITCH, HOST, payload.length, 58);
    expect(internetChecksum(payload, 0, payload.length, sum)).toBe(0);
    expect(() => encodeNeighbourSolicitation(SWITCH, '02:00:00:00:00:01', '10.0.0.1')).toThrow(TypeError);
  });

  it('knows an advertisement, and what only looks like one (RFC 4861 §7.1.2)', () => {
    expect(advertisedAddress(advertisement())).toBe(HOST);
    expect(advertisedAddress(advertisement(new Map([[0, 135]])))).toBeUndefined();
    expect(advertisedAddress(advertisement(new Map([[1, 1]])))).toBeUndefined();
    expect(advertisedAddress(advertisement(new Map([[8, 0xff]])))).toBeUndefined();
    expect(advertisedAddress(advertisement(new Map(), 254))).toBeUndefined();
    expect(advertisedAddress(advertisement(new Map(), 255, 0x1234))).toBeUndefined();
    const whole = advertisement();
    for (let length = 0; length < 24; length++) {
      expect(advertisedAddress({ ...whole, payload: whole.payload.subarray(0, length) })).toBeUndefined();
    }
    expect(advertisedAddress({ ...whole, nextHeader: 17 })).toBeUndefined();
  });

  it('tells where an address is, to one who asked or to all', () => {
    const answer = packet(encodeNeighbourAdvertisement(HOST, '02:00:00:00:00:01', SWITCH, true));
    expect(answer).toMatchObject({ src: HOST, dst: SWITCH, hopLimit: 255, nextHeader: 58 });
    expect(toHex(answer.payload.subarray(4))).toBe(
      '60000000fe8000000000000000000000000000020201020000000001',
    );
    expect(advertisedAddress(answer)).toBe(HOST);
    const told = packet(encodeNeighbourAdvertisement(HOST, '02:00:00:00:00:01', 'ff02::1', false));
    expect(toHex(told.payload.subarray(4, 8))).toBe('20000000');
    expect(() => encodeNeighbourAdvertisement('10.0.0.1', '02:00:00:00:00:01', SWITCH, true)).toThrow(
      TypeError,
    );
  });

  it('knows who is asked for', () => {
    const asked = packet(encodeNeighbourSolicitation(SWITCH, '02:00:00:00:00:01', HOST));
    expect(solicitedAddress(asked)).toBe(HOST);
    expect(solicitedAddress({ ...asked, hopLimit: 254 })).toBeUndefined();
    expect(solicitedAddress(advertisement())).toBeUndefined();
    expect(advertisedAddress(asked)).toBeUndefined();
  });

  it('never throws (property)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (payload) => {
        advertisedAddress({ ...advertisement(), payload });
        solicitedAddress({ ...advertisement(), payload });
      }),
    );
  });
});
