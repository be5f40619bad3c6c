/**
 * The work of reconcile.ts for tables that are too large to be compared in one go: a daemon that is busy for a
 * quarter of a second does not renew its lease. A table is read a page at a time, with the daemon's other work
 * between the pages, and each entry is compared with the books as they are then. What is read may be a moment
 * old, and entries may move under a dump: so what was touched meanwhile is left alone, and whatever looks wrong
 * is looked at once more, alone, before it is put right. Each function gives a line for the log, or undefined.
 */
import { type IpAddress, ipv4At, ipv6At, type Mac, macAt } from '../../../wire/address.ts';
import type { SourceFilter } from '../../switch.ts';
import { channelElement, hostElements, portElement, TABLE } from '../filter/ruleset.ts';
import type { PortState } from '../port/port-state.ts';
import { reconcileMacs, reconcileMemberships, reconcileSets, SMALL_SETS, Tally } from './reconcile.ts';
import { expectation, type Running } from './running.ts';

/** Yields where other work may be done. */
export type Inspection = Generator<void, string | undefined>;

/** MAC addresses of subscriber ports in castgate's bridge. */
export function* inspectMacs(running: Running): Inspection {
  const { kernel, guard, ports } = running;
  if (isSomePortAway(running)) return reconcileMacs(kernel, expectation(running));
  const touched = ports.track();
  const seen = new Map<PortState, Set<string>>();
  const surplus: { port: PortState; vlan: number; mac: Mac }[] = [];
  for (const page of kernel.browseMacs(guard.bridge.index)) {
    for (const { port: index, vlan, mac, kind, sticky } of page) {
      const port = ports.numbered(index);
      if (port?.subscriber !== true || kind === 'local') continue;
      if (isOpen(running, port, vlan, mac)) {
        if (sticky) add(seen, port, `${vlan}/${mac}`);
      } else if ((kind !== 'static' || sticky) && !(kind === 'learned' && port.role === 'open')) {
        surplus.push({ port, vlan, mac });
      }
    }
    yield;
  }
  const missing: typeof surplus = [];
  for (const port of present(running)) {
    for (const { vlan: tag, mac } of port.hosts()) {
      const vlan = port.link === undefined ? tag : guard.vlanOf(port.link, tag);
      if (seen.get(port)?.has(`${vlan}/${mac}`) !== true) missing.push({ port, vlan, mac });
    }
    yield;
  }
  if (isMuch(surplus, missing)) return reconcileMacs(kernel, expectation(running));
  const tally = new Tally('MAC table');
  for (const { port, vlan, mac } of surplus) {
    if (touched.has(mac) || port.link === undefined || isOpen(running, port, vlan, mac)) continue;
    if (kernel.closeMac(port.link.index, vlan, mac) === undefined) tally.removed(true);
  }
  for (const { port, vlan, mac } of missing) {
    if (touched.has(mac) || port.link === undefined || !isOpen(running, port, vlan, mac)) continue;
    const found = kernel.findMac(guard.bridge.index, vlan, mac);
    if (found?.sticky === true && found.port === port.link.index) continue;
    tally.added(kernel.openMac(port.link.index, vlan, mac, 'replace') === undefined);
  }
  return tally.line();
}

/** What subscriber ports receive of castgate's bridge. */
export function* inspectMemberships(running: Running): Inspection {
  const { kernel, guard, ports } = running;
  if (isSomePortAway(running)) return reconcileMemberships(kernel, expectation(running));
  const touched = ports.track();
  const { index: bridge } = guard.bridge;
  const seen = new Map<PortState, Set<string>>();
  const wrong: { port: PortState; vlan: number; group: IpAddress }[] = [];
  for (const page of kernel.browseMemberships()) {
    for (const entry of page) {
      const port = entry.bridge === bridge ? ports.numbered(entry.port) : undefined;
      if (port?.subscriber !== true || entry.source !== undefined) continue;
      const { vlan, group } = entry;
      const filter = wantedFilter(running, port, vlan, group);
      if (filter !== undefined && kernel.mdb.isRight(entry, filter)) add(seen, port, `${vlan}/${group}`);
      else if (filter !== undefined || kernel.mdb.isOurs(entry) || !entry.permanent) {
        wrong.push({ port, vlan, group });
      }
    }
    yield;
  }
  const missing: typeof wrong = [];
  for (const port of present(running)) {
    const known = seen.get(port);
    for (const { vlan, group } of wantedGroups(running, port)) {
      if (known?.has(`${vlan}/${group}`) !== true) missing.push({ port, vlan, group });
    }
    yield;
  }
  // Without sources in the database a wrong entry has to go before the right one can be set.
  const isInTheWay = wrong.length > 0 && kernel.mdb.sourcesIn === 'table';
  if (isInTheWay || isMuch(wrong, missing)) return reconcileMemberships(kernel, expectation(running));
  const tally = new Tally('multicast database');
  const isWrong = new Set(wrong.map(({ port, vlan, group }) => `${port.link?.index}/${vlan}/${group}`));
  for (const { port, vlan, group } of wrong) {
    if (touched.has(group) || port.link === undefined) continue;
    if (wantedFilter(running, port, vlan, group) !== undefined) continue;
    if (kernel.clearMembership(bridge, port.link.index, vlan, group) === undefined) tally.removed(true);
  }
  for (const { port, vlan, group } of missing) {
    const filter = wantedFilter(running, port, vlan, group);
    if (touched.has(group) || port.link === undefined || filter === undefined) continue;
    const { index } = port.link;
    // One that is there and wrong is set right all the same, one that is there and right is not news.
    const isNews =
      kernel.addMembership(bridge, index, vlan, group) || isWrong.has(`${index}/${vlan}/${group}`);
    const done = kernel.setMembership(bridge, index, vlan, group, filter) === undefined;
    if (isNews) tally.added(done);
  }
  return tally.line();
}

/** The large ones of castgate's sets; the others are compared in one go. */
export function* inspectSets(running: Running): Inspection {
  const { kernel, ports } = running;
  if (kernel.mdb.sourcesIn === 'table') return reconcileSets(kernel, expectation(running));
  const small = reconcileSets(kernel, expectation(running), SMALL_SETS);
  if (small !== undefined) return small;
  const touched = ports.track();
  const byKey = new Map<string, PortState>();
  for (const port of ports.all()) {
    byKey.set(latin1(portElement('subscribers', port.name).key), port);
  }
  const tally = new Tally('nftables sets');
  for (const set of LARGE_SETS) {
    const seen = new Map<PortState, Set<string>>();
    const surplus: { key: Uint8Array; what: string }[] = [];
    for (const page of kernel.browseElements(TABLE, set)) {
      for (const { key } of page) {
        const port = byKey.get(latin1(key.subarray(0, IFNAMSIZ)));
        const what = whatOf(set, key);
        if (port !== undefined && isIn(set, port, what)) add(seen, port, what);
        else surplus.push({ key: Uint8Array.from(key), what });
      }
      yield;
    }
    const missing: { port: PortState; what: string }[] = [];
    for (const port of ports.all()) {
      for (const what of membersOf(set, port)) {
        if (seen.get(port)?.has(what) !== true) missing.push({ port, what });
      }
      yield;
    }
    if (isMuch(surplus, missing)) return reconcileSets(kernel, expectation(running));
    for (const { key, what } of surplus) {
      if (touched.has(what)) continue;
      if (kernel.changeSets(TABLE, [{ change: 'remove', set, key }]) === undefined) tally.removed(true);
    }
    for (const { port, what } of missing) {
      if (touched.has(what)) continue;
      const element = elementOf(set, port, what);
      if (kernel.elementCounter(TABLE, element) !== undefined) continue;
      tally.added(kernel.changeSets(TABLE, [{ change: 'add', ...element }]) === undefined);
    }
  }
  return tally.line();
}

/** True where the tables are large enough to be looked at in pages. */
export function isLarge({ ports }: Running): boolean {
  let entries = 0;
  for (const port of ports.all()) entries += port.size;
  return entries > LARGE;
}

type LargeSet = (typeof LARGE_SETS)[number];

function whatOf(set: LargeSet, key: Uint8Array): string {
  if (set === 'hosts_in' || set === 'hosts_out') return macAt(key, IFNAMSIZ);
  return set === 'channels4' ? ipv4At(key, IFNAMSIZ) : ipv6At(key, IFNAMSIZ);
}

function isIn(set: LargeSet, port: PortState, what: string): boolean {
  return set === 'hosts_in' || set === 'hosts_out' ? port.hasMac(what) : port.hasGroup(what);
}

function* membersOf(set: LargeSet, port: PortState): Generator<string> {
  if (set === 'hosts_in' || set === 'hosts_out') yield* port.macs();
  else for (const group of port.groups()) if (group.includes(':') === (set === 'channels6')) yield group;
}

function elementOf(set: LargeSet, port: PortState, what: string) {
  const [input, output] = hostElements(port.name, what);
  if (set === 'hosts_in') return input;
  return set === 'hosts_out' ? output : channelElement(port.name, what);
}

function isOpen({ guard }: Running, port: PortState, vlan: number, mac: Mac): boolean {
  const { link } = port;
  if (link === undefined || !port.hasMac(mac)) return false;
  for (const tag of port.vlansOf(mac)) if (guard.vlanOf(link, tag) === vlan) return true;
  return false;
}

function wantedFilter(
  { guard }: Running,
  port: PortState,
  vlan: number,
  group: IpAddress,
): SourceFilter | undefined {
  const { link } = port;
  let filter: SourceFilter | undefined;
  if (link !== undefined) {
    // Without VLANs in the bridge, the same group in two VLANs is one entry: the last one's.
    for (const channel of port.channelsOf(group)) {
      if (guard.vlanOf(link, channel.vlan) === vlan) filter = channel.filter;
    }
  }
  return filter ?? (port.linkGroups.has(vlan, group) ? ANY_SOURCE : undefined);
}

function* wantedGroups({ guard }: Running, port: PortState): Generator<{ vlan: number; group: IpAddress }> {
  yield* port.linkGroups.inForce();
  for (const { vlan, group } of port.channels()) {
    yield { vlan: port.link === undefined ? vlan : guard.vlanOf(port.link, vlan), group };
  }
}

/** Subscriber ports that are there. */
function* present({ ports }: Running): Generator<PortState> {
  for (const port of ports.all()) if (port.subscriber && port.link !== undefined) yield port;
}

/** In another bridge are few hosts and no channels: not worth a way of their own. */
function isSomePortAway({ ports }: Running): boolean {
  for (const { awayIn } of ports.all()) if (awayIn !== undefined) return true;
  return false;
}

function isMuch(some: readonly unknown[], others: readonly unknown[]): boolean {
  return some.length + others.length > MUCH;
}

function add(seen: Map<PortState, Set<string>>, port: PortState, what: string): void {
  const ofPort = seen.get(port);
  if (ofPort === undefined) seen.set(port, new Set([what]));
  else ofPort.add(what);
}

function latin1(octets: Uint8Array): string {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('latin1');
}

const LARGE_SETS = ['hosts_in', 'hosts_out', 'channels4', 'channels6'] as const;
const ANY_SOURCE: SourceFilter = { mode: 'exclude', sources: [] };
const IFNAMSIZ = 16;
/** Hosts and channels from which on a look at all of them would take too long. */
const LARGE = 1000;
/** More than a few wrong entries are somebody's work, and then all of it is looked at in one go. */
const MUCH = 500;
