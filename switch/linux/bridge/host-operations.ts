/** Opening and closing hosts: each has an entry in the bridge's MAC table and elements in castgate's sets. */
import type { Mac } from '../../../wire/address.ts';
import { gone, hostRefusal } from '../../rules.ts';
import type { HostOpening, HostPlace, SwitchFailure } from '../../switch.ts';
import { failure } from '../failure.ts';
import { filterChanges, filterConflict, putFilters, releaseFilter } from '../filter/filter-operations.ts';
import { hostElements, portElement, TABLE } from '../filter/ruleset.ts';
import { senderElements } from '../filter/sender-elements.ts';
import { changesBetween, inverse, removeElements } from '../filter/set-changes.ts';
import type { Kernel } from '../kernel.ts';
import { updateLinkGroups } from '../link/link-membership.ts';
import type { Link } from '../netlink/link.ts';
import type { Refusal } from '../netlink/netlink-socket.ts';
import type { SetChange } from '../netlink/nft.ts';
import type { PortState } from '../port/port-state.ts';
import { ownMacs, type Running, subscriberPort } from '../repair/running.ts';

export function openHost(running: Running, host: HostOpening): SwitchFailure | undefined {
  const { kernel, guard, ports } = running;
  const doing = `open ${host.mac} on ${host.port}`;
  const at = subscriberPort(ports, host.port);
  if (at === undefined) return gone(doing, host.port);
  const { port, link } = at;
  const conflict = filterConflict(port, host);
  if (conflict !== undefined) return conflict;
  const unmade = putFilters(running, [host.filter]);
  if (unmade !== undefined) return failure(doing, unmade);
  const rights = [...senderChanges(port, host, host.sends), ...filterChanges(port, host, host.filter)];
  const before = port.openingOf(host);
  if (before !== undefined) {
    const refusal = kernel.changeSets(TABLE, rights);
    if (refusal !== undefined) return failure(doing, refusal);
    port.addHost(host);
    if (before.filter !== host.filter) releaseFilter(running, before.filter);
    return undefined;
  }
  const vlan = guard.vlanOf(link, host.vlan);
  const refused = hostRefusal(host, ownMacs(running), ports.portOf(vlan, host.mac));
  if (refused !== undefined) return refused;
  const changes: SetChange[] = port.hasMac(host.mac) ? [] : hostChanges('add', host);
  if (port.vacant) changes.push(...occupiedChanges('add', running, port));
  changes.push(...rights);
  const refusal = kernel.changeSets(TABLE, changes);
  if (refusal !== undefined) return failure(doing, refusal);
  const bridgeRefusal = putMac(kernel, guard.bridge, link, vlan, host.mac);
  if (bridgeRefusal !== undefined) {
    removeElements(kernel, inverse(changes));
    return failure(doing, bridgeRefusal);
  }
  ports.opened(port, host, vlan);
  updateLinkGroups(running, port, host.vlan, host.mac, true);
  return undefined;
}

export function closeHost(running: Running, host: HostPlace): SwitchFailure | undefined {
  const { kernel, guard, ports } = running;
  const at = subscriberPort(ports, host.port);
  if (at?.port.hasHost(host.vlan, host.mac) !== true) return undefined;
  const { port, link } = at;
  const sending = [...senderChanges(port, host, undefined), ...filterChanges(port, host, undefined)];
  const filter = port.openingOf(host)?.filter;
  port.removeHost(host);
  updateLinkGroups(running, port, host.vlan, host.mac, false);
  const vlan = guard.vlanOf(link, host.vlan);
  let refusal: Refusal | undefined;
  // Without VLANs in the bridge, the same MAC in two VLANs is one entry.
  if (vlan !== 0 || !port.hasMac(host.mac)) {
    ports.closed(vlan, host.mac);
    refusal = kernel.closeMac(link.index, vlan, host.mac);
    if (refusal?.errno === 'ENOENT') refusal = undefined;
  }
  const changes: SetChange[] = port.hasMac(host.mac) ? [] : hostChanges('remove', host);
  if (port.vacant) changes.push(...occupiedChanges('remove', running, port));
  changes.push(...sending);
  const first = removeElements(kernel, changes) ?? refusal;
  releaseFilter(running, filter);
  return first === undefined ? undefined : failure(`close ${host.mac} on ${host.port}`, first);
}

/** A learned entry elsewhere gives way; an entry that someone made on purpose on another port does not. */
function putMac(kernel: Kernel, bridge: Link, link: Link, vlan: number, mac: Mac): Refusal | undefined {
  const created = kernel.openMac(link.index, vlan, mac, 'create');
  if (created?.errno !== 'EEXIST') return created;
  const present = kernel.findMac(bridge.index, vlan, mac);
  if (present !== undefined && present.port !== link.index && present.kind !== 'learned') {
    return { errno: 'EEXIST', text: `a ${present.kind} entry of the bridge on interface ${present.port}` };
  }
  return kernel.openMac(link.index, vlan, mac, 'replace');
}

/** With direction `both`, broadcasts leave a port only while a host is open on it. */
export function occupiedChanges(
  change: 'add' | 'remove',
  { controlledDirections }: Running,
  port: PortState,
): SetChange[] {
  if (controlledDirections === 'in') return [];
  return [{ change, ...portElement('occupied', port.name) }];
}

/** What has to change in the sets for what a host may send to from now on. */
export function senderChanges(port: PortState, host: HostPlace, sends: HostOpening['sends']): SetChange[] {
  const others = port.sendsOf(host.mac, host);
  const before = port.sendsOf(host.mac);
  if (before.length === 0 && sends === undefined) return [];
  return changesBetween(
    senderElements(port.name, host.mac, before),
    senderElements(port.name, host.mac, [...others, ...(sends ?? [])]),
  );
}

/** What has to change in the sets for a host. */
export function hostChanges(change: 'add' | 'remove', { port, mac }: HostPlace): SetChange[] {
  return hostElements(port, mac).map(({ set, key }) => ({ change, set, key }));
}
