/**
 * The RADIUS client without sockets: requests in, packets to send and answers out, on the caller's clock.
 * Retransmission by RFC 5080 §2.2.1, matching of replies by RFC 5080 §2.1.1 and §2.2.2, fail-over along the
 * configured order of servers. A packet that is not the answer to a request in flight changes nothing at all:
 * no timer, no health, no record.
 */
import { u32 } from '../wire/bytes.ts';
import { DeadlineHeap } from '../wire/deadline-heap.ts';
import type { RecordMap } from '../wire/records.ts';
import type {
  RadiusClientOptions,
  RadiusDiscard,
  RadiusEvent,
  RadiusGaveUpReason,
  RadiusRequest,
} from './client-types.ts';
import type { IdSlot } from './id-pool.ts';
import { decodeRadius, RADIUS_MAX_LENGTH, RadiusCode } from './packet.ts';
import { delaySecondsAt, mayAnswer, requestPacket, requestPacketLength } from './request-packet.ts';
import {
  type Patience,
  portOf,
  type RadiusAttempt,
  type RadiusPort,
  type RadiusRequestRecord,
  type RadiusServerRecord,
} from './request-record.ts';
import { firstInterval, nextInterval } from './retransmission.ts';
import { ServerHealth } from './server-health.ts';
import { type Lane, type Place, ServerTable } from './server-table.ts';
import { verifyReply } from './sign.ts';

export class RadiusClient {
  readonly #requests: RecordMap<RadiusRequestRecord>;
  readonly #health: ServerHealth;
  readonly #table: ServerTable;
  readonly #random: (octets: number) => Uint8Array;
  readonly #deadlines = new DeadlineHeap();
  #options: RadiusClientOptions;
  #events: RadiusEvent[] = [];

  /**
   * Goes on with the requests in `requests`, each at its own deadline; `resume` sends them again at once.
   * `random` gives so many octets that nobody can foretell.
   */
  constructor(
    options: RadiusClientOptions,
    requests: RecordMap<RadiusRequestRecord>,
    servers: RecordMap<RadiusServerRecord>,
    random: (octets: number) => Uint8Array,
  ) {
    this.#options = options;
    this.#requests = requests;
    this.#health = new ServerHealth(servers, options);
    this.#random = random;
    this.#table = new ServerTable(options, this.#health);
    for (const record of [...requests.values()]) {
      const port = portOf(record.list);
      this.#keepAttempts(
        record,
        (attempt) => this.#table.lane(attempt.server, port)?.pool.claim(attempt, record.key) === true,
        record.sentAt,
      );
    }
    this.#scheduleProbes();
  }

  /** How many requests are in flight, castgate's own probes among them. */
  get inFlight(): number {
    return this.#requests.size;
  }

  /** True while the request waits for its answer. */
  has(token: string): boolean {
    return this.#requests.has(token);
  }

  /** True where the server's port is taken for dead. */
  isDead(server: string, port: RadiusPort): boolean {
    return this.#health.isDead(server, port);
  }

  /** Sends a request. Its result, also that it cannot be sent, comes as an event. */
  request(now: number, request: RadiusRequest): void {
    const { token, list, code } = request;
    if (this.#requests.has(token)) throw new Error(`RADIUS request ${token} is in flight already`);
    if (requestPacketLength(code, request.attributes) > RADIUS_MAX_LENGTH) {
      this.#failed(now, token, 'radius-too-long', undefined);
      return;
    }
    const names = this.#table.order(list, request.server, request.pinned === true);
    const found = this.#table.pick(now, names, portOf(list), token, 'any');
    if (typeof found === 'string') {
      this.#failed(now, token, found, undefined);
      return;
    }
    const accounting = code === RadiusCode.AccountingRequest;
    const patience: Patience = {
      ...this.#options.patience,
      ...(accounting ? NEVER_GIVE_UP : undefined),
      ...request.patience,
    };
    const record: RadiusRequestRecord = {
      v: 1,
      key: token,
      token,
      list,
      code,
      attributes: request.attributes,
      eventAt: accounting ? (request.eventAt ?? now) : undefined,
      delaySeconds: 0,
      server: request.server,
      pinned: request.pinned === true,
      patience,
      attempts: [],
      tried: [],
      sentAt: now,
      tries: 0,
      triesHere: 0,
      intervalMs: 0,
      nextAt: now,
      giveUpAt: patience.maxDurationMs === 0 ? undefined : now + patience.maxDurationMs,
    };
    this.#sendNew(now, record, found.lane, found.slot);
  }

  /**
   * Takes a packet that came from a server's port to a source port. Undefined: it was the answer to a request,
   * and an event says so. Else why it was discarded. The reply is a view: the octets must not change afterwards.
   */
  receive(
    now: number,
    server: string,
    port: RadiusPort,
    socket: number,
    bytes: Uint8Array,
  ): RadiusDiscard | undefined {
    const lane = this.#table.lane(server, port);
    if (lane === undefined) return 'unknown-server';
    const reply = decodeRadius(bytes);
    if ('malformed' in reply) return reply.malformed;
    const owner = lane.pool.owner(socket, reply.id);
    const record = owner === undefined ? undefined : this.#requests.get(owner);
    const attempt = record?.attempts.find(
      (a) => a.server === server && a.socket === socket && a.id === reply.id,
    );
    if (record === undefined || attempt === undefined) {
      return lane.pool.wasAnswered(socket, reply.id) ? 'duplicate' : 'no-request';
    }
    if (!mayAnswer(record.code, port, reply.code)) return 'unexpected-code';
    const verdict = verifyReply(attempt.authenticator, bytes, lane.server.secret, {
      // Servers sign no Accounting-Response, and old ones not what they answer to Status-Server.
      requireMessageAuthenticator:
        lane.server.requireMessageAuthenticator && record.code === RadiusCode.AccessRequest,
    });
    if (verdict === 'malformed') throw new Error('a RADIUS packet that was decoded is malformed');
    if (verdict !== 'ok') return verdict;
    if (this.#health.answered(now, server, port)) this.#stateChanged(lane, 'alive');
    this.#end(now, record, attempt);
    if (!isProbe(record.token)) this.#events.push({ kind: 'reply', token: record.token, server, reply });
    return undefined;
  }

  /** Forgets a request: an answer to it will be discarded. One that is not in flight is no error. */
  cancel(now: number, token: string): void {
    const record = this.#requests.get(token);
    if (record !== undefined) this.#end(now, record, undefined);
  }

  /** Sends again, fails over or gives up whatever is due. Late and idle calls do no harm. */
  handleTimeout(now: number): void {
    for (;;) {
      const key = this.#deadlines.takeDue(now);
      if (key === undefined) return;
      const record = this.#requests.get(key);
      if (record !== undefined) this.#waited(now, record);
      else if (isProbe(key)) this.#probe(now, key.slice(PROBE.length));
    }
  }

  /** The next time at which handleTimeout has something to do. */
  nextTimeout(): number | undefined {
    return this.#deadlines.next();
  }

  /** What happened since the last call, in order. */
  drainEvents(): RadiusEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  /**
   * After a takeover: sends every request in flight once more, unchanged, as any retransmission, and waits for
   * its answer: the time in which nobody could hear one does not count.
   */
  resume(now: number): void {
    for (const record of [...this.#requests.values()]) {
      const attempt = record.attempts.at(-1);
      const lane = attempt && this.#table.lane(attempt.server, portOf(record.list));
      if (attempt === undefined || lane === undefined) this.#deadlines.set(record.key, now);
      else {
        const least = now + record.patience.initialMs;
        const giveUpAt = record.giveUpAt === undefined ? undefined : Math.max(record.giveUpAt, least);
        this.#store(now, lane, { ...record, giveUpAt });
        this.#emit(lane, record, attempt);
      }
    }
  }

  /**
   * Takes new servers, lists and settings. Requests in flight stay; those whose server is gone or has another
   * secret are sent anew.
   */
  reconfigure(now: number, options: RadiusClientOptions): void {
    this.#options = options;
    this.#health.options = options;
    this.#table.reconfigure(options);
    for (const record of [...this.#requests.values()]) {
      const port = portOf(record.list);
      this.#keepAttempts(
        record,
        ({ server, socket, id }) => this.#table.lane(server, port)?.pool.owner(socket, id) === record.key,
        now,
      );
    }
    this.#scheduleProbes();
  }

  /** Keeps those attempts whose identifier is still the request's; without the current one it is due at `lostAt`. */
  #keepAttempts(
    record: RadiusRequestRecord,
    keeps: (attempt: RadiusAttempt) => boolean,
    lostAt: number,
  ): void {
    const attempts = record.attempts.filter(keeps);
    const lost = attempts.length === 0 || attempts.at(-1) !== record.attempts.at(-1);
    if (lost) this.#requests.put(record.key, { ...record, attempts, nextAt: lostAt });
    this.#deadlines.set(record.key, lost ? lostAt : record.nextAt);
  }

  /** Sends the request as a new packet: new identifier, new authenticator. */
  #sendNew(now: number, before: RadiusRequestRecord, lane: Lane, slot: IdSlot): void {
    const { name, secret } = lane.server;
    const { initialMs, maxIntervalMs } = before.patience;
    const record = { ...before, delaySeconds: delaySecondsAt(now, before.eventAt) };
    const fresh = record.code === RadiusCode.AccountingRequest ? NO_AUTHENTICATOR : this.#random(16);
    const bytes = requestPacket(record, slot.id, fresh, secret);
    const attempts = [...record.attempts, { server: name, ...slot, authenticator: bytes.slice(4, 20) }];
    while (attempts.length > MAX_ATTEMPTS) {
      const oldest = attempts.shift();
      if (oldest !== undefined) this.#release(now, record, oldest, false);
    }
    // A server that is asked for the first time has earned no back-off yet.
    const again = record.tried.includes(name);
    this.#store(now, lane, {
      ...record,
      attempts,
      tried: again ? record.tried : [...record.tried, name],
      tries: record.tries + 1,
      triesHere: before.attempts.at(-1)?.server === name ? record.triesHere + 1 : 1,
      intervalMs: again
        ? nextInterval(record.intervalMs, maxIntervalMs, this.#draw(), this.#options.jitter)
        : firstInterval(initialMs, this.#draw(), this.#options.jitter),
    });
    const { port } = lane;
    const { socket } = slot;
    this.#events.push({ kind: 'send', server: name, port, socket, bytes, again: before.tries > 0 });
  }

  /** Sends the same packet again: same identifier, authenticator and source port (RFC 5080 §2.2.1). */
  #sendAgain(now: number, record: RadiusRequestRecord, lane: Lane, attempt: RadiusAttempt): void {
    const { maxIntervalMs } = record.patience;
    this.#store(now, lane, {
      ...record,
      tries: record.tries + 1,
      triesHere: record.triesHere + 1,
      intervalMs: nextInterval(record.intervalMs, maxIntervalMs, this.#draw(), this.#options.jitter),
    });
    this.#emit(lane, record, attempt);
  }

  #store(now: number, { server, port }: Lane, record: RadiusRequestRecord): void {
    this.#health.sent(now, server.name, port);
    const due = now + record.intervalMs;
    const nextAt = record.giveUpAt === undefined ? due : Math.min(due, record.giveUpAt);
    this.#requests.put(record.key, { ...record, sentAt: now, nextAt });
    this.#deadlines.set(record.key, nextAt);
  }

  #emit(lane: Lane, record: RadiusRequestRecord, { socket, id, authenticator }: RadiusAttempt): void {
    const bytes = requestPacket(record, id, authenticator, lane.server.secret);
    this.#events.push({
      kind: 'send',
      server: lane.server.name,
      port: lane.port,
      socket,
      bytes,
      again: true,
    });
  }

  /** A wait of a request is over. */
  #waited(now: number, record: RadiusRequestRecord): void {
    const port = portOf(record.list);
    const current = record.attempts.at(-1);
    const lane = current && this.#table.lane(current.server, port);
    if (lane !== undefined && this.#health.waited(now, lane.server.name, port)) {
      this.#died(now, lane);
      if (!this.#requests.has(record.key)) return;
    }
    const { maxCount } = record.patience;
    const outOfTime = record.giveUpAt !== undefined && now >= record.giveUpAt;
    if (outOfTime || (maxCount !== 0 && record.tries >= maxCount)) {
      this.#giveUp(now, record, 'radius-timeout');
      return;
    }
    if (current === undefined || lane === undefined) {
      const names = this.#table.order(record.list, record.server, record.pinned);
      const found = this.#table.pick(now, names, port, record.key, 'any');
      if (typeof found === 'string') this.#giveUp(now, record, found);
      else this.#sendNew(now, record, found.lane, found.slot);
      return;
    }
    const found = this.#failOver(now, record, lane) ?? this.#renew(now, record, lane);
    if (found === undefined) this.#sendAgain(now, record, lane, current);
    else this.#sendNew(now, record, found.lane, found.slot);
  }

  /** Another server for the request, where its time at this one is over and there is a better one. */
  #failOver(now: number, record: RadiusRequestRecord, { server, port }: Lane): Place | undefined {
    const dead = this.#health.isDead(server.name, port);
    const exhausted = record.triesHere >= record.patience.failoverTries;
    if (record.pinned || !(dead || exhausted)) return undefined;
    const names = this.#table.order(record.list, record.server, false);
    const place = names.indexOf(server.name);
    // Beginning behind the current one, so that all get their turn.
    const others = [...names.slice(place + 1), ...names.slice(0, Math.max(place, 0))];
    const found = this.#table.pick(now, others, port, record.key, dead && exhausted ? 'any' : 'alive');
    return typeof found === 'string' ? undefined : found;
  }

  /**
   * A new identifier at the same server where the packet has changed: another Acct-Delay-Time (RFC 2866 §5.2).
   * Without one left the old packet goes out again, which is right too.
   */
  #renew(now: number, record: RadiusRequestRecord, lane: Lane): Place | undefined {
    if (delaySecondsAt(now, record.eventAt) === record.delaySeconds) return undefined;
    const slot = lane.pool.take(now, record.key);
    return slot === undefined ? undefined : { lane, slot };
  }

  #giveUp(now: number, record: RadiusRequestRecord, reason: RadiusGaveUpReason): void {
    this.#end(now, record, undefined);
    this.#failed(now, record.token, reason, record.attempts.at(-1)?.server);
  }

  /** Tells the asker; a probe has none and comes back later. */
  #failed(now: number, token: string, reason: RadiusGaveUpReason, server: string | undefined): void {
    if (isProbe(token)) this.#deadlines.set(token, now + this.#options.deadMs);
    else this.#events.push({ kind: 'gave-up', token, reason, server });
  }

  /** Takes a request off the table. */
  #end(now: number, record: RadiusRequestRecord, answered: RadiusAttempt | undefined): void {
    for (const attempt of record.attempts) this.#release(now, record, attempt, attempt === answered);
    this.#requests.delete(record.key);
    this.#deadlines.set(record.key, undefined);
  }

  #release(now: number, record: RadiusRequestRecord, attempt: RadiusAttempt, answered: boolean): void {
    const pool = this.#table.lane(attempt.server, portOf(record.list))?.pool;
    if (pool?.owner(attempt.socket, attempt.id) === record.key) pool.release(now, attempt, answered);
  }

  /** Those who wait for a server that just died need not sit out their own waits where another one lives. */
  #died(now: number, lane: Lane): void {
    this.#stateChanged(lane, 'dead');
    for (const record of [...this.#requests.values()]) {
      if (portOf(record.list) !== lane.port || record.attempts.at(-1)?.server !== lane.server.name) continue;
      const others = this.#table.order(record.list, undefined, false);
      if (isProbe(record.token) || !this.#table.anyAlive(others, lane.port)) continue;
      if (record.pinned) this.#giveUp(now, record, 'radius-timeout');
      else this.#deadlines.set(record.key, now);
    }
  }

  #stateChanged({ server, port }: Lane, state: 'alive' | 'dead'): void {
    this.#events.push({ kind: 'server-state', server: server.name, port, state });
    this.#scheduleProbes();
  }

  /** Sets the time of the next Status-Server to each dead server that wants it, and of no other. */
  #scheduleProbes(): void {
    for (const [key, { server, port }] of this.#table.lanes()) {
      if (this.#requests.has(PROBE + key)) continue;
      const at = server.statusServer === true ? this.#health.retryAt(server.name, port) : undefined;
      this.#deadlines.set(PROBE + key, at);
    }
  }

  /** Asks a dead server by Status-Server: one packet, never sent again, a new identifier each time (RFC 5997 §3). */
  #probe(now: number, key: string): void {
    const lane = this.#table.laneOf(key);
    if (lane === undefined || !this.#health.isDead(lane.server.name, lane.port)) return;
    const { port } = lane;
    const server = lane.server.name;
    this.#health.tried(now, server, port);
    this.request(now, {
      list: port,
      token: PROBE + key,
      code: RadiusCode.StatusServer,
      attributes: this.#options.statusAttributes ?? [],
      server,
      pinned: true,
      patience: { maxCount: 1, maxDurationMs: 0 },
    });
  }

  /** A number in [0, 1). */
  #draw(): number {
    return u32(this.#random(4), 0) / 2 ** 32;
  }
}

function isProbe(token: string): boolean {
  return token.startsWith(PROBE);
}

/** Attempts whose answers still count: the current one and three before it. */
const MAX_ATTEMPTS = 4;
const NEVER_GIVE_UP = { maxCount: 0, maxDurationMs: 0 } as const;
/** An accounting packet makes its own authenticator. */
const NO_AUTHENTICATOR = new Uint8Array(16);
/** Before the key of a server's port: the token of castgate's own Status-Server requests. */
const PROBE = '\0status/';
