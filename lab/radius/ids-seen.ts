/**
 * What a server can see of how a client gives identifiers out (RFC 5080 §2.2.2): none again before its request was
 * answered, least recently used first, and from how many source ports.
 */
export interface IdCounts {
  readonly requests: number;
  readonly copies: number;
  /** Requests that are not answered yet, now and at most. */
  readonly inFlight: number;
  readonly mostInFlight: number;
  readonly sourcePorts: number;
  /** Identifiers that came again on their port before the answer. */
  readonly reusedTooEarly: number;
  /** Another free identifier of that port had been answered earlier, or was never used. */
  readonly notLeastRecent: number;
}

interface Port {
  /** Authenticators of requests without an answer. */
  readonly open: Map<number, Uint8Array>;
  /** When each identifier was answered last, as a running number; 0: never used. */
  readonly answeredAt: Float64Array;
}

export class IdsSeen {
  readonly #ports = new Map<number, Port>();
  #inFlight = 0;
  #answers = 0;
  #counts = { requests: 0, copies: 0, mostInFlight: 0, reusedTooEarly: 0, notLeastRecent: 0 };

  /** A request came; false: it is the copy of one that is open. */
  asked(number: number, id: number, authenticator: Uint8Array): boolean {
    const port = this.#ports.get(number) ?? this.#open(number);
    const before = port.open.get(id);
    if (before !== undefined && Buffer.compare(before, authenticator) === 0) {
      this.#counts.copies++;
      return false;
    }
    this.#counts.requests++;
    if (before !== undefined) this.#counts.reusedTooEarly++;
    else {
      this.#counts.mostInFlight = Math.max(this.#counts.mostInFlight, ++this.#inFlight);
      const mine = port.answeredAt[id] ?? 0;
      const isLater = port.answeredAt.some((at, other) => at < mine && !port.open.has(other));
      if (isLater) this.#counts.notLeastRecent++;
    }
    port.open.set(id, authenticator);
    return true;
  }

  answered(number: number, id: number): void {
    const port = this.#ports.get(number);
    if (port?.open.delete(id) !== true) return;
    port.answeredAt[id] = ++this.#answers;
    this.#inFlight--;
  }

  counts(): IdCounts {
    return { ...this.#counts, inFlight: this.#inFlight, sourcePorts: this.#ports.size };
  }

  #open(number: number): Port {
    const port = { open: new Map<number, Uint8Array>(), answeredAt: new Float64Array(256) };
    this.#ports.set(number, port);
    return port;
  }
}
