/**
 * What stands before the packet in the frames of a capture, by link type, brought to one form: that of
 * Ethernet. Where a link type has no such addresses they are 00:00:00:00:00:00.
 */
import { u8 } from '../../wire/bytes.ts';
import { decodeEthernet, type EthernetFrame, EtherType } from '../../wire/ethernet.ts';
import { type Malformed, malformed } from '../../wire/malformed.ts';
import type { LinkType } from './capture-file.ts';

/** Never throws. Refuses a cut link header; raw IP of another version than 4 and 6 is `ipv4-bad-version`. */
export function decodeLink(linkType: LinkType, data: Uint8Array): EthernetFrame | Malformed {
  switch (linkType) {
    case 'ethernet':
      return decodeEthernet(data);
    case 'linux-sll':
      if (data.length < SLL_LENGTH) return malformed('ethernet-short-header', data.length);
      return asEthernet(data.subarray(6, 12), data.subarray(14, SLL_LENGTH), data.subarray(SLL_LENGTH));
    case 'linux-sll2':
      if (data.length < SLL2_LENGTH) return malformed('ethernet-short-header', data.length);
      return asEthernet(data.subarray(12, 18), data.subarray(0, 2), data.subarray(SLL2_LENGTH));
    case 'raw-ip': {
      const version = u8(data, 0) >>> 4;
      if (version !== 4 && version !== 6) return malformed('ipv4-bad-version', 0);
      const etherType = version === 4 ? EtherType.Ipv4 : EtherType.Ipv6;
      return asEthernet(NO_MAC, Uint8Array.of(etherType >>> 8, etherType & 0xff), data);
    }
  }
}

/** Tags of a cooked capture stand where Ethernet has them, so its decoder reads them. */
function asEthernet(src: Uint8Array, etherType: Uint8Array, rest: Uint8Array): EthernetFrame | Malformed {
  const frame = new Uint8Array(14 + rest.length);
  frame.set(src, 6);
  frame.set(etherType, 12);
  frame.set(rest, 14);
  return decodeEthernet(frame);
}

/** Packet type, ARPHRD, address length, eight octets of address, protocol. */
const SLL_LENGTH = 16;
/** Protocol, two reserved octets, ifindex, ARPHRD, packet type, address length, eight octets of address. */
const SLL2_LENGTH = 20;
const NO_MAC = new Uint8Array(6);
