/**
 * One TCP connection that outlives its node, and the socket that it has at present: messages get their place in the
 * stream and leave once the standby has them; what comes is noted in the turn that takes it up.
 */
import type { Socket } from 'node:net';
import type { Native } from '../../switch/native.ts';
import { concatBytes } from '../../wire/bytes.ts';
import type { FallBack } from '../continuation.ts';
import type { Demarcation } from '../demarcation.ts';
import type { Hold } from '../hold.ts';
import { Outbox } from '../outbox.ts';
import { type ConnectionRecord, type ConnectionStores, type Endpoint, forgetConnection } from '../records.ts';
import type { SentLog } from '../sent-log.ts';
import { plus } from '../sequence.ts';
import type { Flow, Guarding, Question } from './connection-guard.ts';
import { endOrderly, octetsAcknowledged, vanish } from './repair.ts';

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
  | {
      readonly kind: 'continued';
      readonly key: string;
      /** Octets that the peer lacked, and those of the peer that this node had seen itself and no record had. */
      readonly resent: number;
      readonly seen: number;
      readonly ms: number;
    }
  | { readonly kind: 'fell-back'; readonly key: string; readonly why: FallBack; readonly error?: string }
  | { readonly kind: 'asked-again'; readonly key: string };

/** What all connections of a node share. */
export interface ConnectionContext {
  readonly native: Native;
  readonly guard: Guarding;
  readonly stores: ConnectionStores;
  /** Milliseconds on the clock of both nodes. */
  readonly now: () => number;
  /** Runs what changes records as one turn, or after the one that runs; not for a connection that is over by then. */
  readonly turn: (connection: Connection, think: () => void) => void;
  /** Counts, and tells. */
  readonly count: (event: BackupEvent) => void;
  /** The standby has everything up to this change. */
  readonly committed: () => number;
  /** This node serves no more. */
  readonly isClosed: () => boolean;
  /** Does it now or, where peers cannot answer this node yet, once they can. */
  readonly onceReachable: (then: () => void) => void;
  /** Something of the connection is not committed yet. */
  readonly opened: (connection: Connection) => void;
  /** The connection is over; these messages of it never leave. */
  readonly forgotten: (connection: Connection, undelivered: readonly Uint8Array[]) => void;
}

/** What was sent on a connection and what has come on it. */
export interface Stream {
  readonly log: SentLog;
  readonly demarcation: Demarcation;
}

export class Connection {
  readonly key: string;
  readonly owner: ConnectionOwner;
  readonly remote: Endpoint;
  readonly log: SentLog;
  readonly demarcation: Demarcation;
  local: Endpoint;
  record: ConnectionRecord | undefined;
  flow: Flow;
  socket: Socket | undefined;
  fd = -1;
  /** Position up to which the kernel was given what is sent. */
  handed = 0;
  question: Question | undefined;
  timer: NodeJS.Timeout | undefined;
  /** The peer was heard on the socket that there is. */
  heard = false;
  over = false;
  /** What this node has seen of the peer before the connection was its own, and has not taken up yet. */
  early: Uint8Array = NOTHING;
  readonly #context: ConnectionContext;
  readonly #outbox = new Outbox();
  /** What was received, by the change that tells the standby of it. */
  readonly #receipts: { readonly position: number; change: number | undefined }[] = [];
  /** Where the kernel's count of acknowledged octets began. */
  #acknowledgedBase = { octets: 0, position: 0 };

  /** `record`: it is there already, and is to be continued. Else its own port is not chosen yet. */
  constructor(
    context: ConnectionContext,
    { key, local, remote }: Pick<ConnectionRecord, 'key' | 'local' | 'remote'>,
    owner: ConnectionOwner,
    { log, demarcation }: Stream,
    hold: Hold,
    record?: ConnectionRecord,
  ) {
    this.#context = context;
    this.key = key;
    this.local = local;
    this.remote = remote;
    this.owner = owner;
    this.log = log;
    this.demarcation = demarcation;
    this.flow =
      record === undefined
        ? { hold, receivedFrom: undefined, waiting: [] }
        : context.guard.add(local, remote, hold, record.receivedFrom);
    this.record = record;
  }

  /** Nothing of it waits for the standby. */
  get isCommitted(): boolean {
    return this.#receipts.length === 0 && this.#outbox.size === 0;
  }

  /** Position behind the last octet that is here. */
  get received(): number {
    return this.demarcation.position + this.early.length;
  }

  /** Octets that the peer has acknowledged on the socket that there is. */
  get acknowledged(): number {
    const { native } = this.#context;
    return this.fd < 0 ? 0 : octetsAcknowledged(native, this.fd) - this.#acknowledgedBase.octets;
  }

  /** Has this socket from here on; the peer has acknowledged everything before `position`. */
  adopt(socket: Socket, fd: number, position: number): void {
    this.fd = fd;
    this.#acknowledgedBase = { octets: octetsAcknowledged(this.#context.native, fd), position };
    this.socket = socket;
    this.heard = false;
  }

  /** Takes up what comes on its socket. */
  listen(socket: Socket): void {
    const isCurrent = () => this.socket === socket && !this.over;
    socket.on('data', (octets: Buffer) => {
      this.turn(() => {
        if (isCurrent()) this.#received(octets);
      });
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.turn(() => {
        if (!isCurrent()) return;
        this.end();
        this.owner.lost('closed');
      });
    });
  }

  /** Runs within a turn, unless the connection is over by then. */
  turn(think: () => void): void {
    this.#context.turn(this, think);
  }

  /** Gives a message its place in the stream. Within a turn. */
  write(octets: Uint8Array, released: boolean): void {
    const { begin } = this.log.append(octets);
    this.#outbox.add(begin, octets, released);
    this.#context.opened(this);
  }

  /** What a message waited for has happened. False: it is none of this connection. */
  release(octets: Uint8Array): boolean {
    if (!this.#outbox.release(octets)) return false;
    this.flush();
    return true;
  }

  /** The turn in which records were changed is this change, or an earlier one. */
  sealed(change: number): void {
    this.#outbox.sealed(change);
    const receipts = this.#receipts;
    for (let at = receipts.length - 1; receipts[at]?.change === undefined && at >= 0; at--) {
      const receipt = receipts[at];
      if (receipt !== undefined) receipt.change = change;
    }
  }

  /** The standby has everything up to this change. */
  committed(change: number): void {
    const receipts = this.#receipts;
    let known = 0;
    while ((receipts[known]?.change ?? Infinity) <= change) known++;
    const last = receipts[known - 1];
    if (last !== undefined && this.record !== undefined) {
      receipts.splice(0, known);
      this.flow.hold.raise(plus(this.record.receivedFrom, last.position));
    }
    this.flush();
  }

  /** What this node has seen itself beyond what is here is here from now on. How many octets these are. */
  lookAtSeen(): number {
    const { record } = this;
    const more = record === undefined ? NOTHING : this.#context.guard.seenOf(record, this.received);
    if (more.length > 0) this.early = concatBytes(this.early, more);
    return more.length;
  }

  /** Takes that up, as what came on the socket. Within a turn. */
  takeEarly(): void {
    const { early } = this;
    this.early = NOTHING;
    if (early.length > 0) this.#takeUp(early);
  }

  /** Gives the kernel what may leave. */
  flush(): void {
    const { socket } = this;
    if (socket === undefined || this.record === undefined || this.question !== undefined) return;
    const ready = this.#outbox.take(this.#context.committed());
    if (ready.length === 0) return;
    socket.cork();
    for (const octets of ready) {
      this.handed += octets.length;
      socket.write(octets);
    }
    socket.uncork();
    // The segments wait in the queue by now: whoever has a long turn to take would let them wait for the event loop.
    this.#context.guard.poll();
    if (this.flow.waiting.length > 0) this.#takeIn();
  }

  /** Drops what the peer has acknowledged, where it is a whole message at least. */
  trimWhole(): void {
    const [first] = this.log.messages;
    if (first === undefined || this.socket === undefined) return;
    if (this.#acknowledgedBase.position + this.acknowledged < first.end) return;
    this.turn(() => {
      if (this.#trim()) this.putPlace();
    });
  }

  /** Notes how far it has come. Within a turn. */
  putPlace(): void {
    const { key, demarcation, log } = this;
    const { position: received, rest } = demarcation;
    this.#context.stores.places.put(key, { v: 1, key, received, rest, acknowledged: log.begin });
  }

  /** It is no more, for whatever reason; what TCP has to say at its end may leave. */
  end(): void {
    const { native, guard } = this.#context;
    const { socket, flow } = this;
    flow.hold.end();
    guard.release(flow);
    if (socket !== undefined && this.fd >= 0 && !socket.destroyed) {
      try {
        endOrderly(native, this.fd);
      } catch {
        // Its descriptor is closed already.
      }
    }
    socket?.destroy();
    this.forget();
  }

  /** Nobody knows it any more. */
  forget(): void {
    const { guard, stores, forgotten } = this.#context;
    const { flow, local, remote } = this;
    this.over = true;
    this.endQuestion();
    forgotten(this, this.#outbox.drain());
    if (this.record !== undefined) forgetConnection(stores, this.key);
    setTimeout(() => guard.remove(local, remote, flow), LAST_WORDS_MS).unref();
  }

  /** The peer is asked no more. */
  endQuestion(): void {
    clearTimeout(this.timer);
    this.question?.end();
    this.question = undefined;
  }

  /** Closes the socket without a word. */
  vanish(): void {
    this.endQuestion();
    const { socket } = this;
    this.socket = undefined;
    if (socket === undefined) return;
    if (!socket.destroyed && this.fd >= 0) {
      try {
        vanish(this.#context.native, this.fd);
      } catch {
        // Closed by the peer a moment ago; what is left of it says nothing either, as the guard drops it.
      }
    }
    this.fd = -1;
    socket.on('error', () => {});
    socket.destroy();
  }

  #received(octets: Uint8Array): void {
    this.takeEarly();
    if (this.over) return;
    this.heard = true;
    this.#takeUp(octets);
  }

  #takeUp(octets: Uint8Array): void {
    const messages = this.demarcation.push(octets);
    this.#trim();
    this.putPlace();
    this.#receipts.push({ position: this.demarcation.position, change: undefined });
    this.#context.opened(this);
    if (messages === undefined) this.owner.broken();
    else if (messages.length > 0) this.owner.received(messages);
  }

  /** A segment waits that acknowledges what has come: that is taken up now, without the event loop. */
  #takeIn(): void {
    const { socket, fd } = this;
    const room = new Uint8Array(READ_OCTETS);
    // Of a socket that is destroyed the descriptor may be another one's by now. The end of the stream is told by the event loop.
    while (socket?.destroyed === false) {
      const length = this.#context.native.inetReceive(fd, room);
      if (length <= 0) return;
      const octets = room.slice(0, length);
      this.turn(() => this.#received(octets));
    }
  }

  #trim(): boolean {
    const { log } = this;
    if (log.begin === log.end || this.socket === undefined) return false;
    return log.acknowledged(this.#acknowledgedBase.position + this.acknowledged);
  }
}

const NOTHING = new Uint8Array(0);
const READ_OCTETS = 65_536;
/** For a FIN and its acknowledgement. */
const LAST_WORDS_MS = 10_000;
