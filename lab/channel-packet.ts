/**
 * What the lab's channels carry: numbered datagrams, so that a receiver can tell loss from silence.
 * Eight octets of sequence number, then filling.
 */

/** UDP port of every channel. */
export const CHANNEL_PORT = 5004;
/** UDP port at the head-end that sends everything back. */
export const ECHO_PORT = 5007;

/** A datagram of `octets` octets (8 at least) with that number. */
export function writeChannelPacket(sequence: number, octets: number): Buffer {
  const packet = Buffer.alloc(Math.max(octets, HEADER_OCTETS), 0x2e);
  packet.writeBigUInt64BE(BigInt(sequence), 0);
  return packet;
}

/** Undefined where it is too short to be one. */
export function readChannelPacket(payload: Buffer): { readonly sequence: number } | undefined {
  if (payload.length < HEADER_OCTETS) return undefined;
  return { sequence: Number(payload.readBigUInt64BE(0)) };
}

const HEADER_OCTETS = 8;
