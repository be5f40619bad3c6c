/**
 * Frames in and out of interfaces of a namespace, for tests: what came in (every frame, not only what
 * castgate's filter lets through), and frames made by hand.
 */

import { errnoName, loadNative, type Watch } from '../../../switch/native.ts';
import { ipBytes, macBytes } from '../../../wire/address.ts';
import { concatBytes } from '../../../wire/bytes.ts';
import type { Namespaces } from '../namespaces.ts';

/** A packet socket on all interfaces of a namespace. Frames are kept until clear(). */
export class Tap {
  readonly frames: { readonly interface: number; readonly frame: Uint8Array }[] = [];
  readonly #native = loadNative();
  readonly #lab: Namespaces;
  readonly #namespace: string;
  readonly #fd: number;
  readonly #watch: Watch;

  constructor(lab: Namespaces, namespace: string) {
    this.#lab = lab;
    this.#namespace = namespace;
    // ret 0x40000: every frame whole.
    const everything = new Uint8Array(8);
    new DataView(everything.buffer).setUint16(0, 6, true);
    new DataView(everything.buffer).setUint32(4, 0x40000, true);
    this.#fd = lab.within(namespace, () => this.#native.packetOpen(everything, 4 << 20));
    if (this.#fd < 0) throw new Error(`tap: ${errnoName(this.#fd)}`);
    const watch = this.#native.packetWatch(this.#fd, (octets, meta, count) => {
      if (typeof octets === 'number') return;
      for (let i = 0; i < count; i++) {
        const at = meta[5 * i + 2] ?? 0;
        const frame = octets.subarray(at, at + (meta[5 * i + 3] ?? 0));
        this.frames.push({ interface: meta[5 * i] ?? 0, frame });
      }
    });
    if (typeof watch === 'number') throw new Error(`tap: ${errnoName(watch)}`);
    this.#watch = watch;
  }

  send(interfaceName: string, frame: Uint8Array): void {
    const index = this.#lab.within(this.#namespace, () => this.#native.interfaceIndex(interfaceName));
    const sent = this.#native.packetSend(this.#fd, index, frame);
    if (sent < 0) throw new Error(`send on ${interfaceName}: ${errnoName(sent)}`);
  }

  /** Frames that hold the text anywhere. */
  withText(text: string): Uint8Array[] {
    return this.frames.map(({ frame }) => frame).filter((frame) => Buffer.from(frame).includes(text));
  }

  clear(): void {
    this.frames.length = 0;
  }

  close(): void {
    this.#native.unwatch(this.#watch);
  }
}

/** An Ethernet frame. */
export function ethernet(to: string, from: string, type: number, payload: Uint8Array): Uint8Array {
  return concatBytes(macOctets(to), macOctets(from), Uint8Array.of(type >>> 8, type & 0xff), payload);
}

/** A UDP datagram to a group (or any address) as a frame; IPv4 or IPv6 by the addresses. */
export function udp(from: string, mac: string, to: string, text: string, destination?: string): Uint8Array {
  const payload = new TextEncoder().encode(text);
  const body = concatBytes(words(5000, 5000, 8 + payload.length, 0), payload);
  return ip(from, mac, to, 17, body, 16, destination);
}

/** An IGMP or MLD-bearing (or any) IP packet as a frame. IPv4: with Router Alert for protocol 2. */
export function ip(
  from: string,
  mac: string,
  to: string,
  protocol: number,
  body: Uint8Array,
  ttl: number,
  destination = groupMac(to),
): Uint8Array {
  const source = ipBytes(from) ?? new Uint8Array(4);
  const target = ipBytes(to) ?? new Uint8Array(4);
  if (source.length === 16) {
    const alert = protocol === 58 && body[0] !== undefined && isMld(body[0]);
    const options = alert ? Uint8Array.of(58, 0, 5, 2, 0, 0, 1, 0) : new Uint8Array(0);
    const length = options.length + body.length;
    const fixed = Uint8Array.of(0x60, 0, 0, 0, length >>> 8, length & 0xff, alert ? 0 : protocol, ttl);
    const checked = protocol === 58 ? withIcmpv6Checksum(body, source, target) : body;
    return ethernet(destination, mac, 0x86dd, concatBytes(fixed, source, target, options, checked));
  }
  const options = protocol === 2 ? Uint8Array.of(0x94, 4, 0, 0) : new Uint8Array(0);
  const length = 20 + options.length + body.length;
  const header = concatBytes(
    Uint8Array.of(
      0x40 | (5 + options.length / 4),
      0,
      length >>> 8,
      length & 0xff,
      0,
      0,
      0x40,
      0,
      ttl,
      protocol,
      0,
      0,
    ),
    source,
    target,
    options,
  );
  header.set(words(checksum(header)), 10);
  return ethernet(destination, mac, 0x0800, concatBytes(header, body));
}

/** An IGMPv2 membership report, IGMPv3 report (`v3`) or general query (`query`), with its checksum. */
export function igmp(kind: 'v2' | 'v3' | 'query', group: string, responseTenths = 100): Uint8Array {
  const address = ipBytes(group) ?? new Uint8Array(4);
  const message =
    kind === 'v3'
      ? concatBytes(Uint8Array.of(0x22, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0), address)
      : kind === 'v2'
        ? concatBytes(Uint8Array.of(0x16, 0, 0, 0), address)
        : concatBytes(
            Uint8Array.of(0x11, responseTenths, 0, 0),
            new Uint8Array(4),
            Uint8Array.of(2, 125, 0, 0),
          );
  message.set(words(checksum(message)), 2);
  return message;
}

/** An MLDv2 report of one group that excludes no source, or a general query; checksum by ip(). */
export function mld(kind: 'report' | 'query', group: string): Uint8Array {
  const address = ipBytes(group) ?? new Uint8Array(16);
  return kind === 'report'
    ? concatBytes(Uint8Array.of(143, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0), address)
    : concatBytes(
        Uint8Array.of(130, 0, 0, 0, 0x27, 0x10, 0, 0),
        new Uint8Array(16),
        Uint8Array.of(2, 125, 0, 0),
      );
}

/** The MAC address of a group (RFC 1112 §6.4, RFC 2464 §7); broadcast for anything else. */
export function groupMac(address: string): string {
  const octets = ipBytes(address) ?? new Uint8Array(4);
  const tail = octets.subarray(-4);
  const hex = (value: number | undefined) => (value ?? 0).toString(16).padStart(2, '0');
  if (octets.length === 16) return `33:33:${[...tail].map(hex).join(':')}`;
  if ((octets[0] ?? 0) < 224) return 'ff:ff:ff:ff:ff:ff';
  return `01:00:5e:${hex((tail[1] ?? 0) & 0x7f)}:${hex(tail[2])}:${hex(tail[3])}`;
}

function isMld(type: number): boolean {
  return type === 130 || type === 131 || type === 132 || type === 143;
}

function withIcmpv6Checksum(body: Uint8Array, source: Uint8Array, target: Uint8Array): Uint8Array {
  const out = Uint8Array.from(body);
  out.set([0, 0], 2);
  const pseudo = concatBytes(source, target, words(0, out.length, 0, 58));
  out.set(words(checksum(concatBytes(pseudo, out))), 2);
  return out;
}

function checksum(octets: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < octets.length; i += 2) sum += ((octets[i] ?? 0) << 8) | (octets[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function words(...values: number[]): Uint8Array {
  return Uint8Array.from(values.flatMap((value) => [value >>> 8, value & 0xff]));
}

function macOctets(mac: string): Uint8Array {
  return macBytes(mac) ?? new Uint8Array(6);
}
