/** Who has an address: what a node that claims one says, answers and hears. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { announcementOf, judgeClaim, solicitedNode } from '../../connection-backup/address-claim.ts';
import { ArpOperation, decodeArp, encodeArp } from '../../wire/arp.ts';
import { toHex } from '../../wire/bytes.ts';
import { decodeEthernet, EtherType, encodeEthernet } from '../../wire/ethernet.ts';
import { decodeIpv6, encodeIpv6 } from '../../wire/ipv6.ts';
import { isMalformed } from '../../wire/malformed.ts';
import {
  advertisedAddress,
  encodeNeighbourAdvertisement,
  encodeNeighbourSolicitation,
} from '../../wire/neighbour.ts';

const MAC = '02:00:00:00:00:0b';
const PEER = '02:00:00:00:00:02';
const ADDRESS = '198.18.0.10';
const ADDRESS6 = 'fd77::10';
const claimant = { mac: MAC, addresses: [ADDRESS, ADDRESS6] };

function arp(operation: number, sender: string, target: string, senderMac = PEER): Uint8Array {
  const payload = encodeArp({ operation, senderMac, sender, targetMac: '00:00:00:00:00:00', target });
  return encodeEthernet({ dst: 'ff:ff:ff:ff:ff:ff', src: senderMac, etherType: EtherType.Arp, payload });
}

function ipv6(payload: Uint8Array, src = PEER): Uint8Array {
  return encodeEthernet({ dst: '33:33:ff:00:00:10', src, etherType: EtherType.Ipv6, payload });
}

function answerTo(frame: Uint8Array) {
  const judged = judgeClaim(frame, claimant);
  if (judged === undefined || !('answer' in judged)) throw new Error('no answer');
  const decoded = decodeEthernet(judged.answer);
  if (isMalformed(decoded)) throw new Error('refused');
  return decoded;
}

describe('an address that is claimed', () => {
  it('is announced to everybody', () => {
    const frame = decodeEthernet(announcementOf(ADDRESS, MAC));
    if (isMalformed(frame)) throw new Error('refused');
    expect(frame).toMatchObject({ dst: 'ff:ff:ff:ff:ff:ff', src: MAC, etherType: EtherType.Arp });
    expect(decodeArp(frame.payload)).toMatchObject({
      operation: 1,
      senderMac: MAC,
      sender: ADDRESS,
      target: ADDRESS,
    });
    const six = decodeEthernet(announcementOf(ADDRESS6, MAC));
    if (isMalformed(six)) throw new Error('refused');
    expect(six).toMatchObject({ dst: '33:33:00:00:00:01', src: MAC });
    const packet = decodeIpv6(six.payload);
    if (isMalformed(packet)) throw new Error('refused');
    expect(packet).toMatchObject({ dst: 'ff02::1', hopLimit: 255 });
    expect(advertisedAddress(packet)).toBe(ADDRESS6);
    // Override, not solicited; the option with the MAC address.
    expect(toHex(packet.payload.subarray(4, 8))).toBe('20000000');
    expect(toHex(packet.payload.subarray(24))).toBe('020102000000000b');
  });

  it('is told to who asks, by ARP', () => {
    const answer = answerTo(arp(ArpOperation.Request, '198.18.0.2', ADDRESS));
    expect(answer).toMatchObject({ dst: PEER, src: MAC, etherType: EtherType.Arp });
    expect(decodeArp(answer.payload)).toEqual({
      operation: ArpOperation.Reply,
      senderMac: MAC,
      sender: ADDRESS,
      targetMac: PEER,
      target: '198.18.0.2',
    });
  });

  it('is told to who asks, by neighbour discovery', () => {
    const answer = answerTo(ipv6(encodeNeighbourSolicitation('fd77::2', PEER, ADDRESS6)));
    expect(answer).toMatchObject({ dst: PEER, src: MAC, etherType: EtherType.Ipv6 });
    const packet = decodeIpv6(answer.payload);
    if (isMalformed(packet)) throw new Error('refused');
    expect(packet).toMatchObject({ src: ADDRESS6, dst: 'fd77::2', hopLimit: 255 });
    expect(advertisedAddress(packet)).toBe(ADDRESS6);
    expect(toHex(packet.payload.subarray(4, 8))).toBe('60000000');
  });

  it('of who asks without an address is told to everybody', () => {
    const answer = answerTo(ipv6(encodeNeighbourSolicitation('::', PEER, ADDRESS6)));
    expect(answer.dst).toBe('33:33:00:00:00:01');
  });

  it('is contested by who says that he has it', () => {
    expect(judgeClaim(arp(ArpOperation.Request, ADDRESS, ADDRESS), claimant)).toEqual({ contested: ADDRESS });
    expect(judgeClaim(arp(ArpOperation.Reply, ADDRESS, '198.18.0.2'), claimant)).toEqual({
      contested: ADDRESS,
    });
    const advertised = encodeNeighbourAdvertisement(ADDRESS6, PEER, 'ff02::1', false);
    expect(judgeClaim(ipv6(advertised), claimant)).toEqual({ contested: ADDRESS6 });
  });

  it('is neither asked for nor contested by other frames, and by its own', () => {
    const others = [
      arp(ArpOperation.Request, '198.18.0.2', '198.18.0.3'),
      arp(ArpOperation.Reply, '198.18.0.2', ADDRESS),
      arp(ArpOperation.Request, ADDRESS, ADDRESS, MAC),
      ipv6(encodeNeighbourSolicitation('fd77::2', PEER, 'fd77::11')),
      ipv6(encodeNeighbourAdvertisement('fd77::11', PEER, 'ff02::1', false)),
      ipv6(
        encodeIpv6({
          src: 'fd77::2',
          dst: ADDRESS6,
          nextHeader: 58,
          hopLimit: 64,
          payload: new Uint8Array(32),
        }),
      ),
    ];
    for (const frame of others) expect(judgeClaim(frame, claimant)).toBeUndefined();
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (frame) => void judgeClaim(frame, claimant)));
  });

  it('is asked for in its group', () => {
    expect(toHex(solicitedNode('fd77:1812::ab:cdef'))).toBe('ff0200000000000000000001ffabcdef');
  });
});
