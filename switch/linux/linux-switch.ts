/**
 * A Switch over a Linux bridge. Two locks guard every subscriber port: the bridge's own (locked flag, MAC
 * table, multicast database) and castgate's nftables table (ruleset.ts); what castgate opens, it opens in
 * both. What someone else changes on these ports is put right and told. Without stop({ cleanup: true })
 * everything stays as it is: a dead daemon lets nobody new in, and present viewers go on.
 */
import type { IpAddress, Mac } from '../../wire/address.ts';
import { errnoName, loadNative, type Watch } from '../native.ts';
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
import { type CapturedFrame, type CaptureStatistics, FrameSocket } from './frames.ts';
import { Kernel } from './kernel.ts';
import {
  BridgeOption,
  decodeLink,
  LINK_GROUP,
  type Link,
  LinkMessage,
  optionOf,
  PortFlag,
  type Setting,
} from './link.ts';
import { CASTGATE_PROTOCOL } from './mdb.ts';
import { type Message, messages, NetlinkProtocol } from './netlink.ts';
import type { Refusal } from './netlink-socket.ts';
import type { SetChange } from './nft.ts';
import { checkBridge, checkSystem, SwitchStartError } from './preflight.ts';
import {
  channelElement,
  hostElements,
  portElement,
  type RefusalCounter,
  refusalCounters,
  ruleset,
  TABLE,
} from './ruleset.ts';
import {
  BeforeFile,
  bridgeSettings,
  missing,
  rememberedSettings,
  settingName,
  subscriberSettings,
  uplinkSettings,
} from './settings.ts';

export interface LinuxSwitchOptions {
  readonly bridge: string;
  /** Subscriber ports. */
  readonly ports: readonly string[];
  readonly uplinks: readonly string[];
  /** Where the settings from before castgate are kept for the cleanup. */
  readonly stateDirectory: string;
  /** The least size of the bridge's multicast database, in entries: well above ports × groups × sources. */
  readonly hashMax?: number;
  /** The kernel's limit of database entries on a port; behind the daemon's own limits. */
  readonly maxGroupsPerPort?: number;
  /** `both` keeps broadcasts from a port without an open host; `in` lets them out (IEEE 802.1X, AdminControlledDirections). */
  readonly controlledDirections?: 'both' | 'in';
}

/** Receives what happened since the last call, in order. Whatever it throws is an uncaughtException. */
export type SwitchListener = (events: readonly SwitchEvent[]) => void;

interface Channel {
  readonly vlan: number;
  readonly group: IpAddress;
  readonly filter: SourceFilter;
}

/** A port as the switch last saw it, and what castgate has opened on it. */
interface Port {
  readonly name: string;
  readonly subscriber: boolean;
  /** Undefined while it is gone. */
  link: Link | undefined;
  /** By VLAN and MAC. */
  readonly hosts: Map<string, HostPlace>;
  /** How many of `hosts` have a MAC: one in two VLANs shares its counters. */
  readonly macs: Map<Mac, number>;
  /** By VLAN and group. */
  readonly channels: Map<string, Channel>;
  /** How many of `channels` are about a group. */
  readonly groups: Map<IpAddress, number>;
}

export class LinuxSwitch implements Switch {
  readonly #options: Required<LinuxSwitchOptions>;
  readonly #listener: SwitchListener;
  readonly #ports = new Map<string, Port>();
  /** Ports that are there, by interface number: whose frames count. */
  readonly #byIndex = new Map<number, Port>();
  /** The port of each open host, by VLAN and MAC as the bridge knows them. */
  readonly #openMacs = new Map<string, string>();
  readonly #before: BeforeFile;
  #kernel: Kernel | undefined;
  #frames: FrameSocket | undefined;
  #linkWatch: Watch | undefined;
  #audit: NodeJS.Timeout | undefined;
  #bridge: Link | undefined;
  #vlans = new Map<number, number>();

  constructor(options: LinuxSwitchOptions, listener: SwitchListener) {
    this.#options = { ...DEFAULTS, ...options };
    this.#listener = listener;
    this.#before = new BeforeFile(options.stateDirectory, options.bridge);
    for (const name of options.ports) this.#ports.set(name, newPort(name, true));
    for (const name of options.uplinks) this.#ports.set(name, newPort(name, false));
  }

  /** Checks, then locks the ports and begins to report. Throws SwitchStartError, before anything is touched. */
  start(): void {
    checkSystem();
    try {
      this.#kernel = startKernel();
      const found = checkBridge(
        this.#kernel,
        this.#options.bridge,
        this.#options.ports,
        this.#options.uplinks,
      );
      this.#frames = new FrameSocket();
      this.#rememberBefore(found.bridge, found.ports, found.uplinks);
      this.#watchLinks();
      this.#program(found.bridge, [...found.ports, ...found.uplinks]);
    } catch (cause) {
      this.stop({ cleanup: false });
      if (cause instanceof SwitchStartError) throw cause;
      throw new SwitchStartError('refused', cause instanceof Error ? cause.message : String(cause), {
        cause,
      });
    }
    this.#frames.watch(
      (frames) => this.#deliver(frames),
      (errno) => this.#tell({ kind: 'repaired', what: `packet socket: ${errno}, reading on` }),
    );
    this.#audit = setInterval(() => this.#lookAtBridge(), AUDIT_INTERVAL_MS);
    this.#audit.unref();
    const events: SwitchEvent[] = [];
    for (const port of this.#ports.values())
      events.push({ kind: 'link', port: port.name, up: port.link?.up === true });
    this.#listener(events);
  }

  /** Ends the reports. With `cleanup` everything of castgate goes, and what it set gets its old value back. */
  stop({ cleanup }: { cleanup: boolean }): void {
    clearInterval(this.#audit);
    if (this.#linkWatch !== undefined) loadNative().unwatch(this.#linkWatch);
    this.#linkWatch = undefined;
    this.#frames?.close();
    this.#frames = undefined;
    if (cleanup && this.#kernel !== undefined) this.#restore(this.#kernel);
    this.#kernel?.close();
    this.#kernel = undefined;
  }

  /** Undoes what an earlier run left, without starting: for `--cleanup`. */
  cleanup(): void {
    checkSystem();
    this.#kernel = startKernel();
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
    const port = this.#subscriber(host.port);
    if (port?.link === undefined || this.#kernel === undefined) return gone(doing, host.port);
    const key = `${host.vlan}/${host.mac}`;
    if (port.hosts.has(key)) return undefined;
    const elsewhere = this.#openMacs.get(`${this.#vlanOf(port.link, host.vlan)}/${host.mac}`);
    const refused = hostRefusal(host, this.#ownMacs(), elsewhere);
    if (refused !== undefined) return refused;
    const changes: SetChange[] = port.macs.has(host.mac) ? [] : hostChanges('add', host);
    if (port.hosts.size === 0) changes.push(...this.#occupiedChanges('add', port));
    const table = this.#kernel.changeSets(TABLE, changes);
    if (table !== undefined) return failure(doing, table);
    const bridge = this.#putMac(this.#kernel, port.link, this.#vlanOf(port.link, host.vlan), host.mac);
    if (bridge !== undefined) {
      this.#kernel.changeSets(
        TABLE,
        changes.map((change) => ({ ...change, change: 'remove' })),
      );
      return failure(doing, bridge);
    }
    port.hosts.set(key, host);
    port.macs.set(host.mac, (port.macs.get(host.mac) ?? 0) + 1);
    this.#openMacs.set(`${this.#vlanOf(port.link, host.vlan)}/${host.mac}`, port.name);
    return undefined;
  }

  closeHost(host: HostPlace): SwitchFailure | undefined {
    const doing = `close ${host.mac} on ${host.port}`;
    const port = this.#subscriber(host.port);
    if (port?.link === undefined || this.#kernel === undefined) return undefined;
    if (!port.hosts.delete(`${host.vlan}/${host.mac}`)) return undefined;
    const vlan = this.#vlanOf(port.link, host.vlan);
    const left = (port.macs.get(host.mac) ?? 1) - 1;
    if (left > 0) port.macs.set(host.mac, left);
    else port.macs.delete(host.mac);
    let refusal: Refusal | undefined;
    // Without VLANs in the bridge, the same MAC in two VLANs is one entry.
    if (left === 0 || vlan !== 0) {
      this.#openMacs.delete(`${vlan}/${host.mac}`);
      refusal = this.#kernel.closeMac(port.link.index, vlan, host.mac);
      if (refusal?.errno === 'ENOENT') refusal = undefined;
    }
    const changes: SetChange[] = left > 0 ? [] : hostChanges('remove', host);
    if (port.hosts.size === 0) changes.push(...this.#occupiedChanges('remove', port));
    const table = this.#removeElements(this.#kernel, changes);
    const first = refusal ?? table;
    return first === undefined ? undefined : failure(doing, first);
  }

  setForwarding(
    port: string,
    vlan: number,
    group: IpAddress,
    filter: SourceFilter,
  ): SwitchFailure | undefined {
    const doing = `forward ${group} to ${port}`;
    if (isNothing(filter)) return this.clearForwarding(port, vlan, group);
    const state = this.#subscriber(port);
    if (state?.link === undefined || this.#kernel === undefined) return gone(doing, port);
    const unfit = filterRefusal(port, group, filter);
    if (unfit !== undefined) return unfit;
    const key = `${vlan}/${group}`;
    const element = channelElement(port, group);
    const isNew = !state.groups.has(group);
    if (isNew) {
      const table = this.#kernel.changeSets(TABLE, [{ change: 'add', ...element }]);
      if (table !== undefined) return failure(doing, table);
    }
    const refusal = this.#putMembership(this.#kernel, state.link, vlan, group, filter);
    if (refusal !== undefined) {
      if (isNew) this.#kernel.changeSets(TABLE, [{ change: 'remove', ...element }]);
      return failure(doing, refusal);
    }
    if (!state.channels.has(key)) state.groups.set(group, (state.groups.get(group) ?? 0) + 1);
    state.channels.set(key, { vlan, group, filter });
    return undefined;
  }

  clearForwarding(port: string, vlan: number, group: IpAddress): SwitchFailure | undefined {
    const doing = `stop ${group} on ${port}`;
    const state = this.#subscriber(port);
    if (state?.link === undefined || this.#kernel === undefined || this.#bridge === undefined)
      return undefined;
    if (!state.channels.delete(`${vlan}/${group}`)) return undefined;
    const left = (state.groups.get(group) ?? 1) - 1;
    if (left > 0) state.groups.set(group, left);
    else state.groups.delete(group);
    const number = this.#vlanOf(state.link, vlan);
    // Without VLANs in the bridge, the same group in two VLANs is one entry.
    const isShared = left > 0 && number === 0;
    const refusal = isShared
      ? undefined
      : this.#kernel.clearMembership(this.#bridge.index, state.link.index, number, group);
    const changes: SetChange[] = left === 0 ? [{ change: 'remove', ...channelElement(port, group) }] : [];
    const first = (isAbsence(refusal) ? undefined : refusal) ?? this.#removeElements(this.#kernel, changes);
    return first === undefined ? undefined : failure(doing, first);
  }

  hostCounters(host: HostPlace): HostCounters | undefined {
    const port = this.#ports.get(host.port);
    if (this.#kernel === undefined || port?.hosts.has(`${host.vlan}/${host.mac}`) !== true) return undefined;
    const [into, out] = hostElements(host.port, host.mac);
    const input = this.#kernel.elementCounter(TABLE, into);
    const output = this.#kernel.elementCounter(TABLE, out);
    if (input === undefined || output === undefined) return undefined;
    return { input: withHeaders(input), output: withHeaders(output) };
  }

  channelCounter(port: string, vlan: number, group: IpAddress): Counter {
    if (this.#ports.get(port)?.channels.has(`${vlan}/${group}`) !== true) return NOTHING_YET;
    const counter = this.#kernel?.elementCounter(TABLE, channelElement(port, group));
    return counter === undefined ? NOTHING_YET : withHeaders(counter);
  }

  macOf(port: string | undefined): Mac | undefined {
    return port === undefined ? this.#bridge?.mac : this.#ports.get(port)?.link?.mac;
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

  // ---- opening in the bridge

  /** A learned entry elsewhere gives way; an entry that someone made on purpose on another port does not. */
  #putMac(kernel: Kernel, link: Link, vlan: number, mac: Mac): Refusal | undefined {
    const created = kernel.openMac(link.index, vlan, mac, 'create');
    if (created?.errno !== 'EEXIST' || this.#bridge === undefined) return created;
    const present = kernel.findMac(this.#bridge.index, vlan, mac);
    if (present !== undefined && present.port !== link.index && present.kind !== 'learned') {
      return { errno: 'EEXIST', text: `a ${present.kind} entry of the bridge on interface ${present.port}` };
    }
    return kernel.openMac(link.index, vlan, mac, 'replace');
  }

  #putMembership(
    kernel: Kernel,
    link: Link,
    vlan: number,
    group: IpAddress,
    filter: SourceFilter,
  ): Refusal | undefined {
    if (this.#bridge === undefined) return { errno: 'ENODEV', text: undefined };
    const number = this.#vlanOf(link, vlan);
    const refusal = kernel.setMembership(this.#bridge.index, link.index, number, group, filter);
    // Snooping that was switched off since the last look refuses entries: put it right, then once more.
    if (refusal === undefined || !this.#lookAtBridge()) return refusal;
    return kernel.setMembership(this.#bridge.index, link.index, number, group, filter);
  }

  /** With direction `both`, broadcasts leave a port only while a host is open on it. */
  #occupiedChanges(change: 'add' | 'remove', port: Port): SetChange[] {
    if (this.#options.controlledDirections === 'in') return [];
    return [{ change, ...portElement('occupied', port.name) }];
  }

  *#ownMacs(): Generator<Mac | undefined> {
    yield this.#bridge?.mac;
    for (const { link } of this.#ports.values()) yield link?.mac;
  }

  #removeElements(kernel: Kernel, changes: readonly SetChange[]): Refusal | undefined {
    const refusal = kernel.changeSets(TABLE, changes);
    if (refusal?.errno !== 'ENOENT') return refusal;
    // A batch is all or nothing: with one element gone already, each of the others goes alone.
    for (const change of changes) {
      const each = kernel.changeSets(TABLE, [change]);
      if (each !== undefined && each.errno !== 'ENOENT') return each;
    }
    return undefined;
  }

  /** The VLAN by which the bridge knows these frames; 0 on a bridge that does not look at VLANs. */
  #vlanOf(link: Link | undefined, vlan: number): number {
    if (optionOf(this.#bridge?.bridge, BridgeOption.VlanFiltering) !== 1) return 0;
    return vlan === 0 && link !== undefined ? (this.#vlans.get(link.index) ?? 0) : vlan;
  }

  #subscriber(name: string): Port | undefined {
    const port = this.#ports.get(name);
    return port?.subscriber === true ? port : undefined;
  }

  // ---- programming bridge and ports

  #rememberBefore(bridge: Link, ports: readonly Link[], uplinks: readonly Link[]): void {
    const wanted = new Map<Link, readonly Setting[]>();
    for (const link of ports) wanted.set(link, this.#settingsOf(true));
    for (const link of uplinks) wanted.set(link, this.#settingsOf(false));
    try {
      const querier: Setting = [BridgeOption.McastQuerier, 1];
      this.#before.remember(bridge, wanted, [...bridgeSettings(bridge, this.#options.hashMax), querier]);
    } catch (cause) {
      const what = cause instanceof Error ? cause.message : String(cause);
      throw new SwitchStartError('state', `state directory ${this.#options.stateDirectory}: ${what}`, {
        cause,
      });
    }
  }

  #settingsOf(subscriber: boolean): Setting[] {
    return subscriber ? subscriberSettings(this.#options.maxGroupsPerPort) : uplinkSettings();
  }

  /** Both locks, from nothing: first the table that denies everything, then the ports, then the database. */
  #program(bridge: Link, members: readonly Link[]): void {
    const kernel = this.#kernel;
    if (kernel === undefined) return;
    this.#bridge = bridge;
    this.#vlans = kernel.portVlans();
    this.#loadTable(kernel);
    for (const link of members) {
      const port = this.#ports.get(link.name);
      if (port !== undefined) this.#adopt(kernel, port, link);
    }
    mustNot(
      kernel.setBridge(bridge.index, bridgeSettings(bridge, this.#options.hashMax)),
      `bridge ${bridge.name}`,
    );
    this.#beQuerier(kernel, bridge);
    this.#bridge = kernel.link(bridge.name) ?? bridge;
  }

  #loadTable(kernel: Kernel): void {
    mustNot(kernel.loadRuleset(ruleset()), 'nftables table');
    const changes: SetChange[] = [];
    for (const { name, subscriber } of this.#ports.values()) {
      changes.push({ change: 'add', ...portElement(subscriber ? 'subscribers' : 'uplinks', name) });
      if (subscriber && this.#options.controlledDirections === 'in') {
        changes.push({ change: 'add', ...portElement('occupied', name) });
      }
    }
    mustNot(kernel.changeSets(TABLE, changes), 'nftables table');
  }

  /**
   * The bridge looks into its database only once it believes in a querier: one query-response interval
   * after it became one itself (10 s by default). So that interval is made short first, and put back.
   */
  #beQuerier(kernel: Kernel, bridge: Link): void {
    const interval = optionOf(bridge.bridge, BridgeOption.McastQueryResponseInterval) ?? 1000;
    const what = `querier of ${bridge.name}`;
    mustNot(kernel.setBridge(bridge.index, [[BridgeOption.McastQueryResponseInterval, 1]]), what);
    mustNot(kernel.setBridge(bridge.index, [[BridgeOption.McastQuerier, 0]]), what);
    mustNot(kernel.setBridge(bridge.index, [[BridgeOption.McastQuerier, 1]]), what);
    mustNot(kernel.setBridge(bridge.index, [[BridgeOption.McastQueryResponseInterval, interval]]), what);
  }

  /** Takes a port in: flags set, and nothing left of whoever was there before. */
  #adopt(kernel: Kernel, port: Port, link: Link): void {
    mustNot(kernel.setPort(link.index, this.#settingsOf(port.subscriber)), `port ${link.name}`);
    port.link = link;
    this.#byIndex.set(link.index, port);
    if (!port.subscriber || this.#bridge === undefined) return;
    for (const entry of kernel.macs(this.#bridge.index, link.index)) {
      if (entry.kind === 'learned' || entry.sticky) kernel.closeMac(link.index, entry.vlan, entry.mac);
    }
    for (const entry of kernel.memberships(this.#bridge.index)) {
      const mine = entry.protocol === CASTGATE_PROTOCOL || !entry.permanent;
      if (entry.port !== link.index || !mine) continue;
      kernel.clearMembership(this.#bridge.index, link.index, entry.vlan, entry.group, entry.source);
    }
  }

  #restore(kernel: Kernel): void {
    const before = this.#before.read();
    const bridge = kernel.link(this.#options.bridge);
    if (bridge !== undefined) {
      this.#bridge = bridge;
      for (const name of this.#options.ports) {
        const link = kernel.link(name);
        if (link?.master === bridge.index) this.#adopt(kernel, newPort(name, true), link);
      }
      for (const [name, values] of Object.entries(before?.ports ?? {})) {
        const link = kernel.link(name);
        if (link?.master === bridge.index) kernel.setPort(link.index, rememberedSettings(values, 'port'));
      }
      if (before !== undefined) kernel.setBridge(bridge.index, rememberedSettings(before.options, 'bridge'));
    }
    kernel.deleteTable(TABLE);
    this.#before.forget();
  }

  // ---- what happens

  #deliver(frames: readonly CapturedFrame[]): void {
    const events: SwitchEvent[] = [];
    for (const { ifindex, vlan, frame } of frames) {
      const port = this.#byIndex.get(ifindex);
      if (port !== undefined) events.push({ kind: 'frame', port: port.name, vlan, frame });
    }
    if (events.length > 0) this.#listener(events);
  }

  #tell(...events: SwitchEvent[]): void {
    if (events.length > 0) this.#listener(events);
  }

  #watchLinks(): void {
    const native = loadNative();
    const fd = native.netlinkOpen(NetlinkProtocol.Route, LINK_GROUP, LINK_BUFFER);
    if (fd < 0) throw new Error(`netlink socket: ${errnoName(fd)}`);
    const watch = native.netlinkWatch(fd, (octets) => {
      if (typeof octets === 'number') this.#lookAtAll();
      else for (const message of messages(octets)) this.#linkMessage(message);
    });
    if (typeof watch === 'number') {
      native.close(fd);
      throw new Error(`netlink socket: ${errnoName(watch)}`);
    }
    this.#linkWatch = watch;
  }

  #linkMessage(message: Message): void {
    const link = decodeLink(message);
    if (link === undefined || this.#kernel === undefined) return;
    const isOfBridge = message.body[0] === AF_BRIDGE;
    if (link.name === this.#options.bridge) {
      if (!isOfBridge) this.#lookAtBridge();
      return;
    }
    // The kernel tells some changes twice and late: what counts is what it says when asked.
    const renamed = this.#byIndex.get(link.index);
    if (renamed !== undefined && renamed.name !== link.name) this.#lookAtPort(renamed);
    const port = this.#ports.get(link.name);
    if (port === undefined) return;
    if (
      message.type === LinkMessage.Delete ||
      link.index !== port.link?.index ||
      isOfBridge ||
      link.up !== port.link.up
    ) {
      this.#lookAtPort(port);
    } else {
      port.link = { ...port.link, mac: link.mac ?? port.link.mac };
    }
  }

  /** Compares a port with what it should be: tells that it went, came, went up or down, or was put right. */
  #lookAtPort(port: Port): void {
    const kernel = this.#kernel;
    if (kernel === undefined || this.#bridge === undefined) return;
    const known = port.link;
    const link = kernel.link(port.name);
    const present = link !== undefined && link.master === this.#bridge.index && link.port !== undefined;
    if (known !== undefined && (!present || link.index !== known.index)) {
      this.#forget(kernel, port, known);
      this.#tell({ kind: 'port-gone', port: port.name });
    }
    if (!present) return;
    if (port.link === undefined) {
      this.#vlans = kernel.portVlans();
      this.#adopt(kernel, port, link);
      this.#tell({ kind: 'port-ready', port: port.name }, { kind: 'link', port: port.name, up: link.up });
      return;
    }
    port.link = link;
    this.#repairFlags(kernel, port, link);
    if (known?.up !== link.up) this.#tell({ kind: 'link', port: port.name, up: link.up });
  }

  #repairFlags(kernel: Kernel, port: Port, link: Link): void {
    const wrong = missing(link.port, this.#settingsOf(port.subscriber));
    if (wrong.length === 0 || kernel.setPort(link.index, wrong) !== undefined) return;
    const wasOpen = wrong.some(
      ([[attribute]]) => attribute === PortFlag.Locked[0] || attribute === PortFlag.Learning[0],
    );
    if (wasOpen && this.#bridge !== undefined) {
      for (const entry of kernel.macs(this.#bridge.index, link.index)) {
        if (entry.kind === 'learned') kernel.closeMac(link.index, entry.vlan, entry.mac);
      }
    }
    const names = wrong.map(([option]) => settingName(option, 'port')).join(', ');
    this.#tell({ kind: 'repaired', what: `port ${port.name}: ${names}` });
  }

  /** Forgets what was on a port that is gone; the bridge has forgotten it with the port. */
  #forget(kernel: Kernel, port: Port, link: Link): void {
    const changes: SetChange[] = [];
    for (const host of port.hosts.values()) {
      this.#openMacs.delete(`${this.#vlanOf(link, host.vlan)}/${host.mac}`);
      changes.push(...hostChanges('remove', host));
    }
    if (port.hosts.size > 0) changes.push(...this.#occupiedChanges('remove', port));
    for (const group of port.groups.keys())
      changes.push({ change: 'remove', ...channelElement(port.name, group) });
    this.#removeElements(kernel, changes);
    port.hosts.clear();
    port.macs.clear();
    port.channels.clear();
    port.groups.clear();
    this.#byIndex.delete(link.index);
    port.link = undefined;
  }

  #lookAtAll(): void {
    this.#lookAtBridge();
    for (const port of this.#ports.values()) this.#lookAtPort(port);
  }

  /** Compares the bridge with what it should be; true where something had to be put right. */
  #lookAtBridge(): boolean {
    const kernel = this.#kernel;
    const known = this.#bridge;
    if (kernel === undefined || known === undefined) return false;
    const bridge = kernel.link(this.#options.bridge);
    if (bridge?.bridge === undefined) return false;
    this.#bridge = bridge;
    const wrong = missing(bridge.bridge, bridgeSettings(bridge, this.#options.hashMax));
    const querier = optionOf(bridge.bridge, BridgeOption.McastQuerier) !== 1;
    if (wrong.length === 0 && !querier) return false;
    const refused = kernel.setBridge(bridge.index, bridgeSettings(bridge, this.#options.hashMax));
    if (refused !== undefined) return false;
    this.#beQuerier(kernel, bridge);
    this.#bridge = kernel.link(this.#options.bridge) ?? bridge;
    const names = wrong.map(([option]) => settingName(option, 'bridge'));
    if (querier) names.push('McastQuerier');
    this.#tell({ kind: 'repaired', what: `bridge ${bridge.name}: ${names.join(', ')}` });
    return true;
  }
}

function newPort(name: string, subscriber: boolean): Port {
  return {
    name,
    subscriber,
    link: undefined,
    hosts: new Map(),
    macs: new Map(),
    channels: new Map(),
    groups: new Map(),
  };
}

function startKernel(): Kernel {
  try {
    return new Kernel();
  } catch (cause) {
    throw new SwitchStartError('native', cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function hostChanges(change: 'add' | 'remove', { port, mac }: HostPlace): SetChange[] {
  return hostElements(port, mac).map(({ set, key }) => ({ change, set, key }));
}

/** The table counts from the IP header on; accounts are about frames as they are on the wire, without FCS. */
function withHeaders({ octets, packets }: Counter): Counter {
  return { octets: octets + packets * ETHERNET_HEADER, packets };
}

/** What the bridge says where the entry is not there. */
function isAbsence(refusal: Refusal | undefined): boolean {
  return refusal?.errno === 'ENOENT' || refusal?.errno === 'EINVAL';
}

function failure(doing: string, { errno, text }: Refusal): SwitchFailure {
  return { failed: `${doing}: ${text ?? errno}`, errno };
}

function mustNot(refusal: Refusal | undefined, what: string): void {
  if (refusal === undefined) return;
  throw new SwitchStartError('refused', `${what}: ${refusal.text ?? refusal.errno}`);
}

const DEFAULTS = {
  hashMax: 65_536,
  maxGroupsPerPort: 1024,
  controlledDirections: 'both',
} as const;

const NOTHING_YET: Counter = { octets: 0, packets: 0 };
const ETHERNET_HEADER = 14;
const LINK_BUFFER = 1 << 20;
/** Switching snooping off because of a full table is not told by the kernel, so it is looked for. */
const AUDIT_INTERVAL_MS = 1000;
const AF_BRIDGE = 7;
