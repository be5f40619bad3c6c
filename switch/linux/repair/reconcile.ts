/**
 * Holds the kernel to what castgate has opened: what is missing is put back, what castgate did not open on
 * a subscriber port is taken away. Entries of other ports, and static ones that someone else made, stay.
 * Each function reads one of the kernel's tables once and gives a line for the log, or undefined.
 */
import type { SourceFilter } from '../../switch.ts';
import { BridgeChanges } from '../bridge/bridge-changes.ts';
import type { SourcesIn } from '../bridge/mdb-way.ts';
import { FILTER_MAPS, filterElements } from '../filter/filter-chains.ts';
import { repairFilters, wantedChains } from '../filter/filter-operations.ts';
import {
  channelElements,
  elementName,
  hostElements,
  portElement,
  setNames,
  TABLE,
} from '../filter/ruleset.ts';
import { SENDER_SETS, senderElements } from '../filter/sender-elements.ts';
import type { Kernel } from '../kernel.ts';
import type { Link } from '../netlink/link.ts';
import type { SetChange, SetElement } from '../netlink/nft.ts';
import type { PortState } from '../port/port-state.ts';

/** What there should be. */
export interface Expectation {
  readonly bridge: Link;
  readonly ports: readonly PortState[];
  /** Names of the chains of filters that were made: set to what is there then. */
  readonly filters: Set<string>;
  readonly controlledDirections: 'both' | 'in';
  /** The VLAN by which the bridge knows frames of a port. */
  vlanOf(link: Link, vlan: number): number;
}

/** The bridge's MAC addresses on subscriber ports. */
export function reconcileMacs(kernel: Kernel, expected: Expectation): string | undefined {
  const tally = new Tally('MAC table');
  const change = changes(kernel, tally);
  const ports = present(expected);
  const wanted = new Map<string, { port: number; vlan: number; mac: string }>();
  for (const [index, port] of ports) {
    for (const { vlan, mac } of port.hosts()) {
      const number = port.link === undefined ? vlan : expected.vlanOf(port.link, vlan);
      wanted.set(`${index}/${number}/${mac}`, { port: index, vlan: number, mac });
    }
  }
  const bridges = new Set([
    expected.bridge.index,
    ...[...ports.values()].flatMap(({ awayIn }) => awayIn ?? []),
  ]);
  for (const entry of [...bridges].flatMap((bridge) => kernel.macs(bridge, 0))) {
    if (!ports.has(entry.port) || entry.kind === 'local') continue;
    const isWanted = wanted.has(`${entry.port}/${entry.vlan}/${entry.mac}`);
    if (isWanted && entry.sticky) wanted.delete(`${entry.port}/${entry.vlan}/${entry.mac}`);
    if (isWanted || (entry.kind === 'static' && !entry.sticky)) continue;
    if (entry.kind === 'learned' && ports.get(entry.port)?.role === 'open') continue;
    change('removed', (to) => to.closeMac(entry.port, entry.vlan, entry.mac));
  }
  for (const { port, vlan, mac } of wanted.values()) {
    change('added', (to) => to.openMac(port, vlan, mac, 'replace'));
  }
  change();
  return tally.line();
}

/** The bridge's multicast database on subscriber ports. */
export function reconcileMemberships(kernel: Kernel, expected: Expectation): string | undefined {
  const tally = new Tally('multicast database');
  const change = changes(kernel, tally);
  const ports = present(expected);
  for (const [index, { awayIn }] of ports) if (awayIn !== undefined) ports.delete(index);
  const { index: bridge } = expected.bridge;
  const wanted = new Map<string, { port: number; vlan: number; group: string; filter: SourceFilter }>();
  for (const [index, port] of ports) {
    for (const { vlan, group } of port.linkGroups.inForce()) {
      wanted.set(`${index}/${vlan}/${group}`, { port: index, vlan, group, filter: ANY_SOURCE });
    }
    for (const { vlan, group, filter } of port.channels()) {
      const number = port.link === undefined ? vlan : expected.vlanOf(port.link, vlan);
      wanted.set(`${index}/${number}/${group}`, { port: index, vlan: number, group, filter });
    }
  }
  const entries = kernel.memberships(bridge).filter(({ port }) => ports.has(port));
  // (*,G) first: it takes its sources with it, and it is what says which sources belong there.
  for (const entry of entries.filter(({ source }) => source === undefined)) {
    const key = `${entry.port}/${entry.vlan}/${entry.group}`;
    const filter = wanted.get(key)?.filter;
    if (filter !== undefined && kernel.mdb.isRight(entry, filter)) wanted.delete(key);
    else if (filter === undefined ? kernel.mdb.isOurs(entry) || !entry.permanent : replaces(kernel)) {
      change('removed', (to) => to.clearMembership(bridge, entry.port, entry.vlan, entry.group));
    }
  }
  // The kernel takes emptied groups away a moment later, and a reading that is under way then leaves others out.
  if (wanted.size > 0) {
    for (const entry of kernel.memberships(bridge)) {
      const key = `${entry.port}/${entry.vlan}/${entry.group}`;
      const filter = entry.source === undefined ? wanted.get(key)?.filter : undefined;
      if (filter !== undefined && kernel.mdb.isRight(entry, filter)) wanted.delete(key);
    }
  }
  for (const { port, vlan, group, filter } of wanted.values()) {
    change('added', (to) => to.setMembership(bridge, port, vlan, group, filter));
  }
  change();
  return tally.line();
}

/** Sets that are small with many hosts and channels: those of ports, of the few who may send, and of who has a filter. */
export const SMALL_SETS = [
  'subscribers',
  'uplinks',
  'occupied',
  'open_ports',
  'monitored_ports',
  ...SENDER_SETS,
  ...FILTER_MAPS,
] as const;

/** The elements of castgate's sets, or of some only; with the chains that the maps of filters lead to. */
export function reconcileSets(
  kernel: Kernel,
  expected: Expectation,
  sets: readonly string[] = setNames(kernel.mdb.sourcesIn),
): string | undefined {
  const tally = new Tally('nftables sets');
  const wanted = new Map<string, SetElement>();
  const { sourcesIn } = kernel.mdb;
  const names = new Set(sets);
  const areSmall = sets.every((name) => SMALL.has(name));
  for (const element of areSmall ? smallElements(expected) : expectedElements(expected, sourcesIn)) {
    if (names.has(element.set)) wanted.set(elementName(element), element);
  }
  // Chains before the elements that lead there.
  const filters = repairFilters(kernel, expected.ports);
  tally.added(true, filters.put);
  tally.added(false, filters.refused);
  const surplus: SetChange[] = [];
  for (const set of sets) {
    for (const { key, end, data, chain } of kernel.elements(TABLE, set)) {
      const element = { set, key, end, data, chain };
      if (!wanted.delete(elementName(element))) surplus.push({ change: 'remove', ...element });
    }
  }
  const missing = [...wanted.values()]
    .sort((a, b) => (a.set < b.set ? -1 : a.set > b.set ? 1 : 0))
    .map((element): SetChange => ({ change: 'add', ...element }));
  for (const part of parts(surplus)) tally.removed(kernel.changeSets(TABLE, part) === undefined, part.length);
  for (const part of parts(missing)) tally.added(kernel.changeSets(TABLE, part) === undefined, part.length);
  for (const name of filters.surplus) tally.removed(kernel.deleteFilterChain(TABLE, name) === undefined);
  expected.filters.clear();
  for (const name of wantedChains(expected.ports).keys()) expected.filters.add(name);
  return tally.line();
}

const SMALL: ReadonlySet<string> = new Set(SMALL_SETS);

/** As many changes as a message of the kernel's default size has room for. */
function* parts(changes: readonly SetChange[]): Generator<SetChange[]> {
  for (let at = 0; at < changes.length; at += SET_CHANGES_AT_ONCE) {
    yield changes.slice(at, at + SET_CHANGES_AT_ONCE);
  }
}

/** Collects changes of the bridge's tables, sends them many at a time, and counts; without a change, sends the rest. */
function changes(
  kernel: Kernel,
  tally: Tally,
): (how?: 'added' | 'removed', put?: (to: BridgeChanges) => void) => void {
  const collected = new BridgeChanges(kernel.mdb);
  let hows: ('added' | 'removed')[] = [];
  return (how, put) => {
    if (how !== undefined && put !== undefined) {
      put(collected);
      hows.push(how);
      if (!collected.isFull) return;
    }
    const refused = kernel.changeBridge(collected);
    for (const [place, each] of hows.entries()) tally[each](!refused.has(place));
    hows = [];
  };
}

function* expectedElements(
  { ports, controlledDirections }: Expectation,
  sourcesIn: SourcesIn,
): Generator<SetElement> {
  for (const port of ports) {
    yield* elementsOfPort(port, controlledDirections);
    if (!port.subscriber) continue;
    for (const mac of port.macs()) {
      yield* hostElements(port.name, mac);
      yield* senderElements(port.name, mac, port.sendsOf(mac));
      yield* filterElements(port.name, mac, port.filterOf(mac));
    }
    for (const group of port.groups()) {
      yield* channelElements(port.name, group, port.filtersOf(group), sourcesIn);
    }
  }
}

function* smallElements({ ports, controlledDirections }: Expectation): Generator<SetElement> {
  for (const port of ports) {
    yield* elementsOfPort(port, controlledDirections);
    if (!port.subscriber) continue;
    for (const mac of port.macs()) {
      yield* senderElements(port.name, mac, port.sendsOf(mac));
      yield* filterElements(port.name, mac, port.filterOf(mac));
    }
  }
}

function* elementsOfPort(port: PortState, controlledDirections: 'both' | 'in'): Generator<SetElement> {
  yield portElement(port.subscriber ? 'subscribers' : 'uplinks', port.name);
  if (!port.subscriber) return;
  if (port.role === 'open') yield portElement('open_ports', port.name);
  if (port.service.monitored === true) yield portElement('monitored_ports', port.name);
  if (controlledDirections === 'in' || !port.vacant) yield portElement('occupied', port.name);
}

/** Subscriber ports that are there, by interface number. */
function present({ ports }: Expectation): Map<number, PortState> {
  const found = new Map<number, PortState>();
  for (const port of ports) if (port.subscriber && port.link !== undefined) found.set(port.link.index, port);
  return found;
}

/** Where an entry cannot be set over another, a wrong one has to go first. */
function replaces({ mdb }: Kernel): boolean {
  return mdb.sourcesIn === 'table';
}

const SET_CHANGES_AT_ONCE = 1024;
const ANY_SOURCE: SourceFilter = { mode: 'exclude', sources: [] };

/** What was done, in a line. */
export class Tally {
  readonly #what: string;
  #put = 0;
  #taken = 0;
  #failed = 0;

  constructor(what: string) {
    this.#what = what;
  }

  added(done: boolean, count = 1): void {
    if (done) this.#put += count;
    else this.#failed += count;
  }

  removed(done: boolean, count = 1): void {
    if (done) this.#taken += count;
    else this.#failed += count;
  }

  line(): string | undefined {
    const parts: string[] = [];
    if (this.#put > 0) parts.push(`${this.#put} put back`);
    if (this.#taken > 0) parts.push(`${this.#taken} removed`);
    if (this.#failed > 0) parts.push(`${this.#failed} refused`);
    return parts.length === 0 ? undefined : `${this.#what}: ${parts.join(', ')}`;
  }
}
