/** TCP sequence numbers: 32 bits, in a circle (RFC 9293 §3.4). Positions in a stream are plain counts of octets. */

/** The sequence number so many octets on. `octets` may be any whole number, a position of hours of traffic too. */
export function plus(sequence: number, octets: number): number {
  return (sequence + (((octets % CIRCLE) + CIRCLE) % CIRCLE)) % CIRCLE;
}

/** How far `to` is ahead of `from`, in octets; negative where it is behind. At most half a circle either way. */
export function distance(from: number, to: number): number {
  return (to - from) | 0;
}

const CIRCLE = 2 ** 32;
