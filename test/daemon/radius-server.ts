/**
 * A RADIUS server for tests on virtual time: reads and checks the core's real packets, and signs real
 * answers. Its policy is who may log in and who may receive what; a test may put anything in its place.
 */
import { expect } from 'vitest';
import { decodeEap, EapCode, type EapPacket, EapType, encodeEap } from '../../eapol/eap.ts';
import {
  AttributeType,
  addressOf,
  decodeVendorSpecific,
  eapMessage,
  firstText,
  firstValue,
  octets,
  splitEapMessage,
} from '../../radius/attributes.ts';
import { decodeRadius, type RadiusAttribute, RadiusCode, type RadiusPacket } from '../../radius/packet.ts';
import { signReply, verifyRequest } from '../../radius/sign.ts';
import type { IpAddress } from '../../wire/address.ts';
import { isMalformed } from '../../wire/malformed.ts';

/** An answer before it is signed. */
export interface Answer {
  readonly code: number;
  readonly attributes: readonly RadiusAttribute[];
}

/** One request as the server got it. */
export interface Asked {
  readonly at: number;
  readonly server: string;
  readonly port: 'auth' | 'acct';
  readonly socket: number;
  readonly bytes: Uint8Array;
  readonly packet: RadiusPacket;
}

export const SECRET = new TextEncoder().encode('the secret of the tests');

export class TestServer {
  /** Everything that was asked, in order, also what is not answered. */
  readonly asked: Asked[] = [];
  /** Attributes of the Access-Accept, by account. Who is not here is rejected. */
  readonly users = new Map<string, readonly RadiusAttribute[]>();
  /** `account group`, with the attributes of the Access-Accept. */
  readonly permits = new Map<string, readonly RadiusAttribute[]>();
  /** EAP rounds of challenge before the verdict. */
  rounds = 1;
  /** What it shares with the core. */
  secret = SECRET;
  /** False: nothing is answered. */
  alive = true;
  /** Milliseconds from request to answer. */
  delayMs = 1;
  /** In place of the policy: an answer, undefined for silence, or 'policy'. */
  script: ((asked: Asked) => Answer | undefined | 'policy') | undefined;
  readonly #challenges = new Map<string, number>();
  #states = 0;

  /** Takes a packet; the signed answer, if there is one. */
  receive(asked: Omit<Asked, 'packet'>): Uint8Array | undefined {
    const packet = decodeRadius(asked.bytes);
    if (isMalformed(packet)) throw new Error(`the core sent a malformed packet: ${packet.malformed}`);
    const status = packet.code === RadiusCode.AccessRequest;
    // Conformance 17: every Access-Request is signed; an Accounting-Request by its authenticator.
    const options = { requireMessageAuthenticator: status };
    expect(verifyRequest(asked.bytes, this.secret, options)).toBe('ok');
    const whole: Asked = { ...asked, packet };
    this.asked.push(whole);
    if (!this.alive) return undefined;
    const scripted = this.script === undefined ? 'policy' : this.script(whole);
    const answer = scripted === 'policy' ? this.policy(packet) : scripted;
    return answer === undefined ? undefined : signed(packet, answer, this.secret);
  }

  /** What the policy says to a packet. */
  policy(packet: RadiusPacket): Answer | undefined {
    if (packet.code === RadiusCode.AccountingRequest) {
      return { code: RadiusCode.AccountingResponse, attributes: [] };
    }
    const eap = eapOf(packet);
    if (eap !== undefined) return this.#login(packet, eap);
    const permitted = this.permits.get(`${accountOf(packet)} ${groupOf(packet)}`);
    if (permitted === undefined) return { code: RadiusCode.AccessReject, attributes: [] };
    return { code: RadiusCode.AccessAccept, attributes: permitted };
  }

  permit(account: string, ...groups: readonly IpAddress[]): void {
    for (const group of groups) this.permits.set(`${account} ${group}`, []);
  }

  /** Access-Requests with an EAP packet. */
  logins(): RadiusPacket[] {
    return this.asked.map(({ packet }) => packet).filter((packet) => eapOf(packet) !== undefined);
  }

  /** Access-Requests about groups, as `account group`. */
  questions(): string[] {
    return this.asked
      .map(({ packet }) => packet)
      .filter((packet) => packet.code === RadiusCode.AccessRequest && eapOf(packet) === undefined)
      .map((packet) => `${accountOf(packet)} ${groupOf(packet)}`);
  }

  /** Accounting-Requests of one Acct-Status-Type. */
  accounting(status?: number): RadiusPacket[] {
    return this.asked
      .map(({ packet }) => packet)
      .filter(
        ({ code, attributes }) =>
          code === RadiusCode.AccountingRequest &&
          (status === undefined || firstValue(attributes, AttributeType.AcctStatusType)?.[3] === status),
      );
  }

  #login(packet: RadiusPacket, eap: EapPacket): Answer {
    const account = accountOf(packet);
    const state = String(firstValue(packet.attributes, AttributeType.State) ?? '');
    const done = eap.type === EapType.Identity ? 0 : (this.#challenges.get(state) ?? 0);
    if (done < this.rounds) {
      const value = new TextEncoder().encode(`state ${++this.#states}`);
      this.#challenges.set(String(value), done + 1);
      return challenge((eap.id + 1) & 0xff, value);
    }
    const terms = this.users.get(account);
    if (terms === undefined) return reject(eap.id);
    return accept(eap.id, ...terms);
  }
}

/** Signs an answer to a packet of the core. */
export function signed(request: RadiusPacket, answer: Answer, secret = SECRET): Uint8Array {
  const messageAuthenticator = request.code === RadiusCode.AccessRequest;
  return signReply({ ...answer, id: request.id }, request.authenticator, secret, { messageAuthenticator });
}

/** An Access-Challenge with an MD5-Challenge of this identifier. */
export function challenge(id: number, state: Uint8Array): Answer {
  const typeData = Uint8Array.of(16, ...new Uint8Array(16).fill(id));
  const eap = encodeEap({ code: EapCode.Request, id, type: EapType.Md5Challenge, typeData });
  return {
    code: RadiusCode.AccessChallenge,
    attributes: [...splitEapMessage(eap), octets(AttributeType.State, state)],
  };
}

/** An Access-Accept with an EAP-Success. */
export function accept(id: number, ...attributes: readonly RadiusAttribute[]): Answer {
  const eap = splitEapMessage(encodeEap({ code: EapCode.Success, id }));
  return { code: RadiusCode.AccessAccept, attributes: [...eap, ...attributes] };
}

/** An Access-Reject with an EAP-Failure. */
export function reject(id: number): Answer {
  const eap = splitEapMessage(encodeEap({ code: EapCode.Failure, id }));
  return { code: RadiusCode.AccessReject, attributes: eap };
}

/** The EAP packet in a request. */
export function eapOf(packet: RadiusPacket): EapPacket | undefined {
  const bytes = eapMessage(packet.attributes);
  if (bytes === undefined) return undefined;
  const eap = decodeEap(bytes);
  if (isMalformed(eap)) throw new Error(`EAP-Message holds ${eap.malformed}`);
  return eap;
}

export function accountOf(packet: RadiusPacket): string {
  return firstText(packet.attributes, AttributeType.UserName) ?? '';
}

/** The group of a question, by H3C's or Huawei's attribute. */
export function groupOf(packet: RadiusPacket): IpAddress | undefined {
  for (const { type, value } of packet.attributes) {
    if (type !== AttributeType.VendorSpecific) continue;
    const vendor = decodeVendorSpecific(value);
    if (isMalformed(vendor)) throw new Error(vendor.malformed);
    const [first] = vendor.attributes;
    return first === undefined ? undefined : addressOf(first.value);
  }
  return undefined;
}
