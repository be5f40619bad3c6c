/** Takes up what goes on from an earlier run, or from another node: the books first, the kernel is held to them. */
import { filterRefusal, hostRefusal } from '../rules.ts';
import type { HostPlace } from '../switch.ts';
import { isOfLink } from './link-groups.ts';
import type { Channel } from './port-state.ts';
import { ownMacs, type Running, subscriberPort } from './running.ts';

/** What goes on from an earlier run: its entries and counters stay, where the kernel still has them. */
export interface Kept {
  readonly hosts: readonly HostPlace[];
  readonly channels: readonly (Channel & { readonly port: string })[];
}

/** What the rules refuse, or has no port now, is left out. */
export function takeUp(running: Running, { hosts, channels }: Kept): void {
  const { kernel, guard, ports } = running;
  const memberships = kernel.memberships(guard.bridge.index);
  for (const host of hosts) {
    const at = subscriberPort(ports, host.port);
    if (at === undefined) continue;
    const { port, link } = at;
    const vlan = guard.vlanOf(link, host.vlan);
    if (hostRefusal(host, ownMacs(running), ports.portOf(vlan, host.mac)) !== undefined) continue;
    ports.opened(port, host, vlan);
    // Which host joined which group of the link is not in the kernel: each is taken for a member of all.
    const groups = memberships.filter((entry) => entry.port === link.index && entry.vlan === vlan);
    const ofLink = groups.map(({ group }) => group).filter(isOfLink);
    port.linkGroups.remember(host.vlan, host.mac, ofLink, []);
    port.linkGroups.update(host.vlan, host.mac, vlan, true);
  }
  for (const { port: name, vlan, group, filter } of channels) {
    const port = subscriberPort(ports, name)?.port;
    if (port !== undefined && filterRefusal(name, group, filter) === undefined) {
      port.setChannel({ vlan, group, filter });
    }
  }
}
