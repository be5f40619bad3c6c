/**
 * Messages on the replication link, each demarcated: length, type, payload, CRC-32 of type and payload. The
 * link is a stream (TLS); the checksum is there for what TLS does not see, a bug on either side. One turn can change
 * every record of a large node: what does not fit into a frame is taken apart and put together again here.
 */
import { crc32 } from 'node:zlib';
import { concatBytes, putU32, u8, u32 } from '../wire/bytes.ts';

/** What a frame is about. Numbers are for ever. */
export const FrameType = {
  /** Control messages: one record (`v`, `say`, …), read by whoever knows `say`. */
  Message: 1,
  /** A slice of a snapshot. */
  Records: 2,
  /** A batch of the change log. */
  Changes: 3,
  /** The next octets of a payload that is too long for one frame; the frame behind its last part says its type. */
  Part: 4,
} as const;

export interface Frame {
  readonly type: number;
  /** A view into what was received. */
  readonly payload: Uint8Array;
}

/** Why a stream of frames cannot be read on. The link is to be closed. */
export type FrameFault = 'frame-too-long' | 'frame-too-short' | 'frame-checksum';

/**
 * A payload as one frame; where it is longer than `longest` octets as several, of that length at most. The reader gives
 * it as one again. It is written into `room` where that is long enough, for who needs it no longer than that.
 */
export function encodeFrame(
  type: number,
  payload: Uint8Array,
  longest = LONGEST_PAYLOAD,
  room?: Buffer,
): Uint8Array {
  const size = payload.length <= longest ? longest : Math.min(longest, PART_OCTETS);
  const parts = Math.max(1, Math.ceil(payload.length / size));
  const length = payload.length + parts * (HEADER + TRAILER);
  const out =
    room !== undefined && length <= room.length ? room.subarray(0, length) : Buffer.allocUnsafe(length);
  let at = 0;
  for (let part = 0; part < parts; part++) {
    const octets = payload.subarray(part * size, (part + 1) * size);
    const end = at + HEADER + octets.length;
    putU32(out, at, 1 + octets.length + TRAILER);
    out[at + 4] = part < parts - 1 ? FrameType.Part : type;
    out.set(octets, at + HEADER);
    putU32(out, end, crc32(out.subarray(at + 4, end)));
    at = end + TRAILER;
  }
  return out;
}

/** Cuts a stream into frames, however its octets arrive. */
export class FrameReader {
  #rest: Uint8Array = NOTHING;
  /** Of a payload whose last frame has not come yet. */
  #parts: Uint8Array[] = [];
  #partOctets = 0;
  fault: FrameFault | undefined;

  /** The frames that are complete now, in order. After a fault: none, ever. */
  push(octets: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    if (this.fault !== undefined) return frames;
    let b = octets;
    if (this.#rest.length > 0) {
      b = new Uint8Array(this.#rest.length + octets.length);
      b.set(this.#rest);
      b.set(octets, this.#rest.length);
    }
    let at = 0;
    while (b.length - at >= 4) {
      const length = u32(b, at);
      if (length > MAX_FRAME_OCTETS || length < 1 + TRAILER) {
        this.fault = length > MAX_FRAME_OCTETS ? 'frame-too-long' : 'frame-too-short';
        return frames;
      }
      const end = at + 4 + length;
      if (end > b.length) break;
      const body = b.subarray(at + 4, end - TRAILER);
      if (crc32(body) !== u32(b, end - TRAILER)) {
        this.fault = 'frame-checksum';
        return frames;
      }
      const frame = this.#whole(u8(body, 0), body.subarray(1));
      if (this.#partOctets > MAX_PARTS_OCTETS) {
        this.fault = 'frame-too-long';
        return frames;
      }
      if (frame !== undefined) frames.push(frame);
      at = end;
    }
    this.#rest = at === b.length ? NOTHING : b.slice(at);
    return frames;
  }

  /** Undefined: more of it is to come. */
  #whole(type: number, payload: Uint8Array): Frame | undefined {
    if (type === FrameType.Part) {
      this.#parts.push(payload.slice());
      this.#partOctets += payload.length;
      return undefined;
    }
    if (this.#parts.length === 0) return { type, payload };
    const whole = concatBytes(...this.#parts, payload);
    this.#parts = [];
    this.#partOctets = 0;
    return { type, payload: whole };
  }
}

/** A longer frame is refused: it would be a way to exhaust memory. So are parts of more octets together. */
export const MAX_FRAME_OCTETS = 1 << 24;
const MAX_PARTS_OCTETS = 1 << 30;
const HEADER = 5;
const TRAILER = 4;
const LONGEST_PAYLOAD = MAX_FRAME_OCTETS - 1 - TRAILER;
/** A reader copies what it has of a frame with each piece that arrives. */
const PART_OCTETS = 1 << 20;
const NOTHING = new Uint8Array(0);
