/** How a switch that nobody listens to yet keeps up with what the process that serves opens and closes. */
import type { IpAddress } from '../../../wire/address.ts';
import type { HostOpening, HostPlace, PortService, SourceFilter } from '../../switch.ts';
import type { HeardOfHost } from '../link/link-groups.ts';
import type { PortTable } from '../port/port-table.ts';
import { type Running, subscriberPort } from './running.ts';

/** How a port is served, by its record. */
export interface ServedPort extends PortService {
  readonly key: string;
}

/** What the hosts of a port were heard to join of the groups of the link. */
export interface HeardLinkGroups {
  readonly port: string;
  readonly hosts: readonly HeardOfHost[];
}

/** `host` undefined: it was closed. */
export function followHost(running: Running, place: HostPlace, host: HostOpening | undefined): void {
  const { guard, ports } = running;
  const at = subscriberPort(ports, place.port);
  if (at === undefined) return;
  const { port, link } = at;
  const vlan = guard.vlanOf(link, place.vlan);
  if (host !== undefined) ports.opened(port, host, vlan);
  else if (port.removeHost(place)) ports.closed(vlan, place.mac);
}

/** `filter` undefined: the port receives it no more. */
export function followChannel(
  { ports }: Running,
  name: string,
  vlan: number,
  group: IpAddress,
  filter: SourceFilter | undefined,
): void {
  const port = subscriberPort(ports, name)?.port;
  if (filter === undefined) port?.removeChannel(vlan, group);
  else port?.setChannel({ vlan, group, filter });
}

export function followService({ kernel, ports }: Running, name: string, service: PortService): void {
  const port = ports.named(name);
  if (port === undefined) return;
  port.service = service;
  port.awayIn = service.bridge === undefined ? undefined : kernel.link(service.bridge)?.index;
}

/** The groups of the link that hosts have joined, as another process heard them, in place of what is known here. */
export function followLinkGroups({ guard, ports }: Running, all: readonly HeardLinkGroups[]): void {
  for (const { port: name, hosts } of all) {
    const at = subscriberPort(ports, name);
    if (at === undefined) continue;
    const { linkGroups } = at.port;
    linkGroups.clear();
    for (const { vlan, mac, groups } of hosts) {
      linkGroups.remember(vlan, mac, groups, []);
      if (at.port.role === 'open' || at.port.hasHost(vlan, mac))
        linkGroups.update(vlan, mac, guard.vlanOf(at.link, vlan), true);
    }
  }
}

/** What hosts were heard to join of the link's groups, for another process. */
export function heardLinkGroups(ports: PortTable): HeardLinkGroups[] {
  return [...ports.all()].flatMap(({ name, linkGroups }) => {
    const hosts = linkGroups.heard();
    return hosts.length === 0 ? [] : [{ port: name, hosts }];
  });
}
