/** Takes up what goes on from an earlier run, or from another node: the books first, the kernel is held to them. */
import type { IpAddress } from '../../../wire/address.ts';
import { filterRefusal, hostRefusal } from '../../rules.ts';
import type { HostOpening } from '../../switch.ts';
import { isOfLink } from '../link/link-groups.ts';
import type { Channel } from '../port/port-state.ts';
import { ownMacs, type Running, subscriberPort } from './running.ts';

/** What goes on from an earlier run: its entries and counters stay, where the kernel still has them. */
export interface Kept {
  readonly hosts: readonly HostOpening[];
  readonly channels: readonly (Channel & { readonly port: string })[];
}

/** What the rules refuse, or has no port now, is left out. */
export function takeUp(running: Running, { hosts, channels }: Kept): void {
  const { kernel, guard, ports } = running;
  const ofLink = new Map<string, IpAddress[]>();
  for (const { port, vlan, group } of kernel.memberships(guard.bridge.index)) {
    if (!isOfLink(group)) continue;
    const known = ofLink.get(`${port}/${vlan}`);
    if (known === undefined) ofLink.set(`${port}/${vlan}`, [group]);
    else known.push(group);
  }
  for (const host of hosts) {
    const at = subscriberPort(ports, host.port);
    if (at === undefined) continue;
    const { port, link } = at;
    const vlan = guard.vlanOf(link, host.vlan);
    if (hostRefusal(host, ownMacs(running), ports.portOf(vlan, host.mac)) !== undefined) continue;
    ports.opened(port, host, vlan);
    // Which host joined which group of the link is not in the kernel: each is taken for a member of all.
    port.linkGroups.remember(host.vlan, host.mac, ofLink.get(`${link.index}/${vlan}`) ?? [], []);
    port.linkGroups.update(host.vlan, host.mac, vlan, true);
  }
  for (const { port: name, vlan, group, filter } of channels) {
    const port = subscriberPort(ports, name)?.port;
    if (port !== undefined && filterRefusal(name, group, filter) === undefined) {
      port.setChannel({ vlan, group, filter });
    }
  }
}
