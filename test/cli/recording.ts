/**
 * Captures for replay tests, written frame by frame: a host and a recorded switch on a port, and the RADIUS
 * packets between switch and server. Times are milliseconds after the start.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCapture } from '../../cli/decode/capture-file.ts';
import { EapCode, EapType, encodeEap } from '../../eapol/eap.ts';
import { EapolType, encodeEapol } from '../../eapol/eapol.ts';
import { encodeIgmpPacket } from '../../igmp/group-packet.ts';
import type { GroupRecord } from '../../igmp/group-record.ts';
import type { IgmpMessage } from '../../igmp/igmp.ts';
import { AttributeType, octets, splitEapMessage, text } from '../../radius/attributes.ts';
import type { RadiusAttribute } from '../../radius/packet.ts';
import { signAccessRequest, signReply } from '../../radius/sign.ts';
import type { IpAddress, Mac } from '../../wire/address.ts';
import { macBytes } from '../../wire/address.ts';
import { concatBytes, putU16, putU32 } from '../../wire/bytes.ts';
import { EtherType, encodeEthernet } from '../../wire/ethernet.ts';
import { encodeIpv4, IpProtocol } from '../../wire/ipv4.ts';
import { encodeUdp } from '../../wire/udp.ts';
import { type FrameToWrite, Link, pcapFile } from './decode/pcap-file.ts';

export const SWITCH: Mac = '02:00:00:00:ff:01';
const PAE_GROUP: Mac = '01:80:c2:00:00:03';
const START_US = 1_700_000_000_000_000;
const SECRET = new TextEncoder().encode('the recorded secret, which nobody tells the replay');

/** Frames of one capture, in the order of their time. */
export class Recording {
  readonly frames: FrameToWrite[] = [];
  #id = 0;

  /** Puts a frame in; `vlan` undefined: without a tag. */
  frame(at: number, src: Mac, dst: Mac, etherType: number, payload: Uint8Array, vlan?: number): this {
    const vlans = vlan === undefined ? [] : [{ id: vlan, pcp: 0, dei: false, tpid: EtherType.Vlan }];
    return this.raw(at, encodeEthernet({ src, dst, vlans, etherType, payload }));
  }

  raw(at: number, data: Uint8Array): this {
    this.frames.push({ timeUs: START_US + Math.round(at * 1000), data });
    return this;
  }

  eapol(at: number, src: Mac, type: number, body: Uint8Array = new Uint8Array(0), vlan?: number): this {
    return this.frame(at, src, PAE_GROUP, EtherType.Eapol, encodeEapol({ version: 2, type, body }), vlan);
  }

  start(at: number, src: Mac, vlan?: number): this {
    return this.eapol(at, src, EapolType.Start, undefined, vlan);
  }

  eap(at: number, src: Mac, eap: Uint8Array, vlan?: number): this {
    return this.eapol(at, src, EapolType.Packet, eap, vlan);
  }

  igmp(at: number, src: Mac, from: IpAddress, to: IpAddress, message: IgmpMessage, vlan?: number): this {
    const payload = encodeIgmpPacket({ src: from, dst: to, message });
    return this.frame(at, src, '01:00:5e:00:00:16', EtherType.Ipv4, payload, vlan);
  }

  report(at: number, src: Mac, records: readonly GroupRecord[], vlan?: number): this {
    const message = { kind: 'record-report', version: 3, records } as const;
    return this.igmp(at, src, `10.77.0.${Number.parseInt(src.slice(-2), 16)}`, '224.0.0.22', message, vlan);
  }

  /** A question to the server and, unless `code` is undefined, its answer after `delay`. */
  radius(
    at: number,
    question: readonly RadiusAttribute[],
    code: number | undefined,
    answer: readonly RadiusAttribute[] = [],
    delay = 1,
    signed = true,
  ): this {
    const id = this.#id++ & 0xff;
    const authenticator = new Uint8Array(16).fill(id + 1);
    const request = signAccessRequest({ id, authenticator, attributes: question }, SECRET);
    this.raw(at, datagram('198.18.0.1', 40_000, '198.18.0.2', 1812, request));
    if (code === undefined) return this;
    const options = { messageAuthenticator: signed };
    const reply = signReply({ code, id, attributes: answer }, authenticator, SECRET, options);
    return this.raw(at + delay, datagram('198.18.0.2', 1812, '198.18.0.1', 40_000, reply));
  }

  /** The frames with Ethernet headers. */
  ethernet(): Uint8Array {
    return pcapFile(Link.Ethernet, this.#inOrder());
  }

  #inOrder(): FrameToWrite[] {
    return [...this.frames].sort((a, b) => a.timeUs - b.timeUs);
  }
}

/** What a Linux cooked v2 capture says of a frame: interface, and whether the machine sent it itself. */
export interface CookedFrame {
  readonly at: number;
  readonly ifindex: number;
  readonly outgoing: boolean;
  /** As on the cable. */
  readonly data: Uint8Array;
}

/** A Linux cooked v2 capture of frames of several interfaces. */
export function cookedV2(frames: readonly CookedFrame[]): Uint8Array {
  const written = frames.map(({ at, ifindex, outgoing, data }) => {
    const header = new Uint8Array(20);
    header.set(data.subarray(12, 14));
    putU32(header, 4, ifindex);
    putU16(header, 8, 1);
    header[10] = outgoing ? 4 : 2;
    header[11] = 6;
    header.set(data.subarray(6, 12), 12);
    return { timeUs: START_US + at * 1000, data: concatBytes(header, data.subarray(14)) };
  });
  return pcapFile(Link.LinuxSll2, written);
}

/** An EAP-Response/Identity, and the attributes of the request that it becomes. */
export function identityResponse(id: number, name: string): Uint8Array {
  const typeData = new TextEncoder().encode(name);
  return encodeEap({ code: EapCode.Response, id, type: EapType.Identity, typeData });
}

/** User-Name, Calling-Station-Id and EAP-Message. */
export function loginQuestion(name: string, mac: Mac, eap: Uint8Array): RadiusAttribute[] {
  return [...who(name, mac), ...splitEapMessage(eap)];
}

/** User-Name and Calling-Station-Id. */
export function who(name: string, mac: Mac): RadiusAttribute[] {
  const station = mac.toUpperCase().replaceAll(':', '-');
  return [text(AttributeType.UserName, name), text(AttributeType.CallingStationId, station)];
}

/** EAP-Message of a Success or a Failure. */
export function eapEnd(code: typeof EapCode.Success | typeof EapCode.Failure, id: number): RadiusAttribute {
  return octets(AttributeType.EapMessage, encodeEap({ code, id }));
}

/** One capture out of several Ethernet captures, in the order of time; `shiftMs` moves each, `src` renames hosts. */
export async function merged(
  ...parts: readonly {
    readonly path: string;
    readonly shiftMs?: number;
    readonly src?: ReadonlyMap<Mac, Mac>;
  }[]
): Promise<Uint8Array> {
  const frames: FrameToWrite[] = [];
  for (const { path, shiftMs, src } of parts) {
    const { startUs, read } = await framesOf(path);
    for (const { timeUs, data } of read) {
      const at = shiftMs === undefined ? timeUs : START_US + shiftMs * 1000 + (timeUs - startUs);
      frames.push({ timeUs: at, data: src === undefined ? data : renamed(data, src) });
    }
  }
  return pcapFile(
    Link.Ethernet,
    frames.sort((a, b) => a.timeUs - b.timeUs),
  );
}

async function framesOf(path: string): Promise<{ startUs: number; read: FrameToWrite[] }> {
  const read: FrameToWrite[] = [];
  await readCapture(path, ({ timeUs, data }) => read.push({ timeUs, data }));
  return { startUs: read[0]?.timeUs ?? 0, read };
}

function renamed(frame: Uint8Array, src: ReadonlyMap<Mac, Mac>): Uint8Array {
  const out = frame.slice();
  for (const [from, to] of src) {
    const before = macBytes(from);
    const after = macBytes(to);
    if (before === undefined || after === undefined) throw new Error(`no MAC: ${from} or ${to}`);
    if (before.every((octet, i) => frame[6 + i] === octet)) out.set(after, 6);
  }
  return out;
}

function datagram(src: IpAddress, srcPort: number, dst: IpAddress, dstPort: number, payload: Uint8Array) {
  const udp = encodeUdp({ src, srcPort, dst, dstPort, payload });
  return encodeEthernet({
    src: '02:00:00:00:ee:01',
    dst: '02:00:00:00:ee:02',
    etherType: EtherType.Ipv4,
    payload: encodeIpv4({ src, dst, ttl: 64, tos: 0, protocol: IpProtocol.Udp, payload: udp }),
  });
}

/** A folder for a test's files; `remove` takes it away. */
export function scratch(): {
  readonly path: string;
  file(name: string, content: string | Uint8Array): string;
  remove(): void;
} {
  const path = mkdtempSync(join(tmpdir(), `cgt-${process.pid}-`));
  return {
    path,
    file: (name, content) => {
      const place = join(path, name);
      writeFileSync(place, content);
      return place;
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}
