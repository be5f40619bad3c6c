/**
 * A Switch over a Linux bridge (5.18 or later: mdb-way.ts). Two locks guard every subscriber port: the bridge's own (locked flag, MAC
 * table, multicast database) and castgate's nftables table (ruleset.ts); what castgate opens, it opens in
 * both. What someone else changes on these ports is put right and told. Without stop({ cleanup: true })
 * everything stays as it is: a dead daemon lets nobody new in, and present viewers go on.
 */
import { release } from 'node:os';
import type { IpAddress, Mac } from '../../wire/address.ts';
import { ipFamily } from '../../wire/address.ts';
import { filterRefusal, gone, hostRefusal, isNothing } from '../rules.ts';
import type {
  Counter,
  HostCounters,
  HostPlace,
  SourceFilter,
  Switch,
  SwitchEvent,
  SwitchFailure,
} from '../switch.ts';
import { BridgeGuard, mustNot } from './bridge-guard.ts';
import { type CapturedFrame, type CaptureStatistics, FrameSocket } from './frames.ts';
import { Kernel } from './kernel.ts';
import type { Link } from './link.ts';
import { isOfLink, MAX_HOSTS_PER_PORT } from './link-groups.ts';
import { linkId } from './link-id.ts';
import { LinkWatch } from './link-watch.ts';
import { MDB_WAYS, type MdbWay, mdbWayOf, type SourcesIn } from './mdb-way.ts';
import type { Refusal } from './netlink-socket.ts';
import type { SetChange, SetElement } from './nft.ts';
import { type Channel, PortState } from './port-state.ts';
import { checkBridge, checkSystem, SwitchStartError } from './preflight.ts';
import { type Expectation, reconcileMacs, reconcileMemberships, reconcileSets } from './reconcile.ts';
import { restore } from './restore.ts';
import {
  channelElement,
  channelElements,
  elementName,
  hostElements,
  portElement,
  type RefusalCounter,
  refusalCounters,
  TABLE,
} from './ruleset.ts';
import { BeforeFile, rememberBefore } from './settings.ts';

export interface LinuxSwitchOptions {
  readonly bridge: string;
  /** Subscriber ports. */
  readonly ports: readonly string[];
  /** Those of `ports` that are open to everybody: only multicast has to be granted there. */
  readonly openPorts?: readonly string[];
  readonly uplinks: readonly string[];
  /** Where the settings from before castgate are kept for the cleanup. */
  readonly stateDirectory: string;
  /** The least size of the bridge's multicast database, in entries: well above ports × groups × sources. */
  readonly hashMax?: number;
  /** The kernel's limit of database entries on a port, sources counted too; behind the daemon's own limits. */
  readonly maxGroupsPerPort?: number;
  /** `both` keeps broadcasts from a port without an open host; `in` lets them out (AdminControlledDirections). */
  readonly controlledDirections?: 'both' | 'in';
  /** Where a port's sources are told apart; without it, by the kernel's version (mdb-way.ts). */
  readonly sourcesIn?: SourcesIn;
}

/** What goes on from an earlier run: its entries and counters stay, where the kernel still has them. */
export interface Kept {
  readonly hosts: readonly HostPlace[];
  readonly channels: readonly (Channel & { readonly port: string })[];
}

/** The counters of all that is open. */
export interface AllCounters {
  readonly hosts: readonly (HostCounters & { readonly host: HostPlace })[];
  readonly channels: readonly {
    readonly port: string;
    readonly vlan: number;
    readonly group: IpAddress;
    readonly counter: Counter;
  }[];
}

/** Receives what happened since the last call, in order; never from inside an operation of the switch. */
export type SwitchListener = (events: readonly SwitchEvent[]) => void;

/** What an operation works on. */
interface At {
  readonly port: PortState;
  readonly link: Link;
  readonly kernel: Kernel;
  readonly guard: BridgeGuard;
}

export class LinuxSwitch implements Switch {
  readonly #options: Required<Omit<LinuxSwitchOptions, 'sourcesIn' | 'openPorts'>>;
  readonly #mdb: MdbWay;
  readonly #listener: SwitchListener;
  readonly #ports = new Map<string, PortState>();
  /** Ports that are there, by interface number: whose frames count. */
  readonly #byIndex = new Map<number, PortState>();
  /** The port of each open host, by VLAN and MAC as the bridge knows them. */
  readonly #openMacs = new Map<string, string>();
  readonly #before: BeforeFile;
  #kernel: Kernel | undefined;
  #guard: BridgeGuard | undefined;
  #frames: FrameSocket | undefined;
  #linkWatch: LinkWatch | undefined;
  #timer: NodeJS.Timeout | undefined;
  #audits = 0;
  #untold: SwitchEvent[] = [];

  constructor(options: LinuxSwitchOptions, listener: SwitchListener) {
    this.#options = { ...DEFAULTS, ...options };
    this.#mdb = options.sourcesIn === undefined ? mdbWayOf(release()) : MDB_WAYS[options.sourcesIn];
    this.#listener = listener;
    this.#before = new BeforeFile(options.stateDirectory, options.bridge);
    for (const name of options.ports) {
      const role = options.openPorts?.includes(name) ? 'open' : 'locked';
      this.#ports.set(name, new PortState(name, role));
    }
    for (const name of options.uplinks) this.#ports.set(name, new PortState(name, 'uplink'));
  }

  /**
   * Checks, then locks the ports, removes what an earlier run opened but for what is `kept`, and begins to
   * report. Throws SwitchStartError; what is missing, before anything is touched.
   */
  start(kept?: Kept): void {
    checkSystem();
    try {
      this.#begin(kept);
    } catch (cause) {
      this.stop({ cleanup: false });
      if (cause instanceof SwitchStartError) throw cause;
      throw new SwitchStartError('refused', cause instanceof Error ? cause.message : String(cause), {
        cause,
      });
    }
    for (const { name, link } of this.#ports.values()) {
      this.#tell({ kind: 'link', port: name, up: link?.up === true });
    }
  }

  /** Ends the reports. With `cleanup` everything of castgate goes, and what it set gets its old value back. */
  stop({ cleanup }: { cleanup: boolean }): void {
    clearInterval(this.#timer);
    this.#linkWatch?.close();
    this.#linkWatch = undefined;
    this.#frames?.close();
    this.#frames = undefined;
    this.#guard = undefined;
    this.#untold = [];
    for (const port of this.#ports.values()) {
      port.clear();
      port.link = undefined;
    }
    this.#byIndex.clear();
    this.#openMacs.clear();
    const kernel = this.#kernel;
    this.#kernel = undefined;
    if (kernel === undefined) return;
    if (cleanup) restore(kernel, this.#before, this.#options);
    kernel.close();
  }

  /** Undoes what an earlier run left, without starting: for `--cleanup`. */
  cleanup(): void {
    checkSystem();
    this.#kernel = openKernel(this.#mdb);
    this.stop({ cleanup: true });
  }

  sendFrame(port: string, vlan: number, frame: Uint8Array): SwitchFailure | undefined {
    const link = this.#ports.get(port)?.link;
    if (link === undefined || this.#frames === undefined) return gone('send a frame', port);
    const errno = this.#frames.send(link.index, vlan, frame);
    return errno === undefined ? undefined : { failed: `send a frame on ${port}: ${errno}`, errno };
  }

  openHost(host: HostPlace): SwitchFailure | undefined {
    const doing = `open ${host.mac} on ${host.port}`;
    const at = this.#at(host.port);
    if (at === undefined) return gone(doing, host.port);
    const { port, link, kernel, guard } = at;
    if (port.hasHost(host.vlan, host.mac)) return undefined;
    const vlan = guard.vlanOf(link, host.vlan);
    const refused = hostRefusal(host, this.#ownMacs(guard), this.#openMacs.get(`${vlan}/${host.mac}`));
    if (refused !== undefined) return refused;
    const changes: SetChange[] = port.hasMac(host.mac) ? [] : hostChanges('add', host);
    if (port.vacant) changes.push(...this.#occupiedChanges('add', port));
    const refusal = kernel.changeSets(TABLE, changes);
    if (refusal !== undefined) return failure(doing, refusal);
    const bridgeRefusal = putMac(kernel, guard.bridge, link, vlan, host.mac);
    if (bridgeRefusal !== undefined) {
      removeElements(kernel, inverse(changes));
      return failure(doing, bridgeRefusal);
    }
    port.addHost(host);
    this.#openMacs.set(`${vlan}/${host.mac}`, port.name);
    this.#updateLinkGroups(at, host.vlan, host.mac, true);
    return undefined;
  }

  closeHost(host: HostPlace): SwitchFailure | undefined {
    const at = this.#at(host.port);
    if (at?.port.removeHost(host) !== true) return undefined;
    const { port, link, kernel, guard } = at;
    this.#updateLinkGroups(at, host.vlan, host.mac, false);
    const vlan = guard.vlanOf(link, host.vlan);
    let refusal: Refusal | undefined;
    // Without VLANs in the bridge, the same MAC in two VLANs is one entry.
    if (vlan !== 0 || !port.hasMac(host.mac)) {
      this.#openMacs.delete(`${vlan}/${host.mac}`);
      refusal = kernel.closeMac(link.index, vlan, host.mac);
      if (refusal?.errno === 'ENOENT') refusal = undefined;
    }
    const changes: SetChange[] = port.hasMac(host.mac) ? [] : hostChanges('remove', host);
    if (port.vacant) changes.push(...this.#occupiedChanges('remove', port));
    const first = refusal ?? removeElements(kernel, changes);
    return first === undefined ? undefined : failure(`close ${host.mac} on ${host.port}`, first);
  }

  setForwarding(
    portName: string,
    vlan: number,
    group: IpAddress,
    filter: SourceFilter,
  ): SwitchFailure | undefined {
    if (isNothing(filter)) return this.clearForwarding(portName, vlan, group);
    const doing = `forward ${group} to ${portName}`;
    const at = this.#at(portName);
    if (at === undefined) return gone(doing, portName);
    const { port, link, kernel, guard } = at;
    const unfit = filterRefusal(portName, group, filter);
    if (unfit !== undefined) return unfit;
    const { sourcesIn } = this.#mdb;
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
    const refusal = this.#inDatabase(() =>
      kernel.setMembership(guard.bridge.index, link.index, number, group, filter),
    );
    if (refusal !== undefined) {
      removeElements(kernel, inverse(changes));
      return failure(doing, refusal);
    }
    port.setChannel({ vlan, group, filter });
    return undefined;
  }

  clearForwarding(portName: string, vlan: number, group: IpAddress): SwitchFailure | undefined {
    const at = this.#at(portName);
    if (at === undefined) return undefined;
    const { port, link, kernel, guard } = at;
    const before = port.filtersOf(group);
    if (!port.removeChannel(vlan, group)) return undefined;
    const number = guard.vlanOf(link, vlan);
    const isLast = !port.hasGroup(group);
    const { index } = guard.bridge;
    let refusal: Refusal | undefined;
    if (port.linkGroups.has(number, group)) {
      refusal = this.#inDatabase(() => kernel.setMembership(index, link.index, number, group, ANY_SOURCE));
    } else if (number !== 0 || isLast) {
      // Without VLANs in the bridge, the same group in two VLANs is one entry.
      refusal = this.#inDatabase(() => kernel.clearMembership(index, link.index, number, group));
    }
    const { sourcesIn } = this.#mdb;
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

  hostCounters(host: HostPlace): HostCounters | undefined {
    const at = this.#at(host.port);
    if (at?.port.hasHost(host.vlan, host.mac) !== true) return undefined;
    const [input, output] = hostElements(host.port, host.mac).map((element) =>
      at.kernel.elementCounter(TABLE, element),
    );
    if (input === undefined || output === undefined) return undefined;
    return { input: withHeaders(input), output: withHeaders(output) };
  }

  channelCounter(portName: string, vlan: number, group: IpAddress): Counter {
    const at = this.#at(portName);
    if (at?.port.hasChannel(vlan, group) !== true) return NOTHING_YET;
    const counter = at.kernel.elementCounter(TABLE, channelElement(portName, group));
    return counter === undefined ? NOTHING_YET : withHeaders(counter);
  }

  /** All counters at once, for four conversations with the kernel instead of one or two for each. */
  counters(): AllCounters {
    const read = new Map<string, Counter>();
    const sets = ['hosts_in', 'hosts_out', 'channels4', 'channels6'] as const;
    for (const set of sets) {
      for (const { key, counter } of this.#kernel?.elements(TABLE, set) ?? []) {
        if (counter !== undefined) read.set(elementName({ set, key }), withHeaders(counter));
      }
    }
    const of = (element: SetElement) => read.get(elementName(element)) ?? NOTHING_YET;
    const hosts: AllCounters['hosts'][number][] = [];
    const channels: AllCounters['channels'][number][] = [];
    for (const port of this.#ports.values()) {
      for (const host of port.hosts()) {
        const [into, out] = hostElements(host.port, host.mac);
        hosts.push({ host, input: of(into), output: of(out) });
      }
      for (const { vlan, group } of port.channels()) {
        channels.push({ port: port.name, vlan, group, counter: of(channelElement(port.name, group)) });
      }
    }
    return { hosts, channels };
  }

  macOf(port: string | undefined): Mac | undefined {
    return port === undefined ? this.#guard?.bridge.mac : this.#ports.get(port)?.link?.mac;
  }

  linkId(port: string): string | undefined {
    return linkId(port);
  }

  portNumber(port: string): number | undefined {
    return this.#ports.get(port)?.link?.index;
  }

  /** What the table refused, by its counters' names. */
  refusals(): Map<RefusalCounter, Counter> {
    const read = this.#kernel?.namedCounters(TABLE) ?? new Map<string, Counter>();
    return new Map(refusalCounters.map((name) => [name, read.get(name) ?? NOTHING_YET]));
  }

  /** Frames of all interfaces that the packet socket saw or had to drop. */
  captureStatistics(): CaptureStatistics {
    return this.#frames?.statistics() ?? { seen: 0, dropped: 0 };
  }

  /**
   * Compares all of the kernel's tables with what castgate has opened, and puts right what differs; what it
   * was, a line each. The timer does the same bit by bit.
   */
  audit(): string[] {
    const lines = [...this.#auditGuard()];
    for (const look of RECONCILERS) lines.push(...this.#reconcile(look));
    return lines;
  }

  // ---- beginning

  #begin(kept: Kept | undefined): void {
    const { bridge: bridgeName, ports, uplinks } = this.#options;
    const kernel = openKernel(this.#mdb);
    this.#kernel = kernel;
    const found = checkBridge(kernel, bridgeName, ports, uplinks);
    const frames = new FrameSocket();
    this.#frames = frames;
    const settings = {
      bridge: bridgeName,
      hashMax: this.#options.hashMax,
      maxGroupsPerPort: this.#mdb.limitsPorts ? this.#options.maxGroupsPerPort : undefined,
    };
    rememberBefore(this.#before, found, settings);
    const guard = new BridgeGuard(kernel, frames, settings, found.bridge);
    this.#linkWatch = new LinkWatch({
      link: (link) => this.#linkNews(link),
      address: (ifindex) => {
        if (ifindex === this.#guard?.bridge.index) this.#guard.bridgeHasAddress();
      },
      lost: () => this.#lookAtAll(),
    });
    // The table denies everything from here on; the bridge before the ports: its database must be on to be emptied.
    guard.loadTable(kept !== undefined);
    this.#guard = guard;
    for (const link of [...found.ports, ...found.uplinks]) this.#putLink(link);
    if (kept !== undefined) this.#expect(kept, kernel, guard);
    reconcileSets(kernel, this.#expectation(guard));
    guard.setBridge();
    for (const port of this.#ports.values()) {
      if (port.link !== undefined) mustNot(guard.setPort(port.link, port.role), `port ${port.name}`);
    }
    for (const look of RECONCILERS) look(kernel, this.#expectation(guard));
    frames.watch(
      (batch) => this.#deliver(batch),
      (errno) => this.#tell({ kind: 'repaired', what: `packet socket: ${errno}, reading on` }),
    );
    this.#timer = setInterval(() => this.#look(), LOOK_INTERVAL_MS);
    this.#timer.unref();
  }

  #putLink(link: Link): void {
    const port = this.#ports.get(link.name);
    if (port === undefined) return;
    port.link = link;
    this.#byIndex.set(link.index, port);
  }

  #expect({ hosts, channels }: Kept, kernel: Kernel, guard: BridgeGuard): void {
    const memberships = kernel.memberships(guard.bridge.index);
    for (const host of hosts) {
      const port = this.#ports.get(host.port);
      if (port?.subscriber !== true || port.link === undefined) continue;
      const key = `${guard.vlanOf(port.link, host.vlan)}/${host.mac}`;
      if (hostRefusal(host, this.#ownMacs(guard), this.#openMacs.get(key)) !== undefined) continue;
      port.addHost(host);
      this.#openMacs.set(key, port.name);
      // Which host joined which group of the link is not in the kernel: each is taken for a member of all.
      const vlan = guard.vlanOf(port.link, host.vlan);
      const groups = memberships.filter((entry) => entry.port === port.link?.index && entry.vlan === vlan);
      const ofLink = groups.map(({ group }) => group).filter(isOfLink);
      port.linkGroups.remember(host.vlan, host.mac, ofLink, []);
      port.linkGroups.update(host.vlan, host.mac, vlan, true);
    }
    for (const { port: name, vlan, group, filter } of channels) {
      const port = this.#ports.get(name);
      if (port?.subscriber !== true || port.link === undefined) continue;
      if (filterRefusal(name, group, filter) === undefined) port.setChannel({ vlan, group, filter });
    }
  }

  // ---- what happens

  #deliver(frames: readonly CapturedFrame[]): void {
    const events: SwitchEvent[] = [];
    for (const { ifindex, vlan, frame } of frames) {
      const port = this.#byIndex.get(ifindex);
      if (port === undefined) continue;
      events.push({ kind: 'frame', port: port.name, vlan, frame });
      this.#hearLinkGroups(port, vlan, frame);
    }
    if (events.length > 0) this.#listener(events);
  }

  /** Tells after the running operation, so that no listener is called from inside its own call. */
  #tell(event: SwitchEvent): void {
    this.#untold.push(event);
    if (this.#untold.length > 1) return;
    queueMicrotask(() => {
      const events = this.#untold;
      this.#untold = [];
      if (events.length > 0) this.#listener(events);
    });
  }

  #linkNews(link: Link): void {
    if (link.name === this.#options.bridge) {
      this.#lookAtBridge();
      return;
    }
    const renamed = this.#byIndex.get(link.index);
    if (renamed !== undefined && renamed.name !== link.name) this.#lookAtPort(renamed);
    const port = this.#ports.get(link.name);
    if (port !== undefined) this.#lookAtPort(port);
  }

  /** Compares a port with what it should be: tells that it went, came, went up or down, or was put right. */
  #lookAtPort(port: PortState): void {
    const kernel = this.#kernel;
    const guard = this.#guard;
    if (kernel === undefined || guard === undefined) return;
    const known = port.link;
    const link = kernel.link(port.name);
    const present = link?.port !== undefined && link.master === guard.bridge.index;
    if (known !== undefined && (!present || link.index !== known.index))
      this.#forget(kernel, guard, port, known);
    if (!present) return;
    if (port.link === undefined) {
      if (guard.setPort(link, port.role) !== undefined) return;
      this.#putLink(link);
      if (port.subscriber) for (const look of RECONCILERS) look(kernel, this.#expectation(guard));
      this.#tell({ kind: 'port-ready', port: port.name });
      this.#tell({ kind: 'link', port: port.name, up: link.up });
      return;
    }
    port.link = link;
    const repaired = guard.repairPort(link, port.role);
    if (repaired !== undefined) {
      // A port that was open may have learned who is behind it.
      reconcileMacs(kernel, this.#expectation(guard));
      this.#tell({ kind: 'repaired', what: repaired });
    }
    if (known?.up === link.up) return;
    if (!link.up && port.role === 'open') this.#forgetLinkGroups(kernel, guard, port, link);
    this.#tell({ kind: 'link', port: port.name, up: link.up });
  }

  /** Nobody closes the hosts of an open port: they go with the link. */
  #forgetLinkGroups(kernel: Kernel, guard: BridgeGuard, port: PortState, link: Link): void {
    for (const { vlan, group } of port.linkGroups.inForce()) {
      if (!port.hasGroup(group)) kernel.clearMembership(guard.bridge.index, link.index, vlan, group);
    }
    port.linkGroups.clear();
  }

  /** Forgets what was on a port that is gone; the bridge has forgotten it with the port. */
  #forget(kernel: Kernel, guard: BridgeGuard, port: PortState, link: Link): void {
    for (const host of port.hosts()) this.#openMacs.delete(`${guard.vlanOf(link, host.vlan)}/${host.mac}`);
    port.clear();
    port.link = undefined;
    this.#byIndex.delete(link.index);
    reconcileSets(kernel, this.#expectation(guard));
    this.#tell({ kind: 'port-gone', port: port.name });
  }

  #lookAtAll(): void {
    this.#lookAtBridge();
    for (const port of this.#ports.values()) this.#lookAtPort(port);
  }

  /** True where something had to be put right. */
  #lookAtBridge(): boolean {
    const repaired = this.#guard?.repairBridge();
    if (repaired !== undefined) this.#tell({ kind: 'repaired', what: repaired });
    return repaired !== undefined;
  }

  /** Each second bridge and table, which nobody tells of; each ten seconds one of the bigger tables. */
  #look(): void {
    for (const what of this.#auditGuard()) this.#tell({ kind: 'repaired', what });
    this.#audits++;
    if (this.#audits % LOOKS_PER_RECONCILIATION !== 0) return;
    const look = RECONCILERS[(this.#audits / LOOKS_PER_RECONCILIATION) % RECONCILERS.length];
    if (look === undefined) return;
    for (const what of this.#reconcile(look)) this.#tell({ kind: 'repaired', what });
  }

  *#auditGuard(): Generator<string> {
    if (this.#guard?.repairTable() === true) {
      this.#reconcile(reconcileSets);
      yield 'nftables table: loaded again';
    }
    const bridge = this.#guard?.repairBridge();
    if (bridge !== undefined) yield bridge;
  }

  #reconcile(look: (typeof RECONCILERS)[number]): string[] {
    if (this.#kernel === undefined || this.#guard === undefined) return [];
    const line = look(this.#kernel, this.#expectation(this.#guard));
    return line === undefined ? [] : [line];
  }

  // ---- parts of the operations

  #hearLinkGroups(port: PortState, vlan: number, frame: Uint8Array): void {
    if (!port.subscriber) return;
    const mac = port.linkGroups.hear(vlan, frame);
    if (mac === undefined) return;
    const anybody = port.role === 'open' && port.linkGroups.hosts < MAX_HOSTS_PER_PORT;
    if (!anybody && !port.hasHost(vlan, mac)) return;
    const at = this.#at(port.name);
    if (at !== undefined) this.#updateLinkGroups(at, vlan, mac, true);
  }

  /** Makes the port a member of its open hosts' groups of the link. A refusal is for the next audit. */
  #updateLinkGroups({ port, link, kernel, guard }: At, vlan: number, mac: Mac, open: boolean): void {
    const { index } = guard.bridge;
    const { begin, end } = port.linkGroups.update(vlan, mac, guard.vlanOf(link, vlan), open);
    for (const at of begin) {
      if (!port.hasGroup(at.group)) kernel.setMembership(index, link.index, at.vlan, at.group, ANY_SOURCE);
    }
    for (const at of end) {
      if (!port.hasGroup(at.group)) kernel.clearMembership(index, link.index, at.vlan, at.group);
    }
  }

  /** What an operation on a subscriber port needs; undefined where the port, or the switch, is not there. */
  #at(name: string): At | undefined {
    const port = this.#ports.get(name);
    if (port?.subscriber !== true || port.link === undefined) return undefined;
    if (this.#kernel === undefined || this.#guard === undefined) return undefined;
    return { port, link: port.link, kernel: this.#kernel, guard: this.#guard };
  }

  #expectation(guard: BridgeGuard): Expectation {
    return {
      bridge: guard.bridge,
      ports: this.#ports.values(),
      controlledDirections: this.#options.controlledDirections,
      vlanOf: (link, vlan) => guard.vlanOf(link, vlan),
    };
  }

  *#ownMacs(guard: BridgeGuard): Generator<Mac | undefined> {
    yield guard.bridge.mac;
    for (const { link } of this.#ports.values()) yield link?.mac;
  }

  /** With direction `both`, broadcasts leave a port only while a host is open on it. */
  #occupiedChanges(change: 'add' | 'remove', port: PortState): SetChange[] {
    if (this.#options.controlledDirections === 'in') return [];
    return [{ change, ...portElement('occupied', port.name) }];
  }

  /** Snooping that was switched off since the last look refuses changes: put it right, then once more. */
  #inDatabase(change: () => Refusal | undefined): Refusal | undefined {
    const refusal = change();
    return refusal === undefined || isAbsence(refusal) || !this.#lookAtBridge() ? refusal : change();
  }
}

function openKernel(mdb: MdbWay): Kernel {
  try {
    return new Kernel(mdb);
  } catch (cause) {
    throw new SwitchStartError('native', cause instanceof Error ? cause.message : String(cause), { cause });
  }
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

/** Elements that are gone already are no error. */
function removeElements(kernel: Kernel, changes: readonly SetChange[]): Refusal | undefined {
  const refusal = kernel.changeSets(TABLE, changes);
  if (refusal?.errno !== 'ENOENT') return refusal;
  // A batch is all or nothing: with one element gone, each of the others goes alone.
  for (const change of changes) {
    const each = kernel.changeSets(TABLE, [change]);
    if (each !== undefined && each.errno !== 'ENOENT') return each;
  }
  return undefined;
}

/** What makes the table's sets hold `wanted` instead of `present`. */
function changesBetween(present: Iterable<SetElement>, wanted: Iterable<SetElement>): SetChange[] {
  const surplus = new Map<string, SetElement>();
  for (const element of present) surplus.set(elementName(element), element);
  const changes: SetChange[] = [];
  for (const element of wanted) {
    if (!surplus.delete(elementName(element))) changes.push({ change: 'add', ...element });
  }
  for (const element of surplus.values()) changes.push({ change: 'remove', ...element });
  return changes;
}

function inverse(changes: readonly SetChange[]): SetChange[] {
  return changes.map(({ set, key, change }) => ({ change: change === 'add' ? 'remove' : 'add', set, key }));
}

function hostChanges(change: 'add' | 'remove', { port, mac }: HostPlace): SetChange[] {
  return hostElements(port, mac).map(({ set, key }) => ({ change, set, key }));
}

/** The table counts from the IP header on; accounts are about frames as they are on the wire, without FCS. */
function withHeaders({ octets, packets }: Counter): Counter {
  return { octets: octets + packets * ETHERNET_HEADER, packets };
}

/** What the bridge says where the entry is not there; its other refusals with this errno have words. */
function isAbsence(refusal: Refusal | undefined): boolean {
  return refusal?.errno === 'ENOENT' || (refusal?.errno === 'EINVAL' && refusal.text === undefined);
}

function failure(doing: string, { errno, text }: Refusal): SwitchFailure {
  return { failed: `${doing}: ${text ?? errno}`, errno };
}

const RECONCILERS = [reconcileSets, reconcileMacs, reconcileMemberships] as const;

const DEFAULTS = {
  hashMax: 65_536,
  maxGroupsPerPort: 1024,
  controlledDirections: 'both',
} as const;

const ANY_SOURCE: SourceFilter = { mode: 'exclude', sources: [] };
const NOTHING_YET: Counter = { octets: 0, packets: 0 };
const ETHERNET_HEADER = 14;
const LOOK_INTERVAL_MS = 1000;
const LOOKS_PER_RECONCILIATION = 10;
