/**
 * RADIUS packets out of a stream of octets, RFC 6613 §2.6.4: one after the other, each as long as its Length
 * says. A Length that no packet can have leaves the stream without sense from there on: it must be closed.
 */
import { concatBytes, u16 } from '../../wire/bytes.ts';
import { RADIUS_HEADER_LENGTH, RADIUS_MAX_LENGTH } from '../packet.ts';

export class PacketStream {
  #rest: Uint8Array;

  /** `rest`: octets that came already, the beginning of a packet. */
  constructor(rest: Uint8Array = new Uint8Array(0)) {
    this.#rest = rest;
  }

  /** The beginning of a packet that is not whole yet. */
  get rest(): Uint8Array {
    return this.#rest;
  }

  /** Takes octets as they arrived; the packets that are whole now, or undefined: close the connection. */
  push(bytes: Uint8Array): Uint8Array[] | undefined {
    const all = this.#rest.length === 0 ? bytes : concatBytes(this.#rest, bytes);
    const packets: Uint8Array[] = [];
    let at = 0;
    while (all.length - at >= LENGTH_END) {
      const length = u16(all, at + 2);
      if (length < RADIUS_HEADER_LENGTH || length > RADIUS_MAX_LENGTH) return undefined;
      if (all.length - at < length) break;
      packets.push(all.slice(at, at + length));
      at += length;
    }
    this.#rest = all.slice(at);
    return packets;
  }
}

/** Where a packet ends, for whoever cuts a stream without knowing RADIUS. */
export function packetBoundary(bytes: Uint8Array): number | 'more' | 'broken' {
  if (bytes.length < LENGTH_END) return 'more';
  const length = u16(bytes, 2);
  return length < RADIUS_HEADER_LENGTH || length > RADIUS_MAX_LENGTH ? 'broken' : length;
}

/** Code, Identifier and Length. */
const LENGTH_END = 4;
