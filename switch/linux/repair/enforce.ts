/** Brings the kernel to what is to be: table, bridge, ports, MAC addresses and groups, in this order. */
import { mustNot } from '../bridge/bridge-guard.ts';
import { reconcileMacs, reconcileMemberships, reconcileSets } from './reconcile.ts';
import { expectation, type Running } from './running.ts';

/** Throws SwitchStartError where the kernel refuses bridge or ports. */
export function enforce(running: Running): void {
  const { kernel, guard, ports } = running;
  reconcileSets(kernel, expectation(running));
  guard.setBridge();
  for (const port of ports.all()) {
    if (port.link !== undefined) mustNot(guard.setPort(port.link, port.role), `port ${port.name}`);
  }
  reconcileMacs(kernel, expectation(running));
  reconcileMemberships(kernel, expectation(running));
}
