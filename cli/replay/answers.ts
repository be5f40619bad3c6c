/**
 * The RADIUS servers of a replay: what the capture holds of them. A request of the core is matched with a
 * recorded one by what it asks, and gets the recorded answer after the recorded time. Where the capture holds
 * no RADIUS for a login, what the recorded switch told the supplicant stands in for it. What was not recorded
 * is not answered.
 */
import { EapCode, type EapPacket, EapType } from '../../eapol/eap.ts';
import {
  AttributeType,
  addressOf,
  decodeVendorSpecific,
  eapMessage,
  firstText,
  firstValue,
  splitEapMessage,
} from '../../radius/attributes.ts';
import { type RadiusAttribute, RadiusCode, type RadiusPacket } from '../../radius/packet.ts';
import { accountText } from '../../session/account.ts';
import { type IpAddress, isGroupMac, isMulticastIp, type Mac } from '../../wire/address.ts';
import { toHex } from '../../wire/bytes.ts';
import { isMalformed } from '../../wire/malformed.ts';
import type { PortFrame, RadiusFrame, ReplayFrame } from './frames.ts';
import { macOfStation } from './ports.ts';

/** What a request asks, for matching and for people. */
export interface Question {
  readonly account: string;
  readonly mac: Mac | undefined;
  readonly port: string | undefined;
  /** It carries an EAP packet. */
  readonly login: boolean;
  /** The channel asked for; undefined in a login. */
  readonly group: IpAddress | undefined;
}

/** An answer out of the capture. */
export interface RecordedAnswer {
  readonly code: number;
  readonly attributes: readonly RadiusAttribute[];
  /** Milliseconds from request to answer. */
  readonly delayMs: number;
  /** The frame that held it. */
  readonly frame: number;
  /** Where it is from: a recorded RADIUS packet, or the recorded switch's EAPOL. */
  readonly from: 'radius' | 'eapol';
  /** A recorded packet had a Message-Authenticator. */
  readonly signed: boolean;
}

interface Exchange {
  readonly at: number;
  readonly mac: Mac | undefined;
  answer: RecordedAnswer | undefined;
  used: boolean;
}

export class RecordedAnswers {
  readonly #exchanges = new Map<string, Exchange[]>();
  /** User-Names (hex) with a recorded login. */
  readonly #logins = new Set<string>();
  readonly #words: { readonly frame: PortFrame; readonly eap: EapPacket; used: boolean }[] = [];
  readonly #portOf: (frame: PortFrame) => string | undefined;

  constructor(frames: readonly ReplayFrame[], portOf: (frame: PortFrame) => string | undefined) {
    this.#portOf = portOf;
    const open = new Map<string, { exchange: Exchange; authenticator: string }>();
    for (const frame of frames) {
      if (frame.kind === 'radius') this.#record(frame, open);
      else if (frame.says === 'switch' && frame.eap !== undefined) {
        this.#words.push({ frame, eap: frame.eap, used: false });
      }
    }
  }

  /** The answer to an Access-Request that the core sends at `now` because of frame `cause`. */
  answerTo(now: number, cause: number, request: RadiusPacket): RecordedAnswer | undefined {
    const key = keyOf(request);
    const { mac, port, login } = questionOf(request);
    const exchanges = this.#exchanges.get(key) ?? [];
    if (login) {
      const name = toHex(firstValue(request.attributes, AttributeType.UserName) ?? NOTHING);
      if (!this.#logins.has(name)) return this.#wordOf(now, cause, mac, port, request.attributes);
    }
    // A policy gives the same answer to the same question; a login's next step is answered once.
    const left = login ? exchanges.filter((exchange) => !exchange.used) : exchanges;
    const own = left.filter((exchange) => exchange.mac === mac);
    const nearest = (own.length > 0 ? own : left).reduce<Exchange | undefined>(
      (best, one) => (best === undefined || Math.abs(one.at - now) < Math.abs(best.at - now) ? one : best),
      undefined,
    );
    if (nearest === undefined) return undefined;
    nearest.used = true;
    return nearest.answer;
  }

  #record(frame: RadiusFrame, open: Map<string, { exchange: Exchange; authenticator: string }>): void {
    const { packet, from, to, at } = frame;
    const authenticator = toHex(packet.authenticator);
    if (packet.code === RadiusCode.AccessRequest) {
      const flow = `${from} ${to} ${packet.id}`;
      // The same packet again: a retransmission, or a second interface that it passed.
      if (open.get(flow)?.authenticator === authenticator) return;
      const { mac, login } = questionOf(packet);
      const exchange: Exchange = { at, mac, answer: undefined, used: false };
      open.set(flow, { exchange, authenticator });
      const key = keyOf(packet);
      const alike = this.#exchanges.get(key);
      if (alike === undefined) this.#exchanges.set(key, [exchange]);
      else alike.push(exchange);
      if (login) this.#logins.add(toHex(firstValue(packet.attributes, AttributeType.UserName) ?? NOTHING));
      return;
    }
    if (!ANSWERS.has(packet.code)) return;
    const exchange = open.get(`${to} ${from} ${packet.id}`)?.exchange;
    if (exchange === undefined || exchange.answer !== undefined) return;
    const signature = AttributeType.MessageAuthenticator;
    exchange.answer = {
      code: packet.code,
      attributes: packet.attributes.filter((attribute) => attribute.type !== signature),
      delayMs: at - exchange.at,
      frame: frame.number,
      from: 'radius',
      signed: firstValue(packet.attributes, signature) !== undefined,
    };
  }

  /** The next thing that the recorded switch told the host, as the server's verdict. */
  #wordOf(
    now: number,
    cause: number,
    mac: Mac | undefined,
    port: string | undefined,
    attributes: readonly RadiusAttribute[],
  ): RecordedAnswer | undefined {
    const response = eapMessage(attributes);
    const asked = response?.[1];
    // Causes only grow: what lies before this one is said and done.
    while (this.#words[0] !== undefined && this.#words[0].frame.number <= cause) this.#words.shift();
    const word = this.#words.find(({ frame, eap, used }) => {
      const to = frame.link?.dst ?? NO_MAC;
      const meant = to === mac || to === NO_MAC || isGroupMac(to);
      if (used || !meant || this.#portOf(frame) !== port) return false;
      // A request for the identity is the switch's own, and one with the same identifier is a repetition.
      if (eap.code === EapCode.Request) return eap.type !== EapType.Identity && eap.id !== asked;
      return eap.id === asked || response?.[4] === EapType.Identity;
    });
    if (word === undefined) return undefined;
    word.used = true;
    const { frame, eap } = word;
    return {
      code: VERDICTS[eap.code] ?? RadiusCode.AccessReject,
      attributes: splitEapMessage(eap.bytes),
      delayMs: Math.max(0, frame.at - now),
      frame: frame.number,
      from: 'eapol',
      signed: true,
    };
  }
}

/** What an Access-Request asks. */
export function questionOf({ attributes }: RadiusPacket): Question {
  const login = firstValue(attributes, AttributeType.EapMessage) !== undefined;
  return {
    account: accountText(firstValue(attributes, AttributeType.UserName) ?? NOTHING),
    mac: macOfStation(firstText(attributes, AttributeType.CallingStationId)),
    port: firstText(attributes, AttributeType.NasPortId),
    login,
    group: login ? undefined : groupIn(attributes),
  };
}

/** Equal for requests that ask the same, whoever sent them and in whichever encoding. */
function keyOf(packet: RadiusPacket): string {
  const { attributes } = packet;
  const name = toHex(firstValue(attributes, AttributeType.UserName) ?? NOTHING);
  const eap = eapMessage(attributes)?.slice();
  if (eap === undefined) return `group ${name} ${questionOf(packet).group ?? ''}`;
  // The answer to Request/Identity repeats the identifier of whoever asked: another one in every run.
  if (eap[4] === EapType.Identity) eap[1] = 0;
  return `eap ${name} ${toHex(eap)}`;
}

/**
 * The group of a question: the address that is one, in a vendor's attribute or, as some switches have it, in
 * Framed-IP-Address. No other attribute of an authorization holds a multicast address.
 */
function groupIn(attributes: readonly RadiusAttribute[]): IpAddress | undefined {
  for (const { type, value } of attributes) {
    if (type === AttributeType.FramedIpAddress && isGroup(value)) return addressOf(value);
    if (type !== AttributeType.VendorSpecific) continue;
    const vendor = decodeVendorSpecific(value);
    if (isMalformed(vendor)) continue;
    const found = vendor.attributes.find((attribute) => isGroup(attribute.value));
    if (found !== undefined) return addressOf(found.value);
  }
  return undefined;
}

function isGroup(value: Uint8Array): boolean {
  const address = addressOf(value);
  return address !== undefined && isMulticastIp(address);
}

const NOTHING = new Uint8Array(0);
/** What link types without a destination have there. */
const NO_MAC: Mac = '00:00:00:00:00:00';
const ANSWERS: ReadonlySet<number> = new Set([
  RadiusCode.AccessAccept,
  RadiusCode.AccessReject,
  RadiusCode.AccessChallenge,
]);
const VERDICTS: Readonly<Record<number, number>> = {
  [EapCode.Request]: RadiusCode.AccessChallenge,
  [EapCode.Success]: RadiusCode.AccessAccept,
  [EapCode.Failure]: RadiusCode.AccessReject,
};
