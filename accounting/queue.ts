/**
 * The accounting messages that no server has acknowledged yet. Each stays until it is acknowledged (RFC 2866
 * §4.1); those about one record go out one after the other, so that no Stop overtakes its Start; Accounting-On
 * and -Off wait for all before them and hold up all after them. A record has one interim message at most
 * (RFC 2869 §2.1). The queue is bounded: only past its limit is something lost, and every loss is told.
 */
import { attributesOf } from '../radius/attribute-octets.ts';
import type { RadiusAttribute } from '../radius/packet.ts';
import type { AccountingMessage } from '../session/records.ts';
import type { RecordMap } from '../wire/records.ts';

/** What the owner of the RADIUS client is to do. `token` is the client's name for the request. */
export type QueueAction =
  | {
      readonly kind: 'send';
      readonly token: string;
      readonly attributes: readonly RadiusAttribute[];
      readonly eventAt: number;
    }
  /** A newer message took its place. */
  | { readonly kind: 'cancel'; readonly token: string };

/** A message that will never be sent. */
export interface LostMessage {
  readonly status: AccountingMessage['status'];
  /** Key of the record it is about. */
  readonly about: string;
  readonly reason: 'queue-full' | 'radius-too-long';
}

export interface QueueOptions {
  /** Messages at most. */
  readonly limit: number;
  /** Messages that are with a server at one time, at most. */
  readonly window: number;
  /** Messages that are handed out in a second, at most: so that a backlog does not drown a server. */
  readonly perSecond: number;
  /** How long to wait after the RADIUS client could not take a message, in milliseconds. */
  readonly retryMs: number;
}

/** Before the message's key in its token. */
export const ACCOUNTING_TOKEN = 'acct/';

export class AccountingQueue {
  readonly #messages: RecordMap<AccountingMessage>;
  options: QueueOptions;
  /** Unacknowledged messages of each record that are not held back, in order. */
  readonly #lanes = new Map<string, string[]>();
  /** May go out now. Holds keys of messages that are gone meanwhile; they are passed over. */
  readonly #ready: Fifo = new Fifo();
  /** Behind an Accounting-On or -Off. */
  readonly #held: Fifo = new Fifo();
  readonly #heldKeys = new Set<string>();
  readonly #inFlight = new Set<string>();
  /** The one interim message of each record. */
  readonly #interims = new Map<string, string>();
  /** Start messages that were not sent yet. */
  readonly #unsentStarts = new Set<string>();
  #released = 0;
  #barrier = false;
  #sequence = 0;
  #retryAt: number | undefined;
  /** When the pace lets the next message go, had none been saved up. */
  #pacedUntil = Number.NEGATIVE_INFINITY;
  /** The same, where one waits for it. */
  #paceAt: number | undefined;
  #cancelled: string[] = [];
  #lost: LostMessage[] = [];

  /** Goes on with what is in `messages`; `isInFlight` tells which tokens are with the RADIUS client already. */
  constructor(
    messages: RecordMap<AccountingMessage>,
    options: QueueOptions,
    isInFlight: (token: string) => boolean,
  ) {
    this.#messages = messages;
    this.options = options;
    const kept = [...messages.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
    for (const message of kept) {
      this.#sequence = Math.max(this.#sequence, Number(message.key));
      if (isInFlight(ACCOUNTING_TOKEN + message.key)) this.#inFlight.add(message.key);
      this.#insert(message);
    }
  }

  /** Messages that wait for their acknowledgement. */
  get size(): number {
    return this.#messages.size;
  }

  /** Puts a message at the end. An interim message takes the place of an older one; a Stop removes it. */
  add(message: Omit<AccountingMessage, 'v' | 'key'>): void {
    const { status, about } = message;
    if (status === 'interim' || status === 'stop') this.#dropInterim(about);
    if (this.#messages.size >= this.options.limit && !this.#makeRoom(status)) {
      this.#lost.push({ status, about, reason: 'queue-full' });
      return;
    }
    // Also after a restart with nothing left a later message has a greater number.
    this.#sequence = Math.max(this.#sequence + 1, Math.floor(message.eventAt) * 1000);
    const key = String(this.#sequence).padStart(KEY_DIGITS, '0');
    const record: AccountingMessage = { v: 1, key, ...message };
    this.#messages.put(key, record);
    this.#insert(record);
  }

  /** What is to be sent or cancelled now; each message is handed out once. */
  drain(now: number): QueueAction[] {
    const actions: QueueAction[] = this.#cancelled.map((token) => ({ kind: 'cancel', token }));
    this.#cancelled = [];
    if (this.#retryAt !== undefined && now < this.#retryAt) return actions;
    this.#retryAt = undefined;
    const { window, perSecond } = this.options;
    const stepMs = 1000 / perSecond;
    // What may be saved up: a window's worth. A clock that went back holds nothing up.
    this.#pacedUntil = Math.min(Math.max(this.#pacedUntil, now - window * stepMs), now + stepMs);
    this.#paceAt = undefined;
    while (this.#inFlight.size < window) {
      if (this.#pacedUntil > now) {
        this.#paceAt = this.#pacedUntil;
        break;
      }
      const key = this.#ready.shift();
      if (key === undefined) break;
      const message = this.#messages.get(key);
      if (message === undefined || this.#inFlight.has(key)) continue;
      this.#inFlight.add(key);
      this.#pacedUntil += stepMs;
      this.#unsentStarts.delete(key);
      const { attributes, eventAt } = message;
      const token = ACCOUNTING_TOKEN + key;
      actions.push({ kind: 'send', token, attributes: attributesOf(attributes), eventAt });
    }
    return actions;
  }

  /** A server has taken the message. A token of another kind, or one that is gone, is no error. */
  acknowledged(token: string): void {
    const message = this.#messageOf(token);
    if (message !== undefined) this.#remove(message);
  }

  /** The RADIUS client could not send the message: it is handed out again later. */
  deferred(now: number, token: string): void {
    const message = this.#messageOf(token);
    if (message === undefined || !this.#inFlight.delete(message.key)) return;
    if (message.status === 'start') this.#unsentStarts.add(message.key);
    this.#ready.unshift(message.key);
    this.#retryAt = now + this.options.retryMs;
  }

  /** The message can never be sent. */
  refused(token: string): void {
    const message = this.#messageOf(token);
    if (message === undefined) return;
    this.#lost.push({ status: message.status, about: message.about, reason: 'radius-too-long' });
    this.#remove(message);
  }

  /** What was lost since the last call. */
  drainLost(): LostMessage[] {
    const lost = this.#lost;
    this.#lost = [];
    return lost;
  }

  /** When `drain` has something to hand out, after a refusal by the RADIUS client or for the pace. */
  nextTimeout(): number | undefined {
    return this.#ready.length > 0 ? (this.#retryAt ?? this.#paceAt) : undefined;
  }

  /** When the event of the oldest message was; undefined: none waits. */
  oldestAt(): number | undefined {
    let oldest: number | undefined;
    for (const { eventAt } of this.#messages.values()) {
      if (oldest === undefined || eventAt < oldest) oldest = eventAt;
    }
    return oldest;
  }

  #messageOf(token: string): AccountingMessage | undefined {
    if (!token.startsWith(ACCOUNTING_TOKEN)) return undefined;
    return this.#messages.get(token.slice(ACCOUNTING_TOKEN.length));
  }

  /** Gives a stored message its place in the order. */
  #insert(message: AccountingMessage): void {
    const { key, status, about } = message;
    if (status === 'interim') this.#interims.set(about, key);
    if (status === 'start' && !this.#inFlight.has(key)) this.#unsentStarts.add(key);
    const waitsForAll = isBarrier(status) && this.#released > 0;
    if (this.#barrier || this.#heldKeys.size > 0 || waitsForAll) {
      this.#held.push(key);
      this.#heldKeys.add(key);
      return;
    }
    this.#release(message);
  }

  #release({ key, status, about }: AccountingMessage): void {
    this.#released++;
    if (isBarrier(status)) {
      this.#barrier = true;
      this.#ready.push(key);
      return;
    }
    const lane = this.#lanes.get(about);
    if (lane === undefined) {
      this.#lanes.set(about, [key]);
      this.#ready.push(key);
    } else {
      lane.push(key);
    }
  }

  /** Takes a message out, and lets those go that waited for it. */
  #remove({ key, status, about }: AccountingMessage): void {
    this.#messages.delete(key);
    this.#inFlight.delete(key);
    this.#unsentStarts.delete(key);
    if (this.#interims.get(about) === key) this.#interims.delete(about);
    if (this.#heldKeys.delete(key)) return;
    this.#released--;
    if (isBarrier(status)) this.#barrier = false;
    else this.#advanceLane(about, key);
    if (this.#released === 0) this.#releaseHeld();
  }

  #advanceLane(about: string, key: string): void {
    const lane = this.#lanes.get(about);
    const place = lane?.indexOf(key) ?? -1;
    if (lane === undefined || place < 0) return;
    lane.splice(place, 1);
    const next = lane[0];
    if (next === undefined) this.#lanes.delete(about);
    else if (place === 0) this.#ready.push(next);
  }

  #releaseHeld(): void {
    for (;;) {
      const key = this.#held.shift();
      if (key === undefined) return;
      const message = this.#messages.get(key);
      if (message === undefined) continue;
      if (isBarrier(message.status) && this.#released > 0) {
        this.#held.unshift(key);
        return;
      }
      this.#heldKeys.delete(key);
      this.#release(message);
      if (isBarrier(message.status)) return;
    }
  }

  #dropInterim(about: string): void {
    const key = this.#interims.get(about);
    const message = key === undefined ? undefined : this.#messages.get(key);
    if (message === undefined) return;
    if (this.#inFlight.has(message.key)) this.#cancelled.push(ACCOUNTING_TOKEN + message.key);
    this.#remove(message);
  }

  /**
   * Makes room for a message: of the unsent ones an interim goes first, since a later one says more; for a Stop,
   * which says all that its Start did, a Start goes too.
   */
  #makeRoom(status: AccountingMessage['status']): boolean {
    if (status === 'interim' || status === 'refused') return false;
    for (const key of this.#interims.values()) {
      if (!this.#inFlight.has(key)) return this.#evict(key);
    }
    if (status === 'start') return false;
    for (const key of this.#unsentStarts) return this.#evict(key);
    return false;
  }

  #evict(key: string): boolean {
    const message = this.#messages.get(key);
    if (message === undefined) return false;
    this.#lost.push({ status: message.status, about: message.about, reason: 'queue-full' });
    this.#remove(message);
    return true;
  }
}

/** A queue of keys whose front is taken without moving the rest. */
class Fifo {
  #items: string[] = [];
  #front = 0;

  get length(): number {
    return this.#items.length - this.#front;
  }

  push(item: string): void {
    this.#items.push(item);
  }

  unshift(item: string): void {
    if (this.#front > 0) this.#items[--this.#front] = item;
    else this.#items.unshift(item);
  }

  shift(): string | undefined {
    const item = this.#items[this.#front];
    if (item === undefined) return undefined;
    this.#front++;
    if (this.#front > 1024 && this.#front * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#front);
      this.#front = 0;
    }
    return item;
  }
}

function isBarrier(status: AccountingMessage['status']): boolean {
  return status === 'on' || status === 'off';
}

/** Digits of a key, which begins with the microseconds since 1970. */
const KEY_DIGITS = 16;
