/**
 * What the RADIUS servers decide: accounts with passwords and times, which of them may receive which group,
 * and EAP-MD5 in as many rounds as the account takes. Decisions change while the run goes on.
 */
import { decodeEap, EapCode, EapType, encodeEap } from '../../../eapol/eap.ts';
import { md5ChallengeOf } from '../../../eapol/eap-methods.ts';
import {
  AttributeType,
  addressOf,
  eapMessage,
  firstText,
  firstValue,
  integer,
  octets,
  splitEapMessage,
  textOf,
  vendorAttributes,
  vendorSpecific,
} from '../../../radius/attributes.ts';
import { type RadiusAttribute, RadiusCode, type RadiusPacket } from '../../../radius/packet.ts';
import { CastgateAttribute, H3cAttribute, TerminationAction, Vendor } from '../../../radius/values.ts';
import type { IpAddress } from '../../../wire/address.ts';
import { concatBytes, sameBytes, toHex } from '../../../wire/bytes.ts';
import { isMalformed } from '../../../wire/malformed.ts';
import type { Random } from '../../random.ts';
import { must } from '../checks/violation.ts';
import { LEAST_REAUTH_PERIOD_MS } from '../plan.ts';
import { md5Value } from './host-frames.ts';
import type { LoginTimes } from './subscriber.ts';

/** An answer before it is signed. */
export interface Reply {
  readonly code: number;
  readonly attributes: readonly RadiusAttribute[];
}

/** One who may log in. */
export interface Account {
  readonly name: string;
  readonly password: string;
  /** Challenges before the verdict. */
  readonly rounds: number;
  /** `again`: log in again after `seconds`; `end`: the session ends then; `none`: as the switch likes. */
  readonly timeout: 'none' | 'again' | 'end';
  readonly seconds: number;
}

interface Conversation {
  readonly account: Account | undefined;
  readonly challenge: Uint8Array;
  readonly roundsLeft: number;
}

export class AccessPolicy {
  readonly accounts = new Map<string, Account>();
  /** `account group`: how many seconds a permission holds; undefined: no Session-Timeout. */
  readonly permits = new Map<string, number | undefined>();
  /** Pairs that were ever permitted. */
  readonly everPermitted = new Set<string>();
  /** By station: groups that a login of it was ever allowed to send to. */
  readonly everSent = new Map<string, Set<IpAddress>>();
  readonly #withdrawnAt = new Map<string, number>();
  /** By station: the times of the last Access-Accept. */
  readonly #times = new Map<string, LoginTimes>();
  /** Stations whose last Access-Accept but one ended the session. */
  readonly #endedBefore = new Set<string>();
  readonly #conversations = new Map<string, Conversation>();
  /** `account group` of what comes with a login, while the account may have it. */
  readonly rights = new Map<string, 'watch' | 'preview'>();
  /** How many channels an account may have, where its logins say that; of three logins one says one less. */
  readonly limits = new Map<string, number>();
  /** When a login last brought the right. */
  readonly #rightAt = new Map<string, number>();
  /** By station: the rights of the last Access-Accept, as text. */
  readonly #lastRights = new Map<string, string>();
  readonly #random: Random;
  readonly #changed: (station: string) => void;
  #states = 0;

  /** `changed`: a login of the station brings other rights than the last one. */
  constructor(random: Random, changed: (station: string) => void = () => {}) {
    this.#random = random;
    this.#changed = changed;
  }

  permit(account: string, group: IpAddress, seconds: number | undefined): void {
    this.permits.set(`${account} ${group}`, seconds);
    this.everPermitted.add(`${account} ${group}`);
  }

  withdraw(now: number, account: string, group: IpAddress): void {
    this.permits.delete(`${account} ${group}`);
    this.#withdrawnAt.set(`${account} ${group}`, now);
  }

  /** Whether the account may receive the group, or might at some time since. */
  wasPermitted(account: string, group: IpAddress, since: number): boolean {
    const pair = `${account} ${group}`;
    return this.permits.has(pair) || (this.#withdrawnAt.get(pair) ?? Number.NEGATIVE_INFINITY) >= since;
  }

  /** Whether a login of the account brought a right to the group since. */
  hadRight(account: string, group: IpAddress, since: number): boolean {
    return (this.#rightAt.get(`${account} ${group}`) ?? Number.NEGATIVE_INFINITY) >= since;
  }

  /** The times of the last Access-Accept for a station. */
  timesOf(station: string): LoginTimes {
    return this.#times.get(station) ?? { askedAgainAfterMs: LEAST_REAUTH_PERIOD_MS, endsAfterMs: Infinity };
  }

  /** Whether one of the last two of them ends the session: the switch may not have heard of the last one yet. */
  mayEnd(station: string): boolean {
    return this.timesOf(station).endsAfterMs !== Infinity || this.#endedBefore.has(station);
  }

  judgeLogin(now: number, { attributes }: RadiusPacket): Reply {
    const bytes = eapMessage(attributes) ?? new Uint8Array(0);
    const eap = decodeEap(bytes);
    must(!isMalformed(eap) && eap.code === EapCode.Response, () => 'an Access-Request with no EAP response');
    const state = firstValue(attributes, AttributeType.State);
    if (state === undefined) {
      must(eap.type === EapType.Identity, () => 'a login began with something else than an identity');
      const account = this.accounts.get(textOf(eap.typeData));
      return this.#challenge(eap.id, account, account?.rounds ?? 1);
    }
    const conversation = this.#conversations.get(toHex(state));
    const answer = md5ChallengeOf(eap);
    const account = conversation?.account;
    const right =
      conversation !== undefined &&
      account !== undefined &&
      answer !== undefined &&
      sameBytes(answer.value, md5Value(eap.id, conversation.challenge, account.password));
    if (!right) {
      const failure = splitEapMessage(encodeEap({ code: EapCode.Failure, id: eap.id }));
      return { code: RadiusCode.AccessReject, attributes: failure };
    }
    if (conversation.roundsLeft > 1) return this.#challenge(eap.id, account, conversation.roundsLeft - 1);
    const station = firstText(attributes, AttributeType.CallingStationId) ?? '';
    return this.#accept(now, eap.id, account, station);
  }

  /** A group question: no EAP, a group in the vendor's attribute. */
  judgeJoin(_now: number, { attributes }: RadiusPacket): Reply {
    const account = firstText(attributes, AttributeType.UserName) ?? '';
    const vendors = vendorAttributes(attributes, Vendor.H3c);
    must(!isMalformed(vendors), () => 'a group question with a damaged group');
    const value = vendors.find(({ type }) => GROUP_TYPES.has(type))?.value;
    const group = value === undefined ? undefined : addressOf(value);
    must(group !== undefined, () => 'a group question without a group');
    const pair = `${account} ${group}`;
    if (!this.permits.has(pair)) return { code: RadiusCode.AccessReject, attributes: [] };
    const seconds = this.permits.get(pair);
    const timeout = seconds === undefined ? [] : [integer(AttributeType.SessionTimeout, seconds)];
    const grantClass = octets(AttributeType.Class, new TextEncoder().encode(`class of ${group}`));
    return { code: RadiusCode.AccessAccept, attributes: [...timeout, grantClass] };
  }

  #challenge(lastId: number, account: Account | undefined, roundsLeft: number): Reply {
    const state = new TextEncoder().encode(`state ${++this.#states}`);
    const challenge = this.#random.octets(16);
    this.#conversations.set(toHex(state), { account, challenge, roundsLeft });
    const typeData = concatBytes(Uint8Array.of(challenge.length), challenge);
    const id = (lastId + 1) & 0xff;
    const request = encodeEap({ code: EapCode.Request, id, type: EapType.Md5Challenge, typeData });
    const attributes = [octets(AttributeType.State, state), ...splitEapMessage(request)];
    return { code: RadiusCode.AccessChallenge, attributes };
  }

  /** Of three logins two may send, each to another group than the one before. */
  #sendRight(station: string): readonly RadiusAttribute[] {
    const group = SENT_GROUPS[this.#states % (SENT_GROUPS.length + 1)];
    if (group === undefined) return [];
    const ever = this.everSent.get(station);
    if (ever === undefined) this.everSent.set(station, new Set([group]));
    else ever.add(group);
    return [
      vendorSpecific(NATIVE_VENDOR, CastgateAttribute.Right, new TextEncoder().encode(`send ${group}`)),
    ];
  }

  /** Of two logins one has a filter, of different ones. It lets through what the run counts. */
  #filter(): readonly RadiusAttribute[] {
    const port = this.#states % 4;
    if (port > 1) return [];
    const rule = `deny in tcp from any to any ${port + 1}`;
    return [octets(AttributeType.NasFilterRule, new TextEncoder().encode(rule))];
  }

  /** What comes with a login: channels, and how many. */
  #receiveRights(now: number, { name }: Account, station: string): readonly RadiusAttribute[] {
    const words = [...this.rights].flatMap(([pair, kind]) => {
      if (!pair.startsWith(`${name} `) || !this.permits.has(pair)) return [];
      this.#rightAt.set(pair, now);
      return [`${kind} ${pair.slice(name.length + 1)}`];
    });
    const most = this.limits.get(name);
    const limit = most === undefined ? undefined : this.#states % 3 === 0 ? most - 1 : most;
    const all = `${name}: ${[...words, limit].join(', ')}`;
    if (this.#lastRights.get(station) !== all) this.#changed(station);
    this.#lastRights.set(station, all);
    return [
      ...words.map((text) => vendorSpecific(NATIVE_VENDOR, CastgateAttribute.Right, utf8(text))),
      ...(limit === undefined
        ? []
        : [vendorSpecific(NATIVE_VENDOR, CastgateAttribute.MaxGroups, Uint8Array.of(0, 0, 0, limit))]),
    ];
  }

  #accept(now: number, id: number, account: Account, station: string): Reply {
    const { timeout, seconds } = account;
    if (this.timesOf(station).endsAfterMs === Infinity) this.#endedBefore.delete(station);
    else this.#endedBefore.add(station);
    this.#times.set(station, {
      askedAgainAfterMs:
        timeout === 'end' ? Infinity : timeout === 'again' ? seconds * 1000 : LEAST_REAUTH_PERIOD_MS,
      endsAfterMs: timeout === 'end' ? seconds * 1000 : Infinity,
    });
    const times =
      timeout === 'none'
        ? []
        : [
            integer(AttributeType.SessionTimeout, seconds),
            integer(
              AttributeType.TerminationAction,
              timeout === 'again' ? TerminationAction.RadiusRequest : TerminationAction.Default,
            ),
          ];
    return {
      code: RadiusCode.AccessAccept,
      attributes: [
        ...splitEapMessage(encodeEap({ code: EapCode.Success, id })),
        octets(AttributeType.UserName, new TextEncoder().encode(account.name)),
        octets(AttributeType.Class, new TextEncoder().encode(`class of ${account.name}`)),
        ...times,
        ...this.#sendRight(station),
        ...this.#receiveRights(now, account, station),
        ...this.#filter(),
      ],
    };
  }
}

const utf8 = (text: string) => new TextEncoder().encode(text);
/** Groups that subscribers send to. */
const GROUP_TYPES: ReadonlySet<number> = new Set([
  H3cAttribute.Ipv4MulticastReceiveGroup,
  H3cAttribute.Ipv6MulticastReceiveGroup,
]);
export const SENT_GROUPS: readonly IpAddress[] = ['239.77.0.1', '239.77.0.2'];
/** `groups.native_vendor` where the configuration says nothing. */
const NATIVE_VENDOR = 32473;
