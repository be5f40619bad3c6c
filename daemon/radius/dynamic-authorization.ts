/**
 * What RADIUS may do to sessions that are there: end them, change their terms and rights, have them
 * authenticate or be authorized anew, take their port's link down (RFC 5176). A request is carried out as a
 * whole on every session that it names, or not at all: all that can be refused is refused before anything is
 * done. What it says and whom it means is in auth/dynamic/.
 */
import { readAccept } from '../../auth/access-accept.ts';
import type { Changes, ChannelChange } from '../../auth/dynamic/changes.ts';
import { DynamicGate } from '../../auth/dynamic/dynamic-gate.ts';
import {
  type DynamicRequest,
  dynamicReply,
  dynamicReplyCode,
  readDynamicRequest,
} from '../../auth/dynamic/dynamic-request.ts';
import { type IdentifiedSession, isMeant, isThisNas } from '../../auth/dynamic/session-identification.ts';
import { AttributeType, integer, octets, text } from '../../radius/attributes.ts';
import { type RadiusAttribute, RadiusCode, type RadiusPacket } from '../../radius/packet.ts';
import { signReply } from '../../radius/sign.ts';
import { ErrorCause, ServiceType } from '../../radius/values.ts';
import { nasAttributes, portAttributes } from '../../session/nas-attributes.ts';
import type { SessionRecord } from '../../session/records.ts';
import type { IpAddress } from '../../wire/address.ts';
import type { DynamicPeer } from '../core/effects.ts';
import { acceptOptions, type CoreParts, placeOf } from '../core/parts.ts';
import type { PortLinks } from '../subscribers/port-links.ts';
import type { Subscribers } from '../subscribers/subscribers.ts';

/** What dynamic authorization needs of the rest of the core. */
export interface DynamicPeers {
  readonly subscribers: Pick<
    Subscribers,
    'disconnect' | 'reauthenticate' | 'changeTerms' | 'hostsOfPort' | 'sessionsOfPort'
  >;
  readonly links: Pick<PortLinks, 'bounce' | 'shut'>;
  changeChannels(now: number, account: string, change: ChannelChange): void;
  /** Puts an Access-Request without EAP to the server; an earlier one of the same token is forgotten. */
  askAuthorization(now: number, token: string, server: string, attributes: readonly RadiusAttribute[]): void;
}

export class DynamicAuthorization {
  readonly #parts: CoreParts;
  readonly #peers: DynamicPeers;
  readonly #gate: DynamicGate;

  /** Takes up the records that the stores hold already. */
  constructor(parts: CoreParts, peers: DynamicPeers) {
    this.#parts = parts;
    this.#peers = peers;
    this.#gate = new DynamicGate(parts.config.radius.dynamicAuthorization, parts.stores.dynamicReplies);
  }

  /** A datagram that came to listening socket number `socket`. */
  receive(now: number, socket: number, from: DynamicPeer, bytes: Uint8Array): void {
    const { tally, log, effect } = this.#parts;
    const admitted = this.#gate.admit(now, from.address, bytes);
    if (admitted.kind === 'discard') {
      tally.count(DYNAMIC_OWNER, `discarded/${admitted.why}`);
      log.debug('dynamic-request-discarded', { from: from.address, why: admitted.why });
      return;
    }
    if (admitted.kind === 'repeat') {
      tally.count(DYNAMIC_OWNER, 'repeated');
      effect({ kind: 'dynamic-reply', from: socket, to: from, bytes: admitted.reply });
      return;
    }
    const { client, packet } = admitted;
    const { errorCause, sessions } = this.#obey(now, packet);
    const code = dynamicReplyCode(packet, errorCause);
    const attributes = dynamicReply(packet, errorCause);
    const reply = signReply({ code, id: packet.id, attributes }, packet.authenticator, client.secret);
    this.#gate.answered(admitted, reply);
    const name = CODE_NAMES[code] ?? 'other';
    tally.count(DYNAMIC_OWNER, name);
    log.info(name, { client: client.name, sessions, errorCause });
    effect({ kind: 'dynamic-reply', from: socket, to: from, bytes: reply });
  }

  /** A verified answer to an authorization that a CoA-Request began. */
  answered(now: number, token: string, reply: RadiusPacket): void {
    const session = this.#sessionOf(token);
    if (session === undefined) return;
    const host = session.key;
    if (reply.code !== RadiusCode.AccessAccept) {
      this.#parts.log.info('authorization-withdrawn', { host, account: session.account });
      this.#peers.subscribers.disconnect(now, host);
      return;
    }
    const terms = readAccept(
      reply.attributes.filter((attribute) => !isAuthorizeOnly(attribute)),
      acceptOptions(this.#parts),
    );
    if (typeof terms === 'string') {
      this.#parts.log.warn('authorization-withdrawn', { host, account: session.account, why: terms });
      this.#peers.subscribers.disconnect(now, host);
      return;
    }
    const { endsAfterMs, reAuthPeriodMs, classes, rights, filter } = terms;
    const ms = endsAfterMs ?? reAuthPeriodMs;
    const next = endsAfterMs === undefined ? 'reauthenticate' : 'end';
    this.#peers.subscribers.changeTerms(now, host, {
      timeout: ms === undefined ? undefined : { ms, next },
      classes: classes.length === 0 ? undefined : classes,
      rights,
      filter,
    });
    this.#parts.log.info('authorization-renewed', { host, account: session.account });
  }

  /** No server answered: the session goes on as it was. */
  unanswered(token: string, reason: string): void {
    const session = this.#sessionOf(token);
    if (session === undefined) return;
    this.#parts.log.warn('authorization-unanswered', { host: session.key, account: session.account, reason });
  }

  handleTimeout(now: number): void {
    this.#gate.handleTimeout(now);
  }

  nextTimeout(): number | undefined {
    return this.#gate.nextTimeout();
  }

  /** Carries a request out, or says why not. */
  #obey(
    now: number,
    packet: RadiusPacket,
  ): { readonly errorCause: ErrorCause | undefined; readonly sessions: readonly string[] } {
    const refused = (errorCause: ErrorCause) => ({ errorCause, sessions: [] });
    const { nas } = this.#parts.config;
    if (!isThisNas(packet.attributes, nas, this.#ownAddresses()))
      return refused(ErrorCause.NasIdentificationMismatch);
    const request = readDynamicRequest(packet, acceptOptions(this.#parts));
    if (typeof request === 'number') return refused(request);
    const meant = [...this.#parts.stores.sessions.values()].filter((session) =>
      isMeant(request.identification, this.#identified(session)),
    );
    if (meant.length === 0) return this.#withoutSession(now, request);
    const errorCause = this.#carryOut(now, request, meant);
    return { errorCause, sessions: meant.map(({ key }) => key) };
  }

  #carryOut(
    now: number,
    { order }: DynamicRequest,
    sessions: readonly SessionRecord[],
  ): ErrorCause | undefined {
    switch (order.kind) {
      case 'disconnect':
        for (const { key } of sessions) this.#peers.subscribers.disconnect(now, key);
        return undefined;
      case 'authorize-only': {
        const [session] = sessions;
        // The State is that of one session, and so is the answer.
        if (session === undefined || sessions.length > 1)
          return ErrorCause.MultipleSessionSelectionUnsupported;
        this.#authorize(now, session, order.state);
        return ErrorCause.RequestInitiated;
      }
      case 'change':
        return this.#change(now, order.changes, sessions);
    }
  }

  #change(now: number, changes: Changes, sessions: readonly SessionRecord[]): ErrorCause | undefined {
    const { session: terms, channels, port, reauthenticate } = changes;
    if (port !== undefined) {
      for (const name of new Set(sessions.map((session) => session.port))) {
        if (port === 'bounce') this.#peers.links.bounce(now, name);
        else this.#peers.links.shut(now, name, 'radius');
      }
      return undefined;
    }
    const refused = terms?.vlan === undefined ? undefined : this.#vlanRefusal(terms.vlan, sessions);
    if (refused !== undefined) return refused;
    if (terms?.filter !== undefined && sessions.some(({ port: name }) => this.#isForAll(name)))
      return ErrorCause.ResourcesUnavailable;
    for (const { key } of sessions) {
      if (terms !== undefined) this.#peers.subscribers.changeTerms(now, key, terms);
      if (reauthenticate) this.#peers.subscribers.reauthenticate(now, key);
    }
    if (channels === undefined) return undefined;
    for (const account of new Set(sessions.map((session) => session.account)))
      this.#peers.changeChannels(now, account, channels);
    return undefined;
  }

  /** The untagged hosts of a port are in one VLAN: it changes for all of them, or not at all. */
  #vlanRefusal(vlan: number, meant: readonly SessionRecord[]): ErrorCause | undefined {
    const keys = new Set(meant.map(({ key }) => key));
    for (const session of meant) {
      // A host that tags its frames is in the VLAN of its tag.
      if (session.vlan !== 0 && session.vlan !== vlan) return ErrorCause.InvalidRequest;
      if (session.vlan !== 0) continue;
      const others = this.#peers.subscribers
        .sessionsOfPort(session.port)
        .some((one) => one.vlan === 0 && !keys.has(one.key) && one.assignedVlan !== vlan);
      if (others) return ErrorCause.ResourcesUnavailable;
    }
    return undefined;
  }

  /** One login opens the port for addresses that a filter would not be about. */
  #isForAll(port: string): boolean {
    return this.#parts.ports.get(port)?.hostMode === 'multi-host';
  }

  /** A login in progress is the rest of a session; an open port is one that nobody can take away. */
  #withoutSession(now: number, { identification, order }: DynamicRequest) {
    const notFound = { errorCause: ErrorCause.SessionContextNotFound, sessions: [] };
    if (order.kind !== 'disconnect') return notFound;
    const { authenticators, conversations } = this.#parts.stores;
    const rests: string[] = [];
    for (const { key, port, mac, identity, authorized } of authenticators.values()) {
      const conversation = conversations.get(key);
      const meant = isMeant(identification, {
        key,
        userName: conversation?.userName ?? identity ?? NOTHING,
        acctSessionId: conversation?.acctSessionId ?? '',
        acctMultiSessionId: conversation?.acctMultiSessionId ?? '',
        place: placeOf(this.#parts, port, mac),
      });
      if (meant && authorized) return { errorCause: ErrorCause.SessionContextNotRemovable, sessions: [key] };
      if (meant) rests.push(key);
    }
    if (rests.length === 0) return notFound;
    for (const key of rests) this.#peers.subscribers.disconnect(now, key);
    return { errorCause: ErrorCause.ResidualSessionContextRemoved, sessions: rests };
  }

  #authorize(now: number, session: SessionRecord, state: Uint8Array): void {
    const place = placeOf(this.#parts, session.port, session.mac);
    this.#peers.askAuthorization(now, tokenOf(session), session.server, [
      octets(AttributeType.UserName, session.userName),
      ...nasAttributes(this.#parts.config.nas),
      ...portAttributes(place),
      integer(AttributeType.ServiceType, ServiceType.AuthorizeOnly),
      text(AttributeType.AcctSessionId, session.acctSessionId),
      text(AttributeType.AcctMultiSessionId, session.acctMultiSessionId),
      octets(AttributeType.State, state),
    ]);
  }

  #identified(session: SessionRecord): IdentifiedSession {
    return { ...session, place: placeOf(this.#parts, session.port, session.mac) };
  }

  #sessionOf(token: string): SessionRecord | undefined {
    if (!isAuthorizationToken(token)) return undefined;
    const session = this.#parts.stores.sessions.get(token.slice(token.indexOf('/', PREFIX.length) + 1));
    return session !== undefined && tokenOf(session) === token ? session : undefined;
  }

  #ownAddresses(): readonly IpAddress[] {
    return this.#parts.config.radius.dynamicAuthorization.listen;
  }
}

/** True for the tokens of authorizations that a CoA-Request began. */
export function isAuthorizationToken(token: string): boolean {
  return token.startsWith(PREFIX);
}

/** Names the session and not only the host: an answer must not meet the next session of the same host. */
function tokenOf({ acctSessionId, key }: SessionRecord): string {
  return `${PREFIX}${acctSessionId}/${key}`;
}

function isAuthorizeOnly({ type, value }: RadiusAttribute): boolean {
  return type === AttributeType.ServiceType && value.at(-1) === ServiceType.AuthorizeOnly;
}

/** Under which the counters are kept. */
export const DYNAMIC_OWNER = 'dynamic-authorization';
const PREFIX = 'authorize/';
const NOTHING = new Uint8Array(0);
const CODE_NAMES: Readonly<Record<number, string>> = {
  [RadiusCode.DisconnectAck]: 'disconnect-ack',
  [RadiusCode.DisconnectNak]: 'disconnect-nak',
  [RadiusCode.CoaAck]: 'coa-ack',
  [RadiusCode.CoaNak]: 'coa-nak',
};
