/**
 * Counts what really is on a cable: tcpdump writes every frame of an interface to a file, this reads it.
 * A packet socket sees a frame before any IP filter of the host does, so a channel that leaks to a host
 * that is not listening is seen as well. Invariant: a capture that has lost frames is an error, never a
 * smaller count.
 */
import { readFileSync } from 'node:fs';
import type { IpAddress, Mac } from '../wire/address.ts';
import { decodeEthernet, EtherType } from '../wire/ethernet.ts';
import { decodeIpv4, IpProtocol } from '../wire/ipv4.ts';
import { decodeIpv6 } from '../wire/ipv6.ts';
import { isMalformed } from '../wire/malformed.ts';
import { LabError, LabProcess, pause } from './processes.ts';

/** One frame on the cable. */
export interface CapturedFrame {
  /** Milliseconds since 1970, with a fraction. */
  readonly atMs: number;
  /** Octets of the whole frame, without its check sequence. */
  readonly octets: number;
  readonly dst: Mac;
  readonly src: Mac;
  readonly etherType: number;
  /** What is behind the EtherType. */
  readonly payload: Uint8Array;
  /** Undefined where it is no whole IPv4 or IPv6 packet; `protocol` is then the next header after extensions. */
  readonly ip:
    | {
        readonly src: IpAddress;
        readonly dst: IpAddress;
        readonly protocol: number;
        readonly payload: Uint8Array;
      }
    | undefined;
}

/** Packets, and octets of whole frames without their check sequence. */
export interface Tally {
  readonly packets: number;
  readonly octets: number;
  readonly firstAtMs: number | undefined;
  readonly lastAtMs: number | undefined;
}

export class Capture {
  readonly file: string;
  readonly #process: LabProcess;

  private constructor(file: string, process: LabProcess) {
    this.file = file;
    this.#process = process;
  }

  /** Starts capturing; resolves when tcpdump listens. */
  static async start(file: string, interfaceName: string, namespace: string): Promise<Capture> {
    const process = LabProcess.start(
      `tcpdump on ${interfaceName} in ${namespace}`,
      // -Z root: giving up root would undo the parent-death signal, and the folder is root's alone.
      [
        'tcpdump',
        '-i',
        interfaceName,
        '-Z',
        'root',
        '-p',
        '-n',
        '--immediate-mode',
        '-U',
        '-B',
        '8192',
        '-w',
        file,
      ],
      namespace,
    );
    await process.waitForLine(/listening on/, 10_000);
    return new Capture(file, process);
  }

  /** What has been written so far. */
  frames(): CapturedFrame[] {
    return readFrames(readFileSync(this.file));
  }

  /** Ends the capture and gives everything. Throws LabError where the kernel had to drop frames. */
  async finish(): Promise<CapturedFrame[]> {
    await pause(SETTLING_MS);
    await this.#process.stop('SIGINT');
    const dropped = this.#process.tail().find((line) => /packets dropped by kernel/.test(line));
    if (dropped?.startsWith('0 ') !== true)
      throw new LabError(`${this.#process.name}: ${dropped ?? 'ended early'}`, this.#process.tail());
    return this.frames();
  }
}

/** Adds up the frames that `wanted` picks. */
export function tally(frames: readonly CapturedFrame[], wanted: (frame: CapturedFrame) => boolean): Tally {
  const picked = frames.filter(wanted);
  return {
    packets: picked.length,
    octets: picked.reduce((sum, frame) => sum + frame.octets, 0),
    firstAtMs: picked[0]?.atMs,
    lastAtMs: picked.at(-1)?.atMs,
  };
}

/** Picks the datagrams of a channel. */
export function ofGroup(group: IpAddress): (frame: CapturedFrame) => boolean {
  return (frame) => frame.ip?.dst === group && frame.ip.protocol === IpProtocol.Udp;
}

/** Reads a capture file as tcpdump writes it on this machine: microseconds, Ethernet. A cut last frame is left out. */
function readFrames(file: Buffer): CapturedFrame[] {
  if (file.length < FILE_HEADER) return [];
  if (file.readUInt32LE(0) !== MICROSECOND_MAGIC || file.readUInt32LE(20) !== LINK_ETHERNET)
    throw new LabError('the capture is not one of Ethernet frames in microseconds');
  const frames: CapturedFrame[] = [];
  let at = FILE_HEADER;
  while (at + FRAME_HEADER <= file.length) {
    const captured = file.readUInt32LE(at + 8);
    if (at + FRAME_HEADER + captured > file.length) break;
    const frame = decodeEthernet(file.subarray(at + FRAME_HEADER, at + FRAME_HEADER + captured));
    if (!isMalformed(frame)) {
      const ip = ipOf(frame);
      frames.push({
        atMs: file.readUInt32LE(at) * 1000 + file.readUInt32LE(at + 4) / 1000,
        octets: file.readUInt32LE(at + 12),
        dst: frame.dst,
        src: frame.src,
        etherType: frame.etherType,
        payload: frame.payload,
        ip,
      });
    }
    at += FRAME_HEADER + captured;
  }
  return frames;
}

function ipOf({ etherType, payload }: { etherType: number; payload: Uint8Array }): CapturedFrame['ip'] {
  if (etherType === EtherType.Ipv4) {
    const ip = decodeIpv4(payload);
    return isMalformed(ip) ? undefined : ip;
  }
  if (etherType !== EtherType.Ipv6) return undefined;
  const ip = decodeIpv6(payload);
  return isMalformed(ip) ? undefined : { ...ip, protocol: ip.nextHeader };
}

/** What has arrived already is on its way through tcpdump. */
const SETTLING_MS = 60;
const FILE_HEADER = 24;
const FRAME_HEADER = 16;
const MICROSECOND_MAGIC = 0xa1b2c3d4;
const LINK_ETHERNET = 1;
