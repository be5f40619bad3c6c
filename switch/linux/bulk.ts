/**
 * Many operations at once. Each is prepared as if those before it had gone well, a batch of them goes to the
 * kernel with two messages, and what the kernel refused of it is taken back and done once more alone, by
 * host-operations.ts and channel-operations.ts: these have the last word, and give the failure. For this the
 * operations of a batch must not touch what another of them touches; one that does begins the next batch.
 */
import type { FilterRule } from '../../session/filter-rule.ts';
import { ipFamily } from '../../wire/address.ts';
import { applyOne, type Operator } from '../one-by-one.ts';
import { filterRefusal, gone, hostRefusal, isNothing } from '../rules.ts';
import type {
  HostOpening,
  HostPlace,
  OperationFailure,
  SourceFilter,
  SwitchFailure,
  SwitchOperation,
} from '../switch.ts';
import { BridgeChanges } from './bridge/bridge-changes.ts';
import { clearForwarding, type RepairBridge, setForwarding } from './bridge/channel-operations.ts';
import {
  closeHost,
  hostChanges,
  occupiedChanges,
  openHost,
  senderChanges,
} from './bridge/host-operations.ts';
import { isAbsence } from './failure.ts';
import { filterChanges, filterConflict, putFilters, releaseFilter } from './filter/filter-operations.ts';
import { channelElements, TABLE } from './filter/ruleset.ts';
import { changesBetween, inverse, removeElements } from './filter/set-changes.ts';
import { updateLinkGroups } from './link/link-membership.ts';
import type { Refusal } from './netlink/netlink-socket.ts';
import type { SetChange } from './netlink/nft.ts';
import { ownMacs, type Running, subscriberPort } from './repair/running.ts';

/** Carries the operations out; those that failed, in the order of the operations. */
export function applyAll(
  running: Running,
  repairBridge: RepairBridge,
  operations: readonly SwitchOperation[],
): OperationFailure[] {
  const bulk = new Bulk(running, repairBridge);
  for (const [place, operation] of operations.entries()) bulk.add({ operation, place });
  bulk.flush();
  return [...bulk.failures]
    .sort(([a], [b]) => a - b)
    .flatMap(([place, failed]) => {
      const operation = operations[place];
      return operation === undefined ? [] : [{ operation, failure: failed }];
    });
}

type Forward = Extract<SwitchOperation, { kind: 'forward' }>;

/** An operation and its place among all. */
interface Placed {
  readonly operation: SwitchOperation;
  readonly place: number;
}

/** An operation of the batch, done in the books. */
interface Prepared extends Placed {
  /** Takes it back in the books; what then has to go from the table's sets. */
  readonly undo: () => readonly SetChange[];
  /** True where the bridge's refusal says only that there was nothing to take away. */
  readonly isHarmless: (refusal: Refusal) => boolean;
}

class Bulk {
  /** By the operations' places. */
  readonly failures = new Map<number, SwitchFailure>();
  readonly #running: Running;
  readonly #oneByOne: Operator;
  readonly #bridgeChanges: BridgeChanges;
  /** Whose each change of the bridge is. */
  readonly #owners: Prepared[] = [];
  readonly #prepared: Prepared[] = [];
  /** Set by set: so neighbours share a message, and the order of what touches one element is kept. */
  readonly #setChanges = new Map<string, SetChange[]>();
  /** Filters of hosts that are to be opened, and of those that were closed. */
  readonly #filters = new Set<readonly FilterRule[]>();
  readonly #leftFilters = new Set<readonly FilterRule[]>();
  /** What this batch touches: MAC addresses on any port, groups by port. */
  readonly #touched = new Map<string, Set<string>>();

  constructor(running: Running, repairBridge: RepairBridge) {
    this.#running = running;
    this.#oneByOne = {
      openHost: (host) => openHost(running, host),
      closeHost: (host) => closeHost(running, host),
      setForwarding: (...what) => setForwarding(running, repairBridge, ...what),
      clearForwarding: (...what) => clearForwarding(running, repairBridge, ...what),
    };
    this.#bridgeChanges = new BridgeChanges(running.kernel.mdb);
  }

  add(placed: Placed): void {
    const { operation } = placed;
    const [where, what] =
      operation.kind === 'forward' ? [operation.port, operation.group] : [ANY_PORT, operation.host.mac];
    if (this.#bridgeChanges.isFull || this.#touched.get(where)?.has(what) === true) this.flush();
    const touched = this.#touched.get(where);
    if (touched === undefined) this.#touched.set(where, new Set([what]));
    else touched.add(what);
    const failed = this.#prepare(placed);
    if (failed !== undefined) this.failures.set(placed.place, failed);
  }

  /** Sends what is prepared. */
  flush(): void {
    const { kernel } = this.#running;
    const prepared = this.#prepared.splice(0);
    const owners = this.#owners.splice(0);
    const setChanges = [...this.#setChanges.values()].flat();
    this.#setChanges.clear();
    this.#touched.clear();
    const filters = [...this.#filters];
    this.#filters.clear();
    const isRefused = putFilters(this.#running, filters) ?? kernel.changeSets(TABLE, setChanges);
    if (isRefused !== undefined) {
      // The table took none of these, and the bridge was not asked yet.
      this.#bridgeChanges.forget();
      for (const { undo } of [...prepared].reverse()) undo();
      for (const placed of prepared) this.#alone(placed);
      return;
    }
    for (const [change, refusal] of kernel.changeBridge(this.#bridgeChanges)) {
      const refused = owners[change];
      if (refused === undefined || refused.isHarmless(refusal)) continue;
      removeElements(kernel, refused.undo());
      this.#alone(refused);
    }
    for (const { operation } of prepared) {
      if (operation.kind === 'open-host') this.#updateLinkGroups(operation.host);
    }
    for (const filter of this.#leftFilters) releaseFilter(this.#running, filter);
    this.#leftFilters.clear();
  }

  #alone({ operation, place }: Placed): void {
    const failed = applyOne(this.#oneByOne, operation);
    if (failed !== undefined) this.failures.set(place, failed);
  }

  #prepare(placed: Placed): SwitchFailure | undefined {
    const { operation } = placed;
    if (operation.kind === 'open-host') return this.#open(placed, operation.host);
    if (operation.kind === 'close-host') {
      this.#close(placed, operation.host);
      return undefined;
    }
    const { filter } = operation;
    if (filter !== undefined && !isNothing(filter)) return this.#forward(placed, operation, filter);
    this.#clear(placed, operation);
    return undefined;
  }

  #open(placed: Placed, host: HostOpening): SwitchFailure | undefined {
    const running = this.#running;
    const { ports, guard } = running;
    const at = subscriberPort(ports, host.port);
    if (at === undefined) return gone(`open ${host.mac} on ${host.port}`, host.port);
    const { port, link } = at;
    const conflict = filterConflict(port, host);
    if (conflict !== undefined) return conflict;
    const rights = [...senderChanges(port, host, host.sends), ...filterChanges(port, host, host.filter)];
    if (port.hasHost(host.vlan, host.mac)) {
      if (rights.length === 0) return undefined;
      this.flush();
      return this.#oneByOne.openHost(host);
    }
    const vlan = guard.vlanOf(link, host.vlan);
    const refused = hostRefusal(host, ownMacs(running), ports.portOf(vlan, host.mac));
    if (refused !== undefined) return refused;
    if (!port.hasMac(host.mac)) this.#changeSets(hostChanges('add', host));
    if (port.vacant) this.#changeSets(occupiedChanges('add', running, port));
    this.#changeSets(rights);
    if (host.filter !== undefined) this.#filters.add(host.filter);
    ports.opened(port, host, vlan);
    const undo = () => {
      port.removeHost(host);
      if (vlan !== 0 || !port.hasMac(host.mac)) ports.closed(vlan, host.mac);
      return [
        ...(port.hasMac(host.mac) ? [] : hostChanges('remove', host)),
        ...(port.vacant ? occupiedChanges('remove', running, port) : []),
        ...inverse(rights),
      ];
    };
    this.#prepared.push({ ...placed, undo, isHarmless: never });
    this.#changeBridge().openMac(link.index, vlan, host.mac, 'create');
    return undefined;
  }

  #close(placed: Placed, host: HostOpening): void {
    const running = this.#running;
    const { ports, guard } = running;
    const at = subscriberPort(ports, host.port);
    if (at?.port.hasHost(host.vlan, host.mac) !== true) return;
    const { port, link } = at;
    updateLinkGroups(running, port, host.vlan, host.mac, false);
    const { sends, filter } = port.openingOf(host) ?? host;
    this.#changeSets(senderChanges(port, host, undefined));
    this.#changeSets(filterChanges(port, host, undefined));
    if (filter !== undefined) this.#leftFilters.add(filter);
    port.removeHost(host);
    const vlan = guard.vlanOf(link, host.vlan);
    if (!port.hasMac(host.mac)) this.#changeSets(hostChanges('remove', host));
    if (port.vacant) this.#changeSets(occupiedChanges('remove', running, port));
    const undo = () => {
      ports.opened(port, { ...host, sends, filter }, vlan);
      return [];
    };
    this.#prepared.push({ ...placed, undo, isHarmless: ({ errno }) => errno === 'ENOENT' });
    // Without VLANs in the bridge, the same MAC in two VLANs is one entry.
    if (vlan === 0 && port.hasMac(host.mac)) return;
    ports.closed(vlan, host.mac);
    this.#changeBridge().closeMac(link.index, vlan, host.mac);
  }

  #forward(
    placed: Placed,
    { port: name, vlan, group }: Forward,
    filter: SourceFilter,
  ): SwitchFailure | undefined {
    const { kernel, guard, ports } = this.#running;
    const at = subscriberPort(ports, name);
    if (at === undefined) return gone(`forward ${group} to ${name}`, name);
    const { port, link } = at;
    const unfit = filterRefusal(name, group, filter);
    if (unfit !== undefined) return unfit;
    const { sourcesIn } = kernel.mdb;
    const hasRoom = ports.hasRoom({ vlan, group, filter }, guard.databaseSize);
    if (!hasRoom || (ipFamily(group) === 6 && filter.sources.length > 0 && sourcesIn === 'database')) {
      // Whether there is room, and whether the bridge can tell sources apart, is found out alone.
      this.flush();
      return this.#oneByOne.setForwarding(name, vlan, group, filter);
    }
    const before = port.channel(vlan, group);
    const changes = changesBetween(
      channelElements(name, group, port.filtersOf(group), sourcesIn),
      channelElements(name, group, port.filtersWith({ vlan, group, filter }), sourcesIn),
    );
    this.#changeSets(changes);
    port.setChannel({ vlan, group, filter });
    const undo = () => {
      if (before === undefined) port.removeChannel(vlan, group);
      else port.setChannel(before);
      return inverse(changes);
    };
    this.#prepared.push({ ...placed, undo, isHarmless: never });
    const number = guard.vlanOf(link, vlan);
    this.#changeBridge().setMembership(guard.bridge.index, link.index, number, group, filter);
    return undefined;
  }

  #clear(placed: Placed, { port: name, vlan, group }: Forward): void {
    const { kernel, guard, ports } = this.#running;
    const at = subscriberPort(ports, name);
    const before = at?.port.channel(vlan, group);
    if (at === undefined || before === undefined) return;
    const { port, link } = at;
    const { sourcesIn } = kernel.mdb;
    const elements = [...channelElements(name, group, port.filtersOf(group), sourcesIn)];
    port.removeChannel(vlan, group);
    ports.isFull = false;
    this.#changeSets(
      changesBetween(elements, channelElements(name, group, port.filtersOf(group), sourcesIn)),
    );
    const undo = () => {
      port.setChannel(before);
      return [];
    };
    this.#prepared.push({ ...placed, undo, isHarmless: isAbsence });
    const number = guard.vlanOf(link, vlan);
    const { index } = guard.bridge;
    if (port.linkGroups.has(number, group)) {
      this.#changeBridge().setMembership(index, link.index, number, group, ANY_SOURCE);
    } else if (number !== 0 || !port.hasGroup(group)) {
      // Without VLANs in the bridge, the same group in two VLANs is one entry.
      this.#changeBridge().clearMembership(index, link.index, number, group);
    }
  }

  /** For one change of the operation that was prepared last. */
  #changeBridge(): BridgeChanges {
    const owner = this.#prepared.at(-1);
    if (owner !== undefined) this.#owners.push(owner);
    return this.#bridgeChanges;
  }

  #changeSets(changes: readonly SetChange[]): void {
    for (const change of changes) {
      const ofSet = this.#setChanges.get(change.set);
      if (ofSet === undefined) this.#setChanges.set(change.set, [change]);
      else ofSet.push(change);
    }
  }

  #updateLinkGroups(host: HostPlace): void {
    const at = subscriberPort(this.#running.ports, host.port);
    if (at?.port.hasHost(host.vlan, host.mac) !== true) return;
    updateLinkGroups(this.#running, at.port, host.vlan, host.mac, true);
  }
}

function never(): boolean {
  return false;
}

const ANY_PORT = '';
const ANY_SOURCE: SourceFilter = { mode: 'exclude', sources: [] };
