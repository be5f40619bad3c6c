/**
 * TCP connections that outlive their node (US8572270B2, US7957269B2): made here or continued from records, messages
 * in and out. Before a message is given to the kernel the standby has it with its boundary; before the peer is told
 * that octets came, the standby has them. Nothing is known here of what the messages say.
 *
 * Everything that changes records happens within a turn of the owner, who says which change sealed the turn and up
 * to which change the standby has everything.
 */
import type { Native } from '../../switch/native.ts';
import type { IpAddress } from '../../wire/address.ts';
import { type Boundary, Demarcation } from '../demarcation.ts';
import { Hold } from '../hold.ts';
import { type ConnectionRecord, type ConnectionStores, type Endpoint, forgetConnection } from '../records.ts';
import { SentLog } from '../sent-log.ts';
import { plus } from '../sequence.ts';
import { makeConnection } from './connecting.ts';
import { type BackupEvent, Connection, type ConnectionContext, type ConnectionOwner } from './connection.ts';
import type { Guarding } from './connection-guard.ts';
import { askPeer, fallBackSoon } from './continuing.ts';

export interface BackupOptions {
  readonly native: Native;
  readonly guard: Guarding;
  readonly stores: ConnectionStores;
  readonly boundary: Boundary;
  /** Milliseconds on the clock of both nodes. */
  readonly now: () => number;
  /** Runs what changes records as one turn, or after the one that runs. */
  readonly turn: (think: () => void) => void;
  readonly told: (event: BackupEvent) => void;
}

export class ConnectionBackup {
  readonly #options: BackupOptions;
  readonly #context: ConnectionContext;
  readonly #connections = new Map<string, Connection>();
  /** Connections with something that is not committed yet. */
  readonly #open = new Set<Connection>();
  /** Messages of connections that are gone: what they wait for need not happen any more. */
  readonly #dead = new WeakSet<Uint8Array>();
  readonly #trimming: NodeJS.Timeout;
  #committed = 0;
  #closed = false;
  /** What peers answer arrives here. */
  #reachable = true;
  /** What waits for that. */
  readonly #unreached: (() => void)[] = [];

  constructor(options: BackupOptions) {
    const { native, guard, stores, now } = options;
    this.#options = options;
    this.#context = {
      native,
      guard,
      stores,
      now,
      turn: (connection, think) => this.#turn(connection, think),
      count: (event) => this.#count(event),
      committed: () => this.#committed,
      isClosed: () => this.#closed,
      onceReachable: (then) => {
        if (this.#reachable) then();
        else this.#unreached.push(then);
      },
      opened: (connection) => this.#open.add(connection),
      forgotten: (connection, undelivered) => this.#forgotten(connection, undelivered),
    };
    this.#trimming = setInterval(() => {
      for (const connection of this.#connections.values()) connection.trimWhole();
    }, TRIM_MS);
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
    const stream = { log: new SentLog(key, stores.sent, 0), demarcation: new Demarcation(boundary) };
    const ends = { key, local: { address: local, port: 0 }, remote };
    const connection = new Connection(this.#context, ends, owner, stream, new Hold());
    this.#connections.set(key, connection);
    makeConnection(this.#context, connection);
  }

  /**
   * Continues the connections of the records; those that nobody has any use for are forgotten. Within a turn.
   * `reachable` false: everything is made ready, and peers are asked when `reach` is called.
   */
  resume(ownerOf: (record: ConnectionRecord) => ConnectionOwner | undefined, reachable = true): void {
    const { stores } = this.#options;
    this.#reachable = reachable;
    for (const record of [...stores.connections.values()]) {
      const { key } = record;
      const owner = ownerOf(record);
      const place = stores.places.get(key);
      if (owner === undefined || place === undefined) {
        this.#count({ kind: 'fell-back', key, why: 'changed' });
        forgetConnection(stores, key);
        continue;
      }
      const log = SentLog.resumed(key, stores.sent, place.acknowledged);
      const stream = {
        log: log ?? new SentLog(key, stores.sent, place.acknowledged),
        demarcation: new Demarcation(this.#options.boundary, place.received, place.rest),
      };
      const hold = new Hold(plus(record.receivedFrom, place.received));
      const connection = new Connection(this.#context, record, owner, stream, hold, record);
      this.#connections.set(key, connection);
      connection.handed = connection.log.end;
      // The other node may have acknowledged as much as this one has seen: the peer is told no less.
      if (connection.lookAtSeen() > 0) hold.raise(plus(record.receivedFrom, connection.received));
      if (log === undefined) fallBackSoon(this.#context, connection, 'damaged');
      else askPeer(this.#context, connection);
    }
    if (reachable) this.#lookForAnswers();
  }

  /** What peers answer arrives here from now on. */
  reach(): void {
    if (this.#reachable) return;
    this.#reachable = true;
    for (const then of this.#unreached.splice(0)) then();
    this.#lookForAnswers();
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
    connection.write(octets, released);
    return true;
  }

  /** What a message waited for has happened. False: it has no place in any stream. */
  release(key: string, octets: Uint8Array): boolean {
    return this.#dead.has(octets) || this.#connections.get(key)?.release(octets) === true;
  }

  /** Ends a connection as TCP does. Within a turn. */
  close(key: string): void {
    this.#connections.get(key)?.end();
  }

  /** The turn in which records were changed is this change, or an earlier one. */
  sealed(change: number): void {
    for (const connection of this.#open) connection.sealed(change);
  }

  /** The standby has everything up to this change, and this node serves. */
  committed(change: number): void {
    this.#committed = change;
    for (const connection of this.#open) {
      connection.committed(change);
      if (connection.isCommitted) this.#open.delete(connection);
    }
    // Also what waited only because it was in doubt whether this node serves.
    for (const { flow } of this.#connections.values()) this.#options.guard.release(flow);
  }

  /** This node serves no more: nothing is seen of it on the wire, and the records stay as they are. */
  stop(): void {
    this.#closed = true;
    clearInterval(this.#trimming);
    for (const connection of this.#connections.values()) {
      connection.vanish();
      this.#options.guard.remove(connection.local, connection.remote, connection.flow);
    }
    this.#connections.clear();
  }

  /**
   * Peers answer within a moment, and whoever takes over has much to do before the event loop has its turn again:
   * for a few milliseconds nothing else is done.
   */
  #lookForAnswers(): void {
    const asked = [...this.#connections.values()].filter(({ question }) => question !== undefined);
    const end = performance.now() + LOOK_MS;
    let askedAt = performance.now();
    while (asked.some(({ question }) => question !== undefined) && performance.now() < end) {
      this.#options.guard.poll();
      for (const { question } of asked) question?.poll();
      // A peer may not have heard yet which machine the address is at now: the answer went to the last one.
      if (performance.now() - askedAt < ASK_AGAIN_MS) continue;
      askedAt = performance.now();
      for (const { question } of asked) question?.ask();
    }
    // What the continued ones have to say.
    this.#options.guard.poll();
  }

  #turn(connection: Connection, think: () => void): void {
    if (this.#closed) return;
    this.#options.turn(() => {
      if (!this.#closed && !connection.over) think();
    });
  }

  #forgotten(connection: Connection, undelivered: readonly Uint8Array[]): void {
    for (const octets of undelivered) this.#dead.add(octets);
    this.#open.delete(connection);
    if (this.#connections.get(connection.key) === connection) this.#connections.delete(connection.key);
  }

  #count(event: BackupEvent): void {
    const { guard, told } = this.#options;
    if (event.kind === 'continued') {
      guard.counts.continued++;
      guard.counts.takenUp += event.seen;
    } else if (event.kind === 'fell-back')
      guard.counts.fellBack[event.why] = (guard.counts.fellBack[event.why] ?? 0) + 1;
    told(event);
  }
}

/** For what is acknowledged without an answer. */
const TRIM_MS = 100;
const LOOK_MS = 4;
const ASK_AGAIN_MS = 1;
