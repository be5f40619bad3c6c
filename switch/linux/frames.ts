/**
 * Frames of all ports through one packet socket: interface numbers tell the ports apart, and a port that
 * goes down and up, or away and back, needs nothing. Frames come in batches, with the outer VLAN tag off.
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
  #fd: number;
  readonly #read = new Int32Array(2);
  #watch: Watch | undefined;
  #seen = 0;
  #dropped = 0;

  /** Throws the errno's name where the socket cannot be made. `fd`: one that is there already. */
  constructor(hosts: 'known' | 'all', fd?: number) {
    this.#fd = fd ?? this.#native.packetOpen(captureFilter(hosts), RECEIVE_BUFFER);
    if (this.#fd < 0) throw new Error(`packet socket: ${errnoName(this.#fd)}`);
  }

  /** Begins to deliver; frames that came since the socket was made are the first. */
  watch(deliver: (frames: CapturedFrame[]) => void, failed: (errno: string) => void): void {
    const watch = this.#native.packetWatch(this.#fd, (octets, meta, count) => {
      if (typeof octets === 'number') failed(errnoName(octets));
      else deliver(split(octets, meta, count));
    });
    if (typeof watch === 'number') throw new Error(`packet socket: ${errnoName(watch)}`);
    this.#watch = watch;
  }

  /** For another process: frames that nobody has read wait there. */
  get descriptor(): number {
    return this.#fd;
  }

  /** Delivers no more until `watch`; the socket stays open. */
  rest(): void {
    if (this.#watch === undefined) return;
    const kept = this.#native.duplicate(this.#fd);
    if (kept < 0) throw new Error(`packet socket: ${errnoName(kept)}`);
    this.#native.unwatch(this.#watch);
    this.#watch = undefined;
    this.#fd = kept;
  }

  /** What is reported of hosts that speak no 802.1X. Throws the errno's name. */
  hear(hosts: 'known' | 'all'): void {
    const failed = this.#native.packetFilter(this.#fd, captureFilter(hosts));
    if (failed < 0) throw new Error(`packet socket: ${errnoName(failed)}`);
  }

  /** Sends a frame out of an interface, with an 802.1Q tag where `vlan` is not 0. Undefined or the errno. */
  send(ifindex: number, vlan: number, frame: Uint8Array): string | undefined {
    const sent = this.#native.packetSend(this.#fd, ifindex, vlan === 0 ? frame : tagged(frame, vlan));
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
      const sent = this.#native.packetSendMany(this.#fd, ifindex, octets, lengths, at);
      if (sent < 0) first ??= sent;
      if (sent < 0 && STOPS.has(errnoName(sent))) break;
      at += Math.max(1, sent);
    }
    return first === undefined ? undefined : errnoName(first);
  }

  statistics(): CaptureStatistics {
    if (this.#native.packetStatistics(this.#fd, this.#read) === 0) {
      this.#seen += (this.#read[0] ?? 0) >>> 0;
      this.#dropped += (this.#read[1] ?? 0) >>> 0;
    }
    return { seen: this.#seen, dropped: this.#dropped };
  }

  close(): void {
    if (this.#watch === undefined) this.#native.close(this.#fd);
    else this.#native.unwatch(this.#watch);
  }
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
const RECEIVE_BUFFER = 4 << 20;
