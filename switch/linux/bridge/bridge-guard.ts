/**
 * Bridge, ports and table as castgate needs them: sets them at the start, looks whether they still are so,
 * and puts right what someone else changed. Knows no hosts and no channels.
 */
import { FILTER_CHAIN } from '../filter/filter-chains.ts';
import { type RulesetKind, renewal, ruleset, setNames, TABLE, versionChain } from '../filter/ruleset.ts';
import type { FrameSocket } from '../frames.ts';
import type { Kernel } from '../kernel.ts';
import {
  BridgeOption,
  type Link,
  optionOf,
  querierState,
  type Setting,
  vlanInBridge,
} from '../netlink/link.ts';
import type { Refusal } from '../netlink/netlink-socket.ts';
import type { PortRole } from '../port/port-state.ts';
import { SwitchStartError } from '../preflight.ts';
import {
  bridgeSettings,
  lockedSettings,
  missing,
  openSettings,
  settingName,
  uplinkSettings,
} from '../settings.ts';
import type { WaitingNft } from '../waiting-nft.ts';
import { becomeQuerier, isQuerier } from './querier.ts';

export interface GuardOptions {
  readonly bridge: string;
  readonly hashMax: number;
  /** Undefined: the kernel has no such limit. */
  readonly maxGroupsPerPort: number | undefined;
  /** Subscriber ports. */
  readonly subscribers: readonly string[];
  readonly fence: boolean;
}

export class BridgeGuard {
  readonly #kernel: Kernel;
  readonly #frames: FrameSocket;
  readonly #options: GuardOptions;
  #bridge: Link;
  #vlans = new Map<number, number>();
  #chains: readonly string[] = [];
  /** For the table of another version. */
  #nft: WaitingNft | undefined;
  #rules = '';

  constructor(kernel: Kernel, frames: FrameSocket, options: GuardOptions, bridge: Link) {
    this.#kernel = kernel;
    this.#frames = frames;
    this.#options = options;
    this.#bridge = bridge;
  }

  /** The bridge as last seen. */
  get bridge(): Link {
    return this.#bridge;
  }

  /** The VLAN by which the bridge knows these frames; 0 on a bridge that does not look at VLANs. */
  vlanOf(link: Link, vlan: number): number {
    return vlanInBridge(this.#bridge, this.#vlans.get(link.index), vlan);
  }

  /** True while the bridge tells sources of IPv6 groups apart: it needs an IPv6 address for that. */
  knowsIpv6Sources(): boolean {
    if (querierState(this.#bridge.bridge).ipv6 === 'self') return true;
    this.#bridge = this.#kernel.link(this.#options.bridge) ?? this.#bridge;
    return querierState(this.#bridge.bridge).ipv6 === 'self';
  }

  /**
   * Loads the table, which denies everything at first. With `keep`, one of the same text stays, and of one of another
   * version its elements do, with their counters. Throws SwitchStartError.
   */
  loadTable(keep: boolean): void {
    const isKept = keep && (this.#isOfThisVersion() || this.#renew('do') === undefined);
    if (!isKept) mustNot(this.#kernel.loadRuleset(this.#ruleset()), 'nftables table');
    this.#noteRules();
  }

  /**
   * What another process of castgate has loaded: `same` is this version's table, which is to stay so from here on; `other`
   * can be made this one's by `renewTable`. Throws SwitchStartError where there is none that can.
   */
  findTable(): 'same' | 'other' {
    if (this.#isOfThisVersion()) {
      this.#noteRules();
      return 'same';
    }
    mustNot(this.#renew('try'), 'nftables table of another version');
    this.#nft = this.#kernel.waitingNft();
    return 'other';
  }

  /**
   * Makes the table of another version this one's; what is open stays open, and no counter begins anew. Gives the names of
   * sets that the other one had not: they are empty. Throws SwitchStartError; then nothing has changed.
   */
  renewTable(): string[] {
    const before = new Set(this.#kernel.sets(TABLE));
    mustNot(this.#renew('do'), 'nftables table of another version');
    this.#noteRules();
    return setNames(this.#kernel.mdb.sourcesIn).filter((name) => !before.has(name));
  }

  /** Sets the bridge, and makes it look into its database. Throws SwitchStartError. */
  setBridge(): void {
    const { name, index } = this.#bridge;
    mustNot(this.#kernel.setBridge(index, this.#bridgeSettings()), `bridge ${name}`);
    mustNot(becomeQuerier(this.#kernel, this.#frames, this.#bridge), `querier of ${name}`);
    this.#bridge = this.#kernel.link(name) ?? this.#bridge;
    this.#vlans = this.#kernel.portVlans();
  }

  /** VLANs of ports were changed. */
  lookAtVlans(): void {
    this.#vlans = this.#kernel.portVlans();
  }

  /** Entries that the bridge's multicast database has room for. */
  get databaseSize(): number {
    return Math.max(this.#options.hashMax, optionOf(this.#bridge.bridge, BridgeOption.McastHashMax) ?? 0);
  }

  /** True while the bridge looks at VLANs. */
  get hasVlans(): boolean {
    return optionOf(this.#bridge.bridge, BridgeOption.VlanFiltering) === 1;
  }

  /** Sets a port's flags. The refusal of a port that has gone meanwhile is the caller's to judge. */
  setPort(link: Link, role: PortRole): Refusal | undefined {
    this.#vlans = this.#kernel.portVlans();
    return this.#kernel.setPort(link.index, this.#portSettings(role));
  }

  /**
   * Puts the table back where it, or a rule of it, is gone; true where that was so: sets are to be looked at. They are
   * empty then, unless a process of another version has made the table its own, and has gone.
   */
  repairTable(): boolean {
    if (this.#kernel.rules(TABLE, this.#chains) === this.#rules) return false;
    const isAnothers = !this.#isOfThisVersion() && this.#renew('do') === undefined;
    if (!isAnothers && this.#kernel.loadRuleset(this.#ruleset()) !== undefined) return false;
    this.#noteRules();
    return true;
  }

  /** Puts the bridge right; what was wrong, for the log. A bridge that was made anew counts as wrong. */
  repairBridge(): string | undefined {
    const bridge = this.#kernel.link(this.#options.bridge);
    if (bridge?.bridge === undefined) return undefined;
    const isNew = bridge.index !== this.#bridge.index;
    this.#bridge = bridge;
    const wrong = missing(bridge.bridge, this.#bridgeSettings());
    const names = wrong.map(([option]) => settingName(option, 'bridge'));
    if (!isQuerier(bridge)) names.push('McastQuerier');
    if (names.length === 0 && !isNew) return undefined;
    const refusal =
      this.#kernel.setBridge(bridge.index, wrong) ?? becomeQuerier(this.#kernel, this.#frames, bridge);
    if (refusal !== undefined) return undefined;
    this.#bridge = this.#kernel.link(this.#options.bridge) ?? bridge;
    return `bridge ${bridge.name}: ${isNew ? 'new' : names.join(', ')}`;
  }

  /** A bridge becomes querier for IPv6 only with an address, and looks for one every half minute: call it then. */
  bridgeHasAddress(): void {
    if (!this.knowsIpv6Sources()) becomeQuerier(this.#kernel, this.#frames, this.#bridge);
  }

  /** Puts a port's flags right; what was wrong, for the log. */
  repairPort(link: Link, role: PortRole): string | undefined {
    const wrong = missing(link.port, this.#portSettings(role));
    if (wrong.length === 0 || this.#kernel.setPort(link.index, wrong) !== undefined) return undefined;
    return `port ${link.name}: ${wrong.map(([option]) => settingName(option, 'port')).join(', ')}`;
  }

  /** Chains of filters come and go with hosts: reconcile.ts looks after them. */
  #noteRules(): void {
    this.#chains = this.#kernel.chains(TABLE).filter((name) => !name.startsWith(FILTER_CHAIN));
    this.#rules = this.#kernel.rules(TABLE, this.#chains);
  }

  #isOfThisVersion(): boolean {
    return this.#kernel.hasChain(TABLE, versionChain(this.#rulesetKind()));
  }

  #renew(how: 'do' | 'try'): Refusal | undefined {
    const content = { chains: this.#kernel.chains(TABLE), sets: this.#kernel.sets(TABLE) };
    if (content.sets.length === 0) return { errno: 'ENOENT', text: 'there is none' };
    const text = renewal(this.#rulesetKind(), this.#options.subscribers, content);
    if (how === 'try') return this.#kernel.loadRuleset(text, 'try');
    const isDone = () => this.#isOfThisVersion();
    const nft = this.#nft;
    this.#nft = undefined;
    if (nft?.say(text, isDone, NFT_PATIENCE_MS) === true) return undefined;
    const refusal = this.#kernel.loadRuleset(text);
    return isDone() ? undefined : refusal;
  }

  #rulesetKind(): RulesetKind {
    return { sourcesIn: this.#kernel.mdb.sourcesIn, fence: this.#options.fence };
  }

  #ruleset(): string {
    return ruleset(this.#rulesetKind(), this.#options.subscribers);
  }

  #bridgeSettings(): Setting[] {
    return bridgeSettings(this.#bridge, this.#options.hashMax);
  }

  #portSettings(role: PortRole): Setting[] {
    const { maxGroupsPerPort } = this.#options;
    if (role === 'uplink') return uplinkSettings();
    return role === 'open' ? openSettings(maxGroupsPerPort) : lockedSettings(maxGroupsPerPort);
  }
}

/** Throws SwitchStartError with the kernel's words. */
export function mustNot(refusal: Refusal | undefined, what: string): void {
  if (refusal === undefined) return;
  throw new SwitchStartError('refused', `${what}: ${refusal.text ?? refusal.errno}`);
}

/** Longer than it takes on a busy machine, shorter than the patience of a process that rests. */
const NFT_PATIENCE_MS = 150;
