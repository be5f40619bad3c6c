/**
 * The EAP relay: a host's EAP responses as Access-Requests, and what the server's answers mean for its
 * authenticator (RFC 3579). The packet's code alone decides, never the EAP packet inside (§2.6.3). Keeps
 * per host what the next request must carry: User-Name, State and the server that has the conversation.
 */
import type { ServerVerdict } from '../eapol/authenticator-actions.ts';
import { decodeEap, EapCode } from '../eapol/eap.ts';
import {
  AttributeType,
  eapMessage,
  firstInteger,
  firstValue,
  integer,
  octets,
  splitEapMessage,
  text,
} from '../radius/attributes.ts';
import { type RadiusAttribute, RadiusCode, type RadiusPacket } from '../radius/packet.ts';
import { ServiceType } from '../radius/values.ts';
import {
  type NasIdentity,
  nasAttributes,
  type PortIdentity,
  portAttributes,
} from '../session/nas-attributes.ts';
import type { ConversationRecord } from '../session/records.ts';
import { isMalformed } from '../wire/malformed.ts';
import type { RecordMap } from '../wire/records.ts';
import { type AcceptOptions, type LoginTerms, readAccept, type UnacceptableAccept } from './access-accept.ts';
import type { CrowdRefusal } from './admission/crowd.ts';

/** An Access-Request to be sent. */
export interface LoginRequest {
  readonly token: string;
  /** The server that has the conversation; undefined: whichever is first. */
  readonly server: string | undefined;
  readonly attributes: readonly RadiusAttribute[];
}

/** Accounting ids of a session that is, or that will be. */
export interface SessionIds {
  readonly acctSessionId: string;
  readonly acctMultiSessionId: string;
}

/** What the server's answer means. `terms` come with an accept, `why` with a reject of castgate's own. */
export interface LoginAnswer {
  readonly host: string;
  readonly verdict: ServerVerdict;
  readonly terms?: LoginTerms;
  readonly userName: Uint8Array;
  readonly ids: SessionIds;
  readonly server: string;
  readonly why?:
    | UnacceptableAccept
    | 'challenge-without-eap'
    | CrowdRefusal
    | 'other-vlan'
    | 'filter-for-all';
}

export class Login {
  readonly #nas: NasIdentity;
  readonly #accepts: AcceptOptions;
  readonly #conversations: RecordMap<ConversationRecord>;

  constructor(nas: NasIdentity, accepts: AcceptOptions, conversations: RecordMap<ConversationRecord>) {
    this.#nas = nas;
    this.#accepts = accepts;
    this.#conversations = conversations;
  }

  /** A response to pass on. `first` begins a new conversation: no State, any server. */
  ask(
    host: string,
    place: PortIdentity,
    eap: Uint8Array,
    identity: Uint8Array,
    first: boolean,
    ids: SessionIds,
  ): LoginRequest {
    const before = this.#conversations.get(host);
    const conversation: ConversationRecord = {
      ...before,
      v: 1,
      key: host,
      userName: identity.slice(),
      state: first ? undefined : before?.state,
      server: first ? undefined : before?.server,
      round: (before?.round ?? 0) + 1,
      ...ids,
    };
    this.#conversations.put(host, conversation);
    const attributes: RadiusAttribute[] = [
      octets(AttributeType.UserName, conversation.userName),
      ...nasAttributes(this.#nas),
      ...portAttributes(place),
      integer(AttributeType.ServiceType, ServiceType.Framed),
      integer(AttributeType.FramedMtu, FRAMED_MTU),
      text(AttributeType.AcctSessionId, ids.acctSessionId),
      text(AttributeType.AcctMultiSessionId, ids.acctMultiSessionId),
      ...splitEapMessage(eap),
    ];
    if (conversation.state !== undefined) attributes.push(octets(AttributeType.State, conversation.state));
    return { token: tokenOf(conversation), server: conversation.server, attributes };
  }

  /** The token of the host's request that is with the server. */
  tokenFor(host: string): string | undefined {
    const conversation = this.#conversations.get(host);
    return conversation === undefined ? undefined : tokenOf(conversation);
  }

  /** A verified answer of the server; undefined where nobody waits for it any more. */
  answered(token: string, server: string, reply: RadiusPacket): LoginAnswer | undefined {
    const conversation = this.#conversationOf(token);
    if (conversation === undefined) return undefined;
    const { key: host, userName } = conversation;
    const ids = {
      acctSessionId: conversation.acctSessionId,
      acctMultiSessionId: conversation.acctMultiSessionId,
    };
    const answer = { host, userName, ids, server };
    const bytes = eapMessage(reply.attributes)?.slice();
    const decoded = bytes === undefined ? undefined : decodeEap(bytes);
    const eap = decoded === undefined || isMalformed(decoded) ? undefined : decoded;
    switch (reply.code) {
      case RadiusCode.AccessChallenge: {
        if (eap === undefined || eap.code !== EapCode.Request) {
          return { ...answer, verdict: { kind: 'timeout' }, why: 'challenge-without-eap' };
        }
        const state = firstValue(reply.attributes, AttributeType.State)?.slice();
        this.#conversations.put(host, { ...conversation, state, server });
        const seconds = firstInteger(reply.attributes, AttributeType.SessionTimeout);
        // 0 would leave no time for any answer.
        const timeoutMs = seconds === undefined || seconds === 0 ? undefined : seconds * 1000;
        return { ...answer, verdict: { kind: 'challenge', eap, timeoutMs } };
      }
      case RadiusCode.AccessAccept: {
        const terms = readAccept(reply.attributes, this.#accepts);
        if (typeof terms === 'string') {
          return { ...answer, verdict: { kind: 'reject', eap: 'failure' }, why: terms };
        }
        const reAuthPeriodMs = terms.endsAfterMs === undefined ? terms.reAuthPeriodMs : Infinity;
        return { ...answer, verdict: { kind: 'accept', eap: eap?.bytes, reAuthPeriodMs }, terms };
      }
      case RadiusCode.AccessReject:
        return { ...answer, verdict: { kind: 'reject', eap: eap?.bytes } };
      default:
        return undefined;
    }
  }

  /** No server answered: the host whose authenticator must know; undefined where it no longer waits. */
  unanswered(token: string): string | undefined {
    return this.#conversationOf(token)?.key;
  }

  /** The host is gone. */
  forget(host: string): void {
    this.#conversations.delete(host);
  }

  #conversationOf(token: string): ConversationRecord | undefined {
    if (!token.startsWith(PREFIX)) return undefined;
    const conversation = this.#conversations.get(token.slice(PREFIX.length, token.lastIndexOf('/')));
    return conversation !== undefined && tokenOf(conversation) === token ? conversation : undefined;
  }
}

/** True for the tokens that this relay gives its requests. */
export function isLoginToken(token: string): boolean {
  return token.startsWith(PREFIX);
}

/** The host that a login's token is about; undefined for other tokens. */
export function hostOfLogin(token: string): string | undefined {
  return token.startsWith(PREFIX) ? token.slice(PREFIX.length, token.lastIndexOf('/')) : undefined;
}

function tokenOf(conversation: ConversationRecord): string {
  return `${PREFIX}${conversation.key}/${conversation.round}`;
}

const PREFIX = 'login/';
/** RFC 3580 §3.10: what the link to the supplicant carries. */
const FRAMED_MTU = 1500;
