/**
 * The bridge's multicast database in rtnetlink (linux/if_bridge.h). From Linux 6.3 on one message sets what
 * a port receives of a group: a (*,G) entry with filter mode and source list (RFC 9776 §3.2), from which the
 * bridge makes the (S,G) entries itself and joins ports that want every source to them. Needs IGMPv3 and
 * MLDv2 mode on the bridge. These entries carry castgate's own protocol number, by which those of an earlier
 * run are known. Older kernels take the plain (*,G) only: see mdb-way.ts.
 */
import { type IpAddress, ipBytes, ipFamily, ipv4At, ipv6At } from '../../../wire/address.ts';
import type { SourceFilter } from '../../switch.ts';
import {
  attributeList,
  attributes,
  littleEndian,
  type Message,
  MessageFlag,
  MessageWriter,
  viewOf,
} from './message.ts';

export const MdbMessage = { New: 84, Delete: 85, Get: 86 } as const;

/** Number in the field "who made this" of an entry (linux/rtnetlink.h: user space picks its own above 4). */
export const CASTGATE_PROTOCOL = 202;

/** An entry of the database. */
export interface MdbEntry {
  readonly bridge: number;
  readonly port: number;
  readonly vlan: number;
  readonly group: IpAddress;
  /** Undefined for (*,G). */
  readonly source: IpAddress | undefined;
  readonly permanent: boolean;
  readonly mode: 'include' | 'exclude' | undefined;
  readonly sources: readonly IpAddress[];
  readonly protocol: number | undefined;
}

/** Makes or replaces what the port receives of the group. At most 31 sources. */
export function encodeSetMembership(
  bridge: number,
  port: number,
  vlan: number,
  group: IpAddress,
  filter: SourceFilter,
): Uint8Array {
  const message = new MessageWriter();
  putSetMembership(message, bridge, port, vlan, group, filter);
  return message.bytes();
}

/** The same behind other messages. */
export function putSetMembership(
  message: MessageWriter,
  bridge: number,
  port: number,
  vlan: number,
  group: IpAddress,
  filter: SourceFilter,
): void {
  message.begin(
    MdbMessage.New,
    MessageFlag.Request | MessageFlag.Ack | MessageFlag.Create | MessageFlag.Replace,
  );
  putEntry(message, bridge, port, vlan, group);
  message
    .nest(MDBA_SET_ENTRY_ATTRS, () => {
      message.attributeU8(MDBE_ATTR_GROUP_MODE, filter.mode === 'include' ? MCAST_INCLUDE : MCAST_EXCLUDE);
      message.attributeU8(MDBE_ATTR_RTPROT, CASTGATE_PROTOCOL);
      if (filter.sources.length === 0) return;
      message.nest(MDBE_ATTR_SRC_LIST, () => {
        for (const source of filter.sources) {
          message.nest(MDBE_SRC_LIST_ENTRY, () => {
            message.attribute(MDBE_SRCATTR_ADDRESS, ipBytes(source) ?? new Uint8Array(4));
          });
        }
      });
    })
    .end();
}

/** Adds a plain permanent (*,G), as every kernel with locked ports takes it. EEXIST where the port has one. */
export function encodeAddGroup(bridge: number, port: number, vlan: number, group: IpAddress): Uint8Array {
  const message = new MessageWriter();
  putAddGroup(message, bridge, port, vlan, group);
  return message.bytes();
}

/** The same behind other messages. */
export function putAddGroup(
  message: MessageWriter,
  bridge: number,
  port: number,
  vlan: number,
  group: IpAddress,
): void {
  message.begin(
    MdbMessage.New,
    MessageFlag.Request | MessageFlag.Ack | MessageFlag.Create | MessageFlag.Exclusive,
  );
  putEntry(message, bridge, port, vlan, group);
  message.end();
}

/** Takes an entry away: the port's (*,G) with all sources of its filter, or with `source` that (S,G). */
export function encodeClearMembership(
  bridge: number,
  port: number,
  vlan: number,
  group: IpAddress,
  source?: IpAddress,
): Uint8Array {
  const message = new MessageWriter();
  putClearMembership(message, bridge, port, vlan, group, source);
  return message.bytes();
}

/** The same behind other messages. */
export function putClearMembership(
  message: MessageWriter,
  bridge: number,
  port: number,
  vlan: number,
  group: IpAddress,
  source?: IpAddress,
): void {
  message.begin(MdbMessage.Delete, MessageFlag.Request | MessageFlag.Ack);
  putEntry(message, bridge, port, vlan, group);
  if (source !== undefined) {
    message.nest(MDBA_SET_ENTRY_ATTRS, () => {
      message.attribute(MDBE_ATTR_SOURCE, ipBytes(source) ?? new Uint8Array(4));
    });
  }
  message.end();
}

/** Asks for the databases of all bridges; the kernel has no filter for this one. */
export function encodeDumpMdb(): Uint8Array {
  const message = new MessageWriter().begin(MdbMessage.Get, MessageFlag.Request | MessageFlag.Dump);
  return putPort(message, 0).end().bytes();
}

/** All entries in a message of a dump or of a notification. */
export function* decodeMdb(message: Message): Generator<MdbEntry> {
  if (message.type < MdbMessage.New || message.type > MdbMessage.Get) return;
  if (message.body.length < PORT_HEADER) return;
  const bridge = viewOf(message.body).getInt32(4, littleEndian);
  for (const [type, table] of attributeList(message.body, PORT_HEADER)) {
    if (type !== MDBA_MDB) continue;
    for (const [, perGroup] of attributeList(table)) {
      for (const [, information] of attributeList(perGroup)) {
        const entry = entryOf(bridge, information);
        if (entry !== undefined) yield entry;
      }
    }
  }
}

function entryOf(bridge: number, octets: Uint8Array): MdbEntry | undefined {
  if (octets.length < ENTRY) return undefined;
  const view = viewOf(octets);
  const protocol = view.getUint16(24);
  if (protocol !== ETH_P_IP && protocol !== ETH_P_IPV6) return undefined;
  const address = (value: Uint8Array) => (protocol === ETH_P_IP ? ipv4At(value, 0) : ipv6At(value, 0));
  const fields = attributes(octets, ENTRY);
  const source = fields.get(MDBA_MDB_EATTR_SOURCE);
  const mode = fields.get(MDBA_MDB_EATTR_GROUP_MODE)?.[0];
  const sources: IpAddress[] = [];
  for (const [, item] of attributeList(fields.get(MDBA_MDB_EATTR_SRC_LIST) ?? new Uint8Array(0))) {
    const found = attributes(item).get(MDBA_MDB_SRCATTR_ADDRESS);
    if (found !== undefined) sources.push(address(found));
  }
  return {
    bridge,
    port: view.getInt32(0, littleEndian),
    vlan: view.getUint16(6, littleEndian),
    group: address(octets.subarray(8)),
    source: source === undefined ? undefined : address(source),
    permanent: view.getUint8(4) === MDB_PERMANENT,
    mode: mode === undefined ? undefined : mode === MCAST_INCLUDE ? 'include' : 'exclude',
    sources,
    protocol: fields.get(MDBA_MDB_EATTR_RTPROT)?.[0],
  };
}

/** struct br_port_msg */
function putPort(message: MessageWriter, bridge: number): MessageWriter {
  return message.u8(AF_BRIDGE).u8(0).u16(0).u32(bridge);
}

/** struct br_mdb_entry */
function putEntry(
  message: MessageWriter,
  bridge: number,
  port: number,
  vlan: number,
  group: IpAddress,
): void {
  const entry = new Uint8Array(ENTRY);
  const view = viewOf(entry);
  view.setInt32(0, port, littleEndian);
  view.setUint8(4, MDB_PERMANENT);
  view.setUint16(6, vlan, littleEndian);
  entry.set(ipBytes(group) ?? [], 8);
  view.setUint16(24, ipFamily(group) === 4 ? ETH_P_IP : ETH_P_IPV6);
  putPort(message, bridge).attribute(MDBA_SET_ENTRY, entry);
}

const AF_BRIDGE = 7;
const PORT_HEADER = 8;
const ENTRY = 28;
const MDBA_MDB = 1;
const MDBA_SET_ENTRY = 1;
const MDBA_SET_ENTRY_ATTRS = 2;
const MDBA_MDB_EATTR_SRC_LIST = 2;
const MDBA_MDB_EATTR_GROUP_MODE = 3;
const MDBA_MDB_EATTR_SOURCE = 4;
const MDBA_MDB_EATTR_RTPROT = 5;
const MDBA_MDB_SRCATTR_ADDRESS = 1;
const MDBE_ATTR_SOURCE = 1;
const MDBE_ATTR_SRC_LIST = 2;
const MDBE_ATTR_GROUP_MODE = 3;
const MDBE_ATTR_RTPROT = 4;
const MDBE_SRC_LIST_ENTRY = 1;
const MDBE_SRCATTR_ADDRESS = 1;
const MDB_PERMANENT = 1;
const MCAST_EXCLUDE = 0;
const MCAST_INCLUDE = 1;
const ETH_P_IP = 0x0800;
const ETH_P_IPV6 = 0x86dd;
