/**
 * Subscriber ports whose link castgate has taken down: for a moment (a CoA-Request bounces a port), or until somebody
 * opens the port again (a CoA-Request or an operator shuts it). That a port is shut is a record: whoever goes on with
 * it keeps the link down and lets nobody in, whatever sets the link up meanwhile.
 */
import type { ShutPortRecord } from '../../session/records.ts';
import { DeadlineHeap } from '../../wire/deadline-heap.ts';
import type { SessionEnd } from '../accounting/end-cause.ts';
import type { CoreParts } from '../core/parts.ts';

/** What they need of the rest of the core. */
export interface PortLinkPeers {
  /** Everybody behind the port is out. */
  clearPort(now: number, port: string, cause: SessionEnd): void;
  /** The port is down from now on. */
  portDown(now: number, port: string): void;
}

export class PortLinks {
  readonly #parts: CoreParts;
  readonly #peers: PortLinkPeers;
  /** When the link of a port that is bounced comes up again. */
  readonly #bounces = new DeadlineHeap();

  /** Takes up the records that the stores hold already. */
  constructor(parts: CoreParts, peers: PortLinkPeers) {
    this.#parts = parts;
    this.#peers = peers;
    for (const { key, until } of parts.stores.portBounces.values()) this.#bounces.set(key, until);
    parts.stores.portBounces.follow((key, _, after) => this.#bounces.set(key, after?.until));
  }

  isShut(port: string): boolean {
    return this.#parts.stores.shutPorts.has(port);
  }

  /** Sessions end with their own cause before the link does, which would give them that of a lost carrier. */
  bounce(now: number, port: string): void {
    if (this.isShut(port)) return;
    this.#peers.clearPort(now, port, 'port-reinitialized');
    this.#setLink(port, false);
    const until = now + this.#parts.config.radius.dynamicAuthorization.portBounceMs;
    this.#parts.stores.portBounces.put(port, { v: 1, key: port, until });
    this.#bounces.set(port, until);
  }

  /** Nobody behind the port stays in, and its link is down until `open`. */
  shut(now: number, port: string, by: ShutPortRecord['by']): void {
    this.#endBounce(port);
    const { stores, log } = this.#parts;
    if (!this.isShut(port)) {
      stores.shutPorts.put(port, { v: 1, key: port, by, since: now });
      log.info('port-shut', { port, by });
    }
    this.#peers.clearPort(now, port, 'port-disabled');
    this.#peers.portDown(now, port);
    this.#setLink(port, false);
  }

  /** Sets the link of a port up, shut or not. */
  open(port: string): void {
    const { stores, log } = this.#parts;
    if (this.isShut(port)) {
      stores.shutPorts.delete(port);
      log.info('port-opened', { port });
    }
    this.#setLink(port, true);
  }

  /** The link of a port is there, whoever set it up; false where it must not be, and is taken down again. */
  mayBeUp(port: string): boolean {
    this.#endBounce(port);
    if (!this.isShut(port)) return true;
    this.#parts.log.warn('shut-port-was-set-up', { port });
    this.#setLink(port, false);
    return false;
  }

  /** castgate goes on at a switch where somebody may have set a link up that nobody looked after. */
  resume(): void {
    for (const key of this.#parts.stores.shutPorts.keys()) this.#setLink(key, false);
  }

  /** The configuration may have other ports than when the records were made; a port that is not castgate's is not shut. */
  reconfigured(): void {
    const { stores, ports } = this.#parts;
    for (const key of [...stores.shutPorts.keys()]) if (!ports.has(key)) stores.shutPorts.delete(key);
  }

  handleTimeout(now: number): void {
    for (let port = this.#bounces.takeDue(now); port !== undefined; port = this.#bounces.takeDue(now)) {
      this.#parts.stores.portBounces.delete(port);
      this.#setLink(port, true);
    }
  }

  nextTimeout(): number | undefined {
    return this.#bounces.next();
  }

  #endBounce(port: string): void {
    this.#bounces.set(port, undefined);
    if (this.#parts.stores.portBounces.has(port)) this.#parts.stores.portBounces.delete(port);
  }

  #setLink(port: string, up: boolean): void {
    this.#parts.effect({ kind: 'port-link', port, up });
  }
}
