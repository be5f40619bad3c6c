/**
 * What happened to a subscriber that may explain what castgate does to it next. What nothing explains is a
 * violation: a session that ends, a question for its identity, a channel that stops.
 */
export type Mark =
  | 'start'
  /** EAPOL-Start again and again: each begins a round of reAuthCount. */
  | 'insists'
  | 'logoff'
  | 'carrier'
  /** An operator shuts its port. */
  | 'shut'
  | 'silent'
  | 'unplugged'
  | 'rejected'
  | 'radius-trouble'
  | 'asked-by-operator'
  | 'session-timeout'
  | 'other-account'
  | 'switch-trouble'
  /** A server asks that sessions end. */
  | 'disconnected'
  /** Its session ended, for a cause that something else explains. */
  | 'ended'
  /** A node went on that did not know everything. */
  | 'state-lost'
  | 'left'
  | 'permit-timeout'
  | 'withdrawn';

export class Marks {
  readonly #last = new Map<Mark, number>();

  set(now: number, ...marks: readonly Mark[]): void {
    for (const mark of marks) this.#last.set(mark, now);
  }

  /** Whether one of these happened at or after that time. */
  any(since: number, marks: readonly Mark[]): boolean {
    return marks.some((mark) => (this.#last.get(mark) ?? Number.NEGATIVE_INFINITY) >= since);
  }

  /** All that happened since, for the message of a violation. */
  since(since: number): string {
    return [...this.#last].flatMap(([mark, at]) => (at >= since ? [mark] : [])).join(', ') || 'nothing';
  }
}
