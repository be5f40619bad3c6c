/** Socket options and addresses of Linux (linux/tcp.h, asm-generic/socket.h, linux/in.h) as octets. */

import { littleEndian, viewOf } from '../../switch/linux/netlink/message.ts';
import { errnoName, type Native } from '../../switch/native.ts';
import { ipBytes, ipFamily } from '../../wire/address.ts';
import type { Endpoint } from '../records.ts';

export const SOL_SOCKET = 1;
export const IPPROTO_IP = 0;
export const IPPROTO_IPV6 = 41;
export const IPPROTO_TCP = 6;
export const SOCK_STREAM = 1;
export const SOCK_DATAGRAM = 2;
export const SOCK_RAW = 3;

/** An option refused, or a call that failed: what and why. Only the caller knows whether that is a bug. */
export class SocketError extends Error {
  readonly errno: string;
  constructor(what: string, code: number) {
    super(`${what}: ${errnoName(code)}`);
    this.name = 'SocketError';
    this.errno = errnoName(code);
  }
}

/** The result of a call of the native part. Throws SocketError where it is an errno. */
export function checked(what: string, result: number): number {
  if (result < 0) throw new SocketError(what, result);
  return result;
}

export function setInt(native: Native, fd: number, level: number, name: number, value: number): void {
  checked(`option ${level}/${name}`, native.inetSetOption(fd, level, name, int32(value)));
}

export function intOption(native: Native, fd: number, level: number, name: number): number {
  const room = new Uint8Array(4);
  checked(`option ${level}/${name}`, native.inetOption(fd, level, name, room));
  return viewOf(room).getUint32(0, littleEndian);
}

/** Numbers one behind the other, as the kernel's structures have them. */
export function int32(...values: readonly number[]): Uint8Array {
  const octets = new Uint8Array(4 * values.length);
  const view = viewOf(octets);
  values.forEach((value, i) => {
    view.setUint32(4 * i, value >>> 0, littleEndian);
  });
  return octets;
}

/** AF_INET or AF_INET6. */
export function familyOf({ address }: Pick<Endpoint, 'address'>): 2 | 10 {
  return ipFamily(address) === 4 ? 2 : 10;
}

/** `struct sockaddr_in` or `struct sockaddr_in6`. Throws where the address is none. */
export function socketAddress(endpoint: Endpoint): Uint8Array {
  const bytes = ipBytes(endpoint.address);
  if (bytes === undefined) throw new TypeError(`${endpoint.address} is no address`);
  const octets = new Uint8Array(bytes.length === 4 ? 16 : 28);
  const view = viewOf(octets);
  view.setUint16(0, familyOf(endpoint), littleEndian);
  view.setUint16(2, endpoint.port);
  octets.set(bytes, bytes.length === 4 ? 4 : 8);
  return octets;
}

/** What an error says. */
export function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
