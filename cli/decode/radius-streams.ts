/**
 * RADIUS over TCP out of a capture: cuts each direction of each connection into packets by their Length field
 * (RFC 6613 §2.6). Octets are taken in order of sequence numbers; after a gap, or after a length that no
 * packet has, a connection is followed again from its next segment.
 */
import { concatBytes, u16 } from '../../wire/bytes.ts';

/** The TCP segment as far as it is needed. */
export interface TcpSegment {
  readonly srcPort: number;
  readonly dstPort: number;
  readonly sequence: number;
  readonly payload: Uint8Array;
}

/** Reads a TCP header (RFC 9293 §3.1); undefined where it is cut or its offset is impossible. */
export function readTcp(b: Uint8Array): TcpSegment | undefined {
  const headerLength = ((b[12] ?? 0) >>> 4) * 4;
  if (b.length < 20 || headerLength < 20 || headerLength > b.length) return undefined;
  const sequence = u16(b, 4) * 0x10000 + u16(b, 6);
  return { srcPort: u16(b, 0), dstPort: u16(b, 2), sequence, payload: b.subarray(headerLength) };
}

/** The connections of one capture. */
export class RadiusStreams {
  readonly #directions = new Map<string, { next: number; pending: Uint8Array }>();

  /** The packets that end in this segment, whole; the last may be one that cannot be: too short a length. */
  take(direction: string, segment: TcpSegment): readonly Uint8Array[] {
    if (segment.payload.length === 0) return [];
    const known = this.#directions.get(direction);
    const behind = known === undefined ? 0 : (known.next - segment.sequence) >>> 0;
    // Nothing but what was seen already: a retransmission.
    if (known !== undefined && behind >= segment.payload.length && behind < HALF_SEQUENCE_SPACE) return [];
    const joins = known !== undefined && behind < segment.payload.length;
    const fresh = joins ? segment.payload.subarray(behind) : segment.payload;
    let rest = joins ? concatBytes(known.pending, fresh) : fresh;
    const packets: Uint8Array[] = [];
    while (rest.length >= 4) {
      const length = u16(rest, 2);
      if (length < RADIUS_MIN_LENGTH || length > RADIUS_MAX_LENGTH) {
        packets.push(rest);
        rest = rest.subarray(rest.length);
      } else if (length > rest.length) {
        break;
      } else {
        packets.push(rest.subarray(0, length));
        rest = rest.subarray(length);
      }
    }
    const next = (segment.sequence + segment.payload.length) % SEQUENCE_SPACE;
    this.#directions.set(direction, { next, pending: rest });
    return packets;
  }
}

const RADIUS_MIN_LENGTH = 20;
const RADIUS_MAX_LENGTH = 4096;
const SEQUENCE_SPACE = 2 ** 32;
const HALF_SEQUENCE_SPACE = 2 ** 31;
