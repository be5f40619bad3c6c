/**
 * TCP connections that outlive their node (US8572270B2, US7957269B2): made here or continued from records, messages
 * in and out. Before a message is given to the kernel the standby has it with its boundary; before the peer is told
 * that octets came, the standby has them. Nothing is known here of what the messages say.
 *
 * Everything that changes records happens within a turn of the owner, who says which change sealed the turn and up
 * to which change the standby has everything.
 */
import { randomInt } from 'node:crypto';
import { connect, Socket } from 'node:net';
import type { Native } from '../../switch/native.ts';
import type { IpAddress } from '../../wire/address.ts';
import { type Continuation, type FallBack, judgeAnswer } from '../continuation.ts';
import { type Boundary, Demarcation } from '../demarcation.ts';
import { Hold } from '../hold.ts';
import { Outbox } from '../outbox.ts';
import { type ConnectionRecord, type ConnectionStores, type Endpoint, forgetConnection } from '../records.ts';
import { SentLog } from '../sent-log.ts';
import { plus } from '../sequence.ts';
import type { ConnectionGuard, Flow, Question } from './connection-guard.ts';
import { endOrderly, guardAgainstDeath, octetsAcknowledged, restore, snapshot, vanish } from './repair.ts';

/** Who has a connection. Called within a turn. */
export interface ConnectionOwner {
  /** It was made anew. */
  opened(): void;
  /** The other node's is this one's now; what it sent is on its way. */
  continued(): void;
  /** Messages in order, each given once. */
  received(messages: readonly Uint8Array[]): void;
  /** What came is no message: the connection is to be closed. */
  broken(): void;
  /** It is gone, or never came to be. */
  lost(why: 'closed' | 'refused'): void;
}

/** What is worth a line in the log, and a count. */
export type BackupEvent =
  | { readonly kind: 'continued'; readonly key: string; readonly resent: number; readonly ms: number }
  | { readonly kind: 'fell-back'; readonly key: string; readonly why: FallBack; readonly error?: string }
  | { readonly kind: 'asked-again'; readonly key: string };

export interface BackupOptions {
  readonly native: Native;
  readonly guard: ConnectionGuard;
  readonly stores: ConnectionStores;
  readonly boundary: Boundary;
  /** Milliseconds on the clock of both nodes. */
  readonly now: () => number;
  /** Runs what changes records as one turn, or after the one that runs. */
  readonly turn: (think: () => void) => void;
  readonly told: (event: BackupEvent) => void;
}

interface Connection {
  readonly key: string;
  readonly owner: ConnectionOwner;
  local: Endpoint;
  readonly remote: Endpoint;
  record: ConnectionRecord | undefined;
  flow: Flow;
  socket: Socket | undefined;
  fd: number;
  readonly log: SentLog;
  readonly demarcation: Demarcation;
  readonly outbox: Outbox;
  /** Position up to which the kernel was given what is sent. */
  handed: number;
  /** What was received, by the change that tells the standby of it. */
  readonly receipts: { readonly position: number; change: number | undefined }[];
  /** Where the kernel's count of acknowledged octets began. */
  acknowledgedBase: { readonly octets: number; readonly position: number };
  question: Question | undefined;
  timer: NodeJS.Timeout | undefined;
  /** The peer was heard on the socket that there is. */
  heard: boolean;
  over: boolean;
}

export class ConnectionBackup {
  readonly #options: BackupOptions;
  readonly #connections = new Map<string, Connection>();
  /** Connections with something that is not committed yet. */
  readonly #open = new Set<Connection>();
  /** Messages of connections that are gone: what they wait for need not happen any more. */
  readonly #dead = new WeakSet<Uint8Array>();
  readonly #trimming: NodeJS.Timeout;
  #committed = 0;
  #closed = false;

  constructor(options: BackupOptions) {
    this.#options = options;
    this.#trimming = setInterval(() => this.#trimAll(), TRIM_MS);
    this.#trimming.unref();
  }

  /** How many connections there are, and octets that no peer has acknowledged. */
  get size(): { readonly connections: number; readonly octets: number } {
    let octets = 0;
    for (const { log } of this.#connections.values()) octets += log.end - log.begin;
    return { connections: this.#connections.size, octets };
  }

  /** Makes a connection. */
  open(key: string, local: IpAddress, remote: Endpoint, owner: ConnectionOwner): void {
    const { stores, boundary } = this.#options;
    forgetConnection(stores, key);
    const parts = { log: new SentLog(key, stores.sent, 0), demarcation: new Demarcation(boundary) };
    const connection = this.#add(key, { address: local, port: 0 }, remote, owner, parts, new Hold());
    this.#connect(connection, 0);
  }

  /** Continues the connections of the records; those that nobody has any use for are forgotten. Within a turn. */
  resume(ownerOf: (record: ConnectionRecord) => ConnectionOwner | undefined): void {
    const { stores } = this.#options;
    for (const record of [...stores.connections.values()]) {
      const { key, local, remote } = record;
      const owner = ownerOf(record);
      const place = stores.places.get(key);
      if (owner === undefined || place === undefined) {
        this.#count({ kind: 'fell-back', key, why: 'changed' });
        forgetConnection(stores, key);
        continue;
      }
      const log = SentLog.resumed(key, stores.sent, place.acknowledged);
      const parts = {
        log: log ?? new SentLog(key, stores.sent, place.acknowledged),
        demarcation: new Demarcation(this.#options.boundary, place.received, place.rest),
      };
      const hold = new Hold(plus(record.receivedFrom, place.received));
      const connection = this.#add(key, local, remote, owner, parts, hold);
      connection.record = record;
      connection.handed = connection.log.end;
      if (log === undefined) this.#fallBackSoon(connection, 'damaged');
      else this.#ask(connection, 0);
    }
    this.#lookForAnswers();
  }

  /**
   * Peers answer within a moment, and whoever takes over has much to do before the event loop has its turn again:
   * for a few milliseconds nothing else is done.
   */
  #lookForAnswers(): void {
    const asked = [...this.#connections.values()].filter(({ question }) => question !== undefined);
    const end = performance.now() + LOOK_MS;
    while (asked.some(({ question }) => question !== undefined) && performance.now() < end) {
      this.#options.guard.poll();
      for (const { question } of asked) question?.poll();
    }
    // What the continued ones have to say.
    this.#options.guard.poll();
  }

  /** True while there is such a connection, made or continued. */
  has(key: string): boolean {
    return this.#connections.get(key)?.record !== undefined;
  }

  /**
   * Gives a message its place in the stream. It leaves when the standby has it and, unless `released`, `release` was
   * called for it. False: there is no connection. Within a turn.
   */
  write(key: string, octets: Uint8Array, released: boolean): boolean {
    const connection = this.#connections.get(key);
    if (connection?.record === undefined) return false;
    const { begin } = connection.log.append(octets);
    connection.outbox.add(begin, octets, released);
    this.#open.add(connection);
    return true;
  }

  /** What a message waited for has happened. False: it has no place in any stream. */
  release(key: string, octets: Uint8Array): boolean {
    if (this.#dead.has(octets)) return true;
    const connection = this.#connections.get(key);
    if (connection?.outbox.release(octets) !== true) return false;
    this.#flush(connection);
    return true;
  }

  /** Ends a connection as TCP does. Within a turn. */
  close(key: string): void {
    const connection = this.#connections.get(key);
    if (connection !== undefined) this.#end(connection);
  }

  /** The turn in which records were changed is this change, or an earlier one. */
  sealed(change: number): void {
    for (const { outbox, receipts } of this.#open) {
      outbox.sealed(change);
      for (let at = receipts.length - 1; receipts[at]?.change === undefined && at >= 0; at--) {
        const receipt = receipts[at];
        if (receipt !== undefined) receipt.change = change;
      }
    }
  }

  /** The standby has everything up to this change, and this node serves. */
  committed(change: number): void {
    this.#committed = change;
    for (const connection of this.#open) {
      const { receipts, record, flow } = connection;
      let known = 0;
      while ((receipts[known]?.change ?? Infinity) <= change) known++;
      const last = receipts[known - 1];
      if (last !== undefined && record !== undefined) {
        receipts.splice(0, known);
        flow.hold.raise(plus(record.receivedFrom, last.position));
      }
      this.#flush(connection);
      if (receipts.length === 0 && connection.outbox.size === 0) this.#open.delete(connection);
    }
    // Also what waited only because it was in doubt whether this node serves.
    for (const { flow } of this.#connections.values()) this.#options.guard.release(flow);
  }

  /** This node serves no more: nothing is seen of it on the wire, and the records stay as they are. */
  stop(): void {
    this.#closed = true;
    clearInterval(this.#trimming);
    for (const connection of this.#connections.values()) {
      this.#vanish(connection);
      this.#options.guard.remove(connection.local, connection.remote, connection.flow);
    }
    this.#connections.clear();
  }

  #add(
    key: string,
    local: Endpoint,
    remote: Endpoint,
    owner: ConnectionOwner,
    parts: Pick<Connection, 'log' | 'demarcation'>,
    hold: Hold,
  ): Connection {
    const { guard } = this.#options;
    const connection: Connection = {
      key,
      owner,
      local,
      remote,
      record: undefined,
      flow: local.port === 0 ? { hold, waiting: [] } : guard.add(local, remote, hold),
      socket: undefined,
      fd: -1,
      ...parts,
      outbox: new Outbox(),
      handed: 0,
      receipts: [],
      acknowledgedBase: { octets: 0, position: 0 },
      question: undefined,
      timer: undefined,
      heard: false,
      over: false,
    };
    this.#connections.set(key, connection);
    return connection;
  }

  #connect(connection: Connection, tries: number): void {
    const { guard } = this.#options;
    const { remote } = connection;
    connection.local = { ...connection.local, port: randomInt(FIRST_PORT, LAST_PORT + 1) };
    connection.flow = guard.add(connection.local, remote, new Hold());
    const socket = connect({
      host: remote.address,
      port: remote.port,
      localAddress: connection.local.address,
      localPort: connection.local.port,
    });
    connection.socket = socket;
    socket.setNoDelay(true);
    const isCurrent = () => connection.socket === socket && !connection.over;
    socket.once('error', (error) => {
      if (!isCurrent() || connection.record !== undefined) return;
      guard.remove(connection.local, remote, connection.flow);
      connection.socket = undefined;
      // The address may come a moment later than the word that this node serves; a port may be in use.
      const code = 'code' in error ? error.code : undefined;
      if ((code === 'EADDRNOTAVAIL' || code === 'EADDRINUSE') && tries < MOST_TRIES) {
        connection.timer = setTimeout(() => this.#connect(connection, tries + 1), RETRY_MS);
        return;
      }
      this.#turn(connection, () => {
        this.#forget(connection);
        connection.owner.lost('refused');
      });
    });
    socket.once('connect', () => {
      if (!isCurrent()) return;
      this.#turn(connection, () => this.#made(connection, socket));
    });
  }

  /** The handshake is over, and nothing was said yet. */
  #made(connection: Connection, socket: Socket): void {
    const { native, now, stores } = this.#options;
    const { key, local, remote } = connection;
    const fd = descriptorOf(socket);
    let taken: ReturnType<typeof snapshot>;
    try {
      guardAgainstDeath(native, fd);
      taken = snapshot(native, fd);
    } catch (cause) {
      this.#count({ kind: 'fell-back', key, why: 'failed', error: messageOf(cause) });
      this.#end(connection);
      connection.owner.lost('refused');
      return;
    }
    const { timestamp, ...agreed } = taken;
    connection.fd = fd;
    connection.acknowledgedBase = { octets: octetsAcknowledged(native, fd), position: 0 };
    connection.record = {
      v: 1,
      key,
      local,
      remote,
      ...agreed,
      timestamp: { ...clockOf(timestamp), at: now() },
    };
    connection.flow.hold.raise(agreed.receivedFrom);
    stores.connections.put(key, connection.record);
    this.#putPlace(connection);
    this.#listen(connection, socket);
    connection.owner.opened();
  }

  #listen(connection: Connection, socket: Socket): void {
    const isCurrent = () => connection.socket === socket && !connection.over;
    socket.on('data', (octets: Buffer) => {
      this.#turn(connection, () => {
        if (isCurrent()) this.#received(connection, octets);
      });
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#turn(connection, () => {
        if (!isCurrent()) return;
        this.#end(connection);
        connection.owner.lost('closed');
      });
    });
  }

  #received(connection: Connection, octets: Uint8Array): void {
    connection.heard = true;
    const messages = connection.demarcation.push(octets);
    this.#trim(connection);
    this.#putPlace(connection);
    connection.receipts.push({ position: connection.demarcation.position, change: undefined });
    this.#open.add(connection);
    if (messages === undefined) connection.owner.broken();
    else if (messages.length > 0) connection.owner.received(messages);
  }

  /** Asks the peer where the connection stands, until it says so. */
  #ask(connection: Connection, attempt: number): void {
    const { guard, now } = this.#options;
    const { record, demarcation, log } = connection;
    if (record === undefined) return;
    const began = performance.now();
    const timestamp = timestampAt(record, now());
    const known = {
      connection: record,
      sentBegin: log.begin,
      sentEnd: connection.handed,
      received: demarcation.position,
    };
    try {
      connection.question = guard.question(
        {
          local: connection.local,
          remote: connection.remote,
          unacknowledged: plus(record.sentFrom, log.begin),
          awaited: plus(record.receivedFrom, demarcation.position),
          window: record.ownWindow >> (record.options.windowScale?.own ?? 0),
          timestamp: record.options.timestamps ? timestamp : undefined,
        },
        (segment) => {
          const verdict = connection.question === undefined ? undefined : judgeAnswer(known, segment);
          if (verdict === undefined) return;
          this.#endQuestion(connection);
          if (typeof verdict === 'string') this.#fallBack(connection, verdict);
          else this.#goOn(connection, verdict, began, attempt);
        },
      );
    } catch (cause) {
      this.#fallBackSoon(connection, 'failed', messageOf(cause));
      return;
    }
    const ask = (tries: number) => {
      if (connection.question === undefined) return;
      if (performance.now() - began > SILENCE_MS) {
        this.#endQuestion(connection);
        this.#fallBack(connection, 'silent');
        return;
      }
      connection.question.ask();
      connection.timer = setTimeout(() => ask(tries + 1), tries < QUICK_ASKS ? QUICK_ASK_MS : SLOW_ASK_MS);
    };
    ask(0);
  }

  #endQuestion(connection: Connection): void {
    clearTimeout(connection.timer);
    connection.question?.end();
    connection.question = undefined;
  }

  /** The peer has said where it stands. */
  #goOn(
    connection: Connection,
    { from, reached, window }: Continuation,
    began: number,
    attempt: number,
  ): void {
    const { native, now } = this.#options;
    const { key, log, demarcation } = connection;
    const before = connection.record;
    if (before === undefined || connection.over) return;
    const at = now();
    const timestamp = timestampAt(before, at);
    const record: ConnectionRecord = {
      ...before,
      timestamp: { ...before.timestamp, value: timestamp, at },
      peerWindow: Math.max(before.peerWindow, window),
    };
    let socket: Socket;
    try {
      connection.fd = restore(native, record, {
        unacknowledged: plus(record.sentFrom, from),
        awaited: plus(record.receivedFrom, demarcation.position),
        underWay: log.between(from, reached),
        window,
        timestamp,
      });
      socket = new Socket({ fd: connection.fd, readable: true, writable: true });
    } catch (cause) {
      this.#fallBack(connection, 'failed', messageOf(cause));
      return;
    }
    connection.socket = socket;
    connection.record = record;
    connection.acknowledgedBase = { octets: octetsAcknowledged(native, connection.fd), position: from };
    connection.heard = false;
    socket.setNoDelay(true);
    this.#listen(connection, socket);
    const rest = log.between(reached, connection.handed);
    if (rest.length > 0) socket.write(rest);
    this.#flush(connection);
    this.#turn(connection, () => {
      log.acknowledged(from);
      this.#options.stores.connections.put(key, record);
      this.#putPlace(connection);
      this.#open.add(connection);
      if (attempt > 0) return;
      this.#count({ kind: 'continued', key, resent: rest.length, ms: performance.now() - began });
      connection.owner.continued();
    });
    this.#watch(connection, attempt);
  }

  /** A peer that is not heard and takes nothing may have moved on while it was asked: it is asked again. */
  #watch(connection: Connection, attempt: number): void {
    if (attempt >= MOST_ATTEMPTS) return;
    connection.timer = setTimeout(
      () => {
        if (connection.over || this.#closed || connection.heard || this.#acknowledged(connection) > 0) return;
        if (connection.handed === connection.log.begin) return;
        this.#count({ kind: 'asked-again', key: connection.key });
        this.#vanish(connection);
        this.#ask(connection, attempt + 1);
      },
      WATCH_MS * 2 ** attempt,
    );
  }

  /** Another way has to be found: what was open on the connection is its owner's again. */
  #fallBack(connection: Connection, why: FallBack, error?: string): void {
    this.#turn(connection, () => {
      this.#count({ kind: 'fell-back', key: connection.key, why, ...(error === undefined ? {} : { error }) });
      this.#end(connection);
      connection.owner.lost('closed');
    });
  }

  /** Not now: whoever owns the connection is in the middle of taking his own records up. */
  #fallBackSoon(connection: Connection, why: FallBack, error?: string): void {
    setImmediate(() => this.#fallBack(connection, why, error));
  }

  #flush(connection: Connection): void {
    const { socket, outbox } = connection;
    if (socket === undefined || connection.record === undefined || connection.question !== undefined) return;
    const ready = outbox.take(this.#committed);
    if (ready.length === 0) return;
    socket.cork();
    for (const octets of ready) {
      connection.handed += octets.length;
      socket.write(octets);
    }
    socket.uncork();
    // The segments wait in the queue by now: whoever has a long turn to take would let them wait for the event loop.
    this.#options.guard.poll();
    if (connection.flow.waiting.length > 0) this.#takeIn(connection);
  }

  /** A segment waits that acknowledges what has come: that is taken up now, without the event loop. */
  #takeIn(connection: Connection): void {
    const { socket, fd } = connection;
    const room = new Uint8Array(READ_OCTETS);
    // Of a socket that is destroyed the descriptor may be another one's by now. The end of the stream is told by the event loop.
    while (socket?.destroyed === false) {
      const length = this.#options.native.inetReceive(fd, room);
      if (length <= 0) return;
      const octets = room.slice(0, length);
      this.#turn(connection, () => this.#received(connection, octets));
    }
  }

  /** Octets that the peer has acknowledged on the socket that there is. */
  #acknowledged({ fd, acknowledgedBase }: Connection): number {
    return fd < 0 ? 0 : octetsAcknowledged(this.#options.native, fd) - acknowledgedBase.octets;
  }

  #trim(connection: Connection): boolean {
    const { log, acknowledgedBase } = connection;
    if (log.begin === log.end || connection.socket === undefined) return false;
    return log.acknowledged(acknowledgedBase.position + this.#acknowledged(connection));
  }

  #trimAll(): void {
    for (const connection of this.#connections.values()) {
      const [first] = connection.log.messages;
      if (first === undefined || connection.socket === undefined) continue;
      if (connection.acknowledgedBase.position + this.#acknowledged(connection) < first.end) continue;
      this.#turn(connection, () => {
        if (this.#trim(connection)) this.#putPlace(connection);
      });
    }
  }

  #putPlace({ key, demarcation, log }: Connection): void {
    const { position: received, rest } = demarcation;
    this.#options.stores.places.put(key, { v: 1, key, received, rest, acknowledged: log.begin });
  }

  #turn(connection: Connection, think: () => void): void {
    if (this.#closed) return;
    this.#options.turn(() => {
      if (!this.#closed && !connection.over) think();
    });
  }

  /** The connection is no more, for whatever reason; what TCP has to say at its end may leave. */
  #end(connection: Connection): void {
    const { socket, flow } = connection;
    flow.hold.end();
    this.#options.guard.release(flow);
    if (socket !== undefined && connection.fd >= 0 && !socket.destroyed) {
      try {
        endOrderly(this.#options.native, connection.fd);
      } catch {
        // Its descriptor is closed already.
      }
    }
    socket?.destroy();
    this.#forget(connection);
  }

  #forget(connection: Connection): void {
    const { key, flow, local, remote } = connection;
    connection.over = true;
    this.#endQuestion(connection);
    for (const octets of connection.outbox.drain()) this.#dead.add(octets);
    this.#open.delete(connection);
    if (this.#connections.get(key) === connection) this.#connections.delete(key);
    if (connection.record !== undefined) forgetConnection(this.#options.stores, key);
    setTimeout(() => this.#options.guard.remove(local, remote, flow), LAST_WORDS_MS).unref();
  }

  /** Closes the socket without a word. */
  #vanish(connection: Connection): void {
    this.#endQuestion(connection);
    const { socket } = connection;
    connection.socket = undefined;
    if (socket === undefined) return;
    if (!socket.destroyed && connection.fd >= 0) {
      try {
        vanish(this.#options.native, connection.fd);
      } catch {
        // Closed by the peer a moment ago; what is left of it says nothing either, as the guard drops it.
      }
    }
    connection.fd = -1;
    socket.on('error', () => {});
    socket.destroy();
  }

  #count(event: BackupEvent): void {
    const { guard, told } = this.#options;
    if (event.kind === 'continued') guard.counts.continued++;
    else if (event.kind === 'fell-back')
      guard.counts.fellBack[event.why] = (guard.counts.fellBack[event.why] ?? 0) + 1;
    told(event);
  }
}

/** The own timestamp clock at a time, ahead of all that the peer can have heard of it (RFC 7323 §5.3). */
function timestampAt({ timestamp: { value, at: since, perMs } }: ConnectionRecord, at: number): number {
  const ahead = (Math.max(0, Math.round(at - since)) + TIMESTAMP_MARGIN_MS) * perMs;
  return plus(value, ahead + (ahead & 1));
}

/** Linux tells by the lowest bit of its timestamp clock whether it counts microseconds, and keeps that bit. */
function clockOf(value: number): { value: number; perMs: 1 | 1000 } {
  return { value, perMs: (value & 1) === 0 ? 1 : 1000 };
}

/** The descriptor under a socket of node: there is no other way to it. */
function descriptorOf(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { _handle?: { fd?: number } };
  return handle?.fd ?? -1;
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/** The kernel's own range by default (net.ipv4.ip_local_port_range). */
const FIRST_PORT = 32_768;
const LAST_PORT = 60_999;
const RETRY_MS = 10;
const MOST_TRIES = 200;
/** For what is acknowledged without an answer. */
const TRIM_MS = 100;
const LOOK_MS = 4;
const READ_OCTETS = 65_536;
const QUICK_ASK_MS = 5;
const QUICK_ASKS = 40;
const SLOW_ASK_MS = 50;
/** A peer that says nothing for so long has gone, or cannot be reached. */
const SILENCE_MS = 3_000;
const WATCH_MS = 150;
const MOST_ATTEMPTS = 5;
/** More than the clocks of both nodes can be apart. */
const TIMESTAMP_MARGIN_MS = 2_000;
/** For a FIN and its acknowledgement. */
const LAST_WORDS_MS = 10_000;
