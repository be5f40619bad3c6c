/**
 * Transmissions of the RADIUS client: a request as a new packet, as the same packet again, or (over a connection
 * that delivers by itself) not again but still waited for. Every one of them is in the request's record before
 * it is told as an event, with the time at which the wait for its answer is over.
 */
import { u32 } from '../../wire/bytes.ts';
import type { DeadlineHeap } from '../../wire/deadline-heap.ts';
import type { RecordMap } from '../../wire/records.ts';
import { RadiusCode } from '../packet.ts';
import { delaySecondsAt, requestPacket } from '../request-packet.ts';
import type { RadiusClientOptions, RadiusEvent } from './client-types.ts';
import type { IdSlot } from './id-pool.ts';
import { portOf, type RadiusAttempt, type RadiusRequestRecord } from './request-record.ts';
import { firstInterval, nextInterval } from './retransmission.ts';
import type { ServerHealth } from './server-health.ts';
import type { Lane, ServerTable } from './server-table.ts';

export interface TransmitterParts {
  readonly requests: RecordMap<RadiusRequestRecord>;
  readonly table: ServerTable;
  readonly health: ServerHealth;
  readonly deadlines: DeadlineHeap;
  readonly random: (octets: number) => Uint8Array;
  readonly emit: (event: RadiusEvent) => void;
}

export class Transmitter {
  options: Pick<RadiusClientOptions, 'jitter'>;
  readonly #parts: TransmitterParts;

  constructor(parts: TransmitterParts, options: Pick<RadiusClientOptions, 'jitter'>) {
    this.#parts = parts;
    this.options = options;
  }

  /** Sends the request as a new packet: new identifier, new authenticator. */
  sendNew(now: number, before: RadiusRequestRecord, lane: Lane, slot: IdSlot): void {
    const { name, secret } = lane.server;
    const { initialMs, maxIntervalMs } = before.patience;
    const record = { ...before, delaySeconds: delaySecondsAt(now, before.eventAt) };
    const fresh = record.code === RadiusCode.AccountingRequest ? NO_AUTHENTICATOR : this.#parts.random(16);
    const bytes = requestPacket(record, slot.id, fresh, secret);
    const attempts = [...record.attempts, { server: name, ...slot, authenticator: bytes.slice(4, 20) }];
    while (attempts.length > MAX_ATTEMPTS) {
      const oldest = attempts.shift();
      if (oldest !== undefined) this.release(now, record, oldest, false);
    }
    // A server that is asked for the first time has earned no back-off yet.
    const again = record.tried.includes(name);
    this.store(now, lane, {
      ...record,
      attempts,
      tried: again ? record.tried : [...record.tried, name],
      tries: record.tries + 1,
      triesHere: before.attempts.at(-1)?.server === name ? record.triesHere + 1 : 1,
      intervalMs: again
        ? nextInterval(record.intervalMs, maxIntervalMs, this.#draw(), this.options.jitter)
        : firstInterval(initialMs, this.#draw(), this.options.jitter),
    });
    const { port } = lane;
    const { socket } = slot;
    this.#parts.emit({ kind: 'send', server: name, port, socket, bytes, again: before.tries > 0 });
  }

  /**
   * Sends the same packet again: same identifier, authenticator and source port (RFC 5080 §2.2.1). A connection
   * loses nothing, so nothing is sent again on it (RFC 6613 §2.6.1); its server gets more time.
   */
  sendAgain(now: number, record: RadiusRequestRecord, lane: Lane, attempt: RadiusAttempt): void {
    const { maxIntervalMs } = record.patience;
    this.store(now, lane, {
      ...record,
      tries: record.tries + 1,
      triesHere: record.triesHere + 1,
      intervalMs: nextInterval(record.intervalMs, maxIntervalMs, this.#draw(), this.options.jitter),
    });
    if (lane.server.stream !== true) this.repeat(lane, record, attempt);
  }

  /** The packet of an attempt as it was. */
  repeat(lane: Lane, record: RadiusRequestRecord, { socket, id, authenticator }: RadiusAttempt): void {
    const bytes = requestPacket(record, id, authenticator, lane.server.secret);
    const { port } = lane;
    this.#parts.emit({ kind: 'send', server: lane.server.name, port, socket, bytes, again: true });
  }

  /** Keeps a record that was just sent, and the time at which its wait is over. */
  store(now: number, { server, port }: Lane, record: RadiusRequestRecord): void {
    this.#parts.health.sent(now, server.name, port);
    const due = now + record.intervalMs;
    const nextAt = record.giveUpAt === undefined ? due : Math.min(due, record.giveUpAt);
    this.#parts.requests.put(record.key, { ...record, sentAt: now, nextAt });
    this.#parts.deadlines.set(record.key, nextAt);
  }

  /** Takes a request off the table. */
  end(now: number, record: RadiusRequestRecord, answered: RadiusAttempt | undefined): void {
    for (const attempt of record.attempts) this.release(now, record, attempt, attempt === answered);
    this.#parts.requests.delete(record.key);
    this.#parts.deadlines.set(record.key, undefined);
  }

  /** Gives an attempt's identifier back, where it is still the request's. */
  release(now: number, record: RadiusRequestRecord, attempt: RadiusAttempt, answered: boolean): void {
    const pool = this.#parts.table.lane(attempt.server, portOf(record.list))?.pool;
    if (pool?.owner(attempt.socket, attempt.id) === record.key) pool.release(now, attempt, answered);
  }

  /** A number in [0, 1). */
  #draw(): number {
    return u32(this.#parts.random(4), 0) / 2 ** 32;
  }
}

/** Attempts whose answers still count: the current one and three before it. */
const MAX_ATTEMPTS = 4;
/** An accounting packet makes its own authenticator. */
const NO_AUTHENTICATOR = new Uint8Array(16);
