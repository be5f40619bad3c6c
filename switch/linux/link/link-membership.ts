/** Tells the bridge which groups of the link (link-groups.ts) a port has to receive for its open hosts. */
import type { Mac } from '../../../wire/address.ts';
import type { SourceFilter } from '../../switch.ts';
import type { PortState } from '../port/port-state.ts';
import type { Running } from '../repair/running.ts';
import { MAX_HOSTS_PER_PORT } from './link-groups.ts';

/** Takes a frame of a port into account. */
export function hearLinkGroups(running: Running, port: PortState, vlan: number, frame: Uint8Array): void {
  if (!port.subscriber) return;
  const mac = port.linkGroups.hear(vlan, frame);
  if (mac === undefined) return;
  const anybody = port.role === 'open' && port.linkGroups.hosts < MAX_HOSTS_PER_PORT;
  if (anybody || port.hasHost(vlan, mac)) updateLinkGroups(running, port, vlan, mac, true);
}

/** A host is open (with changed groups) or no longer is. A refusal is for the next audit. */
export function updateLinkGroups(
  { kernel, guard }: Running,
  port: PortState,
  vlan: number,
  mac: Mac,
  open: boolean,
): void {
  const { link } = port;
  if (link === undefined) return;
  const { index } = guard.bridge;
  const { begin, end } = port.linkGroups.update(vlan, mac, guard.vlanOf(link, vlan), open);
  for (const { group } of [...begin, ...end]) port.touched?.add(group);
  for (const at of begin) {
    if (!port.hasGroup(at.group)) kernel.setMembership(index, link.index, at.vlan, at.group, ANY_SOURCE);
  }
  for (const at of end) {
    if (!port.hasGroup(at.group)) kernel.clearMembership(index, link.index, at.vlan, at.group);
  }
}

/** Nobody closes the hosts of an open port: they go with the link. */
export function forgetLinkGroups({ kernel, guard }: Running, port: PortState): void {
  for (const { vlan, group } of port.linkGroups.inForce()) {
    if (port.link === undefined || port.hasGroup(group)) continue;
    kernel.clearMembership(guard.bridge.index, port.link.index, vlan, group);
  }
  port.linkGroups.clear();
}

const ANY_SOURCE: SourceFilter = { mode: 'exclude', sources: [] };
