/**
 * A Switch over a Linux bridge (5.18 or later: mdb-way.ts). Two locks guard every subscriber port: the bridge's own (locked flag, MAC
 * table, multicast database) and castgate's nftables table (ruleset.ts); what castgate opens, it opens in
 * both. What someone else changes on these ports is put right and told. Without stop({ cleanup: true })
 * everything stays as it is: a dead daemon lets nobody new in, and present viewers go on.
 */
import { release } from 'node:os';
import type { IpAddress, Mac } from '../../wire/address.ts';
import { applyOneByOne } from '../one-by-one.ts';
import { gone } from '../rules.ts';
import {
  type Counter,
  type HostCounters,
  type HostOpening,
  type HostPlace,
  type Leased,
  type OperationFailure,
  ORDINARY,
  type PortService,
  type SourceFilter,
  type Switch,
  type SwitchEvent,
  type SwitchFailure,
  type SwitchOperation,
} from '../switch.ts';
import { BridgeGuard, mustNot } from './bridge/bridge-guard.ts';
import { clearForwarding, setForwarding } from './bridge/channel-operations.ts';
import { closeHost, openHost } from './bridge/host-operations.ts';
import { MDB_WAYS, type MdbWay, mdbWayOf } from './bridge/mdb-way.ts';
import { applyAll } from './bulk.ts';
import {
  type AllCounters,
  allCounters,
  channelCounter,
  hostCounters,
  NOTHING_YET,
  resetCounters,
} from './counters.ts';
import { failure } from './failure.ts';
import { Fence, LEASE_TABLE } from './fence.ts';
import { FILTER_CHAIN } from './filter/filter-chains.ts';
import { type RefusalCounter, refusalCounters, TABLE } from './filter/ruleset.ts';
import { FrameDelivery } from './frame-delivery.ts';
import { type CaptureStatistics, FrameSocket } from './frames.ts';
import { Kernel } from './kernel.ts';
import { linkId } from './link/link-id.ts';
import { type LinuxSwitchOptions, type SettledOptions, settled } from './options.ts';
import { bringHome, setPortService } from './port/port-service.ts';
import { PortTable } from './port/port-table.ts';
import { checkBridge, checkSystem, SwitchStartError } from './preflight.ts';
import { Caretaker } from './repair/caretaker.ts';
import { enforce } from './repair/enforce.ts';
import {
  followChannel,
  followHost,
  followLinkGroups,
  followService,
  type HeardLinkGroups,
  heardLinkGroups,
  type ServedPort,
} from './repair/following.ts';
import { type Kept, takeUp } from './repair/kept.ts';
import { reconcileSets } from './repair/reconcile.ts';
import { restore } from './repair/restore.ts';
import { expectation, type Running, subscriberPort } from './repair/running.ts';
import { BeforeFile, HOME_VLAN, rememberBefore } from './settings.ts';

/** Receives what happened since the last call, in order; never from inside an operation of the switch. */
export type SwitchListener = (events: readonly SwitchEvent[]) => void;

export class LinuxSwitch implements Switch, Leased {
  readonly #options: SettledOptions;
  readonly #mdb: MdbWay;
  readonly #listener: SwitchListener;
  readonly #ports: PortTable;
  readonly #before: BeforeFile;
  #kernel: Kernel | undefined;
  #frames: FrameSocket | undefined;
  #fence: Fence | undefined;
  #running: Running | undefined;
  #caretaker: Caretaker | undefined;
  #untold: SwitchEvent[] = [];
  /** The nftables table is one of another version, as the process made it that serves still. */
  #isTableOthers = false;
  #hosts: 'known' | 'all';
  readonly #delivery: FrameDelivery;

  constructor(options: LinuxSwitchOptions, listener: SwitchListener) {
    this.#options = settled(options);
    this.#hosts = this.#options.hosts;
    this.#mdb = options.sourcesIn === undefined ? mdbWayOf(release()) : MDB_WAYS[options.sourcesIn];
    this.#listener = listener;
    this.#delivery = new FrameDelivery(this.#options.framesPerPort, {
      frames: listener,
      tell: (event) => this.#tell(event),
    });
    this.#before = new BeforeFile(options.stateDirectory, options.bridge);
    this.#ports = new PortTable(options);
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
    for (const { name, link } of this.#ports.all()) {
      this.#tell({ kind: 'link', port: name, up: link?.up === true });
    }
  }

  /** Whether a start could succeed, as far as can be seen without touching anything. Throws SwitchStartError. */
  check(): void {
    checkSystem();
    const { bridge, ports, uplinks, otherBridges } = this.#options;
    const kernel = openKernel(this.#mdb);
    try {
      checkBridge(kernel, bridge, ports, uplinks, otherBridges);
    } finally {
      kernel.close();
    }
  }

  /**
   * For a process that is to go on where another one serves still: takes up what that one has opened and changes
   * nothing in the kernel; `sockets` are copies of its packet sockets. `follow` keeps up with it, `open` begins.
   * Throws SwitchStartError.
   */
  prepare(sockets: readonly number[], kept: Kept & { readonly services: readonly ServedPort[] }): void {
    checkSystem();
    const { bridge: bridgeName, ports, uplinks, controlledDirections, otherBridges } = this.#options;
    const kernel = openKernel(this.#mdb);
    this.#kernel = kernel;
    const found = checkBridge(kernel, bridgeName, ports, uplinks, otherBridges);
    const frames = new FrameSocket(this.#hosts, ports.length + uplinks.length, sockets);
    this.#frames = frames;
    const before = this.#before.read();
    for (const port of this.#ports.all()) port.homeVlan = before?.ports[port.name]?.[HOME_VLAN];
    const guard = new BridgeGuard(kernel, frames, this.#settings(), found.bridge);
    this.#isTableOthers = guard.findTable() === 'other';
    guard.lookAtVlans();
    const running: Running = {
      kernel,
      guard,
      frames,
      fence: undefined,
      ports: this.#ports,
      filters: new Set(kernel.chains(TABLE).filter((name) => name.startsWith(FILTER_CHAIN))),
      controlledDirections,
    };
    this.#running = running;
    for (const link of [...found.ports, ...found.uplinks]) this.#ports.put(link);
    for (const { key, open, vlan, bridge, monitored } of kept.services)
      this.followService(key, { open, vlan, bridge, ...(monitored && { monitored }) });
    takeUp(running, kept);
  }

  /**
   * The other process rests: its nftables table, where that is another version's, is this one's now. Throws
   * SwitchStartError; then that one can go on.
   */
  renewTable(): void {
    const running = this.#running;
    if (running === undefined || !this.#isTableOthers) return;
    this.#isTableOthers = false;
    const empty = running.guard.renewTable();
    if (empty.length > 0) reconcileSets(running.kernel, expectation(running), empty);
  }

  /** What the other process has opened or closed meanwhile; undefined: closed. */
  followHost(place: HostPlace, host: HostOpening | undefined): void {
    if (this.#running !== undefined) followHost(this.#running, place, host);
  }

  followChannel(name: string, vlan: number, group: IpAddress, filter: SourceFilter | undefined): void {
    if (this.#running !== undefined) followChannel(this.#running, name, vlan, group, filter);
  }

  followService(name: string, service: PortService): void {
    if (this.#running !== undefined) followService(this.#running, name, service);
  }

  /** The groups of the link that hosts have joined, as another process heard them, in place of what is known here. */
  followLinkGroups(all: readonly HeardLinkGroups[]): void {
    if (this.#running !== undefined) followLinkGroups(this.#running, all);
  }

  /** What hosts were heard to join of the link's groups, for another process. */
  linkGroups(): HeardLinkGroups[] {
    return heardLinkGroups(this.#ports);
  }

  /** The packet sockets, for another process. */
  get descriptors(): readonly number[] {
    return this.#frames?.descriptors ?? [];
  }

  /** By which interface frames come to which of these sockets, for another process. */
  get steered(): readonly number[] {
    return this.#frames?.steered ?? [];
  }

  /** The same, as the other process last told the kernel. */
  followSteering(steered: readonly number[]): void {
    this.#frames?.followSteering(steered);
  }

  /** Reports and repairs nothing any more, until `open`: another process may go on from here. */
  rest(): void {
    this.#delivery.end(this.#frames);
    this.#frames?.rest();
    this.#caretaker?.close();
    this.#caretaker = undefined;
  }

  /** What was taken up is under other settings now: the kernel is brought to them. Throws SwitchStartError. */
  conform(): void {
    const running = this.#running;
    if (running === undefined) return;
    const { kernel } = running;
    const { bridge, ports, uplinks, otherBridges } = this.#options;
    const found = checkBridge(kernel, bridge, ports, uplinks, otherBridges);
    rememberBefore(this.#before, found, this.#settings(), kernel.portVlans());
    enforce(running);
  }

  /** Reports (again), beginning with the links as they are. What was never opened here is what `prepare` took up. */
  open(): void {
    const running = this.#running;
    if (running === undefined || this.#caretaker !== undefined) return;
    this.#caretaker = new Caretaker(running, this.#options.bridge, (event) => this.#tell(event));
    for (const port of this.#ports.all()) {
      const link = running.kernel.link(port.name);
      if (link === undefined || link.index !== port.link?.index) continue;
      port.link = link;
      this.#tell({ kind: 'link', port: port.name, up: link.up });
    }
    // Whoever had the sockets before may have heard others, and given them to ports in another order.
    running.frames.steer(this.#ports.indexes());
    running.frames.hear(this.#hosts);
    this.#delivery.begin(running);
    this.#caretaker.begin();
  }

  /** As `open`, where the process that was to go on has failed: it may have made the nftables table its own. */
  goOn(): void {
    this.open();
    this.#caretaker?.lookAtGuard();
  }

  /** Ends the reports. With `cleanup` everything of castgate goes, and what it set gets its old value back. */
  stop({ cleanup }: { cleanup: boolean }): void {
    if (cleanup) this.#serveOrdinarily();
    this.#caretaker?.close();
    this.#caretaker = undefined;
    this.#delivery.end(this.#frames);
    this.#frames?.close();
    this.#frames = undefined;
    this.#fence?.close();
    this.#fence = undefined;
    this.#running = undefined;
    this.#untold = [];
    this.#ports.forgetAll();
    const kernel = this.#kernel;
    this.#kernel = undefined;
    if (kernel === undefined) return;
    if (!cleanup) {
      kernel.close();
      return;
    }
    bringHome(kernel, this.#options.bridge, this.#options.ports, this.#options.otherBridges);
    restore(kernel, this.#before, this.#options);
    kernel.close();
  }

  /** Undoes what an earlier run left, without starting: for `--cleanup`. */
  cleanup(): void {
    checkSystem();
    this.#kernel = openKernel(this.#mdb);
    this.stop({ cleanup: true });
  }

  /**
   * From now on what hosts send that speak no 802.1X is reported too, or is not (capture-filter.ts); and so many
   * frames of a port in a second.
   */
  hear(hosts: 'known' | 'all', framesPerPort: number): void {
    this.#delivery.limit(framesPerPort, this.#frames);
    if (this.#hosts === hosts) return;
    this.#hosts = hosts;
    this.#frames?.hear(hosts);
  }

  sendFrame(port: string, vlan: number, frame: Uint8Array): SwitchFailure | undefined {
    return this.#send('send a frame', port, (frames, ifindex) => frames.send(ifindex, vlan, frame));
  }

  sendFrames(port: string, vlan: number, many: readonly Uint8Array[]): SwitchFailure | undefined {
    return this.#send('send frames', port, (frames, ifindex) => frames.sendMany(ifindex, vlan, many));
  }

  openHost(host: HostOpening): SwitchFailure | undefined {
    if (this.#running === undefined) return gone(`open ${host.mac} on ${host.port}`, host.port);
    return openHost(this.#running, host);
  }

  closeHost(host: HostPlace): SwitchFailure | undefined {
    return this.#running === undefined ? undefined : closeHost(this.#running, host);
  }

  setPortService(port: string, service: PortService): SwitchFailure | undefined {
    if (this.#running === undefined) return gone(`serve ${port} otherwise`, port);
    return setPortService(this.#running, port, service);
  }

  setForwarding(
    port: string,
    vlan: number,
    group: IpAddress,
    filter: SourceFilter,
  ): SwitchFailure | undefined {
    if (this.#running === undefined) return gone(`forward ${group} to ${port}`, port);
    return setForwarding(this.#running, this.#repairBridge, port, vlan, group, filter);
  }

  clearForwarding(port: string, vlan: number, group: IpAddress): SwitchFailure | undefined {
    if (this.#running === undefined) return undefined;
    return clearForwarding(this.#running, this.#repairBridge, port, vlan, group);
  }

  applyAll(operations: readonly SwitchOperation[]): OperationFailure[] {
    if (this.#running === undefined) return applyOneByOne(this, operations);
    return applyAll(this.#running, this.#repairBridge, operations);
  }

  renewLease(ms: number): SwitchFailure | undefined {
    const doing = `renew the lease for ${ms} ms`;
    const refusal = this.#fence?.renew(ms);
    return refusal === undefined ? this.#unfenced(doing) : failure(doing, refusal);
  }

  extendLease(ms: number): SwitchFailure | undefined {
    const doing = `extend the lease for ${ms} ms`;
    const refusal = this.#fence?.extend(ms);
    if (refusal?.errno === 'ENOENT') return { failed: `${doing}: it has run out`, errno: 'ESTALE' };
    return refusal === undefined ? this.#unfenced(doing) : failure(doing, refusal);
  }

  dropLease(): SwitchFailure | undefined {
    const refusal = this.#fence?.drop();
    return refusal === undefined ? this.#unfenced('drop the lease') : failure('drop the lease', refusal);
  }

  setPortLink(port: string, up: boolean): SwitchFailure | undefined {
    const doing = `set ${port} ${up ? 'up' : 'down'}`;
    const at = this.#running && subscriberPort(this.#running.ports, port);
    if (this.#running === undefined || at === undefined) return gone(doing, port);
    const refusal = this.#running.kernel.setLink(at.link.index, up);
    return refusal === undefined ? undefined : failure(doing, refusal);
  }

  hostCounters(host: HostPlace): HostCounters | undefined {
    return this.#running === undefined ? undefined : hostCounters(this.#running, host);
  }

  channelCounter(port: string, vlan: number, group: IpAddress): Counter {
    return this.#running === undefined ? NOTHING_YET : channelCounter(this.#running, port, vlan, group);
  }

  resetCounters(): SwitchFailure | undefined {
    const refusal = this.#running === undefined ? undefined : resetCounters(this.#running);
    return refusal === undefined ? undefined : failure('begin the counters anew', refusal);
  }

  /** All counters at once, for four conversations with the kernel instead of one or two for each. */
  counters(): AllCounters {
    return this.#running === undefined ? { hosts: [], channels: [] } : allCounters(this.#running);
  }

  macOf(port: string | undefined): Mac | undefined {
    return port === undefined ? this.#running?.guard.bridge.mac : this.#ports.named(port)?.link?.mac;
  }

  linkId(port: string): string | undefined {
    return linkId(port);
  }

  hasVlans(): boolean {
    return this.#running?.guard.hasVlans === true;
  }

  portNumber(port: string): number | undefined {
    return this.#ports.named(port)?.link?.index;
  }

  /** What the table refused, by its counters' names. */
  refusals(): Map<RefusalCounter, Counter> {
    const read = this.#kernel?.namedCounters(TABLE) ?? new Map<string, Counter>();
    return new Map(refusalCounters.map((name) => [name, read.get(name) ?? NOTHING_YET]));
  }

  /** Frames of all interfaces that the packet socket saw or had to drop, and claims of subscriber ports. */
  captureStatistics(): CaptureStatistics & { readonly strayClaims: number } {
    return {
      ...(this.#frames?.statistics() ?? { seen: 0, dropped: 0 }),
      strayClaims: this.#delivery.strayClaims,
    };
  }

  /**
   * Compares all of the kernel's tables with what castgate has opened, and puts right what differs; what it
   * was, a line each. The timer does the same bit by bit.
   */
  audit(): string[] {
    return this.#caretaker?.audit() ?? [];
  }

  /** The same a bit at a time, so that nothing else has to wait for it. */
  async inspect(): Promise<string[]> {
    return (await this.#caretaker?.inspect()) ?? [];
  }

  #begin(kept: Kept | undefined): void {
    const { bridge: bridgeName, ports, uplinks, controlledDirections } = this.#options;
    const kernel = openKernel(this.#mdb);
    this.#kernel = kernel;
    bringHome(kernel, bridgeName, ports, this.#options.otherBridges);
    const found = checkBridge(kernel, bridgeName, ports, uplinks);
    const frames = new FrameSocket(this.#hosts, ports.length + uplinks.length);
    this.#frames = frames;
    const settings = this.#settings();
    rememberBefore(this.#before, found, settings, kernel.portVlans());
    const before = this.#before.read();
    for (const port of this.#ports.all()) port.homeVlan = before?.ports[port.name]?.[HOME_VLAN];
    const guard = new BridgeGuard(kernel, frames, settings, found.bridge);
    // Made after the packet socket: a dying process closes its descriptors from the highest down, and that
    // one takes tens of milliseconds.
    const fence = this.#options.fence ? new Fence() : undefined;
    this.#fence = fence;
    const running: Running = {
      kernel,
      guard,
      frames,
      fence,
      ports: this.#ports,
      filters: new Set(),
      controlledDirections,
    };
    this.#caretaker = new Caretaker(running, bridgeName, (event) => this.#tell(event));
    // The table denies everything from here on; the bridge before the ports: its database must be on to be emptied.
    guard.loadTable(kept !== undefined);
    if (fence !== undefined) mustNot(fence.shut(ports), `nftables table ${LEASE_TABLE}`);
    this.#running = running;
    for (const link of [...found.ports, ...found.uplinks]) this.#ports.put(link);
    frames.steer(this.#ports.indexes());
    if (kept !== undefined) takeUp(running, kept);
    enforce(running);
    this.#delivery.begin(running);
    this.#caretaker.begin();
  }

  #settings() {
    const { bridge, hashMax, maxGroupsPerPort, ports, fence } = this.#options;
    const most = this.#mdb.limitsPorts ? maxGroupsPerPort : undefined;
    return { bridge, hashMax, maxGroupsPerPort: most, subscribers: ports, fence };
  }

  /** Every port back in its own bridge and VLAN. */
  #serveOrdinarily(): void {
    if (this.#running === undefined) return;
    for (const { name, service } of this.#ports.all()) {
      if (service !== ORDINARY) setPortService(this.#running, name, ORDINARY);
    }
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

  #send(
    doing: string,
    name: string,
    send: (frames: FrameSocket, ifindex: number) => string | undefined,
  ): SwitchFailure | undefined {
    const port = this.#ports.named(name);
    if (port?.link === undefined || this.#running === undefined) return gone(doing, name);
    if (this.#fence?.isOpen === false && port.subscriber) {
      return { failed: `${doing} on ${name}: no lease`, errno: 'ENETDOWN' };
    }
    const errno = send(this.#running.frames, port.link.index);
    return errno === undefined ? undefined : { failed: `${doing} on ${name}: ${errno}`, errno };
  }

  /** Without a fence there is no lease to be had: who asks for one believes in a fence that is not there. */
  #unfenced(doing: string): SwitchFailure | undefined {
    if (this.#fence !== undefined) return undefined;
    return { failed: `${doing}: the switch has no fence`, errno: 'ENOTSUP' };
  }

  readonly #repairBridge = (): boolean => this.#caretaker?.lookAtBridge() === true;
}

function openKernel(mdb: MdbWay): Kernel {
  try {
    return new Kernel(mdb);
  } catch (cause) {
    throw new SwitchStartError('native', cause instanceof Error ? cause.message : String(cause), { cause });
  }
}
