/**
 * What the lab's channels carry: numbered datagrams, so that a receiver can tell loss from silence.
 * Eight octets of sequence number, eight of the time of sending, then filling.
 */

/** UDP port of every channel. */
export const CHANNEL_PORT = 5004;
/** UDP port at the head-end that sends everything back. */
export const ECHO_PORT = 5007;

/** Milliseconds of the machine's monotonic clock, the same in all of its processes. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** A datagram of `octets` octets (16 at least) with that number and the time. */
export function writeChannelPacket(sequence: number, octets: number): Buffer {
  const packet = Buffer.alloc(Math.max(octets, HEADER_OCTETS), 0x2e);
  packet.writeBigUInt64BE(BigInt(sequence), 0);
  packet.writeDoubleBE(monotonicMs(), 8);
  return packet;
}

/** Undefined where it is too short to be one. */
export function readChannelPacket(
  payload: Buffer,
): { readonly sequence: number; readonly sentAtMs: number } | undefined {
  if (payload.length < HEADER_OCTETS) return undefined;
  return { sequence: Number(payload.readBigUInt64BE(0)), sentAtMs: payload.readDoubleBE(8) };
}

const HEADER_OCTETS = 16;
