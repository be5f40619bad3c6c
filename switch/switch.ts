/**
 * What castgate asks of a switch, and what a switch tells castgate. linux/ implements it over a Linux
 * bridge, memory-switch.ts in memory with the same rules, for replay and for tests on virtual time.
 * Every operation is synchronous and gives the kernel's own error; none spawns a process.
 */
import type { FilterRule } from '../session/filter-rule.ts';
import type { ChannelRange } from '../session/records.ts';
import type { IpAddress, Mac } from '../wire/address.ts';

/** A host's place: castgate's identity of a subscriber (design rule 3). `vlan` 0 means untagged. */
export interface HostPlace {
  readonly port: string;
  readonly vlan: number;
  readonly mac: Mac;
}

/** A host that is let in, with the channels that it may send to: undefined, and of those not named, none. */
export interface HostOpening extends HostPlace {
  readonly sends?: readonly ChannelRange[] | undefined;
  /** What it may send, and receive of what is addressed to it; undefined: anything. */
  readonly filter?: readonly FilterRule[] | undefined;
}

/** Which sources of a group a port receives, as RFC 9776 §3.2 has it. EXCLUDE {} is the any-source channel. */
export interface SourceFilter {
  readonly mode: 'include' | 'exclude';
  readonly sources: readonly IpAddress[];
  /** The only host that it is for: frames are delivered to its MAC address instead of the group's. */
  readonly to?: Mac | undefined;
}

/** How a subscriber port is served as a whole. */
export interface PortService {
  /** Everybody behind it is let through, not only the hosts that were opened. Channels are given as ever. */
  readonly open: boolean;
  /** The VLAN of untagged frames, 1 to 4094; undefined: the port's own. */
  readonly vlan: number | undefined;
  /** The bridge that it is a port of; undefined: castgate's own. In another one there are no channels. */
  readonly bridge: string | undefined;
  /** Whoever is let through may send to any channel: of a port that is open. */
  readonly monitored?: boolean | undefined;
}

/** A port of which nothing special is asked. */
export const ORDINARY: PortService = { open: false, vlan: undefined, bridge: undefined };

/** Octets and packets since the counter began; both only grow while the host or channel stays. */
export interface Counter {
  readonly octets: number;
  readonly packets: number;
}

/** Octets and packets of a host: `input` came from it, `output` was delivered to its MAC address. */
export interface HostCounters {
  readonly input: Counter;
  readonly output: Counter;
}

/** An operation that the switch refused, with the system's own words. */
export interface SwitchFailure {
  readonly failed: string;
  /** `ENODEV`, `ENOMEM`, `EPERM`, …: the name of the errno. */
  readonly errno: string;
}

/** What a switch reports. Claims (rules.ts) of subscriber ports it does not. Frames have their outer VLAN tag taken off and named. */
export type SwitchEvent =
  | { readonly kind: 'frame'; readonly port: string; readonly vlan: number; readonly frame: Uint8Array }
  /** Administrative and carrier state together; also told once for each port at the start. */
  | { readonly kind: 'link'; readonly port: string; readonly up: boolean }
  /** The interface is gone (`ip link del`, moved to another namespace, taken out of the bridge). */
  | { readonly kind: 'port-gone'; readonly port: string }
  /** The interface is there (again), locked and empty of castgate's entries. */
  | { readonly kind: 'port-ready'; readonly port: string }
  /** The port sent more than is read of it: for a moment all but EAPOL was kept away (linux/flood-limit.ts). */
  | { readonly kind: 'held-back'; readonly port: string }
  /** Something that someone else changed and castgate put right; `what` says it in a line for the log. */
  | { readonly kind: 'repaired'; readonly what: string };

/** One of many operations: those of Switch, as data. Without a filter, a group is stopped. */
export type SwitchOperation =
  | { readonly kind: 'open-host'; readonly host: HostOpening }
  | { readonly kind: 'close-host'; readonly host: HostPlace }
  | {
      readonly kind: 'forward';
      readonly port: string;
      readonly vlan: number;
      readonly group: IpAddress;
      readonly filter: SourceFilter | undefined;
    };

/** An operation of many that the switch refused. */
export interface OperationFailure {
  readonly operation: SwitchOperation;
  readonly failure: SwitchFailure;
}

export interface Switch {
  /** Sends one Ethernet frame (no VLAN tag inside) out of a subscriber or uplink port. */
  sendFrame(port: string, vlan: number, frame: Uint8Array): SwitchFailure | undefined;
  /** Sends many frames; the first refusal, behind which others may have been sent all the same. */
  sendFrames(port: string, vlan: number, frames: readonly Uint8Array[]): SwitchFailure | undefined;
  /**
   * Lets the frames of this MAC through its locked port, multicast beyond the link only where the host may send
   * to it, and of the rest what its filter permits. Begins to count them. Repeating it is no error, and changes
   * both.
   */
  openHost(host: HostOpening): SwitchFailure | undefined;
  /** Takes it back. A host that was not open, or whose port is gone, is no error. */
  closeHost(host: HostPlace): SwitchFailure | undefined;
  /** Serves the port so, hosts that are open included; a refusal leaves it ordinary. Repeating it is no error. */
  setPortService(port: string, service: PortService): SwitchFailure | undefined;
  /** Makes the port receive the group by this filter, instead of whatever it received of it before. */
  setForwarding(
    port: string,
    vlan: number,
    group: IpAddress,
    filter: SourceFilter,
  ): SwitchFailure | undefined;
  /** Stops the group on the port and ends its counter. Nothing there, or no port, is no error. */
  clearForwarding(port: string, vlan: number, group: IpAddress): SwitchFailure | undefined;
  /** Sets a subscriber port administratively down or up. What follows comes as link events. */
  setPortLink(port: string, up: boolean): SwitchFailure | undefined;
  /**
   * Carries many operations out as if one after the other; those that were refused, in their order. Some times
   * faster than one by one; for a snapshot, for what a standby hears, for a takeover.
   */
  applyAll(operations: readonly SwitchOperation[]): OperationFailure[];
  /** Undefined where the host has no counter (not open, or port gone). */
  hostCounters(host: HostPlace): HostCounters | undefined;
  /** What the port received of the group since its forwarding began; zero where nothing came yet. */
  channelCounter(port: string, vlan: number, group: IpAddress): Counter;
  /** Begins the counters of all hosts and channels at zero: what was counted until now is somebody else's. */
  resetCounters(): SwitchFailure | undefined;
  /** The MAC address of a port or of the bridge (`undefined` as port), as the switch has it now. */
  macOf(port: string | undefined): Mac | undefined;
  /**
   * Names the link as it is: another text after every loss of carrier and every replacement of the interface,
   * also those that nobody saw. Undefined where it cannot be told.
   */
  linkId(port: string): string | undefined;
  /** True where a port can be put into a VLAN: the bridge looks at them. */
  hasVlans(): boolean;
  /** The interface's number for NAS-Port. */
  portNumber(port: string): number | undefined;
}

/**
 * A switch with a fence: while no lease is alive its subscriber ports carry nothing, in either direction, and
 * count nothing; what is opened takes effect with the lease. Frames are reported all the same. Every operation
 * gives ENOTSUP where there is no fence.
 */
export interface Leased {
  /** The lease ends `ms` milliseconds from now, also where it had more left; begins one where there is none. */
  renewLease(ms: number): SwitchFailure | undefined;
  /** The same for a lease that is alive; ESTALE where it has run out: a process that slept stays shut. */
  extendLease(ms: number): SwitchFailure | undefined;
  /** Shuts the ports now. Without a lease no error. */
  dropLease(): SwitchFailure | undefined;
}
