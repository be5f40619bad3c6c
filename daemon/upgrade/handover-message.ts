/**
 * What the process that serves and the one that is to go on say to each other. Messages are records, so that a later
 * version can add fields; changes and records come in frames of their own, as on the link of a pair.
 */
import { RecordDecoder, RecordEncoder } from '../../replication/record-codec.ts';
import { OWN_RECORDS } from '../../replication/record-version.ts';
import { programVersion } from '../program-version.ts';

/** The protocol of these messages: both sides speak the same one. */
export const HANDOVER_PROTOCOL = 1;

/** From the process that serves (`begin`, `complete`, `take`, `go`), and from the new one. */
export type Say =
  /** The new one is there: `protocol`, `program`, `records`, `leastReader`. */
  | 'hello'
  /** It cannot go on: `why`. */
  | 'refuse'
  /** What is to be gone on with: see Beginning. The packet socket is on its way. Records follow. */
  | 'begin'
  /** All records are there; from here on changes come. */
  | 'complete'
  /** The new one has prepared itself; taking over will take it about `tookMs`. */
  | 'prepared'
  /** The old one rests: see Taking. All sockets are on their way. */
  | 'take'
  /** On a node of a pair: the new one takes part, and may not have yet what the other node has. */
  | 'standing'
  /** The new one could begin at once. */
  | 'ready'
  /** It may. */
  | 'go'
  /** It does, and has read nothing before it said so. */
  | 'serving'
  /** It reads all sockets: nobody did for `pauseMs`; how long single steps took. */
  | 'began';

export interface HandoverMessage {
  readonly say: string;
  readonly [field: string]: unknown;
}

/** The first word of a new process. */
export function ownHello(): { readonly say: 'hello'; readonly [field: string]: unknown } {
  return { say: 'hello', protocol: HANDOVER_PROTOCOL, program: programVersion(), ...OWN_RECORDS };
}

export function encodeHandover(message: {
  readonly say: Say;
  readonly [field: string]: unknown;
}): Uint8Array {
  encoder.value({ v: 1, ...message });
  return encoder.take();
}

/** Undefined where the octets are no message. */
export function readHandover(payload: Uint8Array): HandoverMessage | undefined {
  const decoder = new RecordDecoder(payload);
  const value = decoder.value();
  if (decoder.fault !== undefined || typeof value !== 'object' || value === null) return undefined;
  const { say } = value as Readonly<Record<string, unknown>>;
  return typeof say === 'string' ? { ...value, say } : undefined;
}

const encoder = new RecordEncoder();
