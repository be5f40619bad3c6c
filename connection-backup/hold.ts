/**
 * What may leave of a connection: no segment that acknowledges an octet which the standby has not, no end of the
 * connection that nobody wanted. What a dead process's kernel sends is never wanted: its flows are unknown.
 */

import { type Segment, TcpFlag } from './segment.ts';
import { distance, plus } from './sequence.ts';

/** `hold`: until the standby has more. */
export type HoldVerdict = 'pass' | 'hold' | 'drop';

export class Hold {
  /** Sequence number up to which octets of the peer may be acknowledged; undefined before the handshake's answer. */
  #limit: number | undefined;
  #opening: boolean;
  #ending = false;

  /** `limit`: of a connection that is continued. Else its handshake is awaited. */
  constructor(limit?: number) {
    this.#limit = limit;
    this.#opening = limit === undefined;
  }

  /** The standby has everything of the peer before this sequence number. */
  raise(limit: number): void {
    this.#opening = false;
    if (this.#limit === undefined || distance(this.#limit, limit) > 0) this.#limit = limit;
  }

  /** The connection is to end now: its FIN and its RST may leave. */
  end(): void {
    this.#ending = true;
  }

  judge({ flags, acknowledgement }: Pick<Segment, 'flags' | 'acknowledgement'>): HoldVerdict {
    if (this.#ending) return 'pass';
    if ((flags & (TcpFlag.Fin | TcpFlag.Rst)) !== 0) return 'drop';
    if ((flags & TcpFlag.Ack) === 0) return this.#opening ? 'pass' : 'drop';
    // The first acknowledgement of a handshake says where the peer's stream begins: nothing of it has come yet.
    if (this.#limit === undefined) this.#limit = plus(acknowledgement, 0);
    return distance(this.#limit, acknowledgement) <= 0 ? 'pass' : 'hold';
  }
}
