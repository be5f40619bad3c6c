/**
 * A Switch in memory, for replay and for tests on virtual time. It keeps the rules of the Linux one: a
 * locked port passes the frames of its open hosts only, a port receives the groups that it was given from
 * the sources of its filter only, and what was on a port is gone with the port. The test plays the wires:
 * receive, transmit, deliver, setLink, removePort, addPort; and may let any operation fail. With a fence
 * it has a lease as the Linux one does.
 */

import { RangeTable } from '../auth/rights/channel-range.ts';
import type { IpAddress, Mac } from '../wire/address.ts';
import { applyOneByOne } from './one-by-one.ts';
import { filterRefusal, gone, hostRefusal, isClaim, isNothing } from './rules.ts';
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
} from './switch.ts';

export interface MemorySwitchOptions {
  readonly ports: readonly string[];
  readonly uplinks: readonly string[];
  /** Channels on a port; the one above is refused with ENOSPC. Default: no limit. */
  readonly maxGroupsPerPort?: number;
  /** Subscriber ports carry and count nothing but while a lease is alive, by this clock in milliseconds. */
  readonly fence?: { readonly now: () => number };
  /** The bridge looks at VLANs. Default: it does not. */
  readonly vlans?: boolean;
  /** Other bridges that ports can be moved to. Default: none. */
  readonly otherBridges?: readonly string[];
}

/** An operation that a test lets fail. */
export type Failing =
  | 'sendFrame'
  | 'openHost'
  | 'closeHost'
  | 'setPortService'
  | 'setForwarding'
  | 'clearForwarding'
  | 'resetCounters'
  | 'renewLease'
  | 'extendLease'
  | 'dropLease';

/** A frame that was sent. */
export interface SentFrame {
  readonly port: string;
  readonly vlan: number;
  readonly frame: Uint8Array;
}

interface MemoryPort {
  readonly name: string;
  readonly number: number;
  readonly subscriber: boolean;
  readonly mac: Mac;
  present: boolean;
  up: boolean;
  service: PortService;
  /** How often the link was lost. */
  losses: number;
  readonly hosts: Map<string, { place: HostOpening; input: Counter; output: Counter }>;
  readonly channels: Map<string, { group: IpAddress; filter: SourceFilter; counter: Counter }>;
}

export class MemorySwitch implements Switch, Leased {
  readonly #listener: (events: readonly SwitchEvent[]) => void;
  readonly #ports = new Map<string, MemoryPort>();
  readonly #maxGroups: number;
  readonly #now: (() => number) | undefined;
  #leaseEnd = Number.NEGATIVE_INFINITY;
  readonly #vlans: boolean;
  readonly #otherBridges: ReadonlySet<string>;
  readonly #failing = new Map<Failing, { errno: string; left: number }>();
  /** Operations that were made to fail. */
  refused = 0;
  #sent: SentFrame[] = [];

  constructor(options: MemorySwitchOptions, listener: (events: readonly SwitchEvent[]) => void) {
    this.#listener = listener;
    this.#maxGroups = options.maxGroupsPerPort ?? Number.POSITIVE_INFINITY;
    this.#now = options.fence?.now;
    this.#vlans = options.vlans === true;
    this.#otherBridges = new Set(options.otherBridges);
    for (const name of options.ports) this.#add(name, true);
    for (const name of options.uplinks) this.#add(name, false);
  }

  /** Tells the state of every port, as the Linux switch does at its start. */
  start(): void {
    this.#listener([...this.#ports.values()].map(({ name, up }) => ({ kind: 'link', port: name, up })));
  }

  /** What was opened stays; nothing more is told of the ports. */
  stop(_options: { readonly cleanup: boolean }): void {
    this.dropLease();
  }

  // ---- Switch

  sendFrame(port: string, vlan: number, frame: Uint8Array): SwitchFailure | undefined {
    const failed = this.#injected('sendFrame', `send a frame on ${port}`);
    if (failed !== undefined) return failed;
    const state = this.#present(port);
    if (state === undefined) return gone('send a frame', port);
    if (!state.up) return { failed: `send a frame on ${port}: ENETDOWN`, errno: 'ENETDOWN' };
    if (state.subscriber && !this.isUnfenced) {
      return { failed: `send a frame on ${port}: no lease`, errno: 'ENETDOWN' };
    }
    this.#sent.push({ port, vlan, frame: Uint8Array.from(frame) });
    return undefined;
  }

  sendFrames(port: string, vlan: number, frames: readonly Uint8Array[]): SwitchFailure | undefined {
    let first: SwitchFailure | undefined;
    for (const frame of frames) {
      const failure = this.sendFrame(port, vlan, frame);
      first ??= failure;
    }
    return first;
  }

  openHost(host: HostOpening): SwitchFailure | undefined {
    const doing = `open ${host.mac} on ${host.port}`;
    const failed = this.#injected('openHost', doing);
    if (failed !== undefined) return failed;
    const port = this.#subscriber(host.port);
    if (port === undefined) return gone(doing, host.port);
    const open = port.hosts.get(placeKey(host));
    if (open !== undefined) {
      open.place = host;
      return undefined;
    }
    const own = new Set([BRIDGE_MAC, ...[...this.#ports.values()].map(({ mac }) => mac)]);
    const elsewhere = [...this.#ports.values()].find(({ hosts }) => hosts.has(placeKey(host)));
    const refused = hostRefusal(host, own, elsewhere?.name);
    if (refused !== undefined) return refused;
    port.hosts.set(placeKey(host), { place: host, input: NOTHING_YET, output: NOTHING_YET });
    return undefined;
  }

  closeHost(host: HostPlace): SwitchFailure | undefined {
    const failed = this.#injected('closeHost', `close ${host.mac} on ${host.port}`);
    if (failed !== undefined) return failed;
    this.#subscriber(host.port)?.hosts.delete(placeKey(host));
    return undefined;
  }

  setPortService(name: string, service: PortService): SwitchFailure | undefined {
    const doing = `serve ${name} otherwise`;
    const port = this.#subscriber(name);
    if (port === undefined) return service === ORDINARY ? undefined : gone(doing, name);
    const failed = this.#injected('setPortService', doing) ?? this.#serviceRefusal(doing, service);
    port.service = failed === undefined ? service : ORDINARY;
    return failed;
  }

  setForwarding(
    port: string,
    vlan: number,
    group: IpAddress,
    filter: SourceFilter,
  ): SwitchFailure | undefined {
    const doing = `forward ${group} to ${port}`;
    if (isNothing(filter)) return this.clearForwarding(port, vlan, group);
    const failed = this.#injected('setForwarding', doing);
    if (failed !== undefined) return failed;
    const state = this.#subscriber(port);
    if (state === undefined) return gone(doing, port);
    const refused = filterRefusal(port, group, filter);
    if (refused !== undefined) return refused;
    const known = state.channels.get(`${vlan}/${group}`);
    if (known === undefined && state.channels.size >= this.#maxGroups) {
      return { failed: `${doing}: more than ${this.#maxGroups} groups`, errno: 'E2BIG' };
    }
    state.channels.set(`${vlan}/${group}`, { group, filter, counter: known?.counter ?? NOTHING_YET });
    return undefined;
  }

  clearForwarding(port: string, vlan: number, group: IpAddress): SwitchFailure | undefined {
    const failed = this.#injected('clearForwarding', `stop ${group} on ${port}`);
    if (failed !== undefined) return failed;
    this.#subscriber(port)?.channels.delete(`${vlan}/${group}`);
    return undefined;
  }

  setPortLink(port: string, up: boolean): SwitchFailure | undefined {
    if (this.#subscriber(port) === undefined) return gone(`set ${port} ${up ? 'up' : 'down'}`, port);
    this.setLink(port, up);
    return undefined;
  }

  applyAll(operations: readonly SwitchOperation[]): OperationFailure[] {
    return applyOneByOne(this, operations);
  }

  hostCounters(host: HostPlace): HostCounters | undefined {
    const found = this.#subscriber(host.port)?.hosts.get(placeKey(host));
    return found === undefined ? undefined : { input: found.input, output: found.output };
  }

  channelCounter(port: string, vlan: number, group: IpAddress): Counter {
    return this.#subscriber(port)?.channels.get(`${vlan}/${group}`)?.counter ?? NOTHING_YET;
  }

  resetCounters(): SwitchFailure | undefined {
    const failed = this.#injected('resetCounters', 'begin the counters anew');
    if (failed !== undefined) return failed;
    for (const { hosts, channels } of this.#ports.values()) {
      for (const host of hosts.values()) host.input = host.output = NOTHING_YET;
      for (const channel of channels.values()) channel.counter = NOTHING_YET;
    }
    return undefined;
  }

  macOf(port: string | undefined): Mac | undefined {
    return port === undefined ? BRIDGE_MAC : this.#present(port)?.mac;
  }

  linkId(port: string): string | undefined {
    const state = this.#present(port);
    return state === undefined ? undefined : `${state.number}/${state.losses}`;
  }

  hasVlans(): boolean {
    return this.#vlans;
  }

  portNumber(port: string): number | undefined {
    return this.#present(port)?.number;
  }

  renewLease(ms: number): SwitchFailure | undefined {
    return this.#lease('renewLease', `renew the lease for ${ms} ms`, ms);
  }

  extendLease(ms: number): SwitchFailure | undefined {
    const doing = `extend the lease for ${ms} ms`;
    if (this.#now !== undefined && !this.isUnfenced) {
      return { failed: `${doing}: it has run out`, errno: 'ESTALE' };
    }
    return this.#lease('extendLease', doing, ms);
  }

  dropLease(): SwitchFailure | undefined {
    return this.#lease('dropLease', 'drop the lease', Number.NEGATIVE_INFINITY);
  }

  /** True where subscriber ports carry something: a lease is alive, or there is no fence. */
  get isUnfenced(): boolean {
    return this.#now === undefined || this.#now() < this.#leaseEnd;
  }

  // ---- the wires, for tests

  /** A frame comes in on a port, as the packet socket sees it: before the lock. False where the port is down. */
  receive(port: string, vlan: number, frame: Uint8Array): boolean {
    const state = this.#present(port);
    if (state?.up !== true) return false;
    if (!state.subscriber || !isClaim(frame)) this.#listener([{ kind: 'frame', port, vlan, frame }]);
    return true;
  }

  /** A host sends `octets` into the network; true where the port passes its frame on. */
  transmit(host: HostPlace, octets: number): boolean {
    const port = this.#subscriber(host.port);
    const found = port?.hosts.get(placeKey(host));
    if (port?.up !== true || !this.isUnfenced) return false;
    if (found === undefined) return port.service.open;
    found.input = plus(found.input, octets);
    return true;
  }

  /** Whether the port passes on what the host sends to a group. */
  passesGroup(host: HostPlace, group: IpAddress, source: IpAddress): boolean {
    const port = this.#subscriber(host.port);
    if (port?.up !== true || !this.isUnfenced) return false;
    if (port.service.monitored === true) return true;
    return (
      new RangeTable(port.hosts.get(placeKey(host))?.place.sends ?? []).find(group, source) !== undefined
    );
  }

  /** The network sends `octets` to a MAC address; true where it is an open host on a port that is up. */
  transmitTo(vlan: number, mac: Mac, octets: number): boolean {
    if (!this.isUnfenced) return false;
    for (const port of this.#ports.values()) {
      const found = port.hosts.get(`${vlan}/${mac}`);
      if (found === undefined || !port.up) continue;
      found.output = plus(found.output, octets);
      return true;
    }
    return false;
  }

  /** A packet of a channel comes from the network; the names of the ports that receive it. */
  deliver(group: IpAddress, source: IpAddress, octets: number, vlan = 0): string[] {
    const receivers: string[] = [];
    if (!this.isUnfenced) return receivers;
    for (const port of this.#ports.values()) {
      const channel = port.channels.get(`${vlan}/${group}`);
      if (channel === undefined || !port.up || !passes(channel.filter, source)) continue;
      channel.counter = plus(channel.counter, octets);
      receivers.push(port.name);
    }
    return receivers;
  }

  isUp(port: string): boolean {
    return this.#present(port)?.up === true;
  }

  setLink(port: string, up: boolean): void {
    const state = this.#present(port);
    if (state === undefined || state.up === up) return;
    state.up = up;
    if (!up) state.losses++;
    this.#listener([{ kind: 'link', port, up }]);
  }

  /** The interface goes, with all that was opened on it. */
  removePort(port: string): void {
    const state = this.#present(port);
    if (state === undefined) return;
    state.present = false;
    state.up = false;
    state.losses++;
    state.hosts.clear();
    state.service = ORDINARY;
    state.channels.clear();
    this.#listener([{ kind: 'port-gone', port }]);
  }

  /** The interface is back, locked and empty. */
  addPort(port: string): void {
    const state = this.#ports.get(port);
    if (state === undefined || state.present) return;
    state.present = true;
    state.up = true;
    this.#listener([
      { kind: 'port-ready', port },
      { kind: 'link', port, up: true },
    ]);
  }

  /** The next `times` calls of an operation fail, without effect. */
  fail(operation: Failing, errno: string, times = 1): void {
    this.#failing.set(operation, { errno, left: times });
  }

  /** The frames sent since the last call. */
  takeSent(): SentFrame[] {
    const sent = this.#sent;
    this.#sent = [];
    return sent;
  }

  isOpen(host: HostPlace): boolean {
    return this.#subscriber(host.port)?.hosts.has(placeKey(host)) === true;
  }

  /** How the port is served now. */
  serviceOf(port: string): PortService {
    return this.#subscriber(port)?.service ?? ORDINARY;
  }

  openHosts(): HostOpening[] {
    return [...this.#ports.values()].flatMap(({ hosts }) => [...hosts.values()].map(({ place }) => place));
  }

  /** What the port receives of the group; undefined where nothing. */
  forwarding(port: string, vlan: number, group: IpAddress): SourceFilter | undefined {
    return this.#subscriber(port)?.channels.get(`${vlan}/${group}`)?.filter;
  }

  /** All that is forwarded. */
  forwardings(): { port: string; vlan: number; group: IpAddress; filter: SourceFilter }[] {
    return [...this.#ports.values()].flatMap(({ name: port, channels }) =>
      [...channels].map(([key, { group, filter }]) => ({
        port,
        vlan: Number.parseInt(key, 10),
        group,
        filter,
      })),
    );
  }

  #add(name: string, subscriber: boolean): void {
    const number = this.#ports.size + 1;
    const mac = `02:ca:57:00:00:${number.toString(16).padStart(2, '0')}`;
    const empty = { hosts: new Map(), channels: new Map() };
    this.#ports.set(name, {
      name,
      number,
      subscriber,
      mac,
      present: true,
      up: true,
      losses: 0,
      service: ORDINARY,
      ...empty,
    });
  }

  #present(name: string): MemoryPort | undefined {
    const port = this.#ports.get(name);
    return port?.present === true ? port : undefined;
  }

  #subscriber(name: string): MemoryPort | undefined {
    const port = this.#present(name);
    return port?.subscriber === true ? port : undefined;
  }

  #lease(operation: Failing, doing: string, ms: number): SwitchFailure | undefined {
    const failed = this.#injected(operation, doing);
    if (failed !== undefined) return failed;
    if (this.#now === undefined) return { failed: `${doing}: the switch has no fence`, errno: 'ENOTSUP' };
    this.#leaseEnd = this.#now() + ms;
    return undefined;
  }

  #serviceRefusal(doing: string, { vlan, bridge }: PortService): SwitchFailure | undefined {
    if (vlan !== undefined && !this.#vlans) return { failed: `${doing}: no VLANs`, errno: 'ENOTSUP' };
    if (bridge === undefined || this.#otherBridges.has(bridge)) return undefined;
    return { failed: `${doing}: no bridge ${bridge}`, errno: 'ENODEV' };
  }

  #injected(operation: Failing, doing: string): SwitchFailure | undefined {
    const failing = this.#failing.get(operation);
    if (failing === undefined || failing.left === 0) return undefined;
    failing.left--;
    this.refused++;
    return { failed: `${doing}: ${failing.errno}`, errno: failing.errno };
  }
}

/** RFC 9776 §3.2: whether a filter lets packets of this source through. */
function passes({ mode, sources }: SourceFilter, source: IpAddress): boolean {
  return sources.includes(source) === (mode === 'include');
}

function plus(counter: Counter, octets: number): Counter {
  return { octets: counter.octets + octets, packets: counter.packets + 1 };
}

function placeKey({ vlan, mac }: HostPlace): string {
  return `${vlan}/${mac}`;
}

const BRIDGE_MAC: Mac = '02:ca:57:00:01:00';
const NOTHING_YET: Counter = { octets: 0, packets: 0 };
