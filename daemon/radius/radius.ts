/**
 * The core's RADIUS client: what is asked of which list of servers, whose answer it is, and what is counted.
 * The protocol is in radius/client/client.ts.
 */
import type { NoAnswer } from '../../auth/admission/group-authorization.ts';
import { hostOfLogin, type LoginRequest } from '../../auth/login.ts';
import type { Config } from '../../config/config.ts';
import { AttributeType, octets } from '../../radius/attributes.ts';
import { RadiusClient } from '../../radius/client/client.ts';
import type { RadiusDiscard } from '../../radius/client/client-types.ts';
import {
  type RadiusClientOptions,
  type RadiusEvent,
  type RadiusRequest,
  radiusClientDefaults,
} from '../../radius/client/client-types.ts';
import { laneKey, portOf, type RadiusList, type RadiusPort } from '../../radius/client/request-record.ts';
import { type RadiusAttribute, RadiusCode, type RadiusPacket } from '../../radius/packet.ts';
import { extraAttributes, type RequestKind } from '../../session/extra-attributes.ts';
import { nasAttributes } from '../../session/nas-attributes.ts';
import type { ConversationRecord } from '../../session/records.ts';
import type { CoreParts } from '../core/parts.ts';
import { changedPorts } from './radius-changes.ts';

/** Who is told how a request ended. */
export interface RadiusPeers {
  answered(now: number, token: string, server: string, reply: RadiusPacket): void;
  unanswered(now: number, token: string, reason: NoAnswer): void;
}

/** Whether a connection of the process that served before is this one's now. */
export type ConnectionGoesOn = (server: string, port: RadiusPort, socket: number) => boolean;

export class Radius {
  readonly #parts: CoreParts;
  readonly #peers: RadiusPeers;
  readonly #client: RadiusClient;
  /** When each request in flight was handed over: for the round-trip time, nothing depends on it. */
  readonly #askedAt = new Map<string, number>();
  readonly #roundTripMs = new Map<string, number>();

  /** `later`: the records are another node's or process's until `takeUp`. */
  constructor(parts: CoreParts, peers: RadiusPeers, later?: 'later') {
    this.#parts = parts;
    this.#peers = peers;
    const { radiusRequests, radiusServers } = parts.stores;
    this.#client = new RadiusClient(
      clientOptions(parts.config),
      radiusRequests,
      radiusServers,
      parts.random,
      later,
    );
  }

  takeUp(): void {
    this.#client.takeUp();
  }

  /** A login's Access-Request. A conversation that has begun goes on at its server, or not at all. */
  askLogin(now: number, request: LoginRequest): void {
    const { token, attributes, server } = request;
    const code = RadiusCode.AccessRequest;
    const pinned = server !== undefined;
    const conversation = pinned ? this.#conversationOf(token) : undefined;
    const { answeredAt: stateSince, socket } = conversation ?? {};
    const all = [...attributes, ...this.#chargeable(token)];
    this.#request(now, { list: 'auth', token, code, attributes: all, server, pinned, stateSince, socket });
  }

  /** A group question, put first to the server that let the subscriber in. */
  askGroup(now: number, token: string, server: string, attributes: readonly RadiusAttribute[]): void {
    const { patienceMs, maxTries } = this.#parts.config.groups;
    // Three waits, each twice the last, fit into the patience: a second server gets its turn too.
    const initialMs = Math.min(this.#parts.config.radius.retransmit.initialMs, patienceMs / 7);
    const first = this.#parts.config.radius.authorization.some((one) => one.name === server);
    this.#request(now, {
      list: 'authorization',
      token,
      code: RadiusCode.AccessRequest,
      attributes,
      server: first ? server : undefined,
      patience: { initialMs, maxDurationMs: patienceMs, maxCount: maxTries },
    });
  }

  /** An Accounting-Request about something that happened at `eventAt`. */
  askAccounting(now: number, token: string, attributes: readonly RadiusAttribute[], eventAt: number): void {
    this.#request(now, { list: 'acct', token, code: RadiusCode.AccountingRequest, attributes, eventAt });
  }

  /** Asks anew what a session may; an earlier request of the same token is forgotten. */
  askAuthorization(now: number, token: string, server: string, attributes: readonly RadiusAttribute[]): void {
    this.cancel(now, token);
    const first = this.#parts.config.radius.authentication.some((one) => one.name === server);
    const code = RadiusCode.AccessRequest;
    this.#request(now, { list: 'auth', token, code, attributes, server: first ? server : undefined });
  }

  /** Forgets a request. */
  cancel(now: number, token: string): void {
    this.#askedAt.delete(token);
    this.#client.cancel(now, token);
  }

  /** A datagram from a server's address and port. */
  receive(now: number, server: string, port: RadiusPort, socket: number, bytes: Uint8Array): void {
    const discarded = this.#client.receive(now, server, port, socket, bytes);
    if (discarded === undefined) return;
    this.#parts.tally.count(ownerOf(server), `discarded/${discarded}`);
    // RFC 6613 §2.6.4: over a connection only the server itself can have sent it, and nothing after it makes sense.
    const connected =
      this.#parts.config.radius.servers.find((one) => one.name === server)?.transport !== 'udp';
    if (connected && !HARMLESS.has(discarded))
      this.#parts.effect({ kind: 'drop-connection', server, port, socket });
  }

  /** A connection to a server is gone, or never came to be. */
  connectionLost(
    now: number,
    server: string,
    port: RadiusPort,
    socket: number,
    why: 'closed' | 'refused',
  ): void {
    this.#parts.tally.count(ownerOf(server), `connections-lost/${why}`);
    this.#client.lost(now, server, port, socket, why);
  }

  /** A connection to a server came to be. */
  connected(now: number, server: string, port: RadiusPort): void {
    this.#client.connected(now, server, port);
  }

  /** The server's host refused a datagram. */
  refused(now: number, server: string, port: RadiusPort): void {
    this.#client.refused(now, server, port);
  }

  handleTimeout(now: number): void {
    this.#client.handleTimeout(now);
  }

  nextTimeout(): number | undefined {
    return this.#client.nextTimeout();
  }

  /** Sends every request in flight once more, as it was: the server knows it again, and answers again. */
  resume(now: number): void {
    const { connections } = this.#parts.stores;
    this.#client.resume(now, (server, port, socket) => connections.has(connectionKey(server, port, socket)));
  }

  /**
   * The configuration was another one when the records were made. What is in flight to a server that is reached
   * otherwise now, or has another secret, is sent anew.
   */
  reconfigured(now: number, before: Config): void {
    for (const { name, port } of changedPorts(before, this.#parts.config)) this.#anew(now, name, port);
  }

  /**
   * The records are those of another process: its connections are gone where `goesOn` does not say otherwise, and these
   * ways were other ones.
   */
  inherited(now: number, otherWays: ReadonlySet<string>, goesOn: ConnectionGoesOn): void {
    for (const { name, transport } of this.#parts.config.radius.servers) {
      for (const port of ['auth', 'acct'] as const) {
        if (transport !== 'udp' || otherWays.has(laneKey(name, port))) this.#anew(now, name, port, goesOn);
      }
    }
  }

  /** Sends anew what is in flight there, but on connections that go on. */
  #anew(now: number, name: string, port: RadiusPort, goesOn: ConnectionGoesOn = () => false): void {
    const sockets = new Set<number>();
    for (const { list, attempts } of this.#parts.stores.radiusRequests.values()) {
      if (portOf(list) !== port) continue;
      for (const attempt of attempts) if (attempt.server === name) sockets.add(attempt.socket);
    }
    for (const socket of sockets)
      if (!goesOn(name, port, socket)) this.#client.lost(now, name, port, socket, 'closed');
  }

  /** Hands on what the client has to say, until it has nothing more. */
  flush(now: number): void {
    for (let events = this.#client.drainEvents(); events.length > 0; events = this.#client.drainEvents()) {
      for (const event of events) this.#handle(now, event);
    }
  }

  /** Milliseconds from request to answer, smoothed; undefined before the first answer. */
  roundTripMs(server: string): number | undefined {
    return this.#roundTripMs.get(server);
  }

  /** Some server for logins is not known to be dead. */
  hasLoginServer(): boolean {
    return this.#parts.config.radius.authentication.some(({ name }) => !this.isDead(name, 'auth'));
  }

  /** Some server for logins is not known to be dead, or is due to be tried. */
  mayAskLoginServer(now: number): boolean {
    return this.#parts.config.radius.authentication.some(({ name }) => {
      const retryAt = this.#client.retryAt(name, 'auth');
      return retryAt === undefined || retryAt <= now;
    });
  }

  isDead(server: string, port: RadiusPort): boolean {
    return this.#client.isDead(server, port);
  }

  /** Requests in flight whose current attempt is with this server. */
  inFlight(server: string): number {
    let count = 0;
    for (const record of this.#parts.stores.radiusRequests.values()) {
      if (record.attempts.at(-1)?.server === server) count++;
    }
    return count;
  }

  #request(now: number, request: RadiusRequest): void {
    this.#askedAt.set(request.token, now);
    this.#parts.log.debug('radius-request', { about: request.token, list: request.list });
    const extra = extraAttributes(
      this.#parts.config.radius.attributes,
      KINDS[request.list],
      request.attributes,
    );
    const attributes = extra.length === 0 ? request.attributes : [...request.attributes, ...extra];
    this.#client.request(now, { ...request, attributes });
  }

  #handle(now: number, event: RadiusEvent): void {
    const { tally, log, effect } = this.#parts;
    switch (event.kind) {
      case 'send': {
        const { server, port, socket, bytes, again } = event;
        tally.count(ownerOf(server), 'sent');
        if (again) tally.count(ownerOf(server), 'retransmits');
        if (bytes[0] === RadiusCode.StatusServer) tally.count(ownerOf(server), 'status-server');
        effect({ kind: 'datagram', server, port, socket, bytes });
        return;
      }
      case 'reply':
        tally.count(ownerOf(event.server), REPLY_NAMES[event.reply.code] ?? 'other');
        log.debug('radius-answer', {
          about: event.token,
          server: event.server,
          answer: REPLY_NAMES[event.reply.code] ?? event.reply.code,
        });
        this.#measure(now, event.token, event.server);
        this.#peers.answered(now, event.token, event.server, event.reply);
        this.#keepConnection(now, event.token, event.socket);
        return;
      case 'gave-up':
        this.#askedAt.delete(event.token);
        log.debug('radius-no-answer', { about: event.token, reason: event.reason });
        if (event.server !== undefined && event.reason === 'radius-timeout') {
          tally.count(ownerOf(event.server), 'timeouts');
        } else tally.count(ownerOf(''), event.reason);
        this.#peers.unanswered(now, event.token, event.reason);
        return;
      case 'server-state':
        log[event.state === 'dead' ? 'error' : 'info']('radius-server', {
          server: event.server,
          port: event.port,
          state: event.state,
        });
        if (event.state === 'dead') tally.count(ownerOf(event.server), 'died');
        return;
    }
  }

  /** A conversation goes on over the connection on which it was answered (RFC 6614 §3.3), and its State is as old. */
  #keepConnection(now: number, token: string, socket: number): void {
    const conversation = this.#conversationOf(token);
    if (conversation === undefined) return;
    const { conversations } = this.#parts.stores;
    conversations.put(conversation.key, { ...conversation, socket, answeredAt: now });
  }

  /** RFC 4372 §2.1: a NUL asks for the identity; who has one says it again. */
  #chargeable(token: string): readonly RadiusAttribute[] {
    const host = hostOfLogin(token);
    const known =
      host === undefined ? undefined : this.#parts.stores.sessions.get(host)?.chargeableUserIdentity;
    if (known !== undefined) return [octets(AttributeType.ChargeableUserIdentity, known)];
    const asks = this.#parts.config.radius.chargeableUserIdentity;
    return asks ? [octets(AttributeType.ChargeableUserIdentity, NUL)] : [];
  }

  #conversationOf(token: string): ConversationRecord | undefined {
    const host = hostOfLogin(token);
    return host === undefined ? undefined : this.#parts.stores.conversations.get(host);
  }

  #measure(now: number, token: string, server: string): void {
    const askedAt = this.#askedAt.get(token);
    this.#askedAt.delete(token);
    if (askedAt === undefined) return;
    const before = this.#roundTripMs.get(server) ?? now - askedAt;
    this.#roundTripMs.set(server, before + (now - askedAt - before) / 8);
  }
}

/** Under which the record of a connection that is backed up is kept. */
export function connectionKey(server: string, port: RadiusPort, socket: number): string {
  return `${server}/${port}/${socket}`;
}

/** Under which a server's counters are kept. */
export function ownerOf(server: string): string {
  return `radius/${server}`;
}

function clientOptions(config: Config): RadiusClientOptions {
  const { radius } = config;
  const names = (servers: Config['radius']['servers']) => servers.map((server) => server.name);
  return {
    ...radiusClientDefaults,
    auth: names(radius.authentication),
    authorization: names(radius.authorization),
    acct: names(radius.accounting),
    servers: radius.servers.map((server) => ({ ...server, stream: server.transport !== 'udp' })),
    balance: radius.selection === 'load',
    patience: { ...radiusClientDefaults.patience, ...radius.retransmit },
    socketsPerServer: radius.maxSourcePorts,
    statusAttributes: nasAttributes(config.nas),
  };
}

const REPLY_NAMES: Readonly<Record<number, string>> = {
  [RadiusCode.AccessAccept]: 'accepts',
  [RadiusCode.AccessReject]: 'rejects',
  [RadiusCode.AccessChallenge]: 'challenges',
  [RadiusCode.AccountingResponse]: 'accounted',
};
/** What comes when an answer crosses a timer, and says nothing of who sent it. */
const HARMLESS: ReadonlySet<RadiusDiscard> = new Set(['duplicate', 'no-request', 'unknown-server']);
const NUL = Uint8Array.of(0);
const KINDS: Readonly<Record<RadiusList, RequestKind>> = {
  auth: 'login',
  authorization: 'group',
  acct: 'accounting',
};
