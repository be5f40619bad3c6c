/**
 * Which ports of which servers are taken for dead. A port dies of silence: so many waits in a row without any
 * answer, over at least so long a time. Any valid answer revives it. Only a change is written to the records,
 * so that a busy and healthy server costs nothing.
 */
import type { RecordMap } from '../../wire/records.ts';
import { laneKey, type RadiusPort, type RadiusServerRecord } from './request-record.ts';

/** When a port is dead, and for how long. */
export interface HealthOptions {
  /** Waits in a row that ended without any answer. */
  readonly deadTries: number;
  /** Time since the first unanswered transmission, in milliseconds. */
  readonly deadAfterMs: number;
  /** How long a dead port is passed over before it is tried again, in milliseconds. */
  readonly deadMs: number;
}

export class ServerHealth {
  readonly #records: RecordMap<RadiusServerRecord>;
  readonly #silences = new Map<string, { readonly since: number; waits: number }>();
  options: HealthOptions;

  constructor(records: RecordMap<RadiusServerRecord>, options: HealthOptions) {
    this.#records = records;
    this.options = options;
  }

  isDead(server: string, port: RadiusPort): boolean {
    return this.#records.get(laneKey(server, port))?.state === 'dead';
  }

  /** When a dead port is due to be tried again; undefined while it is alive. */
  retryAt(server: string, port: RadiusPort): number | undefined {
    return this.#records.get(laneKey(server, port))?.retryAt;
  }

  /** When a port was sent something that it has not answered, nor anything since; undefined where it has. */
  silentSince(server: string, port: RadiusPort): number | undefined {
    return this.#silences.get(laneKey(server, port))?.since;
  }

  /** True where the port is dead, or was found dead and came back after that time: it forgot what it knew. */
  diedSince(since: number, server: string, port: RadiusPort): boolean {
    const record = this.#records.get(laneKey(server, port));
    return record !== undefined && (record.state === 'dead' || record.since > since);
  }

  /** Nobody is there. True where that is news. */
  failed(now: number, server: string, port: RadiusPort): boolean {
    return this.#put(now, server, port, 'dead');
  }

  /** Something was sent. */
  sent(now: number, server: string, port: RadiusPort): void {
    const key = laneKey(server, port);
    if (!this.#silences.has(key)) this.#silences.set(key, { since: now, waits: 0 });
  }

  /** A wait ended without an answer. True where the port died of it. */
  waited(now: number, server: string, port: RadiusPort): boolean {
    const silence = this.#silences.get(laneKey(server, port)) ?? { since: now, waits: 0 };
    silence.waits++;
    this.#silences.set(laneKey(server, port), silence);
    if (silence.waits < this.options.deadTries || now - silence.since < this.options.deadAfterMs)
      return false;
    return this.#put(now, server, port, 'dead');
  }

  /** A valid answer came. True where it revived the port. */
  answered(now: number, server: string, port: RadiusPort): boolean {
    this.#silences.delete(laneKey(server, port));
    return this.isDead(server, port) && this.#put(now, server, port, 'alive');
  }

  /** The dead port is being tried: the next time comes after another rest. */
  tried(now: number, server: string, port: RadiusPort): void {
    const record = this.#records.get(laneKey(server, port));
    if (record?.state !== 'dead') return;
    this.#records.put(record.key, { ...record, retryAt: now + this.options.deadMs });
  }

  /** Forgets a port that is configured no more. */
  forget(server: string, port: RadiusPort): void {
    this.#silences.delete(laneKey(server, port));
    this.#records.delete(laneKey(server, port));
  }

  /** True where the state is another than before. */
  #put(now: number, server: string, port: RadiusPort, state: 'alive' | 'dead'): boolean {
    const key = laneKey(server, port);
    if ((this.#records.get(key)?.state ?? 'alive') === state) return false;
    const retryAt = state === 'dead' ? now + this.options.deadMs : undefined;
    this.#records.put(key, { v: 1, key, server, port, state, since: now, retryAt });
    return true;
  }
}
