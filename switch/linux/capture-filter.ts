/**
 * The classic BPF program of the packet socket: EAPOL (802.1X), claims of the other node of a pair, IGMP, PIM,
 * and ICMPv6 of the MLD types with or without the hop-by-hop header. Whatever it lets through, the decoders judge; what it stops never costs
 * a copy. The kernel has taken off the outer VLAN tag before the program runs.
 */
import { littleEndian, viewOf } from './netlink/message.ts';

/**
 * The program, eight octets an instruction (struct sock_filter). With `all`, also what every host sends before it
 * can talk to another, and says when it is asked: ARP, DHCP, neighbour discovery; so that a host is seen that speaks
 * no 802.1X, and heard whether it is still there. Of the interfaces `heldBack`, 64 at most, EAPOL alone.
 */
export function captureFilter(
  hosts: 'known' | 'all' = 'known',
  heldBack: readonly number[] = [],
): Uint8Array {
  const seen = hosts === 'all';
  return assemble([
    ...(heldBack.length === 0 ? [] : eapolAlone(heldBack)),
    { label: 'start', code: LOAD_16, k: 12 },
    { code: JUMP_EQUAL, k: 0x888e, yes: 'accept' },
    { code: JUMP_EQUAL, k: 0x88b5, yes: 'accept' },
    ...(seen ? [{ code: JUMP_EQUAL, k: 0x0806, yes: 'accept' }] : []),
    { code: JUMP_EQUAL, k: 0x0800, yes: 'ipv4' },
    { code: JUMP_EQUAL, k: 0x86dd, yes: 'ipv6', no: 'reject' },
    { label: 'ipv4', code: LOAD_8, k: 14 + 9 },
    { code: JUMP_EQUAL, k: 2, yes: 'accept' },
    { code: JUMP_EQUAL, k: 103, yes: 'accept', ...(seen ? {} : { no: 'reject' }) },
    ...(seen ? DHCP : []),
    { label: 'ipv6', code: LOAD_8, k: 14 + 6 },
    { code: JUMP_EQUAL, k: 103, yes: 'accept' },
    { code: JUMP_EQUAL, k: 58, yes: 'bare' },
    { code: JUMP_EQUAL, k: 0, no: 'reject' },
    { code: LOAD_8, k: 14 + 40 },
    { code: JUMP_EQUAL, k: 58, no: 'reject' },
    { code: LOAD_8, k: 14 + 41 },
    { code: SHIFT_LEFT, k: 3 },
    { code: ADD, k: 8 },
    { code: TO_INDEX, k: 0 },
    { code: LOAD_8_INDEXED, k: 14 + 40 },
    { code: JUMP_EQUAL, k: 130, yes: 'accept' },
    { code: JUMP_EQUAL, k: 131, yes: 'accept' },
    { code: JUMP_EQUAL, k: 132, yes: 'accept' },
    { code: JUMP_EQUAL, k: 143, yes: 'accept', no: 'reject' },
    { label: 'bare', code: LOAD_8, k: 14 + 40 },
    { code: JUMP_EQUAL, k: 130, yes: 'accept' },
    { code: JUMP_EQUAL, k: 131, yes: 'accept' },
    { code: JUMP_EQUAL, k: 132, yes: 'accept' },
    { code: JUMP_EQUAL, k: 143, yes: 'accept' },
    ...(seen ? NEIGHBOURS : []),
    { label: 'reject', code: RETURN, k: 0 },
    { label: 'accept', code: RETURN, k: 0x40000 },
  ]);
}

/** One instruction, with names instead of distances. */
export interface Instruction {
  readonly label?: string;
  readonly code: number;
  readonly k: number;
  /** Where a comparison goes on; without it, at the next instruction. */
  readonly yes?: string;
  readonly no?: string;
}

/** The octets of a program. */
export function assemble(program: readonly Instruction[]): Uint8Array {
  const octets = new Uint8Array(8 * program.length);
  const view = viewOf(octets);
  const distance = (from: number, label: string | undefined) =>
    label === undefined ? 0 : program.findIndex((instruction) => instruction.label === label) - from - 1;
  program.forEach(({ code, k, yes, no }, i) => {
    view.setUint16(8 * i, code, littleEndian);
    view.setUint8(8 * i + 2, distance(i, yes));
    view.setUint8(8 * i + 3, distance(i, no));
    view.setUint32(8 * i + 4, k, littleEndian);
  });
  return octets;
}

/** What begins the program where interfaces are held back. */
function eapolAlone(ifindexes: readonly number[]): Instruction[] {
  return [
    { code: LOAD_32, k: INTERFACE },
    ...ifindexes.map((k) => ({ code: JUMP_EQUAL, k, yes: 'held-back' })),
    { code: JUMP_ANY_BIT, k: 0, no: 'start' },
    { label: 'held-back', code: LOAD_16, k: 12 },
    { code: JUMP_EQUAL, k: 0x888e, yes: 'accept', no: 'reject' },
  ];
}

/** UDP to port 67, first fragments only. */
const DHCP: readonly Instruction[] = [
  { code: 0x15, k: 17, no: 'reject' },
  { code: 0x28, k: 14 + 6 },
  { code: 0x45, k: 0x1fff, yes: 'reject' },
  { code: 0xb1, k: 14 },
  { code: 0x48, k: 14 + 2 },
  { code: 0x15, k: 67, yes: 'accept', no: 'reject' },
];

/** Router and neighbour solicitations, address detection among the latter, and neighbour advertisements. */
const NEIGHBOURS: readonly Instruction[] = [
  { code: 0x15, k: 133, yes: 'accept' },
  { code: 0x15, k: 135, yes: 'accept' },
  { code: 0x15, k: 136, yes: 'accept' },
];

/** Of the ancillary data, where a frame came in (SKF_AD_OFF + SKF_AD_IFINDEX). */
const INTERFACE = 0xffff_f000 + 8;
const LOAD_32 = 0x20;
const LOAD_16 = 0x28;
const LOAD_8 = 0x30;
const LOAD_8_INDEXED = 0x50;
const JUMP_EQUAL = 0x15;
const JUMP_ANY_BIT = 0x45;
const SHIFT_LEFT = 0x64;
const ADD = 0x04;
const TO_INDEX = 0x07;
const RETURN = 0x06;
