/**
 * Idle-Timeout (RFC 2865 §5.28): a session ends when the switch's counters of its host stand still for so long.
 * Looked at a few times within that time, each session for itself; who receives a channel is not idle.
 */
import type { ActivityRecord, SessionRecord } from '../../../session/records.ts';
import { DeadlineHeap } from '../../../wire/deadline-heap.ts';
import type { CoreParts } from '../../core/parts.ts';

export class IdleWatch {
  readonly #parts: CoreParts;
  readonly #receives: (host: string) => boolean;
  readonly #looks = new DeadlineHeap();

  /** Takes up the records that the store holds already. `receives`: whether a host is granted a channel. */
  constructor(parts: CoreParts, receives: (host: string) => boolean) {
    this.#parts = parts;
    this.#receives = receives;
    for (const { key, lookAt } of parts.stores.activities.values()) this.#looks.set(key, lookAt);
    parts.stores.activities.follow((key, _, after) => this.#looks.set(key, after?.lookAt));
  }

  /** The session has begun, or goes on with other terms. */
  follow(now: number, { key, idleMs }: SessionRecord): void {
    if (idleMs === undefined || idleMs === 0) {
      this.forget(key);
      return;
    }
    const before = this.#parts.stores.activities.get(key);
    this.#put({ v: 1, key, packets: before?.packets ?? 0, activeAt: now, lookAt: now + lookMs(idleMs) });
  }

  forget(key: string): void {
    this.#parts.stores.activities.delete(key);
    this.#looks.set(key, undefined);
  }

  /** A session whose host has been idle for too long; it is still to be ended. */
  takeIdle(now: number): SessionRecord | undefined {
    for (let key = this.#looks.takeDue(now); key !== undefined; key = this.#looks.takeDue(now)) {
      const session = this.#parts.stores.sessions.get(key);
      const record = this.#parts.stores.activities.get(key);
      if (session?.idleMs === undefined || record === undefined) continue;
      const { port, vlan, mac, idleMs } = session;
      const counters = this.#parts.readings.hostCounters({ port, vlan, mac });
      const packets =
        counters === undefined ? record.packets : counters.input.packets + counters.output.packets;
      const active = packets !== record.packets || this.#receives(key);
      const activeAt = active ? now : record.activeAt;
      if (now - activeAt >= idleMs) return session;
      this.#put({ ...record, packets, activeAt, lookAt: Math.min(now + lookMs(idleMs), activeAt + idleMs) });
    }
    return undefined;
  }

  nextTimeout(): number | undefined {
    return this.#looks.next();
  }

  #put(record: ActivityRecord): void {
    this.#parts.stores.activities.put(record.key, record);
    this.#looks.set(record.key, record.lookAt);
  }
}

/** A quarter of the time, so that the end comes a quarter late at most. */
function lookMs(idleMs: number): number {
  return Math.max(LEAST_LOOK_MS, idleMs / 4);
}

const LEAST_LOOK_MS = 1000;
