/**
 * The packet socket of a tap: it sees frames before anything in the kernel judges them. It is opened once and kept
 * open: to make or close one takes the kernel some ten milliseconds.
 */

import { littleEndian, viewOf } from '../../switch/linux/netlink/message.ts';
import { errnoName, type Native, type Watch } from '../../switch/native.ts';
import { ipFamily } from '../../wire/address.ts';
import { solicitedNode } from '../address-claim.ts';
import { checked, IPPROTO_IPV6, SOCK_DATAGRAM } from './socket-option.ts';
import { closedFilter, wayFilter } from './way-filter.ts';
import type { WayPlace } from './way-table.ts';

export class TapSocket {
  readonly #native: Native;
  readonly #fd: number;
  readonly #watch: Watch;
  readonly #listener: (frame: Uint8Array) => void;
  readonly #room = new Uint8Array(LARGEST_FRAME);
  readonly #read = new Int32Array(2);
  /** Member of the groups in which the addresses are asked for. */
  #groups = -1;
  #dropped = 0;
  #listens = false;

  /** It hears nothing yet. Throws SocketError. */
  constructor(native: Native, receiveBufferOctets: number, listener: (frame: Uint8Array) => void) {
    this.#native = native;
    this.#listener = listener;
    this.#fd = checked('packet socket', native.packetOpen(closedFilter(), receiveBufferOctets));
    const watch = native.netlinkWatch(this.#fd, (octets) => {
      if (typeof octets !== 'number' && this.#listens) listener(octets);
    });
    if (typeof watch === 'number') {
      native.close(this.#fd);
      throw new Error(`packet socket: ${errnoName(watch)}`);
    }
    this.#watch = watch;
  }

  /** Hears from here on what concerns these addresses on their interface. */
  listen({ ifindex, addresses }: WayPlace): void {
    const native = this.#native;
    checked('filter', native.packetFilter(this.#fd, wayFilter(ifindex, addresses)));
    this.#listens = true;
    const ipv6 = addresses.filter((address) => ipFamily(address) === 6);
    if (this.#groups >= 0 || ipv6.length === 0) return;
    this.#groups = checked('socket', native.inetOpen(AF_INET6, SOCK_DATAGRAM, 0));
    for (const address of ipv6) {
      const request = new Uint8Array(20);
      request.set(solicitedNode(address));
      viewOf(request).setUint32(16, ifindex, littleEndian);
      native.inetSetOption(this.#groups, IPPROTO_IPV6, IPV6_JOIN_GROUP, request);
    }
  }

  /** Hears nothing more. */
  rest(): void {
    if (!this.#listens) return;
    this.#listens = false;
    this.#native.packetFilter(this.#fd, closedFilter());
    if (this.#groups >= 0) this.#native.close(this.#groups);
    this.#groups = -1;
  }

  /**
   * Takes what waits now, without the event loop, but no more than some frames, and for no longer than some
   * milliseconds: whoever fills the socket must not hold up a takeover. The event loop reads the rest.
   */
  poll(): void {
    const until = performance.now() + POLL_MS;
    for (let frames = 0; this.#listens && frames < POLL_FRAMES && performance.now() < until; frames++) {
      const length = this.#native.inetReceive(this.#fd, this.#room);
      if (length <= 0) return;
      this.#listener(this.#room.slice(0, length));
    }
  }

  /** Sends a whole frame; what cannot be sent is lost. */
  send(ifindex: number, frame: Uint8Array): void {
    this.#native.packetSend(this.#fd, ifindex, frame);
  }

  /** Frames for which the socket had no room, since it was opened. */
  get dropped(): number {
    if (this.#native.packetStatistics(this.#fd, this.#read) === 0) this.#dropped += this.#read[1] ?? 0;
    return this.#dropped;
  }

  close(): void {
    this.rest();
    this.#native.unwatch(this.#watch);
  }
}

const POLL_FRAMES = 2_048;
const POLL_MS = 3;
const AF_INET6 = 10;
const IPV6_JOIN_GROUP = 20;
/** An IP packet of the largest size, with its Ethernet header. */
const LARGEST_FRAME = 65_535 + 14;
