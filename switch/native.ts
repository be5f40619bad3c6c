/**
 * The native part (native/castgate-native.c) with types. Each call gives its result, or a negative
 * errno as a number; nothing here decides anything. It is built when the package is installed.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { getSystemErrorName } from 'node:util';

/** A descriptor that the event loop polls; opaque. */
export type Watch = object & { readonly watch: unique symbol };

/** Frames of one read: the octets of all, and five numbers for each: ifindex, VLAN tag or -1, offset, length, packet type. */
export type PacketListener = (octetsOrErrno: Uint8Array | number, meta: Int32Array, count: number) => void;

/** Datagrams of one read, one behind the other, of 4,096 octets at most, with their lengths; or a negative errno (ICMP). */
export type DatagramsListener = (octetsOrErrno: Uint8Array | number, lengths: Int32Array) => void;

/** One netlink datagram, or a negative errno (-ENOBUFS: some were lost). */
export type NetlinkListener = (octetsOrErrno: Uint8Array | number) => void;

export interface Native {
  /** Closes a plain descriptor; -EBUSY for one that a watch owns. */
  close(fd: number): number;
  /** Stops the polling and closes the descriptor. */
  unwatch(watch: Watch): number;
  /** A packet socket for all interfaces behind a BPF program (8 octets an instruction, host byte order). */
  packetOpen(filter: Uint8Array, receiveBufferOctets: number): number;
  /** Puts another BPF program in front of it. */
  packetFilter(fd: number, filter: Uint8Array): number;
  /** From now on the watch owns the descriptor. */
  packetWatch(fd: number, listener: PacketListener): Watch | number;
  packetSend(fd: number, ifindex: number, frame: Uint8Array): number;
  /**
   * Sends the frames from number `from` on, which lie one behind the other in `octets`. How many were sent: the
   * errno of one that is refused comes at the call that begins with it.
   */
  packetSendMany(fd: number, ifindex: number, octets: Uint8Array, lengths: Int32Array, from: number): number;
  /** From now on each frame comes to one of these sockets alone. */
  packetGroup(fds: Int32Array): number;
  /** Frames of these interfaces, 64 at most, go to the sockets of the group one by one, all others to the last of them. */
  packetSteer(fd: number, ifindexes: Int32Array): number;
  /** Writes frames seen and frames dropped since the last call. */
  packetStatistics(fd: number, out: Int32Array): number;
  /** `groups`: bit mask of multicast groups 1-32. */
  netlinkOpen(protocol: number, groups: number, receiveBufferOctets: number): number;
  /** Octets of the answer. Where less than 32 KiB of room is left, more may be there: call with an empty request. */
  netlinkTransact(fd: number, request: Uint8Array, answer: Uint8Array): number;
  netlinkWatch(fd: number, listener: NetlinkListener): Watch | number;
  /** Two connected Unix stream sockets, put into `out`. */
  socketPair(out: Int32Array): number;
  /** Another descriptor of the same open socket or file. */
  duplicate(fd: number): number;
  /** Sends copies of descriptors over a Unix stream socket; how many. */
  descriptorsSend(fd: number, descriptors: Int32Array): number;
  /** Takes as many descriptors as `out` has room for, which have been sent already; how many. */
  descriptorsReceive(fd: number, out: Int32Array): number;
  /** A UDP socket, bound, and connected where `remoteAddress` is not empty. */
  udpOpen(
    localAddress: string,
    localPort: number,
    remoteAddress: string,
    remotePort: number,
    receiveBufferOctets: number,
  ): number;
  /** Reads a connected socket. From now on the watch owns the descriptor. */
  datagramWatch(fd: number, listener: DatagramsListener): Watch | number;
  /** Sends on a connected socket without waiting. */
  socketSend(fd: number, octets: Uint8Array): number;
  /** A Unix stream socket that listens; its name in the file system stays when it is closed. */
  unixListen(path: string): number;
  interfaceIndex(name: string): number;
  /** Moves the calling thread, with its later sockets and children, into a network namespace (`/run/netns/…`). */
  enterNetwork(path: string): number;
  /** A plain descriptor of a socket that never waits. */
  inetOpen(family: number, type: number, protocol: number): number;
  /** Addresses are a `struct sockaddr` of the socket's family. */
  inetBind(fd: number, address: Uint8Array): number;
  inetConnect(fd: number, address: Uint8Array): number;
  /** How many octets were taken. An empty address where the socket has its own. */
  inetSend(fd: number, octets: Uint8Array, address: Uint8Array): number;
  /** How many octets were read. */
  inetReceive(fd: number, room: Uint8Array): number;
  inetSetOption(fd: number, level: number, name: number, octets: Uint8Array): number;
  /** How many octets of the room were written. */
  inetOption(fd: number, level: number, name: number, room: Uint8Array): number;
  /** Octets that were received and not read. */
  inetQueued(fd: number): number;
  /** One datagram to a Unix socket: a path, or `@name` in the abstract namespace. Never waits (-EAGAIN). */
  datagramSend(path: string, octets: Uint8Array): number;
}

/** The package's folder: where package.json is, seen from the source as well as from dist/. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'switch/native/binding.gyp')) && dirname(folder) !== folder)
    folder = dirname(folder);
  return folder;
}

/** Loads the native part. Throws one line that says what to install where it is not built. */
export function loadNative(): Native {
  if (loaded === undefined) {
    const path = join(packageRoot(), 'switch/native/build/Release/castgate_native.node');
    try {
      loaded = createRequire(import.meta.url)(path) as Native;
    } catch (cause) {
      const how = 'install its tools (apt install g++ make python3), then run: npm run install';
      throw new Error(`the native part of castgate is not built for this Node (${path}): ${how}`, { cause });
    }
  }
  return loaded;
}

/** The name of a negative errno: `ENODEV`. */
export function errnoName(negative: number): string {
  return getSystemErrorName(negative);
}

let loaded: Native | undefined;
