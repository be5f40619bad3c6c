/**
 * `castgate decode`: prints the frames of a capture file, a line for people or a JSON object each. A frame
 * that castgate would drop says why and stops nothing; only the file itself can fail.
 */

import type { Output } from '../output.ts';
import { printable } from '../table.ts';
import { CaptureFileError, readCapture } from './capture-file.ts';
import { FrameDecoder, type FrameRecord } from './frame-decoder.ts';
import { describeEap, describeEapol } from './frame-eap.ts';
import { describeIgmp, describeMld } from './frame-group.ts';
import { describeRadius, type RadiusRecord } from './frame-radius.ts';

/** How to print; `secret` is the RADIUS shared secret. */
export interface DecodeOptions {
  readonly json: boolean;
  readonly secret: string | undefined;
}

/** Exit code 0: the file was read to its end. 2: it is no capture file, or is cut off; one line on `err` says so. */
export async function decodeCapture(
  path: string,
  options: DecodeOptions,
  out: Output['out'],
  err: Output['err'],
): Promise<0 | 2> {
  const decoder = new FrameDecoder(options.secret);
  try {
    await readCapture(path, (frame) => {
      const record = decoder.decode(frame);
      out(`${options.json ? JSON.stringify(record) : describeFrame(record)}\n`);
    });
    return 0;
  } catch (cause) {
    if (!(cause instanceof CaptureFileError)) throw cause;
    err(`castgate: ${cause.message}\n`);
    return 2;
  }
}

/** One line: number, time, who to whom, what. Nothing in it can steer a terminal. */
export function describeFrame(record: FrameRecord): string {
  const from = record.ip?.src ?? record.eth?.src ?? '?';
  const to = record.ip?.dst ?? record.eth?.dst ?? '?';
  const tags = (record.vlan ?? []).map((tag) => ` vlan ${tag.id}`).join('');
  const cut = record.caplen < record.len ? ` [${record.caplen} of ${record.len} octets captured]` : '';
  const refused = record.malformed === false ? '' : ` [MALFORMED ${record.malformed}]`;
  const time = record.time.slice(0, -3).padStart(12);
  return printable(
    `${String(record.frame).padStart(5)} ${time}${tags}  ${from} > ${to}  ${content(record)}${cut}${refused}`,
  );
}

function content(record: FrameRecord): string {
  if (record.eapol !== undefined) {
    const eap = record.eap === undefined ? '' : `, ${describeEap(record.eap)}`;
    return `${describeEapol(record.eapol)}${eap}`;
  }
  if (record.radius !== undefined) return packets(record.radius).map(describeRadius).join('; ');
  if (record.igmp !== undefined) return describeIgmp(record.igmp);
  if (record.mld !== undefined) return describeMld(record.mld);
  if (record.udp !== undefined) return `UDP ${record.udp.src} > ${record.udp.dst}`;
  if (record.tcp !== undefined)
    return `TCP ${record.tcp.src} > ${record.tcp.dst}, ${record.tcp.payload} octets`;
  if (record.ip !== undefined) return `IPv${record.ip.version}`;
  return record.eth === undefined ? '' : `EtherType ${record.eth.type}`;
}

function packets(radius: RadiusRecord | readonly RadiusRecord[]): readonly RadiusRecord[] {
  return 'code' in radius ? [radius] : radius;
}
