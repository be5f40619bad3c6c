/**
 * A RADIUS server that ends sessions (Disconnect-Request, RFC 5176). It repeats a request, octet for octet, until
 * it is answered. Every answer to one request is the same, also from another node; a session whose end was
 * acknowledged is never seen again; and no copy of an answered request is carried out.
 */
import type { DynamicPeer } from '../../daemon/effects.ts';
import { AttributeType, integer, octets, text } from '../../radius/attributes.ts';
import { RadiusCode } from '../../radius/packet.ts';
import { signDynamicRequest, verifyReply } from '../../radius/sign.ts';
import type { SessionRecord } from '../../session/records.ts';
import { sameBytes } from '../../wire/bytes.ts';
import type { Random } from '../random.ts';
import type { Agenda } from './agenda.ts';
import { type RadiusPlan, SECRET } from './plan.ts';
import { must } from './violation.ts';

/** What the client needs of the world. */
export interface DisconnectWorld {
  readonly agenda: Agenda;
  readonly random: Random;
  /** A request reaches whoever has the switch's address now. */
  deliverDynamic(bytes: Uint8Array): void;
  say(line: string): void;
}

interface Asked {
  readonly request: Uint8Array;
  /** Acct-Session-Id; undefined where the request names an account. */
  readonly session: string | undefined;
  /** As it left the switch first. */
  reply: Uint8Array | undefined;
  isHeard: boolean;
  tries: number;
}

export class DisconnectClient {
  /** Answers that came to a copy. */
  repeated = 0;
  /** Acct-Session-Ids whose end was acknowledged. */
  readonly gone = new Set<string>();
  /** No more faults. */
  healed = false;
  readonly #world: DisconnectWorld;
  readonly #plan: RadiusPlan;
  #asked: Asked[] = [];
  #delivering: Asked | undefined;
  #id = 0;

  constructor(world: DisconnectWorld, plan: RadiusPlan) {
    this.#world = world;
    this.#plan = plan;
  }

  /** Ends the session, named by its id or (with all of them) by its account. */
  disconnect({ acctSessionId, userName }: SessionRecord, byAccount: boolean): void {
    const named = byAccount
      ? octets(AttributeType.UserName, userName)
      : text(AttributeType.AcctSessionId, acctSessionId);
    const timestamp = integer(AttributeType.EventTimestamp, Math.floor(this.#world.agenda.now / 1000));
    this.#id = (this.#id + 1) & 0xff;
    const attributes = [named, timestamp];
    const request = signDynamicRequest(
      { code: RadiusCode.DisconnectRequest, id: this.#id, attributes },
      SECRET,
    );
    const session = byAccount ? undefined : acctSessionId;
    const asked: Asked = { request, session, reply: undefined, isHeard: false, tries: 0 };
    this.#asked.push(asked);
    this.#send(asked);
  }

  /** An answer leaves the switch. */
  answered(bytes: Uint8Array): void {
    const asked = this.#asked.find(
      ({ request }) =>
        verifyReply(request.subarray(4, 20), bytes, SECRET, { requireMessageAuthenticator: true }) === 'ok',
    );
    must(asked !== undefined, () => 'an answer to a Disconnect-Request that nobody sent');
    if (asked.reply === undefined) {
      asked.reply = bytes;
      if (bytes[0] === RadiusCode.DisconnectAck && asked.session !== undefined) this.gone.add(asked.session);
    } else {
      this.repeated++;
      must(sameBytes(asked.reply, bytes), () => 'a copy of a Disconnect-Request got another answer');
    }
    this.#travel(() => {
      asked.isHeard = true;
    });
  }

  /** A session ends by admin-reset: a request must be here that was not carried out before. */
  checkCarriedOut(host: string): void {
    const asked = this.#delivering;
    must(asked !== undefined, () => `${host} was disconnected, and nobody asks for it now`);
    must(asked.reply === undefined, () => `${host} was disconnected by the copy of an answered request`);
  }

  /** A node goes on that does not know everything: it may answer anew. */
  forget(): void {
    for (const asked of this.#asked) asked.reply = undefined;
    this.gone.clear();
  }

  #send(asked: Asked): void {
    if (asked.isHeard || asked.tries++ >= MOST_TRIES || !this.#asked.includes(asked)) return;
    this.#travel(() => {
      this.#delivering = asked;
      this.#world.deliverDynamic(asked.request);
      this.#delivering = undefined;
    });
    this.#world.agenda.after(2000, 'a Disconnect-Request is sent again', () => this.#send(asked));
  }

  #travel(arrive: () => void): void {
    const { random, agenda } = this.#world;
    if (!this.healed && random.chance(this.#plan.loss)) return;
    const copies = !this.healed && random.chance(this.#plan.repeat) ? 2 : 1;
    const [least, most] = this.#plan.delayMs;
    for (let copy = 0; copy < copies; copy++)
      agenda.after(random.between(least, most), 'a Disconnect-Request or its answer', arrive);
  }
}

/** Where its requests come from. */
export const DISCONNECT_CLIENT: DynamicPeer = { address: '198.18.1.9', port: 40_000 };
const MOST_TRIES = 8;
