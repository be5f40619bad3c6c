/**
 * The RADIUS client without sockets: requests in, packets to send and answers out, on the caller's clock.
 * Matching of replies by RFC 5080 §2.1.1 and §2.2.2, fail-over along the configured order of servers;
 * transmitter.ts sends, status-probes.ts asks servers how they are. A packet that is not the answer to a
 * request in flight changes nothing at all: no timer, no health, no record.
 */
import { DeadlineHeap } from '../../wire/deadline-heap.ts';
import type { RecordMap } from '../../wire/records.ts';
import { decodeRadius, RADIUS_MAX_LENGTH, RadiusCode } from '../packet.ts';
import { delaySecondsAt, mayAnswer, requestPacketLength } from '../request-packet.ts';
import { verifyReply } from '../sign.ts';
import type {
  RadiusClientOptions,
  RadiusDiscard,
  RadiusEvent,
  RadiusGaveUpReason,
  RadiusRequest,
} from './client-types.ts';
import {
  laneKey,
  type Patience,
  portOf,
  type RadiusAttempt,
  type RadiusPort,
  type RadiusRequestRecord,
  type RadiusServerRecord,
} from './request-record.ts';
import { ServerHealth } from './server-health.ts';
import { type Lane, type Place, ServerTable } from './server-table.ts';
import { isProbe, laneOfProbe, probeToken, StatusProbes } from './status-probes.ts';
import { Transmitter } from './transmitter.ts';

export class RadiusClient {
  readonly #requests: RecordMap<RadiusRequestRecord>;
  readonly #health: ServerHealth;
  readonly #table: ServerTable;
  readonly #deadlines = new DeadlineHeap();
  readonly #transmitter: Transmitter;
  readonly #probes: StatusProbes;
  #options: RadiusClientOptions;
  #events: RadiusEvent[] = [];

  /**
   * Goes on with the requests in `requests`, each at its own deadline; `resume` sends them again at once.
   * `random` gives so many octets that nobody can foretell. `later`: the requests are somebody else's until `takeUp`.
   */
  constructor(
    options: RadiusClientOptions,
    requests: RecordMap<RadiusRequestRecord>,
    servers: RecordMap<RadiusServerRecord>,
    random: (octets: number) => Uint8Array,
    later?: 'later',
  ) {
    this.#options = options;
    this.#requests = requests;
    this.#health = new ServerHealth(servers, options);
    this.#table = new ServerTable(options, this.#health);
    this.#probes = new StatusProbes(this.#health, this.#deadlines);
    this.#transmitter = new Transmitter(
      {
        requests,
        table: this.#table,
        health: this.#health,
        deadlines: this.#deadlines,
        random,
        emit: (event) => this.#emit(event),
      },
      options,
    );
    if (later === undefined) this.takeUp();
  }

  /** Goes on with the requests that there are. */
  takeUp(): void {
    for (const record of [...this.#requests.values()]) {
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

  /** When a port that is taken for dead is due to be tried again; undefined while it is alive. */
  retryAt(server: string, port: RadiusPort): number | undefined {
    return this.#health.retryAt(server, port);
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
    const found = this.#lostItsState(request)
      ? 'radius-timeout'
      : this.#table.pick(now, names, portOf(list), token, 'any', request.socket);
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
    this.#transmitter.sendNew(now, record, found.lane, found.slot);
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
    if (!mayAnswer(record.code, port, reply.code, lane.server.stream)) return 'unexpected-code';
    const verdict = verifyReply(attempt.authenticator, bytes, lane.server.secret, {
      // Servers sign no Accounting-Response, and old ones not what they answer to Status-Server.
      requireMessageAuthenticator:
        lane.server.requireMessageAuthenticator && record.code === RadiusCode.AccessRequest,
    });
    if (verdict === 'malformed') throw new Error('a RADIUS packet that was decoded is malformed');
    if (verdict !== 'ok') return verdict;
    const revived = this.#health.answered(now, server, port);
    this.#probes.answered(laneKey(server, port));
    this.#transmitter.end(now, record, attempt);
    if (revived) this.#stateChanged(lane, 'alive');
    else this.#follow(laneKey(server, port));
    if (!isProbe(record.token)) {
      this.#events.push({ kind: 'reply', token: record.token, server, socket, reply });
    }
    return undefined;
  }

  /**
   * A connection of a server is gone, and with it what was sent on it (RFC 6613 §2.6.1): that is sent anew, over
   * another connection. `refused`: it never came to be, so nobody is there.
   */
  lost(now: number, server: string, port: RadiusPort, socket: number, why: 'closed' | 'refused'): void {
    const lane = this.#table.lane(server, port);
    if (lane === undefined) return;
    const isOn = (attempt: RadiusAttempt) => attempt.server === server && attempt.socket === socket;
    for (const record of [...this.#requests.values()]) {
      if (portOf(record.list) !== port || !record.attempts.some(isOn)) continue;
      const current = record.attempts.at(-1);
      const wasCurrent = current !== undefined && isOn(current);
      if (wasCurrent && isProbe(record.token)) {
        this.#transmitter.end(now, record, undefined);
        this.#follow(laneKey(server, port));
        continue;
      }
      for (const attempt of record.attempts) {
        if (wasCurrent || isOn(attempt)) this.#transmitter.release(now, record, attempt, true);
      }
      const attempts = wasCurrent ? [] : record.attempts.filter((attempt) => !isOn(attempt));
      const nextAt = wasCurrent && why === 'closed' ? now : record.nextAt;
      this.#requests.put(record.key, { ...record, attempts, nextAt });
      this.#deadlines.set(record.key, nextAt);
    }
    lane.pool.reset(socket);
    if (why === 'refused' && this.#health.failed(now, server, port)) this.#died(now, lane, true);
  }

  /** A connection to a server came to be: if it was taken for dead, it is asked how it is. */
  connected(now: number, server: string, port: RadiusPort): void {
    const key = laneKey(server, port);
    if (this.#health.isDead(server, port) && this.#probeOf(key) === undefined)
      this.#deadlines.set(probeToken(key), now);
  }

  /**
   * The server's host refused a datagram (ICMP). Such news can be made up, so that they only have the server asked
   * how it is; when that is refused too, nobody is there.
   */
  refused(now: number, server: string, port: RadiusPort): void {
    const key = laneKey(server, port);
    const lane = this.#table.laneOf(key);
    if (lane?.server.statusServer !== true || this.#health.isDead(server, port)) return;
    const probe = this.#probeOf(key);
    if (!this.#probes.refused(key, probe !== undefined)) {
      this.#follow(key);
      return;
    }
    if (probe !== undefined) this.#transmitter.end(now, probe, undefined);
    if (this.#health.failed(now, server, port)) this.#died(now, lane, true);
  }

  /** Forgets a request: an answer to it will be discarded. One that is not in flight is no error. */
  cancel(now: number, token: string): void {
    const record = this.#requests.get(token);
    if (record !== undefined) this.#transmitter.end(now, record, undefined);
  }

  /** Sends again, fails over or gives up whatever is due. Late and idle calls do no harm. */
  handleTimeout(now: number): void {
    for (;;) {
      const key = this.#deadlines.takeDue(now);
      if (key === undefined) return;
      const record = this.#requests.get(key);
      if (record !== undefined) this.#waited(now, record);
      else if (isProbe(key)) this.#probe(now, laneOfProbe(key));
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
   * its answer: the time in which nobody could hear one does not count. What was sent on a connection goes to
   * another one, but where the connection itself `goesOn`: nothing is lost of it, so that nothing is sent again.
   */
  resume(now: number, goesOn: (server: string, port: RadiusPort, socket: number) => boolean = NEVER): void {
    for (const record of [...this.#requests.values()]) {
      const attempt = record.attempts.at(-1);
      const lane = attempt && this.#table.lane(attempt.server, portOf(record.list));
      if (attempt === undefined || lane === undefined) this.#deadlines.set(record.key, now);
      else if (lane.server.stream === true && !goesOn(attempt.server, lane.port, attempt.socket)) {
        // The connection was the other node's.
        for (const one of record.attempts) this.#transmitter.release(now, record, one, true);
        this.#requests.put(record.key, { ...record, attempts: [], nextAt: now });
        this.#deadlines.set(record.key, now);
      } else {
        // The first wait and a second, twice as long: what leaves at a takeover may be lost like anything else.
        const least = now + 3 * record.patience.initialMs;
        const giveUpAt = record.giveUpAt === undefined ? undefined : Math.max(record.giveUpAt, least);
        this.#transmitter.store(now, lane, { ...record, giveUpAt });
        if (lane.server.stream !== true) this.#transmitter.repeat(lane, record, attempt);
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

  /** Tells what happened; what is sent to a lane may be the beginning of its silence. */
  #emit(event: RadiusEvent): void {
    this.#events.push(event);
    if (event.kind === 'send') this.#follow(laneKey(event.server, event.port));
  }

  #follow(key: string): void {
    const lane = this.#table.laneOf(key);
    if (lane !== undefined) this.#probes.follow(key, lane, this.#probeOf(key) !== undefined);
  }

  /** A wait of a request is over. */
  #waited(now: number, record: RadiusRequestRecord): void {
    const port = portOf(record.list);
    const current = record.attempts.at(-1);
    const lane = current && this.#table.lane(current.server, port);
    if (lane !== undefined && this.#health.waited(now, lane.server.name, port)) {
      this.#died(now, lane, false);
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
      else this.#transmitter.sendNew(now, record, found.lane, found.slot);
      return;
    }
    const found = this.#failOver(now, record, lane) ?? this.#renew(now, record, lane);
    if (found === undefined) this.#transmitter.sendAgain(now, record, lane, current);
    else this.#transmitter.sendNew(now, record, found.lane, found.slot);
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
    // Over a connection nothing is sent again, in no form.
    if (lane.server.stream === true || delaySecondsAt(now, record.eventAt) === record.delaySeconds)
      return undefined;
    const slot = lane.pool.take(now, record.key);
    return slot === undefined ? undefined : { lane, slot };
  }

  #giveUp(now: number, record: RadiusRequestRecord, reason: RadiusGaveUpReason): void {
    this.#transmitter.end(now, record, undefined);
    this.#failed(now, record.token, reason, record.attempts.at(-1)?.server);
  }

  /** Tells the asker; of a probe the server's health is told. */
  #failed(now: number, token: string, reason: RadiusGaveUpReason, server: string | undefined): void {
    if (!isProbe(token)) {
      this.#events.push({ kind: 'gave-up', token, reason, server });
      return;
    }
    const key = laneOfProbe(token);
    const lane = this.#table.laneOf(key);
    if (lane === undefined) return;
    const { name } = lane.server;
    const dies = !this.#health.isDead(name, lane.port) && this.#probes.missed(key);
    if (dies && this.#health.failed(now, name, lane.port)) this.#died(now, lane, true);
    else this.#follow(key);
  }

  /**
   * Those who wait for a server that just died need not sit out their own waits where another one lives. Where it
   * is `certain` that nobody is there, the conversations that only it knew are over in any case: they begin anew.
   */
  #died(now: number, lane: Lane, certain: boolean): void {
    this.#stateChanged(lane, 'dead');
    for (const record of [...this.#requests.values()]) {
      if (portOf(record.list) !== lane.port || isProbe(record.token)) continue;
      const current = record.attempts.at(-1)?.server ?? (record.pinned ? record.server : lane.server.name);
      if (current !== lane.server.name) continue;
      const others = this.#table.order(record.list, undefined, false);
      const another = this.#table.anyAlive(others, lane.port);
      if (record.pinned && (certain || another)) this.#giveUp(now, record, 'radius-timeout');
      else if (another) this.#deadlines.set(record.key, now);
    }
  }

  /** True where the server that knows the conversation is dead, or has been since it last spoke of it. */
  #lostItsState({ list, server, pinned, stateSince }: RadiusRequest): boolean {
    if (pinned !== true || server === undefined || stateSince === undefined) return false;
    return this.#health.diedSince(stateSince, server, portOf(list));
  }

  #stateChanged({ server, port }: Lane, state: 'alive' | 'dead'): void {
    this.#events.push({ kind: 'server-state', server: server.name, port, state });
    this.#scheduleProbes();
  }

  #scheduleProbes(): void {
    this.#probes.schedule(this.#table.lanes(), (token) => this.#requests.has(token));
  }

  #probe(now: number, key: string): void {
    const lane = this.#table.laneOf(key);
    if (lane === undefined || lane.server.statusServer !== true) return;
    this.#health.tried(now, lane.server.name, lane.port);
    this.request(now, this.#probes.request(key, lane, this.#options.statusAttributes ?? []));
  }

  #probeOf(key: string): RadiusRequestRecord | undefined {
    return this.#requests.get(probeToken(key));
  }
}

const NEVER = () => false;
const NEVER_GIVE_UP = { maxCount: 0, maxDurationMs: 0 } as const;
