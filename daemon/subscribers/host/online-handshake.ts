/**
 * The online handshake: whether a host that is in is still there, where its port asks (`handshake_period`). Any frame
 * of the host says so, by the switch's counters; who has sent nothing since the last look is asked at the addresses that
 * it was heard from, by the unicast poll of RFC 1122 §2.3.2.1 and by a neighbour solicitation (RFC 4861 §7.3).
 *
 * Not by EAP: a Request/Identity to an authenticated supplicant is the beginning of a re-authentication for it
 * (802.1X-2004 §8.2.11, AUTHENTICATED to RESTART), and one that hears no more of it begins again by EAPOL-Start.
 *
 * Invariant: a host ends by its silence only where it has answered such a question before.
 */
import type { PortConfig } from '../../../config/config.ts';
import type { HandshakeRecord, SessionRecord } from '../../../session/records.ts';
import type { HostPlace } from '../../../switch/switch.ts';
import {
  type IpAddress,
  ipFamily,
  isHostIp,
  isLinkLocalIp,
  linkLocalAddress,
  type Mac,
} from '../../../wire/address.ts';
import { ArpOperation, decodeArp, encodeArp } from '../../../wire/arp.ts';
import { DeadlineHeap } from '../../../wire/deadline-heap.ts';
import { EtherType, encodeEthernet } from '../../../wire/ethernet.ts';
import { decodeIpv4 } from '../../../wire/ipv4.ts';
import { decodeIpv6 } from '../../../wire/ipv6.ts';
import { isMalformed } from '../../../wire/malformed.ts';
import { advertisedAddress, encodeNeighbourSolicitation } from '../../../wire/neighbour.ts';
import type { CoreParts } from '../../core/parts.ts';

export class OnlineHandshake {
  readonly #parts: CoreParts;
  readonly #looks = new DeadlineHeap();

  /** Takes up the records that the store holds already. */
  constructor(parts: CoreParts) {
    this.#parts = parts;
    for (const { key, lookAt } of parts.stores.handshakes.values()) this.#looks.set(key, lookAt);
    parts.stores.handshakes.follow((key, _, after) => this.#looks.set(key, after?.lookAt));
  }

  /** The session has begun, or its host has just logged in again. */
  follow(now: number, { key, port }: SessionRecord): void {
    const periodMs = this.#periodMs(port);
    if (periodMs === 0) this.forget(key);
    else this.#put({ ...(this.#of(key) ?? unknown(key)), unanswered: 0, lookAt: now + periodMs });
  }

  /**
   * After a pause, or under another configuration: what was asked last may never have left, and nobody heard what came;
   * each host has all its tries again.
   */
  resume(now: number): void {
    for (const session of this.#parts.stores.sessions.values()) {
      const record = this.#of(session.key);
      const isAsked = this.#periodMs(session.port) > 0;
      if (isAsked !== (record !== undefined) || (record?.unanswered ?? 0) > 0) this.follow(now, session);
    }
  }

  forget(key: string): void {
    if (this.#parts.stores.handshakes.delete(key)) this.#looks.set(key, undefined);
  }

  /** A frame of the host that is not EAPOL: where it can be asked, and maybe its answer. */
  heard(key: string, { port, mac }: HostPlace, etherType: number, payload: Uint8Array): void {
    const record = this.#of(key);
    if (record === undefined) return;
    const said = addressesIn(mac, etherType, payload);
    if (said === undefined) return;
    const { source, answer } = said;
    const isAnswer =
      record.unanswered > 0 && answer !== undefined && (answer === record.ipv4 || answer === record.ipv6);
    if (isAnswer) this.#parts.tally.count(port, 'handshake/answered');
    const next = isAnswer ? { ...record, unanswered: 0, answers: true } : record;
    const moved = source === undefined ? next : movedTo(next, source);
    if (moved !== record) this.#put(moved);
  }

  /** A session whose host is gone; it is still to be ended. */
  takeGone(now: number): SessionRecord | undefined {
    for (let key = this.#looks.takeDue(now); key !== undefined; key = this.#looks.takeDue(now)) {
      const session = this.#parts.stores.sessions.get(key);
      const record = this.#of(key);
      const port = session && this.#parts.ports.get(session.port);
      if (
        record === undefined ||
        session === undefined ||
        port === undefined ||
        port.handshakePeriodMs === 0
      ) {
        this.forget(key);
        continue;
      }
      const packets = this.#parts.readings.hostCounters(session)?.input.packets;
      const next = { ...record, moves: 0, lookAt: now + port.handshakePeriodMs };
      // Without counters nothing is known of it, least of all that it is gone.
      if (packets === undefined || packets !== record.packets) {
        this.#put({ ...next, packets: packets ?? record.packets, unanswered: 0 });
      } else if (record.answers && record.unanswered >= port.handshakeTries) {
        this.#parts.tally.count(port.name, 'handshake/lost');
        return session;
      } else {
        const asked = this.#ask(port, session, record);
        this.#put({ ...next, unanswered: asked ? Math.min(record.unanswered + 1, port.handshakeTries) : 0 });
      }
    }
    return undefined;
  }

  nextTimeout(): number | undefined {
    return this.#looks.next();
  }

  /** False where nobody knows at which address. */
  #ask({ name }: PortConfig, { vlan, mac }: SessionRecord, { ipv4, ipv6 }: HandshakeRecord): boolean {
    const src = this.#parts.readings.macOf(name);
    if (src === undefined || (ipv4 ?? ipv6) === undefined) return false;
    const send = (etherType: number, payload: Uint8Array) => {
      const frame = encodeEthernet({ dst: mac, src, etherType, payload });
      this.#parts.effect({ kind: 'frame', port: name, vlan, frame });
    };
    if (ipv4 !== undefined) {
      const question = { operation: ArpOperation.Request, targetMac: NO_MAC, target: ipv4 };
      send(EtherType.Arp, encodeArp({ ...question, senderMac: src, sender: NO_ADDRESS }));
    }
    if (ipv6 !== undefined) {
      send(EtherType.Ipv6, encodeNeighbourSolicitation(linkLocalAddress(src), src, ipv6));
    }
    this.#parts.tally.count(name, 'handshake/asked');
    return true;
  }

  #periodMs(port: string): number {
    return this.#parts.ports.get(port)?.handshakePeriodMs ?? 0;
  }

  #of(key: string): HandshakeRecord | undefined {
    return this.#parts.stores.handshakes.get(key);
  }

  #put(record: HandshakeRecord): void {
    this.#parts.stores.handshakes.put(record.key, record);
    this.#looks.set(record.key, record.lookAt);
  }
}

function unknown(key: string): HandshakeRecord {
  const where = { ipv4: undefined, ipv6: undefined, moves: 0 };
  return { v: 1, key, packets: 0, lookAt: 0, ...where, unanswered: 0, answers: false };
}

/**
 * The address that a frame says its host has, and the one that it answers for. Of IPv6 only link-local ones, which
 * stay: a temporary address may end while its host is silent.
 */
function addressesIn(
  mac: Mac,
  etherType: number,
  payload: Uint8Array,
): { readonly source: IpAddress | undefined; readonly answer: IpAddress | undefined } | undefined {
  switch (etherType) {
    case EtherType.Arp: {
      const arp = decodeArp(payload);
      if (isMalformed(arp) || arp.senderMac !== mac || !isHostIp(arp.sender)) return undefined;
      return { source: arp.sender, answer: arp.operation === ArpOperation.Reply ? arp.sender : undefined };
    }
    case EtherType.Ipv4: {
      const packet = decodeIpv4(payload);
      if (isMalformed(packet) || !isHostIp(packet.src)) return undefined;
      return { source: packet.src, answer: undefined };
    }
    case EtherType.Ipv6: {
      const packet = decodeIpv6(payload);
      if (isMalformed(packet)) return undefined;
      const source = isLinkLocalIp(packet.src) ? packet.src : undefined;
      return { source, answer: advertisedAddress(packet) };
    }
    default:
      return undefined;
  }
}

/** The same record where the address is known; one that claims many addresses between two looks is not judged. */
function movedTo(record: HandshakeRecord, address: IpAddress): HandshakeRecord {
  const field = ipFamily(address) === 4 ? 'ipv4' : 'ipv6';
  if (record[field] === address || record.moves > MOST_MOVES) return record;
  const moves = record.moves + 1;
  if (moves > MOST_MOVES) return { ...record, moves, ipv4: undefined, ipv6: undefined, answers: false };
  return { ...record, moves, [field]: address };
}

const MOST_MOVES = 8;
/** RFC 5227 §1.1: the sender of a probe, and the target's MAC address that is asked for. */
const NO_ADDRESS = '0.0.0.0';
const NO_MAC = '00:00:00:00:00:00';
