/**
 * Control messages of the replication link: records like all others, so that a later version can add
 * fields and kinds. What is not understood is ignored by `say`; what is malformed closes the link.
 */
import { macBytes } from '../wire/address.ts';
import { RecordDecoder, RecordEncoder } from './record-codec.ts';
import type { RecordVersions } from './record-version.ts';
import type { Digest, StoreDigest } from './state-digest.ts';

export type ControlMessage =
  /** Active: this is my log, of records of these versions; undefined: it does not tell. */
  | { readonly say: 'hello'; readonly logId: string; readonly versions?: RecordVersions }
  /** Active: I serve, under this epoch; `at` is my clock in milliseconds. */
  | { readonly say: 'beat'; readonly at: number; readonly epoch: number; readonly saidUntil: number }
  /** Standby: I heard the beat of `at`. */
  | { readonly say: 'heard'; readonly at: number }
  /** Active: I end this link, and live. */
  | { readonly say: 'bye' }
  /** Standby: give it to me. */
  | { readonly say: 'take' }
  /** Active: I serve no more. You have everything up to this change, and all that I did follows from it. */
  | { readonly say: 'released'; readonly at: number; readonly epoch: number }
  /** Standby: I hold everything up to this change of that log (`''`, 0: nothing), and read and write these versions. */
  | {
      readonly say: 'have';
      readonly logId: string;
      readonly change: number;
      readonly versions?: RecordVersions;
    }
  /** Standby: I end this link, and hold nothing from here on. */
  | { readonly say: 'leave' }
  /** Active: forget what you have; records follow, as they are from this change on. */
  | { readonly say: 'snapshot'; readonly at: number }
  /** Active: with this you hold everything up to this change. */
  | { readonly say: 'complete'; readonly at: number; readonly digest: Digest }
  /** Active: this is my digest at this change. */
  | { readonly say: 'digest'; readonly at: number; readonly digest: Digest }
  /** Standby: I hold everything up to this change. */
  | { readonly say: 'ack'; readonly change: number }
  /** Standby: my records differ from yours in these stores. */
  | { readonly say: 'differs'; readonly stores: readonly string[] }
  /** Active: packets for the virtual addresses reach me at this MAC address. */
  | { readonly say: 'reach'; readonly mac: string }
  /** Standby: such packets come to me first, or do not; of these connections I have seen all before `awaited`. */
  | { readonly say: 'seen'; readonly inTheWay: boolean; readonly seen: readonly SeenConnection[] }
  /** Of a version that knows more. */
  | { readonly say: 'unknown' };

/** A connection by its ends, and the sequence number of the first octet that its peer sent; up to where it was seen. */
export interface SeenConnection {
  readonly local: End;
  readonly remote: End;
  readonly receivedFrom: number;
  readonly awaited: number;
}

interface End {
  readonly address: string;
  readonly port: number;
}

/** A message as the payload of a frame. */
export function encodeMessage(message: ControlMessage): Uint8Array {
  encoder.value({ v: 1, ...message });
  return encoder.take();
}

/** Undefined where the octets are no message. */
export function readMessage(payload: Uint8Array): ControlMessage | undefined {
  const decoder = new RecordDecoder(payload);
  const value = decoder.value();
  if (decoder.fault !== undefined || typeof value !== 'object' || value === null) return undefined;
  const fields = value as Readonly<Record<string, unknown>>;
  const { say, logId, change, at, digest, stores, epoch, saidUntil, versions, mac, inTheWay, seen } = fields;
  switch (say) {
    case 'hello':
      return isText(logId) && isVersions(versions)
        ? { say, logId, ...(versions && { versions }) }
        : undefined;
    case 'beat':
      return isTime(at) && isCount(epoch) && isTime(saidUntil) ? { say, at, epoch, saidUntil } : undefined;
    case 'heard':
      return isTime(at) ? { say, at } : undefined;
    case 'take':
    case 'bye':
    case 'leave':
      return { say };
    case 'released':
      return isCount(at) && isCount(epoch) ? { say, at, epoch } : undefined;
    case 'have':
      return isText(logId) && isCount(change) && isVersions(versions)
        ? { say, logId, change, ...(versions && { versions }) }
        : undefined;
    case 'snapshot':
      return isCount(at) ? { say, at } : undefined;
    case 'complete':
    case 'digest':
      return isCount(at) && isDigest(digest) ? { say, at, digest } : undefined;
    case 'ack':
      return isCount(change) ? { say, change } : undefined;
    case 'differs':
      return Array.isArray(stores) && stores.every(isText) ? { say, stores } : undefined;
    case 'reach':
      return isText(mac) && macBytes(mac) !== undefined ? { say, mac } : undefined;
    case 'seen':
      return typeof inTheWay === 'boolean' && Array.isArray(seen) && seen.every(isSeen)
        ? { say, inTheWay, seen }
        : undefined;
    default:
      return isText(say) ? { say: 'unknown' } : undefined;
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** Not there, or whole. */
function isVersions(value: unknown): value is RecordVersions | undefined {
  if (value === undefined) return true;
  if (typeof value !== 'object' || value === null) return false;
  const { records, leastReader, oldestRead } = value as Readonly<Record<string, unknown>>;
  return isCount(records) && isCount(leastReader) && isCount(oldestRead);
}

/** Milliseconds, fractions too. */
function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function isDigest(value: unknown): value is Digest {
  return typeof value === 'object' && value !== null && Object.values(value).every(isStoreDigest);
}

function isStoreDigest(value: unknown): value is StoreDigest {
  if (typeof value !== 'object' || value === null) return false;
  const { count, sum, mix } = value as Readonly<Record<string, unknown>>;
  return isCount(count) && isCount(sum) && isCount(mix);
}

function isSeen(value: unknown): value is SeenConnection {
  if (typeof value !== 'object' || value === null) return false;
  const { local, remote, receivedFrom, awaited } = value as Readonly<Record<string, unknown>>;
  return isEnd(local) && isEnd(remote) && isCount(receivedFrom) && isCount(awaited);
}

function isEnd(value: unknown): value is End {
  if (typeof value !== 'object' || value === null) return false;
  const { address, port } = value as Readonly<Record<string, unknown>>;
  return isText(address) && isCount(port);
}

/** One for all messages: a new one begins with a buffer for many. */
const encoder = new RecordEncoder();
