/**
 * The core's accounting: reads the switch's counters when a record begins, is due or ends, and hands the
 * messages to the RADIUS client. What a record says and in which order messages go is in accounting/.
 *
 * A session counts the unicast of its MAC address. A channel counts what its port received of the group,
 * from the moment the host was granted it: the kernel counts a group per port, not per source.
 */
import {
  Accounting,
  type AccountingOptions,
  accountingDefaults,
  channelRecordKey,
} from '../../accounting/accounting.ts';
import { ACCOUNTING_TOKEN } from '../../accounting/queue.ts';
import type { Refusal } from '../../auth/admission/admission-records.ts';
import { accountedChannel } from '../../auth/admission/group-encoding.ts';
import { TerminateCause } from '../../radius/values.ts';
import { nasAttributes, portAttributes } from '../../session/nas-attributes.ts';
import {
  type AccountingCounts,
  type AccountingRecord,
  channelKey,
  type GrantRecord,
  hostKey,
  type SessionRecord,
} from '../../session/records.ts';
import type { Counter, HostPlace } from '../../switch/switch.ts';
import type { IpAddress } from '../../wire/address.ts';
import { toHex, u32 } from '../../wire/bytes.ts';
import { type CoreParts, placeOf } from '../core/parts.ts';
import type { Radius } from '../radius/radius.ts';
import { authorizationTerminateCause } from './end-cause.ts';

export class Books {
  readonly #parts: CoreParts;
  readonly #radius: Radius;
  readonly #accounting: Accounting;
  /** What is handed out and not known to be in the export file, where there are no servers. */
  #unexported: string[] = [];
  #exportedUpTo = '';
  /** More wait than should: it is said once. */
  #isBacklog = false;
  /** Acct-Session-Id of Accounting-On and Accounting-Off. */
  readonly #bootId: string;

  /** Goes on with the records and the queue that the stores hold already. */
  constructor(parts: CoreParts, radius: Radius) {
    this.#parts = parts;
    this.#radius = radius;
    this.#bootId = newAcctSessionId(parts);
    const { accountingRecords, counterGenerations, accountingQueue, radiusRequests } = parts.stores;
    this.#accounting = new Accounting(
      accountingOptions(parts),
      accountingRecords,
      counterGenerations,
      accountingQueue,
      (token) => radiusRequests.has(token),
    );
  }

  /** The records were another node's or process's until now. */
  takeUp(): void {
    this.#accounting.takeUp();
  }

  /** The last message that is known to be in the export file; empty: none is. */
  get exportedUpTo(): string {
    return this.#exportedUpTo;
  }

  /** Messages that no server has acknowledged yet. */
  get waiting(): number {
    return this.#accounting.waiting;
  }

  /** When the event of the oldest of them was; undefined: none waits. */
  get oldestAt(): number | undefined {
    return this.#accounting.oldestAt;
  }

  /** So many wait that soon something will be lost. */
  get isBacklog(): boolean {
    return this.#isBacklog;
  }

  /** Nobody is in any more, since castgate lost its state: what the disk knew to be running ended with it. */
  endLost(at: number): void {
    const { accountingRecords } = this.#parts.stores;
    const records = accountingRecords.size;
    if (records === 0) return;
    this.#parts.log.warn('accounting-ended', { records, cause: 'state-lost', at });
    this.#accounting.stopAll(at, TerminateCause.NasReboot);
  }

  on(now: number): void {
    if (this.#parts.config.accounting.enabled) this.#accounting.on(now, this.#bootId);
  }

  off(now: number): void {
    if (this.#parts.config.accounting.enabled) this.#accounting.off(now, this.#bootId);
  }

  startSession(now: number, session: SessionRecord): void {
    const { enabled, sessions } = this.#parts.config.accounting;
    // The host is opened at the end of this turn: its counters begin at nothing.
    const there = this.#readHost(session);
    if (enabled && sessions) this.#accounting.startSession(now, session, NOTHING, someOf(there));
  }

  /** A re-authentication may bring another Class. */
  renewSession(session: SessionRecord): void {
    this.#accounting.renewSession(session);
  }

  /** A re-authentication brought another authorization: what follows is accounted for as another session (RFC 3580 §2). */
  splitSession(now: number, session: SessionRecord): void {
    this.#accounting.splitSession(now, session, this.#readHost(session), authorizationTerminateCause);
  }

  stopSession(now: number, session: SessionRecord, cause: TerminateCause): void {
    this.#accounting.stopSession(now, session.key, this.#readHost(session), cause);
  }

  /** `first`: nothing of the group was forwarded to the port before, so that its counter begins with this grant. */
  startChannel(now: number, grant: GrantRecord, session: SessionRecord, first: boolean): void {
    const { enabled, channels } = this.#parts.config.accounting;
    if (!enabled || !channels) return;
    const there = this.#readChannel(grant);
    const id = newAcctSessionId(this.#parts);
    if (first) this.#accounting.startChannel(now, grant, session, id, NOTHING, someOf(there));
    else this.#accounting.startChannel(now, grant, session, id, there);
  }

  stopChannel(now: number, grant: GrantRecord, cause: TerminateCause): void {
    // The kernel is not asked for what nobody accounts for.
    if (!this.#parts.stores.accountingRecords.has(channelRecordKey(grant.key))) return;
    this.#accounting.stopChannel(now, grant.key, this.#readChannel(grant), cause);
  }

  /** A join was refused; told only where that is wanted. */
  refused(now: number, refusal: Refusal): void {
    const { enabled, refusals } = this.#parts.config.accounting;
    const { port, vlan, mac, group, source, reason } = refusal;
    const host = hostKey(port, vlan, mac);
    const session = this.#parts.stores.sessions.get(host);
    if (!enabled || !refusals || session === undefined) return;
    const channel = { key: channelKey(host, group, source), group, source };
    this.#accounting.refused(now, session, newAcctSessionId(this.#parts), channel, reason);
  }

  /** All messages up to this one are in the export file: where there are no servers, that is their end. */
  exported(key: string): void {
    this.#exportedUpTo = key;
    const { toServers } = this.#parts.config.accounting;
    if (toServers) return;
    const rest: string[] = [];
    for (const token of this.#unexported) {
      if (token.slice(ACCOUNTING_TOKEN.length) > key) rest.push(token);
      else this.answered(token);
    }
    this.#unexported = rest;
  }

  answered(token: string): void {
    this.#parts.tally.count('accounting', 'acknowledged');
    this.#accounting.acknowledged(token);
  }

  unanswered(now: number, token: string, reason: string): void {
    this.#accounting.unsent(now, token, reason);
  }

  /** Goes on: `new` counters begin at zero, and requests whose message was replaced are forgotten. */
  resume(now: number, counters: 'kept' | 'new'): void {
    const { accountingQueue, radiusRequests } = this.#parts.stores;
    if (counters === 'new') this.#accounting.countersBegin();
    for (const record of this.#accounting.unsettled()) this.#accounting.settle(record, this.#read(record));
    for (const { token } of [...radiusRequests.values()]) {
      const message = token.startsWith(ACCOUNTING_TOKEN) ? token.slice(ACCOUNTING_TOKEN.length) : undefined;
      if (message !== undefined && !accountingQueue.has(message)) this.#radius.cancel(now, token);
    }
  }

  handleTimeout(now: number): void {
    for (const record of this.#accounting.due(now)) {
      this.#accounting.interim(now, record.key, this.#read(record));
    }
    for (const record of this.#accounting.dueNotes(now)) {
      this.#accounting.note(record.key, this.#read(record));
    }
  }

  nextTimeout(): number | undefined {
    return this.#accounting.nextTimeout();
  }

  /** Hands what is to be sent to the RADIUS client. */
  flush(now: number): void {
    for (const action of this.#accounting.drainRequests(now)) {
      if (action.kind === 'cancel') this.#radius.cancel(now, action.token);
      else if (!this.#parts.config.accounting.toServers) this.#unexported.push(action.token);
      else this.#radius.askAccounting(now, action.token, action.attributes, action.eventAt);
    }
    for (const lost of this.#accounting.drainLost()) {
      this.#parts.tally.count('accounting', `lost/${lost.reason}`);
      this.#parts.log.error('accounting-lost', lost);
    }
    if (this.#unexported.length > 0 && this.#exportedUpTo !== '') this.exported(this.#exportedUpTo);
    this.#lookAtBacklog();
  }

  /** Said long before anything is lost. */
  #lookAtBacklog(): void {
    const { queueLimit } = this.#parts.config.accounting;
    const { waiting } = this.#accounting;
    if (waiting >= LOUD_SHARE * queueLimit === this.#isBacklog) return;
    if (this.#isBacklog && waiting > CLEAR_SHARE * queueLimit) return;
    this.#isBacklog = !this.#isBacklog;
    this.#parts.tally.count('accounting', this.#isBacklog ? 'backlog' : 'backlog-over');
    this.#parts.log[this.#isBacklog ? 'error' : 'warn']('accounting-backlog', {
      state: this.#isBacklog ? 'near-limit' : 'over',
      messages: waiting,
      limit: queueLimit,
    });
  }

  #read(record: AccountingRecord): AccountingCounts | undefined {
    const { group } = record;
    return group === undefined ? this.#readHost(record) : this.#readChannel({ ...record, group });
  }

  #readHost(host: HostPlace): AccountingCounts | undefined {
    const counters = this.#parts.readings.hostCounters(host);
    if (counters === undefined) return undefined;
    const { input, output } = counters;
    return {
      inputOctets: input.octets,
      inputPackets: input.packets,
      outputOctets: output.octets,
      outputPackets: output.packets,
    };
  }

  #readChannel(channel: { port: string; vlan: number; group: IpAddress }): AccountingCounts {
    return delivered(this.#parts.readings.channelCounter(channel.port, channel.vlan, channel.group));
  }
}

/** 64 random bits in hex: unique over restarts (RFC 2866 §5.5). */
export function newAcctSessionId(parts: CoreParts): string {
  return toHex(parts.random(8)).toUpperCase();
}

/** Undefined where nothing was counted. */
function someOf(counts: AccountingCounts | undefined): AccountingCounts | undefined {
  return counts === undefined || (counts.inputOctets === 0 && counts.outputOctets === 0) ? undefined : counts;
}

function delivered({ octets, packets }: Counter): AccountingCounts {
  return { ...NOTHING, outputOctets: octets, outputPackets: packets };
}

function accountingOptions(parts: CoreParts): AccountingOptions {
  const { accounting, groups, nas } = parts.config;
  return {
    ...accountingDefaults,
    limit: accounting.queueLimit,
    perSecond: accounting.maxRate,
    noteMs: accounting.noteIntervalMs,
    interimMs: accounting.interimIntervalMs,
    nas: nasAttributes(nas),
    place: (port, mac) => portAttributes(placeOf(parts, port, mac)),
    channel: (group, source, vlan) => accountedChannel(groups, { group, source, vlan }),
    draw: () => u32(parts.random(4), 0) / 2 ** 32,
  };
}

/** Share of the limit from which on a backlog is said, and below which it is over. */
const LOUD_SHARE = 0.8;
const CLEAR_SHARE = 0.7;
const NOTHING: AccountingCounts = { inputOctets: 0, outputOctets: 0, inputPackets: 0, outputPackets: 0 };
