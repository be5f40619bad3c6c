/**
 * What is counted and told to RADIUS: a record for each 802.1X session and for each channel of a host, with Start,
 * cumulative Interim-Update and Stop (RFC 2866, RFC 2869 §2.1, RFC 3580 §2). The octets of a session are unicast
 * to and from its MAC address; channels are counted in records of their own, tied to the session by
 * Acct-Multi-Session-Id. A record that was begun is ended exactly once.
 */
import { attributeOctets, attributesOf } from '../radius/attribute-octets.ts';
import { AttributeType, integer, octets, text } from '../radius/attributes.ts';
import type { RadiusAttribute } from '../radius/packet.ts';
import { AcctAuthentic, AcctStatusType, type TerminateCause } from '../radius/values.ts';
import {
  type AccountingCounts,
  type AccountingMessage,
  type AccountingRecord,
  COUNTER_GENERATION,
  type CounterGeneration,
  type GrantRecord,
  hostKey,
  type SessionRecord,
} from '../session/records.ts';
import type { IpAddress, Mac } from '../wire/address.ts';
import { DeadlineHeap } from '../wire/deadline-heap.ts';
import type { RecordMap } from '../wire/records.ts';
import { addReading, countAttributes, NO_COUNTS, sameCounts } from './counts.ts';
import { AccountingQueue, type LostMessage, type QueueAction, type QueueOptions } from './queue.ts';

export interface AccountingOptions extends QueueOptions {
  /** Time between interim messages; it overrides the server's (RFC 2869 §2.1). 0: the server's, else none. */
  readonly interimMs: number;
  /** Time between two notes of a record's counters; what is lost with a machine or taken over is later than that. 0: none. */
  readonly noteMs: number;
  /** NAS-Identifier, NAS-IP-Address or NAS-IPv6-Address: in every message. */
  readonly nas: readonly RadiusAttribute[];
  /** NAS-Port, NAS-Port-Id, NAS-Port-Type, Called- and Calling-Station-Id of a host's place. */
  readonly place: (port: string, mac: Mac) => readonly RadiusAttribute[];
  /** A channel in the configured encoding. */
  readonly channel: (
    group: IpAddress,
    source: IpAddress | undefined,
    vlan: number,
  ) => readonly RadiusAttribute[];
  /** A number in [0, 1): the fudge that keeps interim messages of many sessions apart (RFC 2869 §2.1). */
  readonly draw: () => number;
}

/** All of AccountingOptions that has a default. */
export const accountingDefaults = {
  interimMs: 0,
  noteMs: 0,
  limit: 100_000,
  window: 64,
  perSecond: 1_000,
  retryMs: 1_000,
} as const;

export class Accounting {
  readonly #records: RecordMap<AccountingRecord>;
  readonly #generations: RecordMap<CounterGeneration>;
  #queue: AccountingQueue;
  readonly #interims = new DeadlineHeap();
  readonly #notes = new DeadlineHeap();
  /** Records of an earlier run, whose next note has no time yet. */
  readonly #unscheduled = new Set<string>();
  /** Keys of the channel records of each host. */
  readonly #channels = new Map<string, Set<string>>();
  readonly #takeUpQueue: () => AccountingQueue;
  #options: AccountingOptions;

  /**
   * Goes on with the records, the generation of the counters that they were read from, and the queue. `isInFlight`
   * tells which of the queue's tokens are with the RADIUS client already.
   */
  constructor(
    options: AccountingOptions,
    records: RecordMap<AccountingRecord>,
    generations: RecordMap<CounterGeneration>,
    queue: RecordMap<AccountingMessage>,
    isInFlight: (token: string) => boolean = () => false,
  ) {
    this.#options = options;
    this.#records = records;
    this.#generations = generations;
    this.#queue = new AccountingQueue(queue, options, isInFlight);
    this.#takeUpQueue = () => new AccountingQueue(queue, this.#options, isInFlight);
    for (const record of records.values()) {
      this.#track(record);
      this.#unscheduled.add(record.key);
    }
    records.follow((key, before, after) => {
      if (after !== undefined) this.#track(after);
      else if (before !== undefined) this.#untrack(before);
      if (after === undefined) this.#unscheduled.delete(key);
      else if (before === undefined) this.#unscheduled.add(key);
    });
  }

  /** The records, which were another node's or process's until now, are as they are: the queue begins with what waits. */
  takeUp(): void {
    this.#queue = this.#takeUpQueue();
  }

  /** Messages that no server has acknowledged yet. */
  get waiting(): number {
    return this.#queue.size;
  }

  /** When the event of the oldest of them was; undefined: there is none. */
  get oldestAt(): number | undefined {
    return this.#queue.oldestAt();
  }

  /** Takes new settings. Records that run keep their interval. */
  reconfigure(options: AccountingOptions): void {
    this.#options = options;
    this.#queue.options = options;
  }

  /** Accounting-On: all sessions of this switch before are gone. Never after a takeover or an upgrade. */
  on(now: number, acctSessionId: string): void {
    this.#whole(now, 'on', acctSessionId);
  }

  /** Accounting-Off: the switch stops serving. Records are to be stopped before. */
  off(now: number, acctSessionId: string): void {
    this.#whole(now, 'off', acctSessionId);
  }

  /**
   * Begins the record of a session. `reading`: the host's counters as they will be at the end of the turn;
   * `replaces`: what they are until then, where somebody else was there. One that runs is a bug.
   */
  startSession(
    now: number,
    session: SessionRecord,
    reading: AccountingCounts,
    replaces?: AccountingCounts,
  ): void {
    this.#start(now, session, reading, replaces, {
      key: sessionRecordKey(session.key),
      kind: 'session',
      acctSessionId: session.acctSessionId,
      group: undefined,
      source: undefined,
      classes: session.classes,
    });
  }

  /** What a re-authentication changed; it sends nothing by itself (RFC 3580 §2). No record: no error. */
  renewSession(session: SessionRecord): void {
    const record = this.#records.get(sessionRecordKey(session.key));
    if (record !== undefined) this.#records.put(record.key, { ...record, classes: session.classes });
  }

  /**
   * Ends the record of a session and begins another one, of the same host and from the same reading; its channels' go
   * on. `session` has the new Acct-Session-Id. No record: no error.
   */
  splitSession(
    now: number,
    session: SessionRecord,
    reading: AccountingCounts | undefined,
    cause: TerminateCause,
  ): void {
    const record = this.#records.get(sessionRecordKey(session.key));
    if (record === undefined) return;
    const { lastReading } = this.#current(this.#count(record, reading));
    this.#stop(now, record.key, reading, cause);
    this.startSession(now, session, lastReading);
  }

  /**
   * Ends the record of a session, and with the same cause those of its channels that still run, by their last
   * reading. `reading` is undefined where the counters are gone. False: there was none.
   */
  stopSession(
    now: number,
    host: string,
    reading: AccountingCounts | undefined,
    cause: TerminateCause,
  ): boolean {
    for (const key of [...(this.#channels.get(host) ?? [])]) this.#stop(now, key, undefined, cause);
    return this.#stop(now, sessionRecordKey(host), reading, cause);
  }

  /** Ends all records by their last reading, each at `at` or when it began, if that was later. */
  stopAll(at: number, cause: TerminateCause): void {
    const records = [...this.#records.values()];
    // Channels before their session, as always.
    for (const kind of ['channel', 'session'] as const) {
      for (const record of records) {
        if (record.kind === kind) this.#stop(Math.max(at, record.startedAt), record.key, undefined, cause);
      }
    }
  }

  /** Begins the record of a channel. `reading`: the channel's counters as they are now. One that runs is a bug. */
  startChannel(
    now: number,
    grant: GrantRecord,
    session: SessionRecord,
    acctSessionId: string,
    reading: AccountingCounts,
    replaces?: AccountingCounts,
  ): void {
    this.#start(
      now,
      session,
      reading,
      replaces,
      {
        key: channelRecordKey(grant.key),
        kind: 'channel',
        acctSessionId,
        group: grant.group,
        source: grant.source,
        // The answer to the group question speaks for the channel; without a word of it the session's does.
        classes: grant.classes.length > 0 ? grant.classes : session.classes,
      },
      grant.access === 'preview',
    );
  }

  /** Tells of a join that was refused: a message of its own, with no record behind it. */
  refused(
    now: number,
    session: SessionRecord,
    acctSessionId: string,
    channel: { readonly key: string; readonly group: IpAddress; readonly source: IpAddress | undefined },
    reason: string,
  ): void {
    const attributes = [
      integer(AttributeType.AcctStatusType, STATUS.refused),
      ...this.#identity(session, acctSessionId, channel),
      text(AttributeType.ConnectInfo, `refused: ${reason}`),
      ...session.classes.map((value) => octets(AttributeType.Class, value)),
      eventTimestamp(now),
    ];
    const about = `refused/${channel.key}`;
    this.#queue.add({ status: 'refused', about, eventAt: now, attributes: attributeOctets(attributes) });
  }

  /** Ends the record of a channel, as stopSession does. */
  stopChannel(
    now: number,
    channel: string,
    reading: AccountingCounts | undefined,
    cause: TerminateCause,
  ): boolean {
    return this.#stop(now, channelRecordKey(channel), reading, cause);
  }

  /** The records whose interim message is due: the caller reads their counters and calls `interim` for each. */
  due(now: number): AccountingRecord[] {
    const due: AccountingRecord[] = [];
    for (;;) {
      const key = this.#interims.takeDue(now);
      if (key === undefined) return due;
      const record = this.#records.get(key);
      if (record === undefined) continue;
      // Whether or not the counters can be read, the next turn comes.
      this.#interims.set(key, this.#nextInterim(now, record.interimMs));
      due.push(record);
    }
  }

  /** Sends an interim message of a record. No record: no error. */
  interim(now: number, key: string, reading: AccountingCounts | undefined): void {
    const record = this.#records.get(key);
    if (record === undefined) return;
    const nextInterimAt = this.#interims.at(key) ?? this.#nextInterim(now, record.interimMs);
    const counted = { ...this.#count(record, reading), nextInterimAt };
    this.#records.put(key, counted);
    this.#interims.set(key, nextInterimAt);
    this.#say(now, 'interim', counted, undefined);
  }

  /** The records whose counters are to be noted: the caller reads them and calls `note` for each. */
  dueNotes(now: number): AccountingRecord[] {
    const { noteMs, draw } = this.#options;
    const due: AccountingRecord[] = [];
    // Spread over the interval, so that they do not all come together.
    if (noteMs > 0) for (const key of this.#unscheduled) this.#notes.set(key, now + noteMs * draw());
    this.#unscheduled.clear();
    for (;;) {
      const key = this.#notes.takeDue(now);
      if (key === undefined) return due;
      const record = this.#records.get(key);
      if (record === undefined) continue;
      // Until they could be read, a death would leave it open whose counters they are.
      const nextMs = this.#current(record).replaces === undefined ? noteMs : UNCERTAIN_MS;
      this.#notes.set(key, nextMs === 0 ? undefined : now + nextMs);
      due.push(record);
    }
  }

  /** Keeps what the counters say now, and says nothing. No record, or nothing new: no error. */
  note(key: string, reading: AccountingCounts | undefined): void {
    const record = this.#records.get(key);
    if (record === undefined || reading === undefined) return;
    const { replaces, lastReading } = this.#current(record);
    if (replaces === undefined && sameCounts(lastReading, reading)) return;
    this.#records.put(key, this.#count(record, reading));
  }

  /** All counters of the switch begin at zero: what was read of them before counts no more, nor what was replaced. */
  countersBegin(): void {
    const generation = this.#generation + 1;
    this.#generations.put(COUNTER_GENERATION, { v: 1, key: COUNTER_GENERATION, generation });
  }

  /** Records of which `settle` is to be asked after a death with which the counters did not begin again. */
  unsettled(): AccountingRecord[] {
    const unsettled: AccountingRecord[] = [];
    for (const record of this.#records.values()) {
      if (record.replaces !== undefined && this.#current(record) === record) unsettled.push(record);
    }
    return unsettled;
  }

  /**
   * After a death: `reading` is what the counters of a record say that `replaces` others. Where they are not below
   * these, they are the same ones still, and count from there.
   */
  settle(record: AccountingRecord, reading: AccountingCounts | undefined): void {
    const { replaces, ...rest } = record;
    if (replaces === undefined) return;
    const isOld =
      reading !== undefined &&
      reading.inputOctets >= replaces.inputOctets &&
      reading.outputOctets >= replaces.outputOctets;
    this.#records.put(record.key, { ...rest, lastReading: isOld ? replaces : record.lastReading });
  }

  /** What is to be sent by the RADIUS client (list `acct`) or cancelled there. */
  drainRequests(now: number): QueueAction[] {
    return this.#queue.drain(now);
  }

  /** A server has acknowledged a request. Tokens that are not accounting's are no error. */
  acknowledged(token: string): void {
    this.#queue.acknowledged(token);
  }

  /** The RADIUS client could not send a request; it comes again, unless it can never be sent. */
  unsent(now: number, token: string, reason: string): void {
    if (reason === 'radius-too-long') this.#queue.refused(token);
    else this.#queue.deferred(now, token);
  }

  /** Messages that will never be sent, since the last call. Each one is a gap in the books. */
  drainLost(): LostMessage[] {
    return this.#queue.drainLost();
  }

  /** When `due`, `dueNotes` or `drainRequests` has something to hand out. */
  nextTimeout(): number | undefined {
    const ends = [this.#interims.next(), this.#notes.next(), this.#queue.nextTimeout()];
    const known = ends.filter((at) => at !== undefined);
    return known.length === 0 ? undefined : Math.min(...known);
  }

  #start(
    now: number,
    session: SessionRecord,
    reading: AccountingCounts,
    replaces: AccountingCounts | undefined,
    own: Pick<AccountingRecord, 'key' | 'kind' | 'acctSessionId' | 'group' | 'source' | 'classes'>,
    isPreview = false,
  ): void {
    if (this.#records.has(own.key)) throw new Error(`accounting of ${own.key} runs already`);
    const { port, vlan, mac, account, acctMultiSessionId } = session;
    const interimMs = this.#options.interimMs || (session.interimMs ?? 0);
    const attributes = this.#identity(session, own.acctSessionId, own);
    if (isPreview) attributes.push(text(AttributeType.ConnectInfo, 'preview'));
    const record: AccountingRecord = {
      v: 1,
      ...own,
      acctMultiSessionId,
      account,
      port,
      vlan,
      mac,
      attributes: attributeOctets(attributes),
      startedAt: now,
      lastReading: reading,
      generation: this.#generation,
      ...(replaces === undefined ? {} : { replaces }),
      counts: NO_COUNTS,
      interimMs,
      nextInterimAt: this.#nextInterim(now, interimMs),
    };
    this.#records.put(record.key, record);
    this.#track(record);
    // Where it is not certain what the counters count, they are read at once.
    if (replaces !== undefined) this.#notes.set(record.key, now);
    else if (this.#options.noteMs > 0) this.#notes.set(record.key, now + this.#options.noteMs);
    this.#say(now, 'start', record, undefined);
  }

  /** Who, where and what: in every message. */
  #identity(
    session: SessionRecord,
    acctSessionId: string,
    of: { readonly group: IpAddress | undefined; readonly source: IpAddress | undefined },
  ): RadiusAttribute[] {
    const { nas, place, channel } = this.#options;
    const { port, vlan, mac } = session;
    return [
      octets(AttributeType.UserName, session.userName),
      text(AttributeType.AcctSessionId, acctSessionId),
      text(AttributeType.AcctMultiSessionId, session.acctMultiSessionId),
      integer(AttributeType.AcctAuthentic, AcctAuthentic.Radius),
      ...chargeable(session),
      ...nas,
      ...place(port, mac),
      ...(of.group === undefined ? [] : channel(of.group, of.source, vlan)),
    ];
  }

  #stop(now: number, key: string, reading: AccountingCounts | undefined, cause: TerminateCause): boolean {
    const record = this.#records.get(key);
    if (record === undefined) return false;
    this.#say(now, 'stop', this.#count(record, reading), cause);
    this.#records.delete(key);
    this.#untrack(record);
    return true;
  }

  get #generation(): number {
    return this.#generations.get(COUNTER_GENERATION)?.generation ?? 0;
  }

  /** The record as the counters are now: one that was read from earlier ones counts from zero. */
  #current(record: AccountingRecord): AccountingRecord {
    const generation = this.#generation;
    if ((record.generation ?? 0) === generation) return record;
    const { replaces: _, ...rest } = record;
    return { ...rest, lastReading: NO_COUNTS, generation };
  }

  /** The record with a reading counted in. */
  #count(record: AccountingRecord, reading: AccountingCounts | undefined): AccountingRecord {
    if (reading === undefined) return record;
    const { replaces: _, ...rest } = this.#current(record);
    return { ...rest, counts: addReading(record.counts, rest.lastReading, reading), lastReading: reading };
  }

  #untrack(record: AccountingRecord): void {
    const { key } = record;
    this.#interims.set(key, undefined);
    this.#notes.set(key, undefined);
    const channels = this.#channels.get(hostOf(record));
    channels?.delete(key);
    if (channels?.size === 0) this.#channels.delete(hostOf(record));
  }

  /** What is kept beside a record: its next interim message, and under its host. */
  #track(record: AccountingRecord): void {
    this.#interims.set(record.key, record.nextInterimAt);
    if (record.kind !== 'channel') return;
    const host = hostOf(record);
    const channels = this.#channels.get(host) ?? new Set<string>();
    channels.add(record.key);
    this.#channels.set(host, channels);
  }

  #nextInterim(now: number, interimMs: number): number | undefined {
    if (interimMs === 0) return undefined;
    // Two of one record never have the same Event-Timestamp, which is in seconds.
    return now + Math.max(LEAST_INTERIM_MS, interimMs * (1 + FUDGE * (2 * this.#options.draw() - 1)));
  }

  /** Queues a message about a record. */
  #say(
    now: number,
    status: 'start' | 'interim' | 'stop',
    record: AccountingRecord,
    cause: TerminateCause | undefined,
  ): void {
    const attributes = [
      integer(AttributeType.AcctStatusType, STATUS[status]),
      ...attributesOf(record.attributes),
    ];
    for (const value of record.classes) attributes.push(octets(AttributeType.Class, value));
    attributes.push(eventTimestamp(now));
    if (status !== 'start') {
      const seconds = Math.max(0, Math.floor((now - record.startedAt) / 1000));
      attributes.push(integer(AttributeType.AcctSessionTime, seconds));
      attributes.push(...countAttributes(record.counts));
    }
    if (cause !== undefined) attributes.push(integer(AttributeType.AcctTerminateCause, cause));
    this.#queue.add({ status, about: record.key, eventAt: now, attributes: attributeOctets(attributes) });
  }

  /** Queues a message about the switch as a whole. */
  #whole(now: number, status: 'on' | 'off', acctSessionId: string): void {
    const attributes = [
      integer(AttributeType.AcctStatusType, STATUS[status]),
      text(AttributeType.AcctSessionId, acctSessionId),
      ...this.#options.nas,
      eventTimestamp(now),
    ];
    this.#queue.add({ status, about: '', eventAt: now, attributes: attributeOctets(attributes) });
  }
}

/** Key of the record of a session; `host` is hostKey. */
export function sessionRecordKey(host: string): string {
  return `session/${host}`;
}

/** Key of the record of a channel; `channel` is channelKey. */
export function channelRecordKey(channel: string): string {
  return `channel/${channel}`;
}

/** Seconds since 1970, RFC 2869 §5.3. */
function eventTimestamp(now: number): RadiusAttribute {
  return integer(AttributeType.EventTimestamp, Math.floor(now / 1000));
}

/** RFC 4372 §2.2: in every message of a session that was given one. */
function chargeable({ chargeableUserIdentity: value }: SessionRecord) {
  return value === undefined ? [] : [octets(AttributeType.ChargeableUserIdentity, value)];
}

function hostOf({ port, vlan, mac }: AccountingRecord): string {
  return hostKey(port, vlan, mac);
}

const STATUS = {
  start: AcctStatusType.Start,
  interim: AcctStatusType.InterimUpdate,
  stop: AcctStatusType.Stop,
  on: AcctStatusType.AccountingOn,
  off: AcctStatusType.AccountingOff,
  refused: AcctStatusType.Failed,
} as const;
/** An interim message comes up to a tenth of its interval earlier or later. */
const FUDGE = 0.1;
const LEAST_INTERIM_MS = 1000;
const UNCERTAIN_MS = 100;
