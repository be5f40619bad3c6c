/** The bench's channels: groups by number, and the frames that are about them. */
import { encodeIgmpPacket } from '../../igmp/group-packet.ts';
import { RecordType } from '../../igmp/group-record.ts';
import { type IpAddress, macBytes } from '../../wire/address.ts';
import { EtherType, groupMac } from '../../wire/ethernet.ts';
import { encodeIpv4, IpProtocol } from '../../wire/ipv4.ts';
import { encodeUdp } from '../../wire/udp.ts';

/** The address of a group by its number, 0 to 65535. */
export function groupAddress(group: number): IpAddress {
  return `239.7.${(group >>> 8) & 0xff}.${group & 0xff}`;
}

/** The number of the group that a datagram is for; -1 where it is for none of these. */
export function groupOfFrame(frame: Uint8Array): number {
  if (frame.length < 34 || frame[30] !== 239 || frame[31] !== 7) return -1;
  return ((frame[32] ?? 0) << 8) | (frame[33] ?? 0);
}

/** An IGMPv3 report as a Linux host sends it when a program joins or leaves (RFC 9776 §4.2.14). */
export function reportFrame(mac: Uint8Array, group: number, what: 'join' | 'leave'): Uint8Array {
  return recordsFrame(mac, [[what, group]]);
}

/** Leaving one group and joining another in one report. */
export function changeFrame(mac: Uint8Array, from: number, to: number): Uint8Array {
  return recordsFrame(mac, [
    ['leave', from],
    ['join', to],
  ]);
}

function recordsFrame(
  mac: Uint8Array,
  changes: readonly (readonly ['join' | 'leave', number])[],
): Uint8Array {
  const packet = encodeIgmpPacket({
    src: `10.${mac[3]}.${mac[4]}.${mac[5]}`,
    dst: ALL_IGMPV3_ROUTERS,
    message: {
      kind: 'record-report',
      version: 3,
      records: changes.map(([what, group]) => {
        const type = what === 'join' ? RecordType.ToExclude : RecordType.ToInclude;
        return { type, group: groupAddress(group), sources: [], auxWords: 0 };
      }),
    },
  });
  return ipv4Frame(ALL_IGMPV3_ROUTERS, mac, packet);
}

/** One datagram of a channel: 188 octets, a transport stream packet's length. */
export function channelFrame(mac: Uint8Array, group: number): Uint8Array {
  const dst = groupAddress(group);
  const src = '10.77.0.1';
  const udp = encodeUdp({ src, srcPort: 5004, dst, dstPort: 5004, payload: new Uint8Array(188) });
  return ipv4Frame(dst, mac, encodeIpv4({ src, dst, ttl: 8, protocol: IpProtocol.Udp, payload: udp }));
}

function ipv4Frame(dst: IpAddress, src: Uint8Array, packet: Uint8Array): Uint8Array {
  const frame = new Uint8Array(14 + packet.length);
  frame.set(macBytes(groupMac(dst)) ?? []);
  frame.set(src, 6);
  frame.set([EtherType.Ipv4 >>> 8, EtherType.Ipv4 & 0xff], 12);
  frame.set(packet, 14);
  return frame;
}

const ALL_IGMPV3_ROUTERS = '224.0.0.22';
