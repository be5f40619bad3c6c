/**
 * Who has an address, on its link: ARP for IPv4 (RFC 826), neighbour discovery for IPv6 (RFC 4861). A node that wants
 * the packets of an address says that it has it, answers who asks, and hears where another one says so.
 */
import { type IpAddress, ipBytes, ipFamily, type Mac } from '../wire/address.ts';
import { ArpOperation, decodeArp, encodeArp } from '../wire/arp.ts';
import { decodeEthernet, EtherType, encodeEthernet, groupMac } from '../wire/ethernet.ts';
import { decodeIpv6 } from '../wire/ipv6.ts';
import { isMalformed } from '../wire/malformed.ts';
import { advertisedAddress, encodeNeighbourAdvertisement, solicitedAddress } from '../wire/neighbour.ts';

/** Who claims which addresses. */
export interface Claimant {
  readonly mac: Mac;
  readonly addresses: readonly IpAddress[];
}

/** The frame that tells everybody on the link that the address is at `mac`: gratuitous ARP, or an advertisement to all. */
export function announcementOf(address: IpAddress, mac: Mac): Uint8Array {
  if (ipFamily(address) === 6) {
    const payload = encodeNeighbourAdvertisement(address, mac, ALL_NODES, false);
    return encodeEthernet({ dst: groupMac(ALL_NODES), src: mac, etherType: EtherType.Ipv6, payload });
  }
  const payload = encodeArp({
    operation: ArpOperation.Request,
    senderMac: mac,
    sender: address,
    targetMac: NOBODY,
    target: address,
  });
  return encodeEthernet({ dst: EVERYBODY, src: mac, etherType: EtherType.Arp, payload });
}

/**
 * What a frame asks of the claimant: a frame to answer with, or an address that another one claims. Undefined: it is
 * about something else.
 */
export function judgeClaim(
  frame: Uint8Array,
  { mac, addresses }: Claimant,
): { readonly answer: Uint8Array } | { readonly contested: IpAddress } | undefined {
  const outer = decodeEthernet(frame);
  if (isMalformed(outer) || outer.src === mac) return undefined;
  if (outer.etherType === EtherType.Arp) {
    const arp = decodeArp(outer.payload);
    if (isMalformed(arp) || arp.senderMac === mac) return undefined;
    if (addresses.includes(arp.sender)) return { contested: arp.sender };
    if (arp.operation !== ArpOperation.Request || !addresses.includes(arp.target)) return undefined;
    const payload = encodeArp({
      operation: ArpOperation.Reply,
      senderMac: mac,
      sender: arp.target,
      targetMac: arp.senderMac,
      target: arp.sender,
    });
    return {
      answer: encodeEthernet({ dst: arp.senderMac, src: mac, etherType: EtherType.Arp, payload }),
    };
  }
  if (outer.etherType !== EtherType.Ipv6) return undefined;
  const packet = decodeIpv6(outer.payload);
  if (isMalformed(packet)) return undefined;
  const advertised = advertisedAddress(packet);
  if (advertised !== undefined) return addresses.includes(advertised) ? { contested: advertised } : undefined;
  const solicited = solicitedAddress(packet);
  if (solicited === undefined || !addresses.includes(solicited)) return undefined;
  // Without an address of its own (RFC 4861 §7.2.4) the asker is answered as everybody is.
  if (packet.src === NO_ADDRESS) return { answer: announcementOf(solicited, mac) };
  const payload = encodeNeighbourAdvertisement(solicited, mac, packet.src, true);
  return { answer: encodeEthernet({ dst: outer.src, src: mac, etherType: EtherType.Ipv6, payload }) };
}

/** The group in which an IPv6 address is asked for (RFC 4291 §2.7.1). */
export function solicitedNode(address: IpAddress): Uint8Array {
  const octets = new Uint8Array(16);
  octets.set([0xff, 0x02]);
  octets.set([1, 0xff], 11);
  octets.set(ipBytes(address)?.subarray(13) ?? [], 13);
  return octets;
}

const EVERYBODY = 'ff:ff:ff:ff:ff:ff';
const NOBODY = '00:00:00:00:00:00';
const ALL_NODES = 'ff02::1';
const NO_ADDRESS = '::';
