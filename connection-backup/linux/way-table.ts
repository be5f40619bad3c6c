/**
 * The way of the packets to the virtual addresses, on one interface: the table `castgate_way` of the family `netdev`.
 * It is owned by a netlink socket of this process, so it ends with it, and each of its two parts works only while a
 * set has an element for it:
 *
 * - `forward`: this node stands by, and is in the way. Packets to the addresses that come in go on to the active at
 *   once, as they are, under the MAC addresses of both (the kernel's taps have seen them before).
 * - `quiet`: this node serves, and another one is in the way. That the addresses are here is not said on the link:
 *   answers and announcements are dropped, whoever says them, and questions ask without saying where the asker is
 *   (RFC 5227 §1.1; for IPv6 without that option), so that no cache learns from them. It is a lease, as a node that hangs
 *   must not hide its address for longer.
 */
import { MessageFlag, type MessageWriter, NetlinkProtocol } from '../../switch/linux/netlink/message.ts';
import { NetlinkSocket, type Refusal } from '../../switch/linux/netlink/netlink-socket.ts';
import { batch, NftFamily, NftMessage, putHeader } from '../../switch/linux/netlink/nft.ts';
import {
  constantIn,
  count,
  drop,
  type Expression,
  forwardTo,
  Header,
  Meta,
  metaIs,
  NetdevHook,
  payloadIs,
  putChain,
  putDeleteElement,
  putNewElements,
  putOwnedTable,
  putRule,
  putSet,
  setPayload,
} from '../../switch/linux/netlink/nft-table.ts';
import { type IpAddress, ipBytes, type Mac, macBytes } from '../../wire/address.ts';
import { EtherType } from '../../wire/ethernet.ts';
import { IpProtocol } from '../../wire/ipv4.ts';

/** The owned table's name. */
export const WAY_TABLE = 'castgate_way';

/** Where the addresses are reached. */
export interface WayPlace {
  readonly device: string;
  readonly ifindex: number;
  readonly mac: Mac;
  readonly addresses: readonly IpAddress[];
}

/** The netlink socket that owns the table. */
export type WaySocket = Pick<NetlinkSocket, 'transact' | 'close'>;

export class WayTable {
  readonly #socket: WaySocket;
  readonly #now: () => number;
  #isThere = false;
  #forwards = false;
  #quietUntil = 0;

  /** Throws the errno's name where the socket cannot be made. `now` in milliseconds, monotonic. */
  constructor(
    now: () => number = () => performance.now(),
    socket: WaySocket = new NetlinkSocket(NetlinkProtocol.Netfilter),
  ) {
    this.#now = now;
    this.#socket = socket;
  }

  /** Puts the table there, instead of what it was before, with both parts at rest. `active`: where packets go on to. */
  put(place: WayPlace, active: Mac | undefined): Refusal | undefined {
    const refusal = this.#commit((message) => {
      if (this.#isThere)
        putHeader(message, NftMessage.DeleteTable, MessageFlag.Request, NftFamily.Netdev)
          .attributeText(NFTA_TABLE_NAME, WAY_TABLE)
          .end();
      putTable(message, place, active);
    });
    if (refusal !== undefined) return refusal;
    this.#isThere = true;
    this.#forwards = false;
    this.#quietUntil = 0;
    return undefined;
  }

  get forwards(): boolean {
    return this.#forwards;
  }

  /** Packets to the addresses go on to the active from here on. */
  forward(): Refusal | undefined {
    if (this.#forwards) return undefined;
    const refusal = this.#commit((message) => putElement(message, FORWARD, undefined, ACK));
    this.#forwards = refusal === undefined;
    return refusal;
  }

  /** They are this node's own again. Where this is refused, they still go on: `close` ends it in any case. */
  keep(): Refusal | undefined {
    if (!this.#forwards) return undefined;
    const refusal = this.#commit((message) => putDelete(message, FORWARD, ACK));
    this.#forwards = refusal !== undefined;
    return refusal;
  }

  /** True while nothing is said of the addresses. */
  get isQuiet(): boolean {
    return this.#now() < this.#quietUntil;
  }

  /** Nothing is said of the addresses for so long from now. */
  quiet(ms: number): Refusal | undefined {
    const began = this.#now();
    const renew = () =>
      this.#commit((message) => {
        putDelete(message, QUIET, 0);
        putElement(message, QUIET, ms, ACK);
      });
    const begin = () =>
      this.#commit((message) => putElement(message, QUIET, ms, ACK | MessageFlag.Exclusive));
    // A batch that the kernel refuses costs it some ten milliseconds, so the likely one goes first.
    let refusal = this.isQuiet ? renew() : begin();
    if (refusal?.errno === 'ENOENT') refusal = begin();
    else if (refusal?.errno === 'EEXIST') refusal = renew();
    if (refusal === undefined) this.#quietUntil = began + ms;
    return refusal;
  }

  /** They may be said again. */
  speak(): void {
    if (this.#quietUntil === 0) return;
    const refusal = this.#commit((message) => putDelete(message, QUIET, ACK));
    // ENOENT: it has run out.
    if (refusal === undefined || refusal.errno === 'ENOENT') this.#quietUntil = 0;
  }

  /** The table goes with the socket. */
  close(): void {
    this.#socket.close();
  }

  #commit(write: (message: MessageWriter) => void): Refusal | undefined {
    return this.#socket.transact(batch(write)).refusal;
  }
}

function putElement(message: MessageWriter, key: Uint8Array, timeoutMs: number | undefined, flags: number) {
  const elements = {
    table: WAY_TABLE,
    set: SET,
    keys: [key],
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
  putNewElements(message, elements, flags, NftFamily.Netdev);
}

function putDelete(message: MessageWriter, key: Uint8Array, flags: number): void {
  putDeleteElement(message, { table: WAY_TABLE, set: SET, key }, flags, NftFamily.Netdev);
}

function putTable(message: MessageWriter, place: WayPlace, active: Mac | undefined): void {
  const { device, addresses } = place;
  const family = NftFamily.Netdev;
  putOwnedTable(message, WAY_TABLE, family);
  putSet(message, WAY_TABLE, { name: SET, id: SET_ID, keyLength: 4, timeouts: true }, family);
  const chains = [
    {
      name: 'forward',
      hook: NetdevHook.Ingress,
      rules: active === undefined ? [] : addresses.flatMap((address) => forwards(place, address, active)),
      key: FORWARD,
    },
    { name: 'quiet', hook: NetdevHook.Egress, rules: addresses.flatMap(silences), key: QUIET },
  ];
  for (const { name, hook, rules, key } of chains) {
    putChain(message, WAY_TABLE, { name, hook, priority: 0, device }, family);
    for (const rule of rules)
      putRule(message, WAY_TABLE, name, [...constantIn(key, SET, SET_ID), ...rule], 0, family);
  }
  // The last message of a batch asks for the answer.
  putRule(message, WAY_TABLE, 'quiet', [count], ACK, family);
}

/** Packets to the address go on; who asks for it by IPv6 is answered here, not there. */
function forwards({ ifindex, mac }: WayPlace, address: IpAddress, active: Mac): Expression[][] {
  const octets = ipBytes(address) ?? NOTHING;
  const isIpv4 = octets.length === 4;
  const go = [
    ...setPayload(Header.Link, 0, macBytes(active) ?? NOTHING),
    ...setPayload(Header.Link, 6, macBytes(mac) ?? NOTHING),
    count,
    ...forwardTo(ifindex),
  ];
  const toAddress = [
    ...metaIs(Meta.Protocol, big16(isIpv4 ? EtherType.Ipv4 : EtherType.Ipv6)),
    ...payloadIs(Header.Network, isIpv4 ? 16 : 24, octets),
  ];
  if (isIpv4) return [[...toAddress, ...go]];
  return [
    [...toAddress, ...payloadIs(Header.Network, 6, Uint8Array.of(IpProtocol.Icmpv6), { isNot: true }), ...go],
    [...toAddress, ...payloadIs(Header.Network, 40, Uint8Array.of(SOLICITATION), { isNot: true }), ...go],
  ];
}

/** Offsets are those of whole frames: frames of packet sockets have no other header that is known. */
function silences(address: IpAddress): Expression[][] {
  const octets = ipBytes(address) ?? NOTHING;
  if (octets.length === 4) {
    const says = [
      ...payloadIs(Header.Link, 12, big16(EtherType.Arp)),
      ...payloadIs(Header.Link, ETHERNET + 14, octets),
    ];
    return [
      [...says, ...payloadIs(Header.Link, ETHERNET + 6, big16(REPLY)), count, drop],
      [...says, ...payloadIs(Header.Link, ETHERNET + 24, octets), count, drop],
      [...says, count, ...setPayload(Header.Link, ETHERNET + 14, new Uint8Array(4))],
    ];
  }
  const message = (type: number) => [
    ...payloadIs(Header.Link, 12, big16(EtherType.Ipv6)),
    ...payloadIs(Header.Link, ETHERNET + 6, Uint8Array.of(IpProtocol.Icmpv6)),
    ...payloadIs(Header.Link, MESSAGE, Uint8Array.of(type)),
  ];
  const nobodysOption = Uint8Array.of(EXPERIMENTAL_OPTION, 1);
  return [
    [...message(ADVERTISEMENT), ...payloadIs(Header.Link, MESSAGE + 8, octets), count, drop],
    [
      ...message(SOLICITATION),
      ...payloadIs(Header.Link, ETHERNET + 8, octets),
      ...payloadIs(Header.Link, MESSAGE + 24, Uint8Array.of(SOURCE_LINK_LAYER_ADDRESS, 1)),
      count,
      ...setPayload(Header.Link, MESSAGE + 24, nobodysOption, MESSAGE + 2),
    ],
  ];
}

function big16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff);
}

const SET = 'parts';
const SET_ID = 1;
/** The set's elements. Any keys would do: the rules look for constants. */
const FORWARD = Uint8Array.of(1, 0, 0, 1);
const QUIET = Uint8Array.of(1, 0, 0, 2);
const ACK = MessageFlag.Ack;
const ETHERNET = 14;
/** Where an ICMPv6 message begins. */
const MESSAGE = ETHERNET + 40;
const REPLY = 2;
const SOLICITATION = 135;
const ADVERTISEMENT = 136;
const SOURCE_LINK_LAYER_ADDRESS = 1;
/** RFC 4727 §6: whoever does not know it skips it. */
const EXPERIMENTAL_OPTION = 253;
const NFTA_TABLE_NAME = 1;
const NOTHING = new Uint8Array(0);
