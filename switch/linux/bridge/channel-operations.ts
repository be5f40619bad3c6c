/** Forwarding channels to ports: entries of the bridge's multicast database and of castgate's sets. */
import { type IpAddress, ipFamily } from '../../../wire/address.ts';
import { filterRefusal, gone, isNothing } from '../../rules.ts';
import type { SourceFilter, SwitchFailure } from '../../switch.ts';
import { DATABASE_FULL, databaseFull, failure, isAbsence } from '../failure.ts';
import { channelElements, TABLE } from '../filter/ruleset.ts';
import { changesBetween, inverse, removeElements } from '../filter/set-changes.ts';
import type { Refusal } from '../netlink/netlink-socket.ts';
import { type Running, subscriberPort } from '../repair/running.ts';

/** Looks whether the bridge needs repair, and repairs it: true where it did. */
export type RepairBridge = () => boolean;

export function setForwarding(
  running: Running,
  repairBridge: RepairBridge,
  portName: string,
  vlan: number,
  group: IpAddress,
  filter: SourceFilter,
): SwitchFailure | undefined {
  if (isNothing(filter)) return clearForwarding(running, repairBridge, portName, vlan, group);
  const { kernel, guard, ports } = running;
  const doing = `forward ${group} to ${portName}`;
  const at = subscriberPort(ports, portName);
  if (at === undefined) return gone(doing, portName);
  const { port, link } = at;
  const unfit = filterRefusal(portName, group, filter);
  if (unfit !== undefined) return unfit;
  const { name: bridge } = guard.bridge;
  if (!ports.hasRoom({ vlan, group, filter }, guard.databaseSize)) return databaseFull(doing, bridge);
  const { sourcesIn } = kernel.mdb;
  const namesSources = sourcesIn === 'database' && filter.sources.length > 0;
  if (ipFamily(group) === 6 && namesSources && !guard.knowsIpv6Sources()) {
    const why = `${guard.bridge.name} needs an IPv6 address to tell sources apart`;
    return { failed: `${doing}: ${why}`, errno: 'EADDRNOTAVAIL' };
  }
  const changes = changesBetween(
    channelElements(portName, group, port.filtersOf(group), sourcesIn),
    channelElements(portName, group, port.filtersWith({ vlan, group, filter }), sourcesIn),
  );
  const tableRefusal = kernel.changeSets(TABLE, changes);
  if (tableRefusal !== undefined) return failure(doing, tableRefusal);
  const number = guard.vlanOf(link, vlan);
  const refusal = inDatabase(repairBridge, () =>
    kernel.setMembership(guard.bridge.index, link.index, number, group, filter),
  );
  if (refusal !== undefined) {
    removeElements(kernel, inverse(changes));
    if (refusal.errno !== DATABASE_FULL) return failure(doing, refusal);
    ports.isFull = true;
    repairBridge();
    return databaseFull(doing, bridge);
  }
  port.setChannel({ vlan, group, filter });
  return undefined;
}

export function clearForwarding(
  running: Running,
  repairBridge: RepairBridge,
  portName: string,
  vlan: number,
  group: IpAddress,
): SwitchFailure | undefined {
  const { kernel, guard, ports } = running;
  const at = subscriberPort(ports, portName);
  if (at === undefined) return undefined;
  const { port, link } = at;
  const before = port.filtersOf(group);
  if (!port.removeChannel(vlan, group)) return undefined;
  ports.isFull = false;
  const number = guard.vlanOf(link, vlan);
  const isLast = !port.hasGroup(group);
  const { index } = guard.bridge;
  let refusal: Refusal | undefined;
  if (port.linkGroups.has(number, group)) {
    refusal = inDatabase(repairBridge, () =>
      kernel.setMembership(index, link.index, number, group, ANY_SOURCE),
    );
  } else if (number !== 0 || isLast) {
    // Without VLANs in the bridge, the same group in two VLANs is one entry.
    refusal = inDatabase(repairBridge, () => kernel.clearMembership(index, link.index, number, group));
  }
  const { sourcesIn } = kernel.mdb;
  const table = removeElements(
    kernel,
    changesBetween(
      channelElements(portName, group, before, sourcesIn),
      channelElements(portName, group, port.filtersOf(group), sourcesIn),
    ),
  );
  const first = isAbsence(refusal) ? table : refusal;
  return first === undefined ? undefined : failure(`stop ${group} on ${portName}`, first);
}

/** Snooping that was switched off since the last look refuses changes: put it right, then once more. */
function inDatabase(repairBridge: RepairBridge, change: () => Refusal | undefined): Refusal | undefined {
  const refusal = change();
  if (refusal === undefined || isAbsence(refusal) || refusal.errno === DATABASE_FULL) return refusal;
  return repairBridge() ? change() : refusal;
}

const ANY_SOURCE: SourceFilter = { mode: 'exclude', sources: [] };
