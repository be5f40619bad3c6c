/**
 * Frames of all ports through packet sockets, one for each port, that the kernel chooses among by the interface
 * (PACKET_FANOUT): a port that is flooded fills its own socket, and is read a batch at a time, as all others are.
 * None is bound to an interface, so a port that goes down and up, or away and back, needs nothing but steer().
 * Frames come in batches, with the outer VLAN tag off.
 */
import { errnoName, loadNative, type Native, type Watch } from '../native.ts';
import { captureFilter } from './capture-filter.ts';

/** A frame and where it came in. `frame` is a view into its batch. */
export interface CapturedFrame {
  readonly ifindex: number;
  /** 0 where the frame had no tag, or a tag with priority only. */
  readonly vlan: number;
  readonly frame: Uint8Array;
}

/** Frames that the socket saw and those it had no room for, since the beginning. */
export interface CaptureStatistics {
  readonly seen: number;
  readonly dropped: number;
}

export class FrameSocket {
  readonly #native: Native = loadNative();
  #fds: Int32Array;
  readonly #read = new Int32Array(2);
  #watches: Watch[] = [];
  #seen = 0;
  #dropped = 0;
  #hosts: 'known' | 'all';
  /**
   * By their place: which socket an interface's frames come to. The last one has those of all others. Undefined: another
   * process has said so to the kernel, and it is not known what.
   */
  #steered: readonly number[] | undefined = [];
  /** Interfaces of which only EAPOL is taken. */
  readonly #heldBack = new Set<number>();

  /**
   * `ports`: how many there will be, uplinks too. `inherited`: sockets that are there already. Throws the errno's name
   * where one cannot be made.
   */
  constructor(hosts: 'known' | 'all', ports: number, inherited?: readonly number[]) {
    const native = this.#native;
    this.#hosts = hosts;
    if (inherited !== undefined) {
      this.#fds = Int32Array.from(inherited);
      this.#steered = undefined;
      return;
    }
    // The last one is for all other interfaces: what comes there is not ours.
    const fds = new Int32Array(Math.min(ports, MOST_SOCKETS) + 1).fill(-1);
    this.#fds = fds;
    try {
      const room = Math.max(LEAST_ROOM, Math.floor(RECEIVE_BUFFER / fds.length));
      for (let i = 0; i < fds.length; i++) fds[i] = checked(native.packetOpen(NOTHING, room));
      checked(native.packetGroup(fds));
      checked(native.packetSteer(this.#first, new Int32Array()));
      this.hear(hosts);
    } catch (cause) {
      this.close();
      throw cause;
    }
  }

  /** The numbers of the ports' interfaces as they are now; those above 64 share a socket. */
  steer(ifindexes: readonly number[]): void {
    const sockets = this.#fds.length - 1;
    if (sockets === 0) return;
    const wanted = ifindexes.slice(0, sockets);
    // The kernel waits some ten milliseconds until no processor goes by the old order.
    if (this.#steered !== undefined && isSameSet(this.#steered, wanted)) return;
    this.#steered = wanted;
    checked(this.#native.packetSteer(this.#first, Int32Array.from(wanted)));
    if (this.#heldBack.size > 0) this.hear(this.#hosts);
  }

  /** What was last said by `steer`, for another process. */
  get steered(): readonly number[] {
    return this.#steered ?? [];
  }

  /** The other process has said so to the kernel. */
  followSteering(steered: readonly number[]): void {
    this.#steered = steered;
  }

  /** Begins to deliver; frames that came since the socket was made are the first. */
  watch(deliver: (frames: CapturedFrame[]) => void, failed: (errno: string) => void): void {
    for (const fd of this.#fds) {
      const watch = this.#native.packetWatch(fd, (octets, meta, count) => {
        if (typeof octets === 'number') failed(errnoName(octets));
        else deliver(split(octets, meta, count));
      });
      if (typeof watch === 'number') throw new Error(`packet socket: ${errnoName(watch)}`);
      this.#watches.push(watch);
    }
  }

  /** For another process: frames that nobody has read wait there. */
  get descriptors(): readonly number[] {
    return [...this.#fds];
  }

  /** Delivers no more until `watch`; the sockets stay open. */
  rest(): void {
    const watches = this.#watches;
    if (watches.length === 0) return;
    const kept = this.#fds.map((fd) => checked(this.#native.duplicate(fd)));
    for (const watch of watches) this.#native.unwatch(watch);
    this.#watches = [];
    this.#fds = kept;
  }

  /** What is reported of hosts that speak no 802.1X. Throws the errno's name. */
  hear(hosts: 'known' | 'all'): void {
    this.#hosts = hosts;
    this.#fds.forEach((_, place) => {
      this.#filter(place);
    });
  }

  /**
   * From now on the kernel keeps all frames but EAPOL of an interface away, until `letIn`; of no more than 64 that
   * share a socket. Throws the errno's name.
   */
  holdBack(ifindex: number): void {
    this.#heldBack.add(ifindex);
    this.#filter(this.#placeOf(ifindex));
  }

  /** Takes that back. */
  letIn(ifindex: number): void {
    if (this.#heldBack.delete(ifindex)) this.#filter(this.#placeOf(ifindex));
  }

  /** Sends a frame out of an interface, with an 802.1Q tag where `vlan` is not 0. Undefined or the errno. */
  send(ifindex: number, vlan: number, frame: Uint8Array): string | undefined {
    const sent = this.#native.packetSend(this.#first, ifindex, vlan === 0 ? frame : tagged(frame, vlan));
    return sent < 0 ? errnoName(sent) : undefined;
  }

  /**
   * Sends many frames out of an interface. One that is refused (too long, say) does not keep the others; the
   * errno of the first such. EAGAIN: the interface took no more, and the rest stays unsent.
   */
  sendMany(ifindex: number, vlan: number, frames: readonly Uint8Array[]): string | undefined {
    const out = vlan === 0 ? frames : frames.map((frame) => tagged(frame, vlan));
    const octets = Buffer.concat(out);
    const lengths = Int32Array.from(out, ({ length }) => length);
    let first: number | undefined;
    for (let at = 0; at < out.length; ) {
      const sent = this.#native.packetSendMany(this.#first, ifindex, octets, lengths, at);
      if (sent < 0) first ??= sent;
      if (sent < 0 && STOPS.has(errnoName(sent))) break;
      at += Math.max(1, sent);
    }
    return first === undefined ? undefined : errnoName(first);
  }

  statistics(): CaptureStatistics {
    for (const fd of this.#fds) {
      if (this.#native.packetStatistics(fd, this.#read) !== 0) continue;
      this.#seen += (this.#read[0] ?? 0) >>> 0;
      this.#dropped += (this.#read[1] ?? 0) >>> 0;
    }
    return { seen: this.#seen, dropped: this.#dropped };
  }

  close(): void {
    for (const watch of this.#watches) this.#native.unwatch(watch);
    for (const fd of this.#fds.subarray(this.#watches.length)) if (fd >= 0) this.#native.close(fd);
    this.#watches = [];
    this.#fds.fill(-1);
  }

  /** Nothing is held back any more. */
  letAllIn(): void {
    if (this.#heldBack.size === 0) return;
    this.#heldBack.clear();
    this.hear(this.#hosts);
  }

  #filter(place: number): void {
    const heldBack = [...this.#heldBack].filter((ifindex) => this.#placeOf(ifindex) === place);
    const filter = captureFilter(this.#hosts, heldBack.slice(0, MOST_HELD_BACK));
    checked(this.#native.packetFilter(this.#fds[place] ?? -1, filter));
  }

  #placeOf(ifindex: number): number {
    const place = this.#steered?.indexOf(ifindex) ?? -1;
    return place < 0 ? this.#fds.length - 1 : place;
  }

  get #first(): number {
    return this.#fds[0] ?? -1;
  }
}

function checked(result: number): number {
  if (result < 0) throw new Error(`packet socket: ${errnoName(result)}`);
  return result;
}

function isSameSet(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((each) => other.includes(each));
}

function split(octets: Uint8Array, meta: Int32Array, count: number): CapturedFrame[] {
  const frames: CapturedFrame[] = [];
  for (let i = 0; i < count; i++) {
    const at = i * META;
    const tag = meta[at + 1] ?? -1;
    const offset = meta[at + 2] ?? 0;
    frames.push({
      ifindex: meta[at] ?? 0,
      vlan: tag < 0 ? 0 : tag & VLAN_MASK,
      frame: octets.subarray(offset, offset + (meta[at + 3] ?? 0)),
    });
  }
  return frames;
}

/** The frame with an 802.1Q tag behind its addresses. */
function tagged(frame: Uint8Array, vlan: number): Uint8Array {
  const out = new Uint8Array(frame.length + 4);
  out.set(frame.subarray(0, 12));
  out.set([0x81, 0x00, vlan >>> 8, vlan & 0xff], 12);
  out.set(frame.subarray(12), 16);
  return out;
}

/** What holds for all frames, not for one. */
const STOPS = new Set(['EAGAIN', 'EINVAL', 'ENETDOWN', 'ENXIO', 'ENODEV', 'EBADF']);
const META = 5;
const VLAN_MASK = 0xfff;
/** Of all sockets together. */
const RECEIVE_BUFFER = 16 << 20;
const LEAST_ROOM = 256 << 10;
const MOST_SOCKETS = 64;
/** Of one socket: what its program has room for. */
const MOST_HELD_BACK = 64;
/** ret 0: no frame, before the sockets know whose theirs are. */
const NOTHING = Uint8Array.of(6, 0, 0, 0, 0, 0, 0, 0);
