/**
 * Who is let through without being in: hosts on ports in monitor mode, each with why `auto` would keep it out.
 * The port itself is open (port-services.ts), so that nobody is kept out for want of a record here: a host that
 * finds the table full, or its port's part of it, passes and is not listed, which is said.
 */
import type { Config } from '../../../config/config.ts';
import { KeyIndex } from '../../../session/key-index.ts';
import { hostKey, type MonitoredHostRecord } from '../../../session/records.ts';
import type { HostPlace } from '../../../switch/switch.ts';
import { DeadlineHeap } from '../../../wire/deadline-heap.ts';
import type { CoreParts } from '../../core/parts.ts';

export class MonitoredHosts {
  readonly #parts: CoreParts;
  readonly #gone: (now: number, key: string) => void;
  readonly #ofPort = new KeyIndex();
  readonly #deadlines = new DeadlineHeap();
  /** Ports of which it was said that there is no room; it is said once. */
  readonly #full = new Set<string>();
  /** When it was last counted, by port. */
  readonly #unlistedAt = new Map<string, number>();

  /** Takes up the records that the store holds already. `gone`: a host is not there any more. */
  constructor(parts: CoreParts, gone: (now: number, key: string) => void) {
    this.#parts = parts;
    this.#gone = gone;
    for (const record of parts.stores.monitoredHosts.values()) this.#index(record);
    parts.stores.monitoredHosts.follow((key, before, after) => {
      this.#ofPort.move(key, before?.port, after?.port);
      this.#deadlines.set(key, after === undefined ? undefined : after.heardAt + KEPT_MS);
    });
  }

  keysOfPort(port: string): readonly string[] {
    return this.#ofPort.keys(port);
  }

  countOfPort(port: string): number {
    return this.#ofPort.count(port);
  }

  /** The VLANs that their frames are in; 0 where they have no tag. */
  vlansOfPort(port: string): ReadonlySet<number> {
    const { monitoredHosts } = this.#parts.stores;
    return new Set(this.keysOfPort(port).flatMap((key) => monitoredHosts.get(key)?.vlan ?? []));
  }

  /** A host that is not in sent a frame. Whether it is listed. */
  heard(now: number, place: HostPlace): boolean {
    const before = this.#of(place);
    // Of a host that is not listed each frame is the first one: none of them is a decision.
    if (before === undefined)
      return !this.#hasNoRoom(now, place.port) && this.decided(now, place, 'not-authenticated');
    if (now - before.heardAt > KEPT_MS / 4) this.#put({ ...before, heardAt: now });
    return true;
  }

  /** `auto` would keep the host out, for this reason. Whether it is listed; false also where the port is guarded. */
  decided(now: number, { port, vlan, mac }: HostPlace, reason: string): boolean {
    const { stores, tally, log } = this.#parts;
    if (!monitors(this.#parts, port)) return false;
    const key = hostKey(port, vlan, mac);
    tally.count(port, `monitored/${reason}`);
    const before = stores.monitoredHosts.get(key);
    if (before === undefined && this.#hasNoRoom(now, port)) return false;
    this.#put({ v: 1, key, port, vlan, mac, reason, since: before?.since ?? now, heardAt: now });
    log[before?.reason === reason ? 'debug' : 'info']('host-let-through', { host: key, reason });
    return true;
  }

  /** The host is in. */
  forget(key: string): void {
    const record = this.#parts.stores.monitoredHosts.get(key);
    if (record === undefined) return;
    this.#parts.stores.monitoredHosts.delete(key);
    this.#ofPort.remove(record.port, key);
    this.#deadlines.set(key, undefined);
    this.#full.clear();
  }

  /** The port is down. */
  portDown(now: number, port: string): void {
    for (const key of this.keysOfPort(port)) this.#end(now, key);
  }

  /** The configuration was another one: ports that are guarded let nobody through. */
  reconfigured(): void {
    for (const { key, port } of [...this.#parts.stores.monitoredHosts.values()]) {
      if (!monitors(this.#parts, port)) this.forget(key);
    }
  }

  handleTimeout(now: number): void {
    for (let key = this.#deadlines.takeDue(now); key !== undefined; key = this.#deadlines.takeDue(now))
      this.#end(now, key);
  }

  nextTimeout(): number | undefined {
    return this.#deadlines.next();
  }

  #end(now: number, key: string): void {
    this.forget(key);
    this.#gone(now, key);
  }

  /** Counted once a second for a port, however many frames and hosts there are. */
  #hasNoRoom(now: number, port: string): boolean {
    const { stores, config, tally, log } = this.#parts;
    const { maxMonitoredHosts, maxMonitoredHostsPerPort } = config.authenticator;
    const portIsFull = this.countOfPort(port) >= maxMonitoredHostsPerPort;
    if (!portIsFull && stores.monitoredHosts.size < maxMonitoredHosts) return false;
    if (now - (this.#unlistedAt.get(port) ?? Number.NEGATIVE_INFINITY) >= 1000) {
      this.#unlistedAt.set(port, now);
      tally.count(port, 'monitored-unlisted');
    }
    if (!this.#full.has(port)) {
      const limit = portIsFull ? maxMonitoredHostsPerPort : maxMonitoredHosts;
      log.warn('monitor-table-full', { port, limit });
    }
    this.#full.add(port);
    return true;
  }

  #of({ port, vlan, mac }: HostPlace): MonitoredHostRecord | undefined {
    return this.#parts.stores.monitoredHosts.get(hostKey(port, vlan, mac));
  }

  #put(record: MonitoredHostRecord): void {
    this.#parts.stores.monitoredHosts.put(record.key, record);
    this.#index(record);
  }

  #index({ key, port, heardAt }: MonitoredHostRecord): void {
    this.#ofPort.add(port, key);
    this.#deadlines.set(key, heardAt + KEPT_MS);
  }
}

/** Whether the port lets through whom it would keep out. */
export function monitors(
  { ports }: { readonly ports: ReadonlyMap<string, Config['ports'][number]> },
  port: string,
): boolean {
  return ports.get(port)?.mode === 'monitor';
}

/** A host that was not heard for so long is forgotten; it passes all the same. */
const KEPT_MS = 3_600_000;
