/**
 * The bridge's table of MAC addresses in rtnetlink (linux/neighbour.h). castgate's entries are static and
 * sticky: a frame with the address on another port does not move them, which is also how an entry of an
 * earlier run is known.
 */
import { type Mac, macAt, macBytes } from '../../../wire/address.ts';
import {
  ATTRIBUTE_HEADER,
  littleEndian,
  type Message,
  MessageFlag,
  MessageWriter,
  TYPE_MASK,
  viewOf,
} from './message.ts';

export const NeighbourMessage = { New: 28, Delete: 29, Get: 30 } as const;

/** An entry of the table. `vlan` 0: untagged, or a bridge that does not look at VLANs. */
export interface FdbEntry {
  readonly port: number;
  readonly vlan: number;
  readonly mac: Mac;
  /** `local`: the bridge's own address. `learned`: from a frame. */
  readonly kind: 'local' | 'static' | 'learned';
  readonly sticky: boolean;
}

/**
 * Lets the frames of `mac` through the (locked) port. `how` is `create` (EEXIST where the bridge knows the
 * address already) or `replace`.
 */
export function encodeOpenMac(port: number, vlan: number, mac: Mac, how: 'create' | 'replace'): Uint8Array {
  const message = new MessageWriter();
  putOpenMac(message, port, vlan, mac, how);
  return message.bytes();
}

/** The same behind other messages. */
export function putOpenMac(
  message: MessageWriter,
  port: number,
  vlan: number,
  mac: Mac,
  how: 'create' | 'replace',
): void {
  const flags = MessageFlag.Request | MessageFlag.Ack | MessageFlag.Create;
  message.begin(
    NeighbourMessage.New,
    flags | (how === 'create' ? MessageFlag.Exclusive : MessageFlag.Replace),
  );
  putNeighbour(message, port, NUD_NOARP, NTF_MASTER | NTF_STICKY);
  putKey(message, vlan, mac).end();
}

/** Takes the entry away. */
export function encodeCloseMac(port: number, vlan: number, mac: Mac): Uint8Array {
  const message = new MessageWriter();
  putCloseMac(message, port, vlan, mac);
  return message.bytes();
}

/** The same behind other messages. */
export function putCloseMac(message: MessageWriter, port: number, vlan: number, mac: Mac): void {
  message.begin(NeighbourMessage.Delete, MessageFlag.Request | MessageFlag.Ack);
  putNeighbour(message, port, 0, NTF_MASTER);
  putKey(message, vlan, mac).end();
}

/** Asks where a bridge has an address. */
export function encodeFindMac(bridge: number, vlan: number, mac: Mac): Uint8Array {
  const message = new MessageWriter().begin(NeighbourMessage.Get, MessageFlag.Request);
  putNeighbour(message, 0, 0, 0);
  return putKey(message, vlan, mac).attributeU32(NDA_MASTER, bridge).end().bytes();
}

/** Asks for the addresses on one port, or with 0 on all. */
export function encodeDumpFdb(bridge: number, port: number): Uint8Array {
  const message = new MessageWriter().begin(NeighbourMessage.Get, MessageFlag.Request | MessageFlag.Dump);
  putNeighbour(message, port, 0, 0);
  return message.attributeU32(NDA_MASTER, bridge).end().bytes();
}

/**
 * The entry in a message; undefined where it is none of a bridge. Of each host there is one, and all of them are read
 * again and again: so its attributes are walked in place.
 */
export function decodeFdb(message: Message): FdbEntry | undefined {
  const { type, body } = message;
  if (type !== NeighbourMessage.New && type !== NeighbourMessage.Delete) return undefined;
  if (body.length < NEIGHBOUR_HEADER || body[0] !== AF_BRIDGE) return undefined;
  const view = viewOf(body);
  let mac: Mac | undefined;
  let vlan = 0;
  let hasMaster = false;
  for (let at = NEIGHBOUR_HEADER; at + ATTRIBUTE_HEADER <= body.length; ) {
    const length = view.getUint16(at, littleEndian);
    if (length < ATTRIBUTE_HEADER || at + length > body.length) break;
    const value = at + ATTRIBUTE_HEADER;
    const octets = length - ATTRIBUTE_HEADER;
    switch (view.getUint16(at + 2, littleEndian) & TYPE_MASK) {
      case NDA_LLADDR:
        mac = octets === 6 ? macAt(body, value) : undefined;
        break;
      case NDA_VLAN:
        if (octets === 2) vlan = view.getUint16(value, littleEndian);
        break;
      case NDA_MASTER:
        hasMaster = true;
        break;
    }
    at += (length + 3) & ~3;
  }
  // Entries without a master are the device's own list of addresses, not the bridge's table.
  if (mac === undefined || !hasMaster) return undefined;
  const state = view.getUint16(8, littleEndian);
  return {
    port: view.getInt32(4, littleEndian),
    vlan,
    mac,
    kind: (state & NUD_PERMANENT) !== 0 ? 'local' : (state & NUD_NOARP) !== 0 ? 'static' : 'learned',
    sticky: (view.getUint8(10) & NTF_STICKY) !== 0,
  };
}

/** struct ndmsg */
function putNeighbour(message: MessageWriter, port: number, state: number, flags: number): MessageWriter {
  return message.u8(AF_BRIDGE).u8(0).u16(0).u32(port).u16(state).u8(flags).u8(0);
}

function putKey(message: MessageWriter, vlan: number, mac: Mac): MessageWriter {
  message.attribute(NDA_LLADDR, macBytes(mac) ?? new Uint8Array(6));
  return vlan === 0 ? message : message.attributeU16(NDA_VLAN, vlan);
}

const AF_BRIDGE = 7;
const NEIGHBOUR_HEADER = 12;
const NDA_LLADDR = 2;
const NDA_VLAN = 5;
const NDA_MASTER = 9;
const NTF_MASTER = 0x04;
const NTF_STICKY = 0x40;
const NUD_NOARP = 0x40;
const NUD_PERMANENT = 0x80;
