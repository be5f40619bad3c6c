/**
 * Claims: frames by which the node that serves tells its epoch on the uplink, beside the replication link, so
 * that a node that was cut off from the other one, or froze and woke, learns there that it was replaced. Signed
 * with the key of both nodes. A claim says nothing that a repetition could harm: an older epoch never wins, and
 * times only grow.
 *
 * Layout: `CGHA`, version 1, length of the node's name, name, epoch (u64), time (u64 ms), flags (bit 0: alone),
 * HMAC-SHA-256 cut to 16.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Mac } from '../../wire/address.ts';
import { macBytes } from '../../wire/address.ts';

/** IEEE 802 local experimental EtherType 1 (IEEE 802-2014 §9.2.3). */
export const CLAIM_ETHER_TYPE = 0x88b5;

/** `node` serves under `epoch`; `at` is its clock in milliseconds. `alone`: no other node has what it has. */
export interface Claim {
  readonly node: string;
  readonly epoch: number;
  readonly at: number;
  readonly alone: boolean;
}

/** Whether a claim beats another: the higher epoch; with equal ones, so that exactly one goes on, the later name. */
export function beats(a: Pick<Claim, 'node' | 'epoch'>, b: Pick<Claim, 'node' | 'epoch'>): boolean {
  return a.epoch === b.epoch ? a.node > b.node : a.epoch > b.epoch;
}

/** A whole broadcast frame without VLAN tag. */
export function encodeClaim(claim: Claim, source: Mac, key: Uint8Array): Uint8Array {
  const name = Buffer.from(claim.node);
  const payload = Buffer.alloc(FIXED + name.length + TAG);
  MAGIC.copy(payload);
  payload[4] = VERSION;
  payload[5] = name.length;
  name.copy(payload, 6);
  payload.writeBigUInt64BE(BigInt(claim.epoch), 6 + name.length);
  payload.writeBigUInt64BE(BigInt(Math.floor(claim.at)), 14 + name.length);
  payload[22 + name.length] = claim.alone ? ALONE : 0;
  sign(payload.subarray(0, -TAG), key).copy(payload, payload.length - TAG);
  const head = Buffer.alloc(ETHERNET_HEADER, 0xff);
  head.set(macBytes(source) ?? [], 6);
  head.writeUInt16BE(CLAIM_ETHER_TYPE, 12);
  const frame = Buffer.concat([head, payload]);
  return frame.length >= LEAST_FRAME
    ? frame
    : Buffer.concat([frame, Buffer.alloc(LEAST_FRAME - frame.length)]);
}

/** Reads what follows the EtherType; octets after the signature are padding. Undefined: no claim of this key. */
export function decodeClaim(b: Uint8Array, key: Uint8Array): Claim | undefined {
  const payload = Buffer.from(b.buffer, b.byteOffset, b.length);
  if (payload.length < FIXED + TAG || !payload.subarray(0, 4).equals(MAGIC) || payload[4] !== VERSION) {
    return undefined;
  }
  const end = FIXED + (payload[5] ?? 0);
  if (payload.length < end + TAG) return undefined;
  if (!timingSafeEqual(sign(payload.subarray(0, end), key), payload.subarray(end, end + TAG)))
    return undefined;
  const nameEnd = end - 17;
  return {
    node: payload.toString('utf8', 6, nameEnd),
    epoch: Number(payload.readBigUInt64BE(nameEnd)),
    at: Number(payload.readBigUInt64BE(nameEnd + 8)),
    alone: ((payload[nameEnd + 16] ?? 0) & ALONE) !== 0,
  };
}

function sign(octets: Uint8Array, key: Uint8Array): Buffer {
  return createHmac('sha256', key).update(LABEL).update(octets).digest().subarray(0, TAG);
}

const MAGIC = Buffer.from('CGHA');
const VERSION = 1;
/** Keeps signatures of claims apart from any other use of the key. */
const LABEL = 'castgate claim 1';
const FIXED = 23;
const ALONE = 1;
const TAG = 16;
const ETHERNET_HEADER = 14;
const LEAST_FRAME = 60;
