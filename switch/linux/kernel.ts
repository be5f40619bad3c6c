/**
 * The operations on one bridge that castgate needs of the kernel, each a netlink conversation of some
 * ten microseconds. A method gives the kernel's refusal, or undefined where all went well.
 */
import { spawnSync } from 'node:child_process';
import type { IpAddress, Mac } from '../../wire/address.ts';
import type { Counter, SourceFilter } from '../switch.ts';
import type { BridgeChanges } from './bridge/bridge-changes.ts';
import type { MdbWay } from './bridge/mdb-way.ts';
import { NetworkNamespace } from './link/network-namespace.ts';
import {
  decodeFdb,
  encodeCloseMac,
  encodeDumpFdb,
  encodeFindMac,
  encodeOpenMac,
  type FdbEntry,
} from './netlink/fdb.ts';
import {
  decodeLink,
  encodeClearPortVlan,
  encodeDumpLinks,
  encodeDumpPortVlans,
  encodeGetLink,
  encodeSetBridge,
  encodeSetLink,
  encodeSetMaster,
  encodeSetPort,
  encodeSetPortVlan,
  type Link,
  type Setting,
} from './netlink/link.ts';
import {
  decodeMdb,
  encodeAddGroup,
  encodeClearMembership,
  encodeDumpMdb,
  type MdbEntry,
} from './netlink/mdb.ts';
import { type Message, MessageWriter, NetlinkProtocol } from './netlink/message.ts';
import { NetlinkSocket, type Refusal } from './netlink/netlink-socket.ts';
import {
  batch,
  decodeElements,
  decodeGeneration,
  decodeNamedCounter,
  decodeRule,
  decodeSetName,
  encodeDeleteTable,
  encodeDumpChains,
  encodeDumpCounters,
  encodeDumpElements,
  encodeDumpRules,
  encodeDumpSets,
  encodeGetChain,
  encodeGetElement,
  encodeGetGeneration,
  encodeSetChanges,
  type SetChange,
  type SetElement,
  type SetElementRead,
} from './netlink/nft.ts';
import {
  decodeChainName,
  decodeFilterRule,
  type FilterChain,
  putDeleteChain,
  putFilterChain,
} from './netlink/nft-filter.ts';
import { WaitingNft } from './waiting-nft.ts';

export class Kernel {
  /** How the bridge's multicast database is used. */
  readonly mdb: MdbWay;
  readonly #route: NetlinkSocket;
  readonly #netfilter: NetlinkSocket;
  readonly #namespace: NetworkNamespace;
  /** Commits to nftables by this object. */
  #commits = 0;

  /** Throws the errno's name where a socket cannot be made. */
  constructor(mdb: MdbWay) {
    this.mdb = mdb;
    this.#route = new NetlinkSocket(NetlinkProtocol.Route);
    try {
      this.#netfilter = new NetlinkSocket(NetlinkProtocol.Netfilter);
    } catch (cause) {
      this.#route.close();
      throw cause;
    }
    this.#namespace = NetworkNamespace.current();
  }

  close(): void {
    this.#namespace.close();
    this.#route.close();
    this.#netfilter.close();
  }

  link(name: string): Link | undefined {
    return this.#links(encodeGetLink(name))[0];
  }

  links(): Link[] {
    return this.#links(encodeDumpLinks());
  }

  /** The VLAN of untagged frames, by the ports' index, where the bridge looks at VLANs. */
  portVlans(): Map<number, number> {
    const vlans = new Map<number, number>();
    for (const link of this.#links(encodeDumpPortVlans())) {
      if (link.pvid !== undefined) vlans.set(link.index, link.pvid);
    }
    return vlans;
  }

  setBridge(bridge: number, settings: readonly Setting[]): Refusal | undefined {
    return this.#route.transact(encodeSetBridge(bridge, settings)).refusal;
  }

  setPort(port: number, settings: readonly Setting[]): Refusal | undefined {
    return this.#route.transact(encodeSetPort(port, settings)).refusal;
  }

  setLink(index: number, up: boolean): Refusal | undefined {
    return this.#route.transact(encodeSetLink(index, up)).refusal;
  }

  /** Makes an interface a port of a bridge. */
  setMaster(port: number, bridge: number): Refusal | undefined {
    return this.#route.transact(encodeSetMaster(port, bridge)).refusal;
  }

  /** Puts a port's untagged frames into a VLAN. */
  setPortVlan(port: number, vlan: number): Refusal | undefined {
    return this.#route.transact(encodeSetPortVlan(port, vlan)).refusal;
  }

  /** Takes a port out of a VLAN. */
  clearPortVlan(port: number, vlan: number): Refusal | undefined {
    return this.#route.transact(encodeClearPortVlan(port, vlan)).refusal;
  }

  openMac(port: number, vlan: number, mac: Mac, how: 'create' | 'replace'): Refusal | undefined {
    return this.#route.transact(encodeOpenMac(port, vlan, mac, how)).refusal;
  }

  closeMac(port: number, vlan: number, mac: Mac): Refusal | undefined {
    return this.#route.transact(encodeCloseMac(port, vlan, mac)).refusal;
  }

  findMac(bridge: number, vlan: number, mac: Mac): FdbEntry | undefined {
    const [message] = this.#route.transact(encodeFindMac(bridge, vlan, mac)).messages;
    return message === undefined ? undefined : decodeFdb(message);
  }

  /** The addresses on one port, or with 0 on all of the bridge. */
  macs(bridge: number, port: number): FdbEntry[] {
    return this.#route
      .transact(encodeDumpFdb(bridge, port))
      .messages.map(decodeFdb)
      .filter((entry) => entry !== undefined);
  }

  setMembership(
    bridge: number,
    port: number,
    vlan: number,
    group: IpAddress,
    filter: SourceFilter,
  ): Refusal | undefined {
    const message = new MessageWriter();
    this.mdb.putSet(message, bridge, port, vlan, group, filter);
    const { refusal } = this.#route.transact(message.bytes());
    return refusal === undefined || this.mdb.isThere(refusal) ? undefined : refusal;
  }

  clearMembership(
    bridge: number,
    port: number,
    vlan: number,
    group: IpAddress,
    source?: IpAddress,
  ): Refusal | undefined {
    return this.#route.transact(encodeClearMembership(bridge, port, vlan, group, source)).refusal;
  }

  /** Carries many changes out; what was refused, by the changes' places. */
  changeBridge(changes: BridgeChanges): Map<number, Refusal> {
    return changes.carryOut(this.#route);
  }

  memberships(bridge: number): MdbEntry[] {
    const { messages } = this.#route.transact(encodeDumpMdb());
    return messages.flatMap((message) => [...decodeMdb(message)]).filter((entry) => entry.bridge === bridge);
  }

  /** All addresses of a bridge, a page at a time; ends the reading before it that was not finished. */
  *browseMacs(bridge: number): Generator<FdbEntry[]> {
    for (const page of this.#browse(NetlinkProtocol.Route, encodeDumpFdb(bridge, 0))) {
      yield page.map(decodeFdb).filter((entry) => entry !== undefined);
    }
  }

  /** The databases of all bridges, a page at a time. */
  *browseMemberships(): Generator<MdbEntry[]> {
    for (const page of this.#browse(NetlinkProtocol.Route, encodeDumpMdb())) {
      yield page.flatMap((message) => [...decodeMdb(message)]);
    }
  }

  /** The elements of a set, a page at a time. */
  *browseElements(table: string, set: string): Generator<SetElementRead[]> {
    for (const page of this.#browse(NetlinkProtocol.Netfilter, encodeDumpElements(table, set))) {
      yield page.flatMap((message) => [...decodeElements(message)]);
    }
  }

  /** On a socket of its own: nothing else can be asked on one that is in the middle of an answer. */
  *#browse(protocol: number, request: Uint8Array): Generator<readonly Message[]> {
    const socket = this.#namespace.run(() => new NetlinkSocket(protocol));
    try {
      yield* socket.browse(request);
    } finally {
      socket.close();
    }
  }

  /** Adds a plain (*,G) where the port has none of the group; false where it has one, right or wrong. */
  addMembership(bridge: number, port: number, vlan: number, group: IpAddress): boolean {
    return this.#route.transact(encodeAddGroup(bridge, port, vlan, group)).refusal?.errno !== 'EEXIST';
  }

  changeSets(table: string, changes: readonly SetChange[]): Refusal | undefined {
    return changes.length === 0 ? undefined : this.#commit(encodeSetChanges(table, changes));
  }

  /** The counter of one element; undefined where there is no such element. */
  elementCounter(table: string, { set, key }: SetElement): Counter | undefined {
    const [message] = this.#netfilter.transact(encodeGetElement(table, set, key)).messages;
    return message === undefined ? undefined : decodeElements(message).next().value?.counter;
  }

  elements(table: string, set: string): SetElementRead[] {
    return this.#netfilter
      .transact(encodeDumpElements(table, set))
      .messages.flatMap((message) => [...decodeElements(message)]);
  }

  namedCounters(table: string): Map<string, Counter> {
    const counters = new Map<string, Counter>();
    for (const message of this.#netfilter.transact(encodeDumpCounters(table)).messages) {
      const found = decodeNamedCounter(message);
      if (found !== undefined) counters.set(found.name, found.counter);
    }
    return counters;
  }

  hasChain(table: string, chain: string): boolean {
    return this.#netfilter.transact(encodeGetChain(table, chain)).refusal === undefined;
  }

  /** The rules of chains by their numbers: another text where any rule was removed, added or replaced. */
  rules(table: string, chains: readonly string[]): string {
    return chains
      .flatMap((chain) => this.#netfilter.transact(encodeDumpRules(table, chain)).messages.map(decodeRule))
      .join(' ');
  }

  /** Names of a table's chains. */
  chains(table: string): string[] {
    return this.#netfilter
      .transact(encodeDumpChains())
      .messages.map((message) => decodeChainName(message, table))
      .filter((name) => name !== undefined);
  }

  /** Names of a table's sets and maps; none where there is no such table. */
  sets(table: string): string[] {
    return this.#netfilter
      .transact(encodeDumpSets(table))
      .messages.map(decodeSetName)
      .filter((name) => name !== undefined);
  }

  /** How many rules of each chain are those that putFilterChains made, in their order; -1 where one is another's. */
  filterRules(table: string): Map<string, number> {
    const counts = new Map<string, number>();
    for (const message of this.#netfilter.transact(encodeDumpRules(table)).messages) {
      const rule = decodeFilterRule(message);
      if (rule === undefined) continue;
      const count = counts.get(rule.chain) ?? 0;
      counts.set(rule.chain, count >= 0 && rule.isAt(count) ? count + 1 : -1);
    }
    return counts;
  }

  /** Makes chains with their rules, all or none; those that are there have no other rules then. */
  putFilterChains(table: string, chains: readonly FilterChain[]): Refusal | undefined {
    if (chains.length === 0) return undefined;
    const octets = batch((message) => {
      for (const chain of chains) putFilterChain(message, table, chain);
    });
    return this.#commit(octets);
  }

  /** Removes a chain of a filter; EBUSY while a host's packets are led there. */
  deleteFilterChain(table: string, name: string): Refusal | undefined {
    return this.#commit(batch((message) => putDeleteChain(message, table, name)));
  }

  /** A table that is not there is no error. */
  deleteTable(table: string): Refusal | undefined {
    const refusal = this.#commit(encodeDeleteTable(table));
    return refusal?.errno === 'ENOENT' ? undefined : refusal;
  }

  /**
   * Commits to nftables of others in this network namespace, so far as it can be told: the kernel's number of the last
   * one, less those that were made here. Only whether it is the same as before means something. One that changed nothing
   * has no number: then it is another one, as after a commit of somebody else.
   */
  othersCommits(ownElsewhere: number): number | undefined {
    const [message] = this.#netfilter.transact(encodeGetGeneration()).messages;
    const last = message === undefined ? undefined : decodeGeneration(message);
    return last === undefined ? undefined : (last - this.#commits - ownElsewhere) >>> 0;
  }

  /**
   * Spawns `nft` once: for the start, for the repair of a table that someone removed, and for a table of another version.
   * `try`: only looks whether it would be done.
   */
  loadRuleset(text: string, how: 'do' | 'try' = 'do'): Refusal | undefined {
    const options = how === 'try' ? ['-c', '-f', '-'] : ['-f', '-'];
    const { status, error, stderr } = this.#namespace.run(() =>
      spawnSync('nft', options, { input: text, encoding: 'utf8' }),
    );
    if (error !== undefined) return { errno: 'ENOENT', text: `nft: ${error.message}` };
    return status === 0 ? undefined : { errno: 'EINVAL', text: `nft: ${stderr.split('\n')[0] ?? ''}` };
  }

  /** An `nft` for a text that is not known yet. */
  waitingNft(): WaitingNft {
    return this.#namespace.run(() => new WaitingNft());
  }

  #commit(octets: Uint8Array): Refusal | undefined {
    const { refusal } = this.#netfilter.transact(octets);
    if (refusal === undefined) this.#commits++;
    return refusal;
  }

  #links(request: Uint8Array): Link[] {
    return this.#route
      .transact(request)
      .messages.map(decodeLink)
      .filter((link) => link !== undefined);
  }
}
