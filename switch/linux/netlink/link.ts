/**
 * Interfaces, bridges and bridge ports in rtnetlink (linux/rtnetlink.h, linux/if_link.h): reading them,
 * and writing the options of a bridge and the flags of a port. Options and flags are kept as octets as
 * the kernel gave them, so that what was there can be put back exactly.
 */
import { type Mac, macAt } from '../../../wire/address.ts';
import { concatBytes } from '../../../wire/bytes.ts';
import {
  type Attributes,
  attributes,
  littleEndian,
  type Message,
  MessageFlag,
  MessageWriter,
  numberOf,
  octetsOf,
  textOf,
  viewOf,
} from './message.ts';

export const LinkMessage = { New: 16, Delete: 17, Get: 18, Set: 19 } as const;

/** Options of a bridge that castgate reads or writes (IFLA_BR_…), with their width in octets. */
export const BridgeOption = {
  VlanFiltering: [7, 1],
  McastSnooping: [23, 1],
  McastQuerier: [25, 1],
  McastHashMax: [27, 4],
  McastQuerierInterval: [32, 8],
  McastQueryResponseInterval: [34, 8],
  McastIgmpVersion: [43, 1],
  McastMldVersion: [44, 1],
} as const satisfies Record<string, Option>;

/** Flags of a bridge port that castgate reads or writes (IFLA_BRPORT_…), with their width in octets. */
export const PortFlag = {
  Learning: [8, 1],
  UnicastFlood: [9, 1],
  Flush: [24, 0],
  MulticastRouter: [25, 1],
  MulticastFlood: [27, 1],
  MulticastToUnicast: [28, 1],
  BroadcastFlood: [30, 1],
  Locked: [39, 1],
  MulticastMaxGroups: [42, 4],
} as const satisfies Record<string, Option>;

/** Number of the attribute and octets of its value. */
export type Option = readonly [attribute: number, width: 0 | 1 | 2 | 4 | 8];

/** A value to be written. */
export type Setting = readonly [option: Option, value: number];

/** An interface as the kernel describes it. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** Administratively up and with carrier. */
  readonly up: boolean;
  readonly administrativelyUp: boolean;
  readonly mac: Mac | undefined;
  /** Index of the bridge or bond that it belongs to. */
  readonly master: number | undefined;
  readonly kind: string | undefined;
  /** Where `kind` is `bridge`: its options. */
  readonly bridge: Attributes | undefined;
  /** Where it is a bridge port: its flags. */
  readonly port: Attributes | undefined;
  /** The VLAN of untagged frames, where the bridge told it. */
  readonly pvid: number | undefined;
}

/** Asks for one interface by name. */
export function encodeGetLink(name: string): Uint8Array {
  const message = new MessageWriter().begin(LinkMessage.Get, MessageFlag.Request);
  return putInterface(message, AF_UNSPEC, 0).attributeText(IFLA_IFNAME, name).end().bytes();
}

/** Asks for all interfaces. */
export function encodeDumpLinks(): Uint8Array {
  return putInterface(
    new MessageWriter().begin(LinkMessage.Get, MessageFlag.Request | MessageFlag.Dump),
    AF_UNSPEC,
    0,
  )
    .end()
    .bytes();
}

/** Asks for all bridge ports with their VLANs. */
export function encodeDumpPortVlans(): Uint8Array {
  const message = new MessageWriter().begin(LinkMessage.Get, MessageFlag.Request | MessageFlag.Dump);
  return putInterface(message, AF_BRIDGE, 0).attributeU32(IFLA_EXT_MASK, RTEXT_FILTER_BRVLAN).end().bytes();
}

/** Writes options of a bridge. */
export function encodeSetBridge(bridge: number, settings: readonly Setting[]): Uint8Array {
  const message = new MessageWriter().begin(LinkMessage.New, MessageFlag.Request | MessageFlag.Ack);
  return putInterface(message, AF_UNSPEC, bridge)
    .nest(IFLA_LINKINFO, () => {
      message.attributeText(IFLA_INFO_KIND, 'bridge');
      message.nest(IFLA_INFO_DATA, () => putSettings(message, settings));
    })
    .end()
    .bytes();
}

/** Writes flags of a bridge port. */
export function encodeSetPort(port: number, settings: readonly Setting[]): Uint8Array {
  const message = new MessageWriter().begin(LinkMessage.Set, MessageFlag.Request | MessageFlag.Ack);
  return putInterface(message, AF_BRIDGE, port)
    .nest(IFLA_PROTINFO, () => putSettings(message, settings))
    .end()
    .bytes();
}

/** Sets an interface administratively up or down. */
export function encodeSetLink(index: number, up: boolean): Uint8Array {
  const message = new MessageWriter().begin(LinkMessage.New, MessageFlag.Request | MessageFlag.Ack);
  return putInterface(message, AF_UNSPEC, index, { flags: up ? IFF_UP : 0, change: IFF_UP })
    .end()
    .bytes();
}

/** Makes an interface a port of another bridge. */
export function encodeSetMaster(port: number, bridge: number): Uint8Array {
  const message = new MessageWriter().begin(LinkMessage.New, MessageFlag.Request | MessageFlag.Ack);
  return putInterface(message, AF_UNSPEC, port).attributeU32(IFLA_MASTER, bridge).end().bytes();
}

/** Adds a port to a VLAN, which becomes that of its untagged frames (struct bridge_vlan_info). */
export function encodeSetPortVlan(port: number, vlan: number): Uint8Array {
  return encodePortVlan(LinkMessage.Set, port, BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED, vlan);
}

/** Takes a port out of a VLAN. */
export function encodeClearPortVlan(port: number, vlan: number): Uint8Array {
  return encodePortVlan(LinkMessage.Delete, port, 0, vlan);
}

function encodePortVlan(type: number, port: number, flags: number, vlan: number): Uint8Array {
  const message = new MessageWriter().begin(type, MessageFlag.Request | MessageFlag.Ack);
  return putInterface(message, AF_BRIDGE, port)
    .nest(IFLA_AF_SPEC, () => {
      message.attribute(IFLA_BRIDGE_VLAN_INFO, concatBytes(octetsOf(flags, 2), octetsOf(vlan, 2)));
    })
    .end()
    .bytes();
}

/** The interface in a new-link or delete-link message; undefined where the message is something else. */
export function decodeLink(message: Message): Link | undefined {
  if (message.type !== LinkMessage.New && message.type !== LinkMessage.Delete) return undefined;
  if (message.body.length < INTERFACE_HEADER) return undefined;
  const view = viewOf(message.body);
  const fields = attributes(message.body, INTERFACE_HEADER);
  const name = textOf(fields.get(IFLA_IFNAME));
  if (name === undefined) return undefined;
  const flags = view.getUint32(8, littleEndian);
  const address = fields.get(IFLA_ADDRESS);
  const information = fields.get(IFLA_LINKINFO);
  const details = information === undefined ? undefined : attributes(information);
  const kind = textOf(details?.get(IFLA_INFO_KIND));
  const data = details?.get(IFLA_INFO_DATA);
  const memberKind = textOf(details?.get(IFLA_INFO_SLAVE_KIND));
  const memberData = details?.get(IFLA_INFO_SLAVE_DATA) ?? undefined;
  const protocol = view.getUint8(0) === AF_BRIDGE ? fields.get(IFLA_PROTINFO) : undefined;
  const portData = memberKind === 'bridge' ? memberData : protocol;
  return {
    index: view.getInt32(4, littleEndian),
    name,
    up: (flags & IFF_UP) !== 0 && (flags & IFF_LOWER_UP) !== 0,
    administrativelyUp: (flags & IFF_UP) !== 0,
    mac: address?.length === 6 ? macAt(address, 0) : undefined,
    master: numberOf(fields.get(IFLA_MASTER)),
    kind,
    bridge: kind === 'bridge' && data !== undefined ? attributes(data) : undefined,
    port: portData === undefined ? undefined : attributes(portData),
    pvid: view.getUint8(0) === AF_BRIDGE ? pvidOf(fields.get(IFLA_AF_SPEC)) : undefined,
  };
}

/**
 * The VLAN by which a bridge knows frames with this tag (0: none) on a port: that of the port for untagged
 * ones, and 0 for all on a bridge that does not look at VLANs.
 */
export function vlanInBridge(bridge: Link, pvid: number | undefined, vlan: number): number {
  if (optionOf(bridge.bridge, BridgeOption.VlanFiltering) !== 1) return 0;
  return vlan === 0 ? (pvid ?? 0) : vlan;
}

/** The value of an option or flag; undefined where this kernel has none of it. */
export function optionOf(fields: Attributes | undefined, option: Option): number | undefined {
  return numberOf(fields?.get(option[0]));
}

/**
 * Whom the bridge believes to be querier, by family: itself, another, or (undefined) nobody. For IPv6 a
 * bridge is nobody until it has an address of its own.
 */
export interface QuerierState {
  readonly ipv4: 'self' | 'other' | undefined;
  readonly ipv6: 'self' | 'other' | undefined;
}

/** The state of the bridge's queriers. */
export function querierState(fields: Attributes | undefined): QuerierState {
  const state = attributes(fields?.get(IFLA_BR_MCAST_QUERIER_STATE) ?? new Uint8Array(0));
  const who = (address: number, timer: number) =>
    state.has(timer) ? 'other' : state.has(address) ? 'self' : undefined;
  const ipv6 = who(BRIDGE_QUERIER_IPV6_ADDRESS, BRIDGE_QUERIER_IPV6_OTHER_TIMER);
  const hasAddress = state.get(BRIDGE_QUERIER_IPV6_ADDRESS)?.some((octet) => octet !== 0) === true;
  return {
    ipv4: who(BRIDGE_QUERIER_IP_ADDRESS, BRIDGE_QUERIER_IP_OTHER_TIMER),
    ipv6: ipv6 === 'self' && !hasAddress ? undefined : ipv6,
  };
}

function pvidOf(spec: Uint8Array | undefined): number | undefined {
  if (spec === undefined) return undefined;
  for (let at = 0; at + 8 <= spec.length; ) {
    const view = viewOf(spec);
    const length = view.getUint16(at, littleEndian);
    if (length < 4) return undefined;
    const isVlan = (view.getUint16(at + 2, littleEndian) & 0x3fff) === IFLA_BRIDGE_VLAN_INFO;
    if (isVlan && (view.getUint16(at + 4, littleEndian) & BRIDGE_VLAN_INFO_PVID) !== 0) {
      return view.getUint16(at + 6, littleEndian);
    }
    at += (length + 3) & ~3;
  }
  return undefined;
}

/** struct ifinfomsg */
function putInterface(
  message: MessageWriter,
  family: number,
  index: number,
  { flags, change } = { flags: 0, change: 0 },
): MessageWriter {
  return message.u8(family).u8(0).u16(0).u32(index).u32(flags).u32(change);
}

function putSettings(message: MessageWriter, settings: readonly Setting[]): void {
  for (const [[attribute, width], value] of settings) {
    message.attribute(attribute, width === 0 ? new Uint8Array(0) : octetsOf(value, width));
  }
}

const AF_UNSPEC = 0;
const AF_BRIDGE = 7;
const INTERFACE_HEADER = 16;
const IFF_UP = 1;
const IFF_LOWER_UP = 0x10000;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MASTER = 10;
const IFLA_PROTINFO = 12;
const IFLA_LINKINFO = 18;
const IFLA_AF_SPEC = 26;
const IFLA_EXT_MASK = 29;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_INFO_SLAVE_KIND = 4;
const IFLA_INFO_SLAVE_DATA = 5;
const IFLA_BR_MCAST_QUERIER_STATE = 47;
const BRIDGE_QUERIER_IP_ADDRESS = 1;
const BRIDGE_QUERIER_IP_OTHER_TIMER = 3;
const BRIDGE_QUERIER_IPV6_ADDRESS = 5;
const BRIDGE_QUERIER_IPV6_OTHER_TIMER = 7;
const IFLA_BRIDGE_VLAN_INFO = 2;
const BRIDGE_VLAN_INFO_PVID = 2;
const BRIDGE_VLAN_INFO_UNTAGGED = 4;
const RTEXT_FILTER_BRVLAN = 2;
