/**
 * The classic BPF program of the tap: on one interface, TCP to the addresses of connections, and whatever says or asks
 * who has these addresses (ARP, neighbour discovery).
 */
import { assemble, type Instruction } from '../../switch/linux/capture-filter.ts';
import { viewOf } from '../../switch/linux/netlink/message.ts';
import { type IpAddress, ipBytes } from '../../wire/address.ts';

/** Nothing goes through. */
export function closedFilter(): Uint8Array {
  return assemble([{ code: RETURN, k: 0 }]);
}

/** For frames of the interface of this number. */
export function wayFilter(ifindex: number, addresses: readonly IpAddress[]): Uint8Array {
  const octets = addresses.map((address) => ipBytes(address) ?? new Uint8Array(0));
  const of = (length: number) => octets.filter((one) => one.length === length);
  return assemble([
    { code: LOAD_32, k: INTERFACE },
    { code: JUMP_EQUAL, k: ifindex, no: 'reject' },
    { code: LOAD_16, k: 12 },
    { code: JUMP_EQUAL, k: 0x0806, yes: 'accept' },
    { code: JUMP_EQUAL, k: 0x0800, yes: 'ipv4' },
    { code: JUMP_EQUAL, k: 0x86dd, yes: 'ipv6', no: 'reject' },
    { label: 'ipv4', code: LOAD_8, k: 14 + 9 },
    { code: JUMP_EQUAL, k: TCP, no: 'reject' },
    { code: LOAD_32, k: 14 + 16 },
    ...of(4).map((one): Instruction => ({ code: JUMP_EQUAL, k: viewOf(one).getUint32(0), yes: 'accept' })),
    { code: JUMP_ANY_BIT, k: 0, no: 'reject' },
    { label: 'ipv6', code: LOAD_8, k: 14 + 6 },
    { code: JUMP_EQUAL, k: TCP, yes: 'tcp6' },
    { code: JUMP_EQUAL, k: ICMPV6, no: 'reject' },
    { code: LOAD_8, k: 14 + 40 },
    { code: JUMP_EQUAL, k: 135, yes: 'accept' },
    { code: JUMP_EQUAL, k: 136, yes: 'accept', no: 'reject' },
    { label: 'tcp6', code: LOAD_32, k: 14 + 24 + 12 },
    // Whether it is one of these addresses as a whole, whoever reads the frame sees.
    ...of(16).map((one): Instruction => ({ code: JUMP_EQUAL, k: viewOf(one).getUint32(12), yes: 'accept' })),
    { label: 'reject', code: RETURN, k: 0 },
    { label: 'accept', code: RETURN, k: 0x40000 },
  ]);
}

/** Of the ancillary data, where a frame came in (SKF_AD_OFF + SKF_AD_IFINDEX). */
const INTERFACE = 0xffff_f000 + 8;
const TCP = 6;
const ICMPV6 = 58;
const LOAD_32 = 0x20;
const LOAD_16 = 0x28;
const LOAD_8 = 0x30;
const JUMP_EQUAL = 0x15;
const JUMP_ANY_BIT = 0x45;
const RETURN = 0x06;
