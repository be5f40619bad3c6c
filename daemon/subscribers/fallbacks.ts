/**
 * Ports on which nobody is in, and what becomes of them: a port for guests where nobody speaks 802.1X, one for
 * the rejected, one for the time in which no RADIUS server answers. auth/fallback.ts has the records.
 */
import { type Fallback, type FallbackRecord, fallbackVlan } from '../../auth/fallback.ts';
import type { PortConfig } from '../../config/config.ts';
import { DeadlineHeap } from '../../wire/deadline-heap.ts';
import { acceptOptions, type CoreParts } from '../core/parts.ts';

/** What fallbacks need of the rest of the core. */
export interface FallbackPeers {
  /** Somebody is in on the port. */
  isOccupied(port: string): boolean;
  /** Somebody on the port has answered 802.1X, or is asked for by MAC address. */
  isSpokenTo(port: string): boolean;
  /** Some server for logins is not known to be dead. */
  hasServer(): boolean;
  /** The port is to be served otherwise. */
  changed(port: string): void;
  /** Whoever is behind the port is asked who it is. */
  ask(now: number, port: PortConfig): void;
}

export class Fallbacks {
  readonly #parts: CoreParts;
  readonly #peers: FallbackPeers;
  readonly #deadlines = new DeadlineHeap();

  /** Takes up the records that the store holds already. */
  constructor(parts: CoreParts, peers: FallbackPeers) {
    this.#parts = parts;
    this.#peers = peers;
    for (const { key, until } of parts.stores.fallbacks.values()) this.#deadlines.set(key, until);
    parts.stores.fallbacks.follow((key, _, after) => this.#deadlines.set(key, after?.until));
  }

  /** Nobody is in on the port, which is up: the time begins after which it is one for guests. */
  begin(now: number, port: PortConfig): void {
    if (!hasFallback(port)) return;
    const guestMs = port.txPeriodMs * (port.reAuthMax + 1);
    this.#put({
      v: 1,
      key: port.name,
      kind: 'none',
      rejects: this.#of(port.name)?.rejects ?? 0,
      until: port.guestVlan === undefined ? undefined : now + guestMs,
    });
  }

  /** Somebody on the port speaks 802.1X: it is not one for guests. */
  heard(now: number, port: PortConfig): void {
    if (this.#of(port.name)?.kind === 'guest') this.begin(now, port);
  }

  rejected(now: number, port: PortConfig): void {
    const record = this.#of(port.name);
    if (record === undefined) return;
    const rejects = record.rejects + 1;
    this.#put({ ...record, rejects });
    if (rejects >= port.authFailAfter) this.#enter(now, port, 'auth-fail');
  }

  /** No server answered a login. */
  unanswered(now: number, port: PortConfig): void {
    if (!this.#peers.hasServer()) this.#enter(now, port, 'critical');
  }

  /** Somebody is in, or the port is down. */
  end(port: string): void {
    if (!this.#parts.stores.fallbacks.delete(port)) return;
    this.#deadlines.set(port, undefined);
    this.#peers.changed(port);
  }

  /** Ports that have no such fallback any more are ordinary ones. */
  reconfigured(): void {
    for (const { key, kind } of [...this.#parts.stores.fallbacks.values()]) {
      const port = this.#parts.ports.get(key);
      const isThere = port !== undefined && hasFallback(port);
      if (!isThere || (kind !== 'none' && fallbackVlan(port, kind) === undefined)) this.end(key);
    }
  }

  handleTimeout(now: number): void {
    for (let key = this.#deadlines.takeDue(now); key !== undefined; key = this.#deadlines.takeDue(now)) {
      const port = this.#parts.ports.get(key);
      const record = this.#of(key);
      if (port === undefined || record === undefined) continue;
      if (record.kind === 'critical') this.#lookForServers(now, port, record);
      else if (this.#peers.isSpokenTo(key)) this.begin(now, port);
      else this.#enter(now, port, 'guest');
    }
  }

  nextTimeout(): number | undefined {
    return this.#deadlines.next();
  }

  #lookForServers(now: number, port: PortConfig, record: FallbackRecord): void {
    if (!this.#peers.hasServer()) {
      this.#put({ ...record, until: now + LOOK_MS });
      return;
    }
    this.begin(now, port);
    this.#peers.ask(now, port);
  }

  #enter(now: number, port: PortConfig, kind: Fallback): void {
    const record = this.#of(port.name);
    const vlan = fallbackVlan(port, kind);
    if (record === undefined || vlan === undefined || record.kind === kind) return;
    if (this.#peers.isOccupied(port.name)) return;
    if (!acceptOptions(this.#parts).vlanIsThere(vlan)) {
      this.#parts.log.warn('fallback-not-there', { port: port.name, fallback: kind, vlan });
      return;
    }
    this.#parts.log.info('fallback', { port: port.name, fallback: kind, vlan });
    this.#put({ ...record, kind, until: kind === 'critical' ? now + LOOK_MS : undefined });
  }

  #of(port: string): FallbackRecord | undefined {
    return this.#parts.stores.fallbacks.get(port);
  }

  #put(record: FallbackRecord): void {
    const before = this.#of(record.key)?.kind ?? 'none';
    this.#parts.stores.fallbacks.put(record.key, record);
    this.#deadlines.set(record.key, record.until);
    if (before !== record.kind) this.#peers.changed(record.key);
  }
}

function hasFallback({ mode, guestVlan, authFailVlan, criticalVlan }: PortConfig): boolean {
  return mode === 'auto' && (guestVlan ?? authFailVlan ?? criticalVlan) !== undefined;
}

/** How often it is looked whether a server lives again. */
const LOOK_MS = 10_000;
