/**
 * The standby sees what peers send before the active does (US7957269B2, the patent's literal way): their packets come
 * to its node, which takes them down and passes them on to the active's. Both ends of that, as a node is now the one
 * and now the other.
 *
 * No octet of a connection depends on it that packets do come this way. The standby tells up to where it has seen each connection, in
 * order, and the active acknowledges nothing to a peer beyond that and beyond what the records say: packets that take
 * another way, a gap, a tap that overflows, a standby that is gone, all of these just leave it to the records.
 */
import type { Native } from '../../switch/native.ts';
import type { IpAddress, Mac } from '../../wire/address.ts';
import { u16 } from '../../wire/bytes.ts';
import { EtherType } from '../../wire/ethernet.ts';
import { announcementOf, judgeClaim } from '../address-claim.ts';
import type { ConnectionRecord, ConnectionStores } from '../records.ts';
import { type Seen, Tap } from '../tap.ts';
import type { ConnectionGuard } from './connection-guard.ts';
import { messageOf } from './socket-option.ts';
import { TapSocket } from './tap-socket.ts';
import { wayPlace } from './way-place.ts';
import { type WayPlace, WayTable } from './way-table.ts';

/** What is worth a line in the log. */
export type WayEvent =
  /** Of the standby: packets come here first. */
  | { readonly kind: 'in-the-way'; readonly device: string }
  /** Of the active: packets come through the standby. */
  | { readonly kind: 'through-standby' }
  /** Of the active: it has told the link that the addresses are here. */
  | { readonly kind: 'taken-back'; readonly why: string }
  /** Of the standby: there was no room for so much more; it is left to the records. */
  | { readonly kind: 'overflowed'; readonly more: number }
  /** It cannot be done here; acknowledgements wait for the records, as without it. */
  | { readonly kind: 'refused'; readonly why: string };

export interface StandbyFirstOptions {
  readonly native: Native;
  readonly guard: ConnectionGuard;
  /** Virtual addresses of the connections. */
  readonly addresses: readonly IpAddress[];
  /** How long an active believes a standby that says nothing more. */
  readonly leaseMs: number;
  /** Octets of frames that may wait for this process, and octets that are kept of one connection. */
  readonly room?: { readonly socket: number; readonly stream: number };
  /** Another table than the kernel's own. */
  readonly table?: () => WayTable;
  /** Something is to be told to the active: `report` has it. */
  readonly advanced: () => void;
  readonly told: (event: WayEvent) => void;
}

/** What a standby tells: whether packets come to it, and how far it has seen them. */
export interface WayReport {
  readonly inTheWay: boolean;
  readonly seen: readonly Seen[];
}

/** For `castgate show ha` and metrics. */
export interface WayState {
  /** `direct`: packets come to the active, and acknowledgements wait for the records. */
  readonly way: 'direct' | 'through-standby' | 'in-the-way';
  /** Why it is not possible here. */
  readonly refused: string | undefined;
  readonly octets: number;
  readonly unseen: number;
  /** Frames without room in the socket, and octets without room in the queue. */
  readonly overflows: number;
}

export class StandbyFirst {
  readonly #options: StandbyFirstOptions;
  readonly #tap: Tap;
  #addresses: readonly IpAddress[];
  #place: WayPlace | undefined;
  #table: WayTable | undefined;
  #socket: TapSocket | undefined;
  #refused: string | undefined;
  /** The active that the table passes packets on to. */
  #active: Mac | undefined;
  /** Where the active wants packets to be passed on to; undefined: it has not said so on this link. */
  #offered: Mac | undefined;
  #isIn = false;
  #announcedAt = -Infinity;
  /** Announcements that are still to be made. */
  #announcing: NodeJS.Timeout[] = [];
  /** When it was last looked whether there was room for all, and how often there was none by then. */
  #overflowed = { at: -Infinity, count: 0 };
  #resting: NodeJS.Timeout | undefined;
  /** When the standby last said that it is in the way; undefined: packets come here. */
  #wordAt: number | undefined;
  #renewedAt = -Infinity;

  /** What it can have of the kernel now it has; the rest it tries again when it is needed. */
  constructor(options: StandbyFirstOptions) {
    this.#options = options;
    this.#tap = new Tap(options.room?.stream ?? STREAM_ROOM);
    this.#addresses = options.addresses;
    this.#prepare();
  }

  get state(): WayState {
    const { octets, unseen, overflowed } = this.#tap.counts;
    return {
      way: this.#isIn ? 'in-the-way' : this.#wordAt === undefined ? 'direct' : 'through-standby',
      refused: this.#refused,
      octets,
      unseen,
      overflows: overflowed + (this.#socket?.dropped ?? 0),
    };
  }

  /** Takes other addresses. */
  reconfigure(addresses: readonly IpAddress[]): void {
    if (addresses.join() === this.#addresses.join()) return;
    this.#addresses = addresses;
    this.takeBack('other addresses');
    this.lostTouch();
    this.#socket?.rest();
    this.#place = undefined;
    this.#prepare();
  }

  /** Standby: these are the active's records. */
  follow(stores: Pick<ConnectionStores, 'connections' | 'places'>): void {
    // What came before the records did was seen before.
    this.#socket?.poll();
    const unseen = this.#tap.follow(stores);
    // Packets take another way: some cache on the link has an old entry.
    if (unseen > 0 && this.#isIn) this.#announce();
  }

  /** Standby: packets are to come here, and go on to the active at `mac`. */
  stepIn(mac: Mac): void {
    const { told } = this.#options;
    this.#offered = mac;
    if (this.#isIn && mac === this.#active) return;
    const place = this.#prepare();
    if (place === undefined || this.#table === undefined || this.#socket === undefined) return;
    clearTimeout(this.#resting);
    this.#announceNoMore();
    const refusal = (mac === this.#active ? undefined : this.#table.put(place, mac)) ?? this.#table.forward();
    if (refusal !== undefined) {
      this.#refuse(`the kernel does not pass packets on: ${refusal.text ?? refusal.errno}`);
      return;
    }
    this.#active = mac;
    try {
      this.#socket.listen(place);
    } catch (cause) {
      this.#refuse(messageOf(cause));
      return;
    }
    this.#isIn = true;
    this.#announcedAt = -Infinity;
    this.#announce();
    told({ kind: 'in-the-way', device: place.device });
  }

  /**
   * Standby: the active says nothing more. What still comes is passed on nevertheless; whoever asks for an address is
   * left to the active, which has not heard of this node for as long.
   */
  lostTouch(): void {
    this.#isIn = false;
    this.#announceNoMore();
  }

  /** Standby: the active is heard again, and still counts on this node. */
  inTouch(): void {
    if (!this.#isIn && this.#offered !== undefined) this.stepIn(this.#offered);
  }

  /** Standby: the link is gone; the next one begins anew. */
  parted(): void {
    this.#offered = undefined;
    this.lostTouch();
  }

  /** Standby: what the active is to know. */
  report(): WayReport {
    this.#lookForOverflow();
    return { inTheWay: this.#isIn, seen: this.#tap.drainSeen() };
  }

  /** This node serves from here on: packets are its own, and what it has seen is at hand for a few seconds. */
  takeOver(): void {
    this.parted();
    const refusal = this.#table?.keep();
    // Packets that both nodes pass on to each other would never end.
    if (refusal !== undefined) {
      this.#dropTable();
      this.#refuse(
        `packets would still be passed on: ${refusal.text ?? refusal.errno}; the table is dropped`,
      );
    }
    clearTimeout(this.#resting);
    this.#resting = setTimeout(() => this.#socket?.rest(), REST_MS);
    this.#resting.unref();
  }

  /** What this node has seen of a connection from a position on, without a gap; what waits in the socket too. */
  seen(record: ConnectionRecord, position: number): Uint8Array {
    this.#socket?.poll();
    return this.#tap.from(record, position);
  }

  /** Active: where packets are to be passed on to; undefined where this cannot be done here. */
  reach(): Mac | undefined {
    return this.#prepare()?.mac;
  }

  /** Active: the standby has said this. */
  heard({ inTheWay, seen }: WayReport): void {
    const { guard, leaseMs, told } = this.#options;
    for (const one of seen) guard.seen(one);
    if (!inTheWay) {
      this.takeBack('the standby is not in the way any more');
      return;
    }
    const now = performance.now();
    if (this.#wordAt === undefined) {
      this.#announceNoMore();
      told({ kind: 'through-standby' });
    }
    this.#wordAt = now;
    if (now - this.#renewedAt < leaseMs / RENEWALS_IN_LEASE) return;
    this.#renewedAt = now;
    const refusal = this.#table?.quiet(leaseMs);
    if (refusal !== undefined) this.#refuse(`the addresses are not hidden: ${refusal.text ?? refusal.errno}`);
  }

  /** Active: looks whether the standby still says anything. */
  tick(): void {
    if (this.#wordAt === undefined || performance.now() - this.#wordAt <= this.#options.leaseMs) return;
    this.takeBack('the standby says nothing more');
  }

  /** Active: packets are to come here again. */
  takeBack(why: string): void {
    if (this.#wordAt === undefined) return;
    this.#stopHiding();
    this.#sendAnnouncements();
    for (const ms of ANNOUNCED_AGAIN_MS) this.#announceIn(ms, () => this.#sendAnnouncements());
    this.#options.told({ kind: 'taken-back', why });
  }

  /** Active: it serves no more; who goes on says where the addresses are. */
  stopServing(): void {
    this.#stopHiding();
  }

  /** Nothing is left of it in the kernel. */
  close(): void {
    clearTimeout(this.#resting);
    this.lostTouch();
    this.#table?.close();
    this.#socket?.close();
  }

  /** The kernel drops it with its socket; the next one is made when it is needed. */
  #dropTable(): void {
    this.#table?.close();
    this.#table = undefined;
    this.#place = undefined;
    this.#active = undefined;
  }

  #stopHiding(): void {
    this.#announceNoMore();
    this.#wordAt = undefined;
    this.#renewedAt = -Infinity;
    this.#table?.speak();
  }

  /** The socket, and the table on the interface that there is. */
  #prepare(): WayPlace | undefined {
    if (this.#place !== undefined || this.#addresses.length === 0) return this.#place;
    const { native, room } = this.#options;
    const place = wayPlace(native, this.#addresses);
    if (typeof place === 'string') {
      this.#refuse(place);
      return undefined;
    }
    try {
      this.#socket ??= new TapSocket(native, room?.socket ?? SOCKET_ROOM, (frame) => this.#frame(frame));
      this.#table ??= this.#options.table?.() ?? new WayTable();
    } catch (cause) {
      this.#refuse(messageOf(cause));
      return undefined;
    }
    const refusal = this.#table.put(place, this.#active);
    if (refusal !== undefined) {
      this.#refuse(`the kernel takes no rules for ${place.device}: ${refusal.text ?? refusal.errno}`);
      return undefined;
    }
    this.#refused = undefined;
    this.#place = place;
    return place;
  }

  #refuse(why: string): void {
    if (why !== this.#refused) this.#options.told({ kind: 'refused', why });
    this.#refused = why;
  }

  #frame(frame: Uint8Array): void {
    const place = this.#place;
    if (frame.length < ETHERNET + 1 || place === undefined) return;
    const isClaim =
      u16(frame, 12) === EtherType.Arp ||
      (frame[ETHERNET + 6] === ICMPV6 && u16(frame, 12) === EtherType.Ipv6);
    if (!isClaim) {
      const before = this.#tap.counts.octets;
      this.#tap.packet(frame.subarray(ETHERNET));
      if (this.#isIn && this.#tap.counts.octets !== before) this.#options.advanced();
      return;
    }
    if (!this.#isIn) return;
    const asked = judgeClaim(frame, place);
    if (asked === undefined) return;
    if ('answer' in asked) this.#socket?.send(place.ifindex, asked.answer);
    else this.#announce();
  }

  #lookForOverflow(): void {
    const at = performance.now();
    if (at - this.#overflowed.at < OVERFLOW_PAUSE_MS) return;
    const { overflows } = this.state;
    const more = overflows - this.#overflowed.count;
    this.#overflowed = { at, count: overflows };
    if (more > 0) this.#options.told({ kind: 'overflowed', more });
  }

  /** Now, but not oftener than now and then: two that both insist would fill the link. */
  #announce(): void {
    const now = performance.now();
    const early = this.#announcedAt + ANNOUNCE_PAUSE_MS - now;
    if (early > 0) {
      if (this.#announcing.length === 0) this.#announceIn(early, () => this.#announce());
      return;
    }
    this.#announceNoMore();
    this.#announcedAt = now;
    this.#sendAnnouncements();
  }

  #announceIn(ms: number, announce: () => void): void {
    const timer = setTimeout(() => {
      this.#announcing = this.#announcing.filter((one) => one !== timer);
      announce();
    }, Math.ceil(ms)).unref();
    this.#announcing.push(timer);
  }

  #announceNoMore(): void {
    for (const timer of this.#announcing.splice(0)) clearTimeout(timer);
  }

  #sendAnnouncements(): void {
    const place = this.#place;
    if (place === undefined) return;
    for (const address of place.addresses)
      this.#socket?.send(place.ifindex, announcementOf(address, place.mac));
  }
}

/** Octets of one connection: more than 256 answers of the largest size, which is all that can be open on one. */
const STREAM_ROOM = 2 << 20;
const SOCKET_ROOM = 8 << 20;
const RENEWALS_IN_LEASE = 5;
const ANNOUNCE_PAUSE_MS = 100;
const OVERFLOW_PAUSE_MS = 1_000;
/** One frame may be lost. */
const ANNOUNCED_AGAIN_MS = [20, 200, 1_000];
/** As long as peers are asked where connections stand, and a little longer. */
const REST_MS = 5_000;
const ETHERNET = 14;
const ICMPV6 = 58;
