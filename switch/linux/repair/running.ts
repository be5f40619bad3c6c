/**
 * What a Linux switch works with while it runs. Made at its start, gone with its end: an operation that
 * finds none refuses.
 */
import type { Mac } from '../../../wire/address.ts';
import type { BridgeGuard } from '../bridge/bridge-guard.ts';
import type { Fence } from '../fence.ts';
import type { FrameSocket } from '../frames.ts';
import type { Kernel } from '../kernel.ts';
import type { Link } from '../netlink/link.ts';
import type { PortState } from '../port/port-state.ts';
import type { PortTable } from '../port/port-table.ts';
import type { Expectation } from './reconcile.ts';

export interface Running {
  readonly kernel: Kernel;
  readonly guard: BridgeGuard;
  readonly frames: FrameSocket;
  /** Undefined: the ports are not fenced. */
  readonly fence: Fence | undefined;
  readonly ports: PortTable;
  /** Names of the chains of filters that were made. */
  readonly filters: Set<string>;
  /** `both` keeps broadcasts from a port without an open host; `in` lets them out (AdminControlledDirections). */
  readonly controlledDirections: 'both' | 'in';
}

/** A subscriber port that is there, for an operation on it; undefined where it is not. */
export function subscriberPort(
  ports: PortTable,
  name: string,
): { readonly port: PortState; readonly link: Link } | undefined {
  const port = ports.named(name);
  return port?.subscriber === true && port.link !== undefined ? { port, link: port.link } : undefined;
}

/** What the kernel is held to. */
export function expectation({ guard, ports, filters, controlledDirections }: Running): Expectation {
  return {
    bridge: guard.bridge,
    ports: [...ports.all()],
    filters,
    controlledDirections,
    vlanOf: (link, vlan) => guard.vlanOf(link, vlan),
  };
}

/** Addresses of the switch itself, which no host may have. */
export function ownMacs({ guard, ports }: Running): { has(mac: Mac): boolean } {
  return { has: (mac) => guard.bridge.mac === mac || ports.hasMac(mac) };
}
