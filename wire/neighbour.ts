/**
 * The two messages of neighbour discovery that ask and tell where an IPv6 host is, and whether it is still there
 * (RFC 4861 §4.3, §4.4, §7.2, §7.3): a solicitation, and its advertisement.
 */
import { type IpAddress, ipBytes, ipv6At, isMulticastIp, type Mac, macBytes } from './address.ts';
import { putU16, u8 } from './bytes.ts';
import { internetChecksum, pseudoHeaderSum } from './checksum.ts';
import { IpProtocol } from './ipv4.ts';
import { encodeIpv6, type Ipv6Packet } from './ipv6.ts';

/** A whole IPv6 packet that asks `target` itself; `src` is at `mac`. Throws on text that is no IPv6 or MAC address. */
export function encodeNeighbourSolicitation(src: IpAddress, mac: Mac, target: IpAddress): Uint8Array {
  const [address, source] = [ipBytes(target), macBytes(mac)];
  if (address?.length !== 16 || source === undefined) throw new TypeError(`no host: ${target}, ${mac}`);
  const message = new Uint8Array(MESSAGE_LENGTH + 8);
  message[0] = SOLICITATION;
  message.set(address, TARGET_AT);
  message.set([SOURCE_LINK_LAYER_ADDRESS, 1], MESSAGE_LENGTH);
  message.set(source, MESSAGE_LENGTH + 2);
  const sum = pseudoHeaderSum(src, target, message.length, IpProtocol.Icmpv6);
  putU16(message, 2, internetChecksum(message, 0, message.length, sum));
  return encodeIpv6({
    src,
    dst: target,
    hopLimit: HOP_LIMIT,
    nextHeader: IpProtocol.Icmpv6,
    payload: message,
  });
}

/**
 * A whole IPv6 packet that says to `dst` that `target` is at `mac`, whatever was believed before (flag override).
 * `solicited`: it is an answer. Throws on text that is no IPv6 or MAC address.
 */
export function encodeNeighbourAdvertisement(
  target: IpAddress,
  mac: Mac,
  dst: IpAddress,
  solicited: boolean,
): Uint8Array {
  const [address, octets] = [ipBytes(target), macBytes(mac)];
  if (address?.length !== 16 || octets === undefined) throw new TypeError(`no host: ${target}, ${mac}`);
  const message = new Uint8Array(MESSAGE_LENGTH + 8);
  message[0] = ADVERTISEMENT;
  message[4] = OVERRIDE | (solicited ? SOLICITED : 0);
  message.set(address, TARGET_AT);
  message.set([TARGET_LINK_LAYER_ADDRESS, 1], MESSAGE_LENGTH);
  message.set(octets, MESSAGE_LENGTH + 2);
  const sum = pseudoHeaderSum(target, dst, message.length, IpProtocol.Icmpv6);
  putU16(message, 2, internetChecksum(message, 0, message.length, sum));
  return encodeIpv6({
    src: target,
    dst,
    hopLimit: HOP_LIMIT,
    nextHeader: IpProtocol.Icmpv6,
    payload: message,
  });
}

/** The address whose host advertises itself; undefined where it is no valid advertisement (RFC 4861 §7.1.2). */
export function advertisedAddress(packet: Ipv6Packet): IpAddress | undefined {
  return targetOf(ADVERTISEMENT, packet);
}

/** The address that is asked for; undefined where it is no valid solicitation (RFC 4861 §7.1.1). */
export function solicitedAddress(packet: Ipv6Packet): IpAddress | undefined {
  return targetOf(SOLICITATION, packet);
}

function targetOf(
  type: number,
  { src, dst, hopLimit, nextHeader, payload }: Ipv6Packet,
): IpAddress | undefined {
  const isWanted =
    nextHeader === IpProtocol.Icmpv6 &&
    hopLimit === HOP_LIMIT &&
    payload.length >= MESSAGE_LENGTH &&
    u8(payload, 0) === type &&
    u8(payload, 1) === 0;
  if (!isWanted) return undefined;
  const sum = pseudoHeaderSum(src, dst, payload.length, IpProtocol.Icmpv6);
  if (internetChecksum(payload, 0, payload.length, sum) !== 0) return undefined;
  const target = ipv6At(payload, TARGET_AT);
  return isMulticastIp(target) ? undefined : target;
}

const SOLICITATION = 135;
const ADVERTISEMENT = 136;
const SOURCE_LINK_LAYER_ADDRESS = 1;
const TARGET_LINK_LAYER_ADDRESS = 2;
const SOLICITED = 0x40;
const OVERRIDE = 0x20;
const TARGET_AT = 8;
/** Without options. */
const MESSAGE_LENGTH = 24;
/** RFC 4861 §7.1: whoever sent it is on the link. */
const HOP_LIMIT = 255;
