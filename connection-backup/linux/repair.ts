/**
 * The kernel's own TCP, read and made (TCP_REPAIR, linux/tcp.h; needs CAP_NET_ADMIN): what a live connection agreed
 * on, a socket that is in the middle of a connection without having said a word, and one that goes without a word.
 */
import { littleEndian, viewOf } from '../../switch/linux/netlink/message.ts';
import type { Native } from '../../switch/native.ts';
import type { ConnectionRecord, TcpOptions } from '../records.ts';
import { plus } from '../sequence.ts';
import {
  checked,
  familyOf,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  int32,
  intOption,
  SOCK_STREAM,
  SOL_SOCKET,
  setInt,
  socketAddress,
} from './socket-option.ts';

/** A connection as it is; nothing was sent on it yet, and nothing of it read. */
export type Snapshot = Pick<
  ConnectionRecord,
  'sentFrom' | 'receivedFrom' | 'options' | 'peerWindow' | 'ownWindow'
> & {
  /** Its timestamp clock now; 0 where timestamps were not agreed on. */
  readonly timestamp: number;
};

/** Reads a connection right after it was made. Nothing is seen of it on the wire. Throws SocketError. */
export function snapshot(native: Native, fd: number): Snapshot {
  setTcp(native, fd, Tcp.Repair, REPAIR_ON);
  try {
    const options = agreedOptions(native, fd);
    const window = new Uint8Array(20);
    checked('TCP_REPAIR_WINDOW', native.inetOption(fd, IPPROTO_TCP, Tcp.RepairWindow, window));
    const field = (at: number) => viewOf(window).getUint32(4 * at, littleEndian);
    setTcp(native, fd, Tcp.RepairQueue, QUEUE_RECEIVE);
    const next = intOption(native, fd, IPPROTO_TCP, Tcp.QueueSequence);
    setTcp(native, fd, Tcp.RepairQueue, QUEUE_SEND);
    return {
      sentFrom: intOption(native, fd, IPPROTO_TCP, Tcp.QueueSequence),
      receivedFrom: plus(next, -checked('octets not read', native.inetQueued(fd))),
      options,
      peerWindow: field(2),
      ownWindow: field(3),
      timestamp: options.timestamps ? intOption(native, fd, IPPROTO_TCP, Tcp.Timestamp) : 0,
    };
  } finally {
    setTcp(native, fd, Tcp.RepairQueue, QUEUE_NONE);
    setTcp(native, fd, Tcp.Repair, REPAIR_OFF_WITHOUT_PROBE);
  }
}

/** Where a connection is taken up. */
export interface Place {
  /** Sequence number of the first octet that the peer has not acknowledged, and the next that is awaited of it. */
  readonly unacknowledged: number;
  readonly awaited: number;
  /** What was sent from there on, and may have reached the peer in part and out of order. */
  readonly underWay: Uint8Array;
  /** What the peer takes at present, in octets. */
  readonly window: number;
  /** The timestamp clock; ahead of all that the peer has heard of it. */
  readonly timestamp: number;
}

/**
 * Makes a socket in the middle of a connection. The kernel then asks the peer where it stands, as it would after
 * a silence. Gives the descriptor. Throws SocketError; nothing is left then.
 */
export function restore(native: Native, connection: ConnectionRecord, place: Place): number {
  const { local, remote, options, ownWindow, peerWindow } = connection;
  const family = familyOf(local);
  const fd = checked('socket', native.inetOpen(family, SOCK_STREAM, IPPROTO_TCP));
  try {
    setTcp(native, fd, Tcp.Repair, REPAIR_ON);
    setInt(native, fd, SOL_SOCKET, SO_REUSEADDR, 1);
    // The address may come a moment later than the word that this node serves.
    if (family === 2) setInt(native, fd, IPPROTO_IP, IP_TRANSPARENT, 1);
    else setInt(native, fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1);
    setQueue(native, fd, QUEUE_RECEIVE, place.awaited);
    setQueue(native, fd, QUEUE_SEND, place.unacknowledged);
    // Before the connection is: afterwards it does not change what segments are cut to.
    setTcp(native, fd, Tcp.MaxSegment, Math.min(options.mss, LARGEST_SEGMENT));
    checked('bind', native.inetBind(fd, socketAddress(local)));
    checked('connect', native.inetConnect(fd, socketAddress(remote)));
    checked(
      'TCP_REPAIR_OPTIONS',
      native.inetSetOption(fd, IPPROTO_TCP, Tcp.RepairOptions, repairOptions(options)),
    );
    if (options.timestamps) setTcp(native, fd, Tcp.Timestamp, place.timestamp);
    setTcp(native, fd, Tcp.RepairQueue, QUEUE_SEND);
    for (let at = 0; at < place.underWay.length; )
      at += checked('octets under way', native.inetSend(fd, place.underWay.subarray(at), NO_ADDRESS));
    const receive = Math.max(ownWindow, LEAST_WINDOW);
    const largest = Math.max(peerWindow, place.window);
    const windows = int32(plus(place.awaited, -1), place.window, largest, receive, place.awaited);
    checked('TCP_REPAIR_WINDOW', native.inetSetOption(fd, IPPROTO_TCP, Tcp.RepairWindow, windows));
    setTcp(native, fd, Tcp.RepairQueue, QUEUE_NONE);
    guardAgainstDeath(native, fd);
    setTcp(native, fd, Tcp.NoDelay, 1);
    setTcp(native, fd, Tcp.Repair, REPAIR_OFF);
    return fd;
  } catch (cause) {
    native.close(fd);
    throw cause;
  }
}

/**
 * A process that dies leaves no socket behind that would go on talking for minutes, and that would stand in the
 * way of this node when it is to continue the connection again.
 */
export function guardAgainstDeath(native: Native, fd: number): void {
  checked('SO_LINGER', native.inetSetOption(fd, SOL_SOCKET, SO_LINGER, int32(1, 0)));
}

/** From here on the socket ends as any other: what was written is sent, and then a FIN. */
export function endOrderly(native: Native, fd: number): void {
  checked('SO_LINGER', native.inetSetOption(fd, SOL_SOCKET, SO_LINGER, int32(0, 0)));
}

/** When the socket is closed, nothing of it is seen on the wire. */
export function vanish(native: Native, fd: number): void {
  setTcp(native, fd, Tcp.Repair, REPAIR_ON);
}

/** How many octets the peer has acknowledged since the socket was made; of a handshake one more. */
export function octetsAcknowledged(native: Native, fd: number): number {
  const info = new Uint8Array(TCP_INFO_OCTETS);
  const length = native.inetOption(fd, IPPROTO_TCP, Tcp.Info, info);
  if (length < BYTES_ACKED + 8) return 0;
  return Number(viewOf(info).getBigUint64(BYTES_ACKED, littleEndian));
}

function agreedOptions(native: Native, fd: number): TcpOptions {
  const info = new Uint8Array(TCP_INFO_OCTETS);
  checked('TCP_INFO', native.inetOption(fd, IPPROTO_TCP, Tcp.Info, info));
  const view = viewOf(info);
  const agreed = view.getUint8(5);
  const scales = view.getUint8(6);
  // Two fields of four bits, in the order of the machine's bits.
  const [low, high] = [scales & 0x0f, scales >> 4];
  const windowScale = littleEndian ? { peer: low, own: high } : { peer: high, own: low };
  return {
    // Read in repair, as otherwise it is what fits now, not what was agreed on.
    mss: intOption(native, fd, IPPROTO_TCP, Tcp.MaxSegment),
    windowScale: (agreed & TCPI_WINDOW_SCALE) !== 0 ? windowScale : undefined,
    sack: (agreed & TCPI_SACK) !== 0,
    timestamps: (agreed & TCPI_TIMESTAMPS) !== 0,
  };
}

function repairOptions({ mss, windowScale, sack, timestamps }: TcpOptions): Uint8Array {
  return int32(
    ...[OPTION_MSS, mss],
    ...(sack ? [OPTION_SACK, 0] : []),
    ...(windowScale === undefined ? [] : [OPTION_WINDOW_SCALE, windowScale.peer | (windowScale.own << 16)]),
    ...(timestamps ? [OPTION_TIMESTAMPS, 0] : []),
  );
}

function setQueue(native: Native, fd: number, queue: number, sequence: number): void {
  setTcp(native, fd, Tcp.RepairQueue, queue);
  setTcp(native, fd, Tcp.QueueSequence, sequence);
}

function setTcp(native: Native, fd: number, name: number, value: number): void {
  setInt(native, fd, IPPROTO_TCP, name, value);
}

const Tcp = {
  NoDelay: 1,
  MaxSegment: 2,
  Info: 11,
  Repair: 19,
  RepairQueue: 20,
  QueueSequence: 21,
  RepairOptions: 22,
  Timestamp: 24,
  RepairWindow: 29,
} as const;
const REPAIR_ON = 1;
const REPAIR_OFF = 0;
const REPAIR_OFF_WITHOUT_PROBE = -1;
const QUEUE_NONE = 0;
const QUEUE_RECEIVE = 1;
const QUEUE_SEND = 2;
const OPTION_MSS = 2;
const OPTION_WINDOW_SCALE = 3;
const OPTION_SACK = 4;
const OPTION_TIMESTAMPS = 8;
const TCPI_TIMESTAMPS = 1;
const TCPI_SACK = 2;
const TCPI_WINDOW_SCALE = 4;
const TCP_INFO_OCTETS = 256;
const BYTES_ACKED = 120;
const SO_REUSEADDR = 2;
const SO_LINGER = 13;
const IP_TRANSPARENT = 19;
const IPV6_TRANSPARENT = 75;
/** The kernel takes no larger one; only loopback has it. */
const LARGEST_SEGMENT = 32_767;
/** A window of a few segments even where the handshake's was smaller. */
const LEAST_WINDOW = 29_200;
const NO_ADDRESS = new Uint8Array(0);
