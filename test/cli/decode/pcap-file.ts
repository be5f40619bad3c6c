/** Writes capture files: classic pcap in every byte order and resolution, and pcapng. */
import { concatBytes } from '../../../wire/bytes.ts';

/** Link types as tcpdump.org numbers them. */
export const Link = {
  Ethernet: 1,
  Ieee80211: 105,
  Raw: 101,
  LinuxSll: 113,
  Ipv4: 228,
  Ipv6: 229,
  LinuxSll2: 276,
};

/** One frame to be written; `length` where more was on the wire than is captured. */
export interface FrameToWrite {
  readonly timeUs: number;
  readonly data: Uint8Array;
  readonly length?: number;
}

/** How to write a classic file. */
export interface PcapForm {
  readonly bigEndian?: boolean;
  readonly nanoseconds?: boolean;
}

/** A classic pcap file. */
export function pcapFile(link: number, frames: readonly FrameToWrite[], form: PcapForm = {}): Uint8Array {
  const words = (...values: number[]) => numbers(values, form.bigEndian === true);
  const unit = form.nanoseconds === true ? 1000 : 1;
  const version = form.bigEndian === true ? 0x00020004 : 0x00040002;
  const parts = [words(form.nanoseconds === true ? 0xa1b23c4d : 0xa1b2c3d4, version, 0, 0, 262_144, link)];
  for (const { timeUs, data, length } of frames) {
    const seconds = Math.floor(timeUs / 1_000_000);
    parts.push(words(seconds, (timeUs % 1_000_000) * unit, data.length, length ?? data.length), data);
  }
  return concatBytes(...parts);
}

/** A pcapng file of one section and one interface, in little-endian. */
export function pcapngFile(link: number, frames: readonly FrameToWrite[]): Uint8Array {
  const words = (...values: number[]) => numbers(values, false);
  const parts = [
    words(0x0a0d0d0a, 28, 0x1a2b3c4d, 0x00000001, 0xffffffff, 0xffffffff, 28),
    words(1, 20, link, 262_144, 20),
  ];
  for (const { timeUs, data } of frames) {
    const padded = new Uint8Array(Math.ceil(data.length / 4) * 4);
    padded.set(data);
    const length = 32 + padded.length;
    const time = [Math.floor(timeUs / 2 ** 32), timeUs % 2 ** 32];
    parts.push(words(6, length, 0, ...time, data.length, data.length), padded, words(length));
  }
  return concatBytes(...parts);
}

function numbers(values: readonly number[], bigEndian: boolean): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, i) => {
    view.setUint32(4 * i, value, !bigEndian);
  });
  return new Uint8Array(view.buffer);
}
