/**
 * Which requests of dynamic authorization clients are believed (RFC 5176 §2.3, §6): from a configured source,
 * signed with that source's secret, made a moment ago, and never carried out twice. What is not believed gets no
 * answer. A copy of an answered request gets the same octets again, also from a node that took over.
 */
import { AttributeType, firstInteger } from '../../radius/attributes.ts';
import { decodeRadius, RadiusCode, type RadiusPacket } from '../../radius/packet.ts';
import { type RequestFault, verifyRequest } from '../../radius/sign.ts';
import type { IpAddress } from '../../wire/address.ts';
import { toHex } from '../../wire/bytes.ts';
import { DeadlineHeap } from '../../wire/deadline-heap.ts';
import type { MalformedReason } from '../../wire/malformed.ts';
import type { RecordMap } from '../../wire/records.ts';

/** Who may send requests; the source address of a packet says which of them it is, and so by which secret. */
export interface DynamicClient {
  readonly name: string;
  readonly address: IpAddress;
  /** Its octets must not change. */
  readonly secret: Uint8Array;
  /** Discard its requests that have no Message-Authenticator. */
  readonly requireMessageAuthenticator: boolean;
}

export interface DynamicGateOptions {
  readonly clients: readonly DynamicClient[];
  /** How far Event-Timestamp may be from now, either way, in milliseconds; also how long answers are remembered. */
  readonly windowMs: number;
  /** Discard requests that have no Event-Timestamp: without one, a captured request is new again later. */
  readonly requireEventTimestamp: boolean;
}

/** An answered request, so that a copy of it is answered and not carried out. */
export interface DynamicReplyRecord {
  readonly v: 1;
  /** Address of the client, and the Request Authenticator, which covers every octet of the request. */
  readonly key: string;
  readonly reply: Uint8Array;
  /** When no copy of the request would be believed any more. */
  readonly until: number;
}

/** Why a request is discarded without an answer; the label of a counter. */
export type DynamicDiscard =
  | MalformedReason
  | Exclude<RequestFault, 'malformed'>
  | 'unknown-source'
  | 'unexpected-code'
  | 'event-timestamp-missing'
  | 'event-timestamp-outside-window'
  | 'replies-full';

/** What becomes of a packet. */
export type Admitted =
  | { readonly kind: 'discard'; readonly why: DynamicDiscard }
  /** A copy: `reply` goes out once more. */
  | { readonly kind: 'repeat'; readonly reply: Uint8Array }
  | {
      readonly kind: 'request';
      readonly client: DynamicClient;
      readonly packet: RadiusPacket;
      readonly key: string;
      readonly until: number;
    };

export class DynamicGate {
  readonly #options: DynamicGateOptions;
  readonly #clients: ReadonlyMap<IpAddress, DynamicClient>;
  readonly #replies: RecordMap<DynamicReplyRecord>;
  readonly #deadlines = new DeadlineHeap();

  /** Takes up the answers that are there already. */
  constructor(options: DynamicGateOptions, replies: RecordMap<DynamicReplyRecord>) {
    this.#options = options;
    this.#clients = new Map(options.clients.map((client) => [client.address, client]));
    this.#replies = replies;
    for (const { key, until } of replies.values()) this.#deadlines.set(key, until);
    replies.follow((key, _, after) => this.#deadlines.set(key, after?.until));
  }

  /** Judges a packet from `source`. The octets must not change afterwards. */
  admit(now: number, source: IpAddress, bytes: Uint8Array): Admitted {
    this.handleTimeout(now);
    const client = this.#clients.get(source);
    if (client === undefined) return discard('unknown-source');
    const packet = decodeRadius(bytes);
    if ('malformed' in packet) return discard(packet.malformed);
    if (packet.code !== RadiusCode.CoaRequest && packet.code !== RadiusCode.DisconnectRequest)
      return discard('unexpected-code');
    const verdict = verifyRequest(bytes, client.secret, client);
    if (verdict === 'malformed') throw new Error('a RADIUS packet that was decoded is malformed');
    if (verdict !== 'ok') return discard(verdict);
    const key = `${source}/${toHex(packet.authenticator)}`;
    const answered = this.#replies.get(key);
    if (answered !== undefined) return { kind: 'repeat', reply: answered.reply };
    const { windowMs, requireEventTimestamp } = this.#options;
    const seconds = firstInteger(packet.attributes, AttributeType.EventTimestamp);
    if (seconds === undefined && requireEventTimestamp) return discard('event-timestamp-missing');
    const eventAt = seconds === undefined ? now : seconds * 1000;
    // Whole seconds: what happened in this one may have happened at its end.
    if (eventAt > now + windowMs || eventAt + 999 < now - windowMs)
      return discard('event-timestamp-outside-window');
    if (this.#deadlines.size >= MOST_REPLIES) return discard('replies-full');
    const until = Math.max(now, eventAt) + windowMs + 1000;
    return { kind: 'request', client, packet, key, until };
  }

  /** Keeps the answer to a request of admit(). */
  answered(request: { readonly key: string; readonly until: number }, reply: Uint8Array): void {
    const { key, until } = request;
    this.#replies.put(key, { v: 1, key, reply, until });
    this.#deadlines.set(key, until);
  }

  /** Forgets answers whose requests are too old to be believed. */
  handleTimeout(now: number): void {
    for (let key = this.#deadlines.takeDue(now); key !== undefined; key = this.#deadlines.takeDue(now))
      this.#replies.delete(key);
  }

  nextTimeout(): number | undefined {
    return this.#deadlines.next();
  }
}

function discard(why: DynamicDiscard): Admitted {
  return { kind: 'discard', why };
}

/** None is forgotten before its time: whoever could fill the table could otherwise replay what fell out of it. */
const MOST_REPLIES = 65_536;
