/**
 * Filters of hosts in the kernel: their chains are made before a host's packets are led there, and removed after the
 * last host has left. Whether somebody still uses a chain, the kernel knows.
 */
import type { FilterRule } from '../../../session/filter-rule.ts';
import type { HostOpening, HostPlace, SwitchFailure } from '../../switch.ts';
import type { Kernel } from '../kernel.ts';
import type { Refusal } from '../netlink/netlink-socket.ts';
import type { SetChange } from '../netlink/nft.ts';
import type { FilterChain } from '../netlink/nft-filter.ts';
import type { PortState } from '../port/port-state.ts';
import type { Running } from '../repair/running.ts';
import { chainsOf, FILTER_CHAIN, filterElements } from './filter-chains.ts';
import { TABLE } from './ruleset.ts';
import { changesBetween } from './set-changes.ts';

type Rules = readonly FilterRule[] | undefined;

/** What has to change in the maps for what a host may from now on. */
export function filterChanges(port: PortState, { mac, vlan }: HostPlace, filter: Rules): SetChange[] {
  const before = port.filterOf(mac);
  if (before === undefined && filter === undefined) return [];
  // Another place of the address has the same filter (filterConflict), and keeps it.
  const others = port.filterOf(mac, { port: port.name, vlan, mac });
  return changesBetween(
    filterElements(port.name, mac, before),
    filterElements(port.name, mac, filter ?? others),
  );
}

/** Why a host cannot have its filter: the table knows addresses, not their VLANs. */
export function filterConflict(port: PortState, host: HostOpening): SwitchFailure | undefined {
  for (const vlan of port.vlansOf(host.mac)) {
    if (vlan === host.vlan) continue;
    const other = port.openingOf({ ...host, vlan })?.filter;
    if (nameOf(other) === nameOf(host.filter)) continue;
    const failed = `open ${host.mac} on ${host.port}: it has another filter in VLAN ${vlan}`;
    return { failed, errno: 'EEXIST' };
  }
  return undefined;
}

/** Makes the chains that are not there yet, all or none. */
export function putFilters({ kernel, filters }: Running, rules: Iterable<Rules>): Refusal | undefined {
  const missing = new Map<string, FilterChain>();
  for (const each of rules) {
    for (const chain of chainsOf(each)) if (!filters.has(chain.name)) missing.set(chain.name, chain);
  }
  for (const part of portions([...missing.values()])) {
    const refusal = kernel.putFilterChains(TABLE, part);
    if (refusal !== undefined) return refusal;
    for (const { name } of part) filters.add(name);
  }
  return undefined;
}

/** Removes the chains of a filter that a host had, unless another host has it. */
export function releaseFilter({ kernel, filters }: Running, rules: Rules): void {
  for (const { name } of chainsOf(rules)) {
    if (filters.has(name) && kernel.deleteFilterChain(TABLE, name)?.errno !== 'EBUSY') filters.delete(name);
  }
}

/** Holds the chains to what hosts have; how many were made or filled anew, and which are of no use. */
export function repairFilters(
  kernel: Kernel,
  ports: Iterable<PortState>,
): { readonly put: number; readonly refused: number; readonly surplus: readonly string[] } {
  const wanted = wantedChains(ports);
  const there = new Set(kernel.chains(TABLE).filter((name) => name.startsWith(FILTER_CHAIN)));
  if (wanted.size === 0 && there.size === 0) return { put: 0, refused: 0, surplus: [] };
  const counts = kernel.filterRules(TABLE);
  const wrong = [...wanted.values()].filter(
    ({ name, rules }) => !there.has(name) || counts.get(name) !== rules.length,
  );
  let [put, refused] = [0, 0];
  for (const part of portions(wrong)) {
    if (kernel.putFilterChains(TABLE, part) === undefined) put += part.length;
    else refused += part.length;
  }
  return { put, refused, surplus: [...there].filter((name) => !wanted.has(name)) };
}

/** The chains of all hosts. */
export function wantedChains(ports: Iterable<PortState>): Map<string, FilterChain> {
  const wanted = new Map<string, FilterChain>();
  for (const port of ports) {
    if (!port.subscriber) continue;
    for (const { filter } of port.hosts())
      for (const chain of chainsOf(filter)) wanted.set(chain.name, chain);
  }
  return wanted;
}

function nameOf(rules: Rules): string {
  return chainsOf(rules)
    .map(({ name }) => name)
    .join(' ');
}

/** As many chains as a message has room for. */
function* portions(chains: readonly FilterChain[]): Generator<FilterChain[]> {
  let part: FilterChain[] = [];
  let rules = 0;
  for (const chain of chains) {
    if (part.length > 0 && rules + chain.rules.length > RULES_AT_ONCE) {
      yield part;
      [part, rules] = [[], 0];
    }
    part.push(chain);
    rules += chain.rules.length;
  }
  if (part.length > 0) yield part;
}

/** A rule takes up to 800 octets, and a message of the kernel's default size 200,000. */
const RULES_AT_ONCE = 240;
