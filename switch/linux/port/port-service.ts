/**
 * How a subscriber port is served as a whole: open to all behind it, in another VLAN, or in another bridge.
 * Its hosts go along. Nothing here is for a moment more open than what was asked for: a port that changes its
 * bridge gets the new bridge's flags before anything is let through the table.
 */
import { gone } from '../../rules.ts';
import { ORDINARY, type PortService, type SwitchFailure } from '../../switch.ts';
import { failure } from '../failure.ts';
import { portElement, TABLE } from '../filter/ruleset.ts';
import { removeElements } from '../filter/set-changes.ts';
import type { Kernel } from '../kernel.ts';
import { forgetLinkGroups } from '../link/link-membership.ts';
import type { Link } from '../netlink/link.ts';
import type { Refusal } from '../netlink/netlink-socket.ts';
import type { SetChange } from '../netlink/nft.ts';
import { reconcileMacs } from '../repair/reconcile.ts';
import { expectation, type Running, subscriberPort } from '../repair/running.ts';
import type { PortState } from './port-state.ts';

/** Ports that an earlier run left in another bridge go back to castgate's. A refusal shows in what is checked next. */
export function bringHome(
  kernel: Kernel,
  bridge: string,
  ports: readonly string[],
  otherBridges: readonly string[],
): void {
  const home = kernel.link(bridge);
  if (home === undefined || otherBridges.length === 0) return;
  const others = new Set(otherBridges.flatMap((name) => kernel.link(name)?.index ?? []));
  for (const name of ports) {
    const link = kernel.link(name);
    if (link?.master !== undefined && others.has(link.master)) kernel.setMaster(link.index, home.index);
  }
}

/** Serves the port so from now on. Where it is refused, the port is served as an ordinary one. */
export function setPortService(
  running: Running,
  name: string,
  service: PortService,
): SwitchFailure | undefined {
  const doing = `serve ${name} ${describe(service)}`;
  const at = subscriberPort(running.ports, name);
  if (at === undefined) return service === ORDINARY ? undefined : gone(doing, name);
  const { port } = at;
  const refusal = change(running, port, at.link, service);
  if (refusal === undefined) return undefined;
  const link = running.kernel.link(name);
  if (link !== undefined) change(running, port, link, ORDINARY);
  return failure(doing, refusal);
}

function change(running: Running, port: PortState, link: Link, service: PortService): Refusal | undefined {
  const { kernel, guard } = running;
  // What closes goes first: the table is the lock that holds while the bridge's own is being changed.
  const closing = !service.open && port.service.open ? openChanges('remove', running, port) : [];
  if (service.monitored !== true && port.service.monitored === true)
    closing.push({ change: 'remove', ...portElement('monitored_ports', port.name) });
  let refusal = removeElements(kernel, closing);
  if (!service.open && port.role === 'open') forgetLinkGroups(running, port);
  const was = port.service;
  port.service = service;
  refusal ??= moveToBridge(running, port, link);
  const moved = kernel.link(port.name) ?? link;
  port.link = moved;
  refusal ??= guard.setPort(moved, port.role);
  if (was.vlan !== service.vlan) refusal ??= moveToVlan(running, port, moved, was.vlan);
  // Hosts that are in have their entries where the port is now; what an open port learned is forgotten.
  reconcileMacs(kernel, expectation(running));
  if (refusal === undefined && service.open)
    refusal = kernel.changeSets(TABLE, [...openChanges('add', running, port), ...monitoredChanges(port)]);
  return refusal;
}

function monitoredChanges({ name, service }: PortState): SetChange[] {
  return service.monitored === true ? [{ change: 'add', ...portElement('monitored_ports', name) }] : [];
}

function moveToBridge({ kernel, guard }: Running, port: PortState, link: Link): Refusal | undefined {
  const { bridge } = port.service;
  const target = bridge === undefined ? guard.bridge : kernel.link(bridge);
  if (target?.bridge === undefined) return { errno: 'ENODEV', text: `no bridge ${bridge}` };
  port.awayIn = bridge === undefined ? undefined : target.index;
  return link.master === target.index ? undefined : kernel.setMaster(link.index, target.index);
}

/** The port's own VLAN comes back where no other is asked for. */
function moveToVlan(
  { kernel, guard }: Running,
  port: PortState,
  link: Link,
  before: number | undefined,
): Refusal | undefined {
  port.homeVlan ??= guard.vlanOf(link, 0);
  const vlan = port.service.vlan ?? port.homeVlan;
  const refusal = kernel.setPortVlan(link.index, vlan);
  if (refusal !== undefined) return refusal;
  const left = before ?? port.homeVlan;
  if (left !== vlan) kernel.clearPortVlan(link.index, left);
  guard.lookAtVlans();
  return undefined;
}

function openChanges(
  change: 'add' | 'remove',
  { controlledDirections }: Running,
  port: PortState,
): SetChange[] {
  const changes: SetChange[] = [{ change, ...portElement('open_ports', port.name) }];
  const hasOthers = [...port.macs()].length > 0;
  if (controlledDirections === 'both' && !hasOthers)
    changes.push({ change, ...portElement('occupied', port.name) });
  return changes;
}

function describe({ open, vlan, bridge }: PortService): string {
  const parts = [open ? 'open' : 'locked'];
  if (vlan !== undefined) parts.push(`in VLAN ${vlan}`);
  if (bridge !== undefined) parts.push(`in ${bridge}`);
  return parts.join(' ');
}
