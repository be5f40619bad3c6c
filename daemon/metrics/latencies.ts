/**
 * How long a login, a join and a leave took, from the frame at the switch to the effects that have left: the
 * open port, the programmed channel. Where a standby must have the records first, its answer is part of it.
 */
import type { Change } from '../../session/store.ts';
import type { TurnWatch } from '../core/turn-watch.ts';
import type { Metrics, Times } from './metrics.ts';

interface Due {
  readonly change: number;
  readonly times: Times;
  readonly since: number;
  readonly labels: readonly string[];
}

export class Latencies implements TurnWatch {
  readonly #now: () => number;
  readonly #logins: Times;
  readonly #joins: Times;
  readonly #leaves: Times;
  readonly #authenticating = new Beginnings();
  readonly #asked = new Beginnings();
  #arrivedAt: number | undefined;
  #beganAt = 0;
  /** What happened in this turn. */
  #noted: Omit<Due, 'change'>[] = [];
  /** What waits for a standby. */
  #due: Due[] = [];

  constructor(metrics: Metrics, now: () => number = () => performance.now()) {
    this.#now = now;
    this.#logins = metrics.times({
      name: 'castgate_authentication_seconds',
      help: 'From the first EAP request of a login to the opened port or the refusal, by result',
      labels: ['result'],
    });
    this.#joins = metrics.times({
      name: 'castgate_join_seconds',
      help: 'From a join at the switch to the forwarded channel or the refusal, by result and by what decided',
      labels: ['result', 'by'],
    });
    this.#leaves = metrics.times({
      name: 'castgate_leave_seconds',
      help: 'From a leave at the switch to the stopped channel',
      labels: [],
    });
  }

  arrived(): void {
    this.#arrivedAt = this.#now();
  }

  dealtWith(): void {
    this.#arrivedAt = undefined;
  }

  began(): void {
    this.#beganAt = this.#arrivedAt ?? this.#now();
  }

  changed({ store, key, record }: Change): void {
    if (store !== 'pending' || record === undefined || this.#asked.has(key)) return;
    this.#asked.set(key, this.#beganAt);
  }

  happened(event: string, fields: object | undefined): void {
    switch (event) {
      case 'authenticator':
        this.#moved(text(fields, 'host'), text(fields, 'from'), text(fields, 'to'));
        return;
      case 'join-granted':
        this.#decided(text(fields, 'host'), fields, 'granted', text(fields, 'by'));
        return;
      case 'join-refused': {
        const host = `${text(fields, 'port')}/${text(fields, 'vlan')}/${text(fields, 'mac')}`;
        this.#decided(host, fields, 'refused', text(fields, 'reason'));
        return;
      }
      case 'channel-ended':
        if (text(fields, 'cause') === 'leave') this.#note(this.#leaves, this.#beganAt);
        return;
    }
  }

  ended(change: number, safe: number): void {
    for (const noted of this.#noted) this.#due.push({ ...noted, change });
    this.#noted = [];
    if (this.#due.length === 0) return;
    const now = this.#now();
    const waiting: Due[] = [];
    for (const due of this.#due) {
      if (due.change <= safe) due.times.note(now - due.since, ...due.labels);
      else waiting.push(due);
    }
    this.#due = waiting.slice(-REMEMBERED);
  }

  #moved(host: string, from: string, to: string): void {
    if (from === to) return;
    if (to === 'AUTHENTICATING') {
      this.#authenticating.set(host, this.#beganAt);
      return;
    }
    const since = from === 'AUTHENTICATING' ? this.#authenticating.take(host) : undefined;
    if (since === undefined) return;
    this.#note(this.#logins, since, RESULTS[to] ?? 'aborted');
  }

  #decided(host: string, fields: object | undefined, result: string, by: string): void {
    const key = `${host}/${text(fields, 'group')}/${text(fields, 'source') || '*'}`;
    const asked = this.#asked.take(key);
    // A question that another node asked: nobody here knows when.
    if (asked === undefined && by === 'radius') return;
    this.#note(this.#joins, asked ?? this.#beganAt, result, by);
  }

  #note(times: Times, since: number, ...labels: readonly string[]): void {
    this.#noted.push({ times, since, labels });
  }
}

/** When something began that has not ended, by its key; of too many the oldest are forgotten. */
class Beginnings {
  readonly #at = new Map<string, number>();

  has(key: string): boolean {
    return this.#at.has(key);
  }

  set(key: string, at: number): void {
    this.#at.delete(key);
    this.#at.set(key, at);
    if (this.#at.size <= REMEMBERED) return;
    for (const oldest of this.#at.keys()) {
      this.#at.delete(oldest);
      return;
    }
  }

  /** Undefined where it is not known; afterwards it is not. */
  take(key: string): number | undefined {
    const at = this.#at.get(key);
    if (at !== undefined) this.#at.delete(key);
    return at;
  }
}

function text(fields: object | undefined, name: string): string {
  const value: unknown = fields === undefined ? undefined : Reflect.get(fields, name);
  return value === undefined ? '' : String(value);
}

const REMEMBERED = 65_536;
const RESULTS: Readonly<Record<string, string>> = { AUTHENTICATED: 'accepted', HELD: 'refused' };
