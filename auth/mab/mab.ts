/**
 * MAC authentication bypass: what is asked for a host, and what the server's answer means. Verbs on records
 * in, requests and verdicts out; mab-record.ts draws the states. Who is let in is the caller's to do.
 */
import { decodeEap } from '../../eapol/eap.ts';
import { AttributeType, eapMessage, firstValue } from '../../radius/attributes.ts';
import { type RadiusAttribute, RadiusCode, type RadiusPacket } from '../../radius/packet.ts';
import { ServiceType } from '../../radius/values.ts';
import type { PortIdentity } from '../../session/nas-attributes.ts';
import { isMalformed } from '../../wire/malformed.ts';
import type { RecordMap } from '../../wire/records.ts';
import {
  type AcceptOptions,
  type LoginTerms,
  readAccept,
  type UnacceptableAccept,
} from '../access-accept.ts';
import type { LoginRequest } from '../login.ts';
import type { MabRecord } from './mab-record.ts';
import { type MabForm, mabAnswer, mabRequest, macText } from './mab-request.ts';

/** What an answer means for the host. */
export type MabVerdict =
  | {
      readonly kind: 'accept';
      readonly record: MabRecord;
      readonly terms: LoginTerms;
      readonly userName: Uint8Array;
    }
  | { readonly kind: 'reject'; readonly record: MabRecord; readonly why: MabRefusal }
  /** The server wants to know more. */
  | { readonly kind: 'ask'; readonly record: MabRecord; readonly request: LoginRequest };

/** Why a host is not let in by its MAC address. */
export type MabRefusal = 'radius-reject' | 'challenge-not-answerable' | UnacceptableAccept;

export class Mab {
  readonly #form: MabForm;
  readonly #accepts: AcceptOptions;
  readonly #records: RecordMap<MabRecord>;

  constructor(form: MabForm, accepts: AcceptOptions, records: RecordMap<MabRecord>) {
    this.#form = form;
    this.#accepts = { ...accepts, services: [ServiceType.CallCheck] };
    this.#records = records;
  }

  /** Puts the question whether the host may be in; one that waits for an answer is forgotten. */
  ask(record: MabRecord, place: PortIdentity, challenge: Uint8Array): LoginRequest {
    const asking: MabRecord = {
      ...record,
      state: 'ASKING',
      until: undefined,
      round: record.round + 1,
      radiusState: undefined,
      server: undefined,
    };
    this.#records.put(asking.key, asking);
    return requestOf(asking, mabRequest(this.#form, asking, place, challenge));
  }

  /** A verified answer; undefined where nobody waits for it any more. */
  answered(
    token: string,
    server: string,
    reply: RadiusPacket,
    placeOf: (record: MabRecord) => PortIdentity,
  ): MabVerdict | undefined {
    const record = this.waiting(token);
    if (record === undefined) return undefined;
    switch (reply.code) {
      case RadiusCode.AccessAccept: {
        const terms = readAccept(reply.attributes, this.#accepts);
        if (typeof terms === 'string') return { kind: 'reject', record, why: terms };
        const userName = new TextEncoder().encode(macText(record.mac, this.#form.format));
        return { kind: 'accept', record, terms, userName };
      }
      case RadiusCode.AccessReject:
        return { kind: 'reject', record, why: 'radius-reject' };
      case RadiusCode.AccessChallenge: {
        const request = this.#next(record, server, reply, placeOf(record));
        return request ?? { kind: 'reject', record, why: 'challenge-not-answerable' };
      }
      default:
        return undefined;
    }
  }

  /** The record whose question this is; undefined where it no longer waits. */
  waiting(token: string): MabRecord | undefined {
    if (!isMabToken(token)) return undefined;
    const record = this.#records.get(token.slice(PREFIX.length, token.lastIndexOf('/')));
    return record?.state === 'ASKING' && tokenOf(record) === token ? record : undefined;
  }

  #next(before: MabRecord, server: string, reply: RadiusPacket, place: PortIdentity): MabVerdict | undefined {
    const bytes = eapMessage(reply.attributes);
    const eap = bytes === undefined ? undefined : decodeEap(bytes);
    if (eap === undefined || isMalformed(eap)) return undefined;
    const radiusState = firstValue(reply.attributes, AttributeType.State)?.slice();
    const record: MabRecord = { ...before, round: before.round + 1, radiusState, server };
    const attributes = mabAnswer(this.#form, record, place, eap);
    if (attributes === undefined) return undefined;
    this.#records.put(record.key, record);
    return { kind: 'ask', record, request: requestOf(record, attributes) };
  }
}

/** The token of the host's question that is with the server, if one is. */
export function mabToken(record: MabRecord): string | undefined {
  return record.state === 'ASKING' ? tokenOf(record) : undefined;
}

/** True for the tokens of these requests. */
export function isMabToken(token: string): boolean {
  return token.startsWith(PREFIX);
}

function requestOf(record: MabRecord, attributes: readonly RadiusAttribute[]): LoginRequest {
  return { token: tokenOf(record), server: record.server, attributes };
}

function tokenOf({ key, round }: MabRecord): string {
  return `${PREFIX}${key}/${round}`;
}

const PREFIX = 'mab/';
