/**
 * A RADIUS server that ends sessions and that gives and takes channels (Disconnect- and CoA-Request, RFC 5176). It
 * repeats a request, octet for octet, until it is answered. Every answer to one request is the same, also from another
 * node; a session whose end was acknowledged is never seen again, nor is a channel that was taken, until it is
 * permitted anew; and no copy of an answered request is carried out.
 */
import type { DynamicPeer } from '../../../daemon/core/effects.ts';
import { AttributeType, integer, octets, text, vendorSpecific } from '../../../radius/attributes.ts';
import { type RadiusAttribute, RadiusCode } from '../../../radius/packet.ts';
import { signDynamicRequest, verifyReply } from '../../../radius/sign.ts';
import { CISCO_AVPAIR, H3cAttribute, Vendor } from '../../../radius/values.ts';
import type { SessionRecord } from '../../../session/records.ts';
import { type IpAddress, ipBytes, ipFamily } from '../../../wire/address.ts';
import { sameBytes } from '../../../wire/bytes.ts';
import type { Random } from '../../random.ts';
import { must } from '../checks/violation.ts';
import { type RadiusPlan, SECRET } from '../plan.ts';
import type { AccessPolicy } from './access-policy.ts';
import type { Agenda } from './agenda.ts';

/** What the client needs of the world. */
export interface DynamicWorld {
  readonly agenda: Agenda;
  readonly random: Random;
  readonly policy: AccessPolicy;
  /** A request reaches whoever has the switch's address now; what it is about may end for it. */
  deliverDynamic(bytes: Uint8Array, about: 'sessions' | 'channels'): void;
  say(line: string): void;
}

/** A channel that an account is given or loses. */
export interface ChannelOrder {
  readonly verb: 'grant' | 'revoke';
  readonly account: string;
  readonly group: IpAddress;
}

interface Asked {
  readonly request: Uint8Array;
  /** Acct-Session-Id; undefined where the request names an account. */
  readonly session: string | undefined;
  /** Undefined: sessions are to end. */
  readonly channel: ChannelOrder | undefined;
  /** Carried out, and nothing has permitted the channel anew since. */
  holds: boolean;
  /** As it left the switch first. */
  reply: Uint8Array | undefined;
  isHeard: boolean;
  tries: number;
}

export class DynamicClient {
  /** Answers that came to a copy. */
  repeated = 0;
  /** CoA-Requests that were carried out. */
  carriedOut = 0;
  /** Acct-Session-Ids whose end was acknowledged. */
  readonly gone = new Set<string>();
  /** `account group` of channels whose end was acknowledged, until they are permitted anew. */
  readonly taken = new Set<string>();
  /** No more faults. */
  healed = false;
  readonly #world: DynamicWorld;
  readonly #plan: RadiusPlan;
  #asked: Asked[] = [];
  #delivering: Asked | undefined;
  #id = 0;

  constructor(world: DynamicWorld, plan: RadiusPlan) {
    this.#world = world;
    this.#plan = plan;
  }

  /** Ends the session, named by its id or (with all of them) by its account. */
  disconnect({ acctSessionId, userName }: SessionRecord, byAccount: boolean): void {
    const named = byAccount
      ? octets(AttributeType.UserName, userName)
      : text(AttributeType.AcctSessionId, acctSessionId);
    this.#ask(RadiusCode.DisconnectRequest, [named], byAccount ? undefined : acctSessionId, undefined);
  }

  /** Gives the channel to all sessions of the account, or takes it from them. */
  change(order: ChannelOrder): void {
    const { verb, account, group } = order;
    const { Ipv4MulticastReceiveGroup, Ipv6MulticastReceiveGroup } = H3cAttribute;
    const type = ipFamily(group) === 6 ? Ipv6MulticastReceiveGroup : Ipv4MulticastReceiveGroup;
    const pair = new TextEncoder().encode(`castgate:channels=${verb}`);
    this.#ask(
      RadiusCode.CoaRequest,
      [
        text(AttributeType.UserName, account),
        vendorSpecific(Vendor.Cisco, CISCO_AVPAIR, pair),
        vendorSpecific(Vendor.H3c, type, ipBytes(group) ?? new Uint8Array(0)),
      ],
      undefined,
      order,
    );
  }

  #ask(
    code: typeof RadiusCode.DisconnectRequest | typeof RadiusCode.CoaRequest,
    attributes: readonly RadiusAttribute[],
    session: string | undefined,
    channel: ChannelOrder | undefined,
  ): void {
    const timestamp = integer(AttributeType.EventTimestamp, Math.floor(this.#world.agenda.now / 1000));
    this.#id = (this.#id + 1) & 0xff;
    const request = signDynamicRequest(
      { code, id: this.#id, attributes: [...attributes, timestamp] },
      SECRET,
    );
    const asked: Asked = {
      request,
      session,
      channel,
      holds: false,
      reply: undefined,
      isHeard: false,
      tries: 0,
    };
    this.#asked.push(asked);
    this.#send(asked);
  }

  /** An answer leaves the switch. */
  answered(bytes: Uint8Array): void {
    const asked = this.#asked.find(
      ({ request }) =>
        verifyReply(request.subarray(4, 20), bytes, SECRET, { requireMessageAuthenticator: true }) === 'ok',
    );
    must(asked !== undefined, () => 'an answer to a request that nobody sent');
    if (asked.reply === undefined) {
      asked.reply = bytes;
      if (bytes[0] === RadiusCode.DisconnectAck && asked.session !== undefined) this.gone.add(asked.session);
      if (bytes[0] === RadiusCode.CoaAck && asked.channel?.verb === 'revoke' && asked.holds)
        this.taken.add(`${asked.channel.account} ${asked.channel.group}`);
    } else {
      this.repeated++;
      must(sameBytes(asked.reply, bytes), () => 'a copy of a request got another answer');
    }
    this.#travel(() => {
      asked.isHeard = true;
    });
  }

  /** The switch has carried out the CoA-Request that is here now. */
  acknowledged(): ChannelOrder | undefined {
    const asked = this.#delivering;
    must(asked?.channel !== undefined, () => 'a CoA-Request was carried out, and nobody sends one now');
    must(asked.reply === undefined, () => 'the copy of an answered CoA-Request was carried out');
    this.carriedOut++;
    if (asked.channel.verb === 'grant') this.permittedAnew(asked.channel.account, asked.channel.group);
    // A request that comes late may take what the account has again since; then its next question is answered so.
    asked.holds = !this.#world.policy.permits.has(`${asked.channel.account} ${asked.channel.group}`);
    return asked.channel;
  }

  /** The account may receive the channel again: what was taken can come back. */
  permittedAnew(account: string, group: IpAddress): void {
    this.taken.delete(`${account} ${group}`);
    for (const asked of this.#asked) {
      if (asked.channel?.account === account && asked.channel.group === group) asked.holds = false;
    }
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
    this.taken.clear();
  }

  #send(asked: Asked): void {
    if (asked.isHeard || asked.tries++ >= MOST_TRIES || !this.#asked.includes(asked)) return;
    this.#travel(() => {
      this.#delivering = asked;
      this.#world.deliverDynamic(asked.request, asked.channel === undefined ? 'sessions' : 'channels');
      this.#delivering = undefined;
    });
    this.#world.agenda.after(2000, 'a request of the RADIUS server is sent again', () => this.#send(asked));
  }

  #travel(arrive: () => void): void {
    const { random, agenda } = this.#world;
    if (!this.healed && random.chance(this.#plan.loss)) return;
    const copies = !this.healed && random.chance(this.#plan.repeat) ? 2 : 1;
    const [least, most] = this.#plan.delayMs;
    for (let copy = 0; copy < copies; copy++)
      agenda.after(random.between(least, most), 'a request of the RADIUS server, or its answer,', arrive);
  }
}

/** Where its requests come from. */
export const DYNAMIC_CLIENT: DynamicPeer = { address: '198.18.1.9', port: 40_000 };
const MOST_TRIES = 8;
