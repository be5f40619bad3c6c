/**
 * `castgate test`: puts a group question to RADIUS as a join would, and lets nobody in for the answer. It is
 * judged as a real answer is, and remembered nowhere. Who waits for it is lost with the process, as is right.
 */
import { DecisionCache } from '../../auth/admission/decision-cache.ts';
import { GroupAuthorization, type NoAnswer, questionKey } from '../../auth/admission/group-authorization.ts';
import { questionAttributes } from '../../auth/admission/group-question.ts';
import type { RadiusAttribute, RadiusPacket } from '../../radius/packet.ts';
import type { SessionRecord } from '../../session/records.ts';
import { Store } from '../../session/store.ts';
import type { IpAddress } from '../../wire/address.ts';
import { type CoreParts, placeOf } from '../core/parts.ts';

/** What RADIUS said. */
export interface TrialResult {
  readonly permit: boolean;
  /** Why not. */
  readonly reason: string | null;
  /** How long a permission would hold, in milliseconds. */
  readonly holdsMs: number | null;
  readonly server: string | null;
  readonly tookMs: number;
  /** Asked as the account's session on this port; null: it is not in, and was asked about without one. */
  readonly session: string | null;
}

interface Trial {
  readonly since: number;
  readonly question: string;
  readonly session: string | null;
  readonly done: (result: TrialResult) => void;
}

export class Trials {
  readonly #parts: CoreParts;
  readonly #ask: (now: number, token: string, server: string, attributes: readonly RadiusAttribute[]) => void;
  readonly #waiting = new Map<string, Trial>();
  #asked = 0;

  constructor(
    parts: CoreParts,
    ask: (now: number, token: string, server: string, attributes: readonly RadiusAttribute[]) => void,
  ) {
    this.#parts = parts;
    this.#ask = ask;
  }

  /** Asks; `done` is called once. Undefined: it was asked. Else why it cannot be. */
  ask(
    now: number,
    account: string,
    group: IpAddress,
    done: (result: TrialResult) => void,
  ): string | undefined {
    const { config, stores } = this.#parts;
    if (this.#waiting.size >= MAX_WAITING) return 'too many tests wait for RADIUS: try again later';
    const session = [...stores.sessions.values()].find((one) => one.account === account);
    const asked = session ?? this.#stranger(now, account);
    const form = { ...config.groups, nas: config.nas };
    const attributes = questionAttributes(
      form,
      asked,
      placeOf(this.#parts, asked.port, asked.mac),
      group,
      undefined,
    );
    if (attributes === undefined) return `groups.encoding ${config.groups.encoding} cannot name ${group}`;
    const token = `${PREFIX}${now}/${this.#asked++}`;
    this.#waiting.set(token, {
      since: now,
      question: questionKey(account, group, undefined),
      session: session === undefined ? null : session.key,
      done,
    });
    this.#ask(now, token, asked.server, attributes);
    return undefined;
  }

  answered(now: number, token: string, server: string, reply: RadiusPacket): void {
    const trial = this.#take(token);
    if (trial === undefined) return;
    const { permit, reason, expiresAt } = this.#judge().answered(now, trial.question, reply);
    trial.done({
      permit,
      reason: reason ?? null,
      holdsMs: permit ? expiresAt - now : null,
      server,
      tookMs: now - trial.since,
      session: trial.session,
    });
  }

  unanswered(now: number, token: string, reason: NoAnswer): void {
    const trial = this.#take(token);
    trial?.done({
      permit: false,
      reason,
      holdsMs: null,
      server: null,
      tookMs: now - trial.since,
      session: trial.session,
    });
  }

  /** Nobody will hear the answers: the core that asked is no more. */
  abandon(now: number): void {
    for (const token of [...this.#waiting.keys()]) this.unanswered(now, token, 'radius-timeout');
  }

  #take(token: string): Trial | undefined {
    const trial = this.#waiting.get(token);
    this.#waiting.delete(token);
    return trial;
  }

  /** The same judge as for joins, with a memory of its own that is thrown away. */
  #judge(): GroupAuthorization {
    return new GroupAuthorization(this.#parts.config.groups, new DecisionCache(1), new Store('trial'));
  }

  /** Who is not in has no State and no Class that a question could carry. */
  #stranger(now: number, account: string): SessionRecord {
    const { config } = this.#parts;
    return {
      v: 1,
      key: '',
      port: config.ports[0]?.name ?? '',
      vlan: 0,
      mac: '00:00:00:00:00:00',
      account,
      userName: new TextEncoder().encode(account),
      acctSessionId: 'castgate-test',
      acctMultiSessionId: 'castgate-test',
      classes: [],
      state: undefined,
      server: config.radius.authorization[0]?.name ?? '',
      startedAt: now,
      authenticatedAt: now,
      endsAt: undefined,
      interimMs: undefined,
    };
  }
}

/** Whether an answer is for a test. */
export function isTrialToken(token: string): boolean {
  return token.startsWith(PREFIX);
}

const PREFIX = 'trial/';
const MAX_WAITING = 64;
