/**
 * Messages on the replication link, each demarcated: length, type, payload, CRC-32 of type and payload. The
 * link is a stream (TLS); the checksum is there for what TLS does not see, a bug on either side.
 */
import { crc32 } from 'node:zlib';
import { putU32, u8, u32 } from '../wire/bytes.ts';

/** What a frame is about. Numbers are for ever. */
export const FrameType = {
  /** Control messages: one record (`v`, `say`, …), read by whoever knows `say`. */
  Message: 1,
  /** A slice of a snapshot. */
  Records: 2,
  /** A batch of the change log. */
  Changes: 3,
} as const;

export interface Frame {
  readonly type: number;
  /** A view into what was received. */
  readonly payload: Uint8Array;
}

/** Why a stream of frames cannot be read on. The link is to be closed. */
export type FrameFault = 'frame-too-long' | 'frame-too-short' | 'frame-checksum';

/** One frame. */
export function encodeFrame(type: number, payload: Uint8Array): Uint8Array {
  const out = Buffer.allocUnsafe(HEADER + payload.length + TRAILER);
  putU32(out, 0, 1 + payload.length + TRAILER);
  out[4] = type;
  out.set(payload, HEADER);
  putU32(out, HEADER + payload.length, crc32(out.subarray(4, HEADER + payload.length)));
  return out;
}

/** Cuts a stream into frames, however its octets arrive. */
export class FrameReader {
  #rest: Uint8Array = NOTHING;
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
      frames.push({ type: u8(body, 0), payload: body.subarray(1) });
      at = end;
    }
    this.#rest = at === b.length ? NOTHING : b.slice(at);
    return frames;
  }
}

/** A longer frame is refused: it would be a way to exhaust memory. */
export const MAX_FRAME_OCTETS = 1 << 24;
const HEADER = 5;
const TRAILER = 4;
const NOTHING = new Uint8Array(0);
