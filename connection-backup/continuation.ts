/**
 * Can a connection be continued? The records say what this node knows, the peer's answer where the connection
 * stands. Both must fit together; where they do not, the connection is over for this node, and its owner makes a
 * new one and says again what is open.
 */
import type { ConnectionRecord } from './records.ts';
import { type Segment, TcpFlag } from './segment.ts';
import { distance, plus } from './sequence.ts';

/**
 * Why a connection is not continued. `refused`: the peer does not know it. `ended`: the peer has said its last.
 * `behind`: the peer has what this node never heard of, so its records are too old. `ahead`: it lacks what was
 * dropped as acknowledged, or this node has what the peer never sent: it is another connection.
 * `silent`: nobody answers. `failed`: the kernel did not make the socket. `changed`: the configuration names
 * another peer. `damaged`: the records of what was sent do not follow on each other.
 */
export const FALL_BACKS = [
  'refused',
  'ended',
  'behind',
  'ahead',
  'silent',
  'failed',
  'changed',
  'damaged',
] as const;
export type FallBack = (typeof FALL_BACKS)[number];

/** How a connection is continued; positions of what is sent. */
export interface Continuation {
  /** The peer has everything before it. */
  readonly from: number;
  /** The peer may hold some of what lies before this position out of order, and lacks the first of it. */
  readonly reached: number;
  /** What the peer takes at present, in octets. */
  readonly window: number;
}

/** What this node knows: the record, the positions of what is kept of the sent, and of what was received. */
export interface Known {
  readonly connection: ConnectionRecord;
  readonly sentBegin: number;
  readonly sentEnd: number;
  readonly received: number;
}

/** Undefined: the segment says nothing of where the peer stands. */
export function judgeAnswer(known: Known, answer: Segment): Continuation | FallBack | undefined {
  const { connection, sentBegin, sentEnd, received } = known;
  const { flags, acknowledgement, sequence, length } = answer;
  if ((flags & TcpFlag.Rst) !== 0) return 'refused';
  if ((flags & TcpFlag.Ack) === 0 || (flags & TcpFlag.Syn) !== 0) return undefined;
  const position = (of: number) => sentBegin + distance(plus(connection.sentFrom, sentBegin), of);
  const from = position(acknowledgement);
  if (from > sentEnd) return 'behind';
  if (from < sentBegin) return 'ahead';
  // Data may be old data that comes again; what is plainly an acknowledgement has the next number that it will send.
  const lead = distance(plus(connection.receivedFrom, received), sequence);
  if (length === 0 && lead < 0) return 'ahead';
  if ((flags & TcpFlag.Fin) !== 0 && lead + length <= 0) return 'ended';
  let reached = from;
  for (const block of answer.sack) {
    const end = position(block.to);
    // A block before the acknowledgement tells of something that came twice (RFC 2883).
    if (end > reached && position(block.from) > from) reached = end;
  }
  if (reached > sentEnd) return 'behind';
  return { from, reached, window: answer.window * 2 ** (connection.options.windowScale?.peer ?? 0) };
}
