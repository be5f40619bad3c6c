/**
 * May this account receive this channel? (Patent 1, step 5.) Answered from what RADIUS said before, as
 * long as that holds; else by one Access-Request for all who ask the same, however many they are.
 * Silence is a refusal, remembered for a short time so that a storm of joins does not become a storm of
 * requests.
 */
import { AttributeType, allValues, badAttributeLength, firstInteger } from '../../radius/attributes.ts';
import { RadiusCode, type RadiusPacket } from '../../radius/packet.ts';
import { KeyIndex } from '../../session/key-index.ts';
import type { DecisionRecord, QuestionRecord } from '../../session/records.ts';
import type { IpAddress } from '../../wire/address.ts';
import type { RecordMap } from '../../wire/records.ts';
import { readGrantTerms } from '../rights/rights-attributes.ts';
import type { DecisionCache } from './decision-cache.ts';

/** How long answers hold, milliseconds. */
export interface DecisionTimes {
  /** A permission whose Access-Accept has no Session-Timeout. */
  readonly defaultPermitMs: number;
  /** The longest that a permission may hold, whatever the server says. */
  readonly maxPermitMs: number;
  readonly denyMs: number;
  /** How long silence is remembered. */
  readonly timeoutHoldMs: number;
  readonly silence: SilencePolicy;
  /** The vendor number of castgate's own attributes. */
  readonly nativeVendor: number;
}

/**
 * What silence of all servers means. `deny`: no. `cached`: yes to what they last said yes to, for `staleMs` past its
 * end. `permit-known`: yes to everybody who is in, but to what they last said no to.
 */
export interface SilencePolicy {
  readonly mode: 'deny' | 'cached' | 'permit-known';
  /** How long such a yes holds before they are asked again. */
  readonly holdMs: number;
  readonly staleMs: number;
}

/** Why RADIUS gave no answer. */
export type NoAnswer =
  | 'radius-timeout'
  | 'radius-no-server'
  | 'radius-table-full'
  | 'radius-too-long'
  /** It could not even be asked: the group encoding has no attribute for this address family. */
  | 'encoding-lacks-family';

export class GroupAuthorization {
  readonly #times: DecisionTimes;
  readonly #decisions: DecisionCache;
  readonly #questions: RecordMap<QuestionRecord>;
  readonly #ofHost = new KeyIndex();

  /** Takes up the questions that are there already. */
  constructor(times: DecisionTimes, decisions: DecisionCache, questions: RecordMap<QuestionRecord>) {
    this.#times = times;
    this.#decisions = decisions;
    this.#questions = questions;
    for (const { host, key } of questions.values()) this.#ofHost.add(host, key);
    questions.follow((key, before, after) => this.#ofHost.move(key, before?.host, after?.host));
    if (times.silence.mode !== 'deny') decisions.keepOld();
  }

  /**
   * What is known and need not be asked again. A permission near its end must be: what begins with it would
   * end before it could be renewed.
   */
  lasting(now: number, question: string): DecisionRecord | undefined {
    const known = this.known(now, question);
    if (known === undefined || !known.permit) return known;
    const { decidedAt, expiresAt } = known;
    return expiresAt - now > renewalLeadMs(expiresAt - decidedAt) ? known : undefined;
  }

  /** What is known, without asking. */
  known(now: number, question: string): DecisionRecord | undefined {
    return this.#decisions.get(now, question);
  }

  /** True where the caller must put the question to RADIUS now; false where it is there already. */
  ask(now: number, question: string, host: string): boolean {
    if (this.#questions.has(question)) return false;
    this.#questions.put(question, { v: 1, key: question, host, askedAt: now });
    this.#ofHost.add(host, question);
    return true;
  }

  /** How many questions are with RADIUS because of the host, also those whose answer it no longer wants. */
  askedBy(host: string): number {
    return this.#ofHost.count(host);
  }

  /** The same, by their keys. */
  questionsOf(host: string): readonly string[] {
    return [...this.#ofHost.keys(host)];
  }

  /** No answer is awaited any more, and none remembered. */
  withdraw(question: string): void {
    this.#close(question);
  }

  /** Whether an answer is awaited. */
  isAsked(question: string): boolean {
    return this.#questions.has(question);
  }

  /** The server answered. An Access-Challenge is no permission, and neither is an Accept that cannot be read. */
  answered(now: number, question: string, reply: RadiusPacket): DecisionRecord {
    if (reply.code !== RadiusCode.AccessAccept) {
      return this.#decide(now, question, false, this.#times.denyMs, 'radius-reject', []);
    }
    const seconds = firstInteger(reply.attributes, AttributeType.SessionTimeout);
    if (seconds === 0 || badAttributeLength(reply.attributes) !== undefined) {
      return this.#decide(now, question, false, this.#times.denyMs, 'radius-bad-accept', []);
    }
    const terms = readGrantTerms(reply.attributes, this.#times.nativeVendor);
    if (terms === undefined) {
      return this.#decide(now, question, false, this.#times.denyMs, 'radius-bad-accept', []);
    }
    if (terms === 'forbid') {
      return this.#decide(now, question, false, this.#times.denyMs, 'radius-reject', []);
    }
    const holdsMs = seconds === undefined ? this.#times.defaultPermitMs : seconds * 1000;
    const classes = allValues(reply.attributes, AttributeType.Class).map((value) => value.slice());
    const preview = terms.access === 'preview' ? terms.preview : undefined;
    const least = Math.min(holdsMs, this.#times.maxPermitMs);
    return this.#decide(now, question, true, least, undefined, classes, { preview });
  }

  /**
   * RADIUS says of its own accord what holds from now on (RFC 5176). An answer that is still on its way is older
   * and no longer wanted.
   */
  told(now: number, question: string, permit: boolean): DecisionRecord {
    if (!permit) return this.#decide(now, question, false, this.#times.denyMs, 'radius-reject', []);
    const holdsMs = Math.min(this.#times.defaultPermitMs, this.#times.maxPermitMs);
    return this.#decide(now, question, true, holdsMs, undefined, []);
  }

  /**
   * All that was asked or decided about the account, of one group or (undefined) of any: also for sources that nobody
   * wants any more, whose answer would let them in again.
   */
  questionsAbout(
    account: string,
    group: IpAddress | undefined,
  ): readonly { key: string; group: IpAddress }[] {
    const found: { key: string; group: IpAddress }[] = [];
    const look = (key: string) => {
      const about = readQuestionKey(key);
      if (about.account === account && (group ?? about.group) === about.group)
        found.push({ key, group: about.group });
    };
    for (const key of this.#decisions.keys()) look(key);
    for (const { key } of this.#questions.values()) look(key);
    return found;
  }

  /** No server answered. A permission that still holds is not forgotten for it. */
  unanswered(now: number, question: string, reason: NoAnswer): DecisionRecord {
    const { silence } = this.#times;
    const last = silence.mode === 'deny' ? undefined : this.#decisions.last(question);
    if (reason !== 'encoding-lacks-family' && this.#goesOn(now, last)) {
      const { classes = [], preview, expiresAt = 0 } = last?.permit === true ? last : {};
      const holdsMs = Math.max(silence.holdMs, expiresAt - now);
      const saidUntil = last?.permit === true ? (last.saidUntil ?? last.expiresAt) : now;
      return this.#decide(now, question, true, holdsMs, undefined, classes, { preview, saidUntil });
    }
    const known = this.known(now, question);
    if (known?.permit === true) {
      this.#close(question);
      return known;
    }
    return this.#decide(now, question, false, this.#times.timeoutHoldMs, reason, []);
  }

  #decide(
    now: number,
    key: string,
    permit: boolean,
    holdsMs: number,
    reason: DecisionRecord['reason'],
    classes: readonly Uint8Array[],
    more: Pick<DecisionRecord, 'preview' | 'saidUntil'> = {},
  ): DecisionRecord {
    this.#close(key);
    const record: DecisionRecord = {
      ...more,
      v: 1,
      key,
      permit,
      reason,
      decidedAt: now,
      expiresAt: now + holdsMs,
      classes,
    };
    this.#decisions.put(record);
    return record;
  }

  /** Whether a permission goes on while nobody answers. */
  #goesOn(now: number, last: DecisionRecord | undefined): boolean {
    const { mode, staleMs } = this.#times.silence;
    if (mode === 'deny') return false;
    if (last?.permit === true) {
      return mode === 'permit-known' || now < (last.saidUntil ?? last.expiresAt) + staleMs;
    }
    const refused = last?.reason === 'radius-reject' || last?.reason === 'radius-bad-accept';
    return mode === 'permit-known' && !refused;
  }

  #close(question: string): void {
    const record = this.#questions.get(question);
    if (record === undefined) return;
    this.#questions.delete(question);
    this.#ofHost.remove(record.host, question);
  }
}

/**
 * What is asked, as one key: the account comes last because it may hold any character. `source` is
 * undefined for (*,G), and also where the encoding cannot tell the server about sources.
 */
export function questionKey(account: string, group: IpAddress, source: IpAddress | undefined): string {
  return `${group}/${source ?? '*'}/${account}`;
}

/** What `questionKey` made a key of, but for the source. */
export function readQuestionKey(key: string): { readonly account: string; readonly group: IpAddress } {
  const group = key.indexOf('/');
  const source = key.indexOf('/', group + 1);
  return { group: key.slice(0, group), account: key.slice(source + 1) };
}

/**
 * How long before its end a permission of this length is asked for again: a tenth of it, within bounds, and
 * half of a short one.
 */
export function renewalLeadMs(holdsMs: number): number {
  return Math.min(MOST_LEAD_MS, Math.max(holdsMs / 10, Math.min(LEAST_LEAD_MS, holdsMs / 2)));
}

const MOST_LEAD_MS = 30_000;
/** Long enough for an answer that takes its time. */
const LEAST_LEAD_MS = 5_000;
