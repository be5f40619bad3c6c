/**
 * The Request/Identity that a port sends on its own account to whoever may be there, for supplicants that
 * send no EAPOL-Start: when it comes up, and again after txPeriod as long as nobody is known behind it
 * (802.1X-2004 §8.2.4, CONNECTING).
 */
import type { PortConfig } from '../../config/config.ts';
import { isAsking } from '../../config/port-mode.ts';
import { EapCode, EapType, encodeEap } from '../../eapol/eap.ts';
import type { PortRecord } from '../../session/records.ts';
import { DeadlineHeap } from '../../wire/deadline-heap.ts';
import type { CoreParts } from '../core/parts.ts';

export class PortHellos {
  readonly #parts: CoreParts;
  readonly #isVacant: (port: string) => boolean;
  readonly #send: (port: PortConfig, request: Uint8Array) => void;
  readonly #deadlines = new DeadlineHeap();

  /** Takes up the records that the store holds already. `send` sends to all behind a port. */
  constructor(
    parts: CoreParts,
    isVacant: (port: string) => boolean,
    send: (port: PortConfig, request: Uint8Array) => void,
  ) {
    this.#parts = parts;
    this.#isVacant = isVacant;
    this.#send = send;
    for (const { key, helloAt } of parts.stores.ports.values()) this.#deadlines.set(key, helloAt);
    parts.stores.ports.follow((key, _, after) => this.#deadlines.set(key, after?.helloAt));
  }

  portUp(now: number, port: PortConfig): void {
    const linkId = this.#parts.readings.linkId(port.name);
    const helloId = this.#parts.random(1)[0] ?? 0;
    const { readings } = this.#parts;
    const identity = { number: readings.portNumber(port.name), mac: readings.macOf(port.name) };
    const record = { v: 1, key: port.name, up: true, linkId, helloId, helloAt: undefined } as const;
    this.#ask(now, port, { ...record, ...identity });
  }

  /** The port is up as before: only the name of its link may be another. */
  portStays(port: string): void {
    const record = this.#parts.stores.ports.get(port);
    const linkId = this.#parts.readings.linkId(port);
    if (record?.up === true && record.linkId !== linkId)
      this.#parts.stores.ports.put(port, { ...record, linkId });
  }

  portDown(port: string): void {
    const down = { up: false, linkId: undefined, helloId: -1, helloAt: undefined };
    // What has still to be said of its sessions is said of the port as it was.
    const before = this.#parts.stores.ports.get(port);
    const identity = { number: before?.number, mac: before?.mac };
    this.#parts.stores.ports.put(port, { v: 1, key: port, ...down, ...identity });
    this.#deadlines.set(port, undefined);
  }

  /** The records go on at another switch: a restart there knows its links again, not those of the first one. */
  moved(): void {
    const { stores, readings } = this.#parts;
    for (const record of [...stores.ports.values()]) {
      if (record.up) stores.ports.put(record.key, { ...record, linkId: readings.linkId(record.key) });
    }
  }

  /** Ports may be served by 802.1X now that were not before, and the other way round. */
  reconfigured(now: number): void {
    for (const record of [...this.#parts.stores.ports.values()]) {
      const port = this.#parts.ports.get(record.key);
      if (port === undefined || !record.up) continue;
      if (isAsking(port.mode) !== (record.helloAt !== undefined)) this.#ask(now, port, record);
    }
  }

  /** Identifier of the request; undefined where the port never sent one, -1 where it is down. */
  idOf(port: string): number | undefined {
    return this.#parts.stores.ports.get(port)?.helloId;
  }

  handleTimeout(now: number): void {
    for (let key = this.#deadlines.takeDue(now); key !== undefined; key = this.#deadlines.takeDue(now)) {
      const port = this.#parts.ports.get(key);
      const record = this.#parts.stores.ports.get(key);
      if (port !== undefined && record?.up === true) this.#ask(now, port, record);
    }
  }

  nextTimeout(): number | undefined {
    return this.#deadlines.next();
  }

  #ask(now: number, port: PortConfig, record: PortRecord): void {
    const helloAt = isAsking(port.mode) ? now + port.txPeriodMs : undefined;
    this.#parts.stores.ports.put(port.name, { ...record, helloAt });
    this.#deadlines.set(port.name, helloAt);
    if (!isAsking(port.mode) || !this.#isVacant(port.name)) return;
    this.#send(port, encodeEap({ code: EapCode.Request, id: record.helloId, type: EapType.Identity }));
  }
}
