/**
 * A subscriber: an 802.1X supplicant and an IGMP host behind one MAC address. It answers what it is asked,
 * repeats itself as real ones do, and knows whether it may be asked now: a question for its identity that
 * nothing explains is a violation.
 */
import { decodeEap, EapCode, type EapPacket, EapType } from '../../../eapol/eap.ts';
import { decodeEapol, EapolType } from '../../../eapol/eapol.ts';
import { decodeGroupPacket } from '../../../igmp/group-packet.ts';
import type { IpAddress, Mac } from '../../../wire/address.ts';
import { sameBytes } from '../../../wire/bytes.ts';
import { decodeEthernet, EtherType } from '../../../wire/ethernet.ts';
import { isMalformed } from '../../../wire/malformed.ts';
import type { Random } from '../../random.ts';
import { type Mark, Marks } from '../checks/marks.ts';
import { must } from '../checks/violation.ts';
import type { Agenda } from './agenda.ts';
import {
  changeFrame,
  identityFrame,
  logoffFrame,
  md5Frame,
  sourcesFrame,
  startFrame,
  stateFrame,
  version2Frame,
  type Wish,
} from './host-frames.ts';

/** What the server granted a login, as far as it decides when the host is asked again. */
export interface LoginTimes {
  readonly askedAgainAfterMs: number;
  readonly endsAfterMs: number;
}

/** What a subscriber needs of the world. */
export interface HostWorld {
  readonly agenda: Agenda;
  readonly random: Random;
  transmit(from: Subscriber, frame: Uint8Array): void;
  /** The times of the last Access-Accept for this host. */
  loginTimes(mac: Mac): LoginTimes;
  /** Whether the switch has a session of it now; false while nobody serves. Not there where nobody dies. */
  isIn?(who: Subscriber): boolean;
  say(line: string): void;
}

/** Who a subscriber is. */
export interface Identity {
  readonly mac: Mac;
  /** Speaks IGMP or MLD, from this address of it. */
  readonly family: 4 | 6;
  readonly ip: IpAddress;
  readonly vlan: number;
  /** In IGMP's counting: MLDv1 is 2, MLDv2 is 3. */
  readonly version: 2 | 3;
}

export class Subscriber {
  readonly identity: Identity;
  readonly marks = new Marks();
  /** Groups and what is wanted of them. */
  readonly wishes = new Map<IpAddress, Wish>();
  port: string;
  account: string;
  password: string;
  /** Wants to be in: begins again by itself when it is not. */
  wantsIn = false;
  /** Hears and says nothing. */
  silent = false;
  /** Its own cable behind the port; the port does not notice it. */
  plugged = true;
  state: 'out' | 'asked' | 'in' = 'out';
  /** When it last heard EAP-Success. */
  heardAt = 0;
  /** In, and nothing has happened since that could have put it out. */
  #sure = false;
  #reauthenticating = false;
  #lastRequest: Uint8Array | undefined;
  #lastResponse: Uint8Array | undefined;
  /** When it first gave the answer that it gave last: who was let in for it was not let in before. */
  #respondedAt = 0;
  /** Not later than that it was let in. */
  #letInAt = 0;
  #times: LoginTimes = { askedAgainAfterMs: Infinity, endsAfterMs: Infinity };
  /** It was asked, and waits for what comes next. */
  conversing = false;
  /** It was asked for itself, so that the switch knows it; not only by the port's question to all. */
  askedAlone = false;
  /** When it last heard how a login ended. */
  concludedAt = 0;
  #attempt = 0;
  #lastStart = 0;
  /** EAPOL-Start was sent in the middle of a conversation, which may come to its end before that arrives. */
  #restarts = false;
  /** When EAPOL-Start was sent twice in a row: each of the two begins anew. */
  #startedTwice = 0;
  /** When the conversation that runs began, less what may still have been on its way then. */
  #askedSince = 0;
  readonly #world: HostWorld;

  constructor(identity: Identity, port: string, account: string, password: string, world: HostWorld) {
    this.identity = identity;
    this.port = port;
    this.account = account;
    this.password = password;
    this.#world = world;
  }

  get mac(): Mac {
    return this.identity.mac;
  }

  get name(): string {
    return `${this.account}@${this.port}/${this.identity.vlan}/${this.mac.slice(-2)}`;
  }

  /** It heard that it is in, and nothing explains that it should not be. */
  isSurelyIn(now: number): boolean {
    return this.#sure && now < this.heardAt + this.#times.endsAfterMs - SLACK_MS;
  }

  /** Something happened that castgate may take for a reason. */
  mark(...marks: readonly Mark[]): void {
    this.marks.set(this.#now, ...marks);
  }

  /** From here on it cannot know whether it is in. */
  doubt(): void {
    this.#sure = false;
  }

  /** EAPOL-Start; the supplicant goes on until it is in. */
  start(): void {
    this.wantsIn = true;
    this.#attempt++;
    this.conversing = false;
    this.mark('start');
    if (this.state === 'asked' || this.#reauthenticating) this.#restarts = true;
    if (this.#now - this.#lastStart < INSISTS_MS) {
      this.#startedTwice = this.#now;
      this.mark('insists');
    }
    this.#lastStart = this.#now;
    this.#sure = false;
    if (this.state === 'in') this.#reauthenticating = true;
    else this.state = 'out';
    this.#send(startFrame(this.mac), 'EAPOL-Start');
    this.#persist();
  }

  logoff(): void {
    this.wantsIn = false;
    this.#attempt++;
    this.mark('logoff');
    this.#out();
    this.#send(logoffFrame(this.mac), 'EAPOL-Logoff');
  }

  /** The port's cable is out: whoever is behind it knows. */
  lostCarrier(): void {
    this.mark('carrier');
    this.#out();
  }

  /** The port's cable is back: a supplicant begins anew. */
  foundCarrier(): void {
    this.mark('carrier');
    if (this.wantsIn) this.#later(0, 50, 'link is back', () => this.start());
  }

  /** Its last login was refused, or it does not know: no conversation any more. */
  #out(): void {
    this.state = 'out';
    this.#sure = false;
    this.#reauthenticating = false;
    this.conversing = false;
    this.#lastRequest = undefined;
  }

  /** Wants this of the group from now on; a wish of no sources is a leave. */
  want(group: IpAddress, wish: Wish | 'nothing'): void {
    const before = this.wishes.get(group);
    const had = this.wishes.has(group);
    this.mark('left');
    if (wish === 'nothing') this.wishes.delete(group);
    else this.wishes.set(group, wish);
    const { ip, version } = this.identity;
    if (version === 2) {
      this.#send(version2Frame(this.mac, ip, group, wish !== 'nothing'), `v2 ${group}`);
      return;
    }
    const narrows = had && before !== undefined && wish !== undefined && wish !== 'nothing';
    if (narrows && this.#world.random.chance(0.5)) this.#refilter(group, before, wish);
    else this.#send(changeFrame(this.mac, ip, [[group, wish === 'nothing' ? [] : wish]]), `v3 ${group}`);
    // Robustness: a state change is said twice (RFC 9776 §5.1).
    this.#later(0, 1000, 'repeats its report', () => {
      const now = this.wishes.has(group) ? this.wishes.get(group) : [];
      this.#send(changeFrame(this.mac, ip, [[group, now]]), `v3 ${group} again`);
    });
  }

  /** What was left and what is wanted instead, in one report. */
  zap(from: IpAddress, to: IpAddress): void {
    if (this.identity.version === 2) {
      this.want(from, 'nothing');
      this.want(to, undefined);
      return;
    }
    this.mark('left');
    this.wishes.delete(from);
    this.wishes.set(to, undefined);
    const wishes: [IpAddress, Wish][] = [
      [from, []],
      [to, undefined],
    ];
    this.#send(changeFrame(this.mac, this.identity.ip, wishes), `v3 ${from} to ${to}`);
  }

  /** A frame on its cable, whomever it is for. */
  receive(frame: Uint8Array): void {
    if (!this.plugged) return;
    const eth = decodeEthernet(frame);
    if (isMalformed(eth)) throw new Error(`castgate sent a malformed frame: ${eth.malformed}`);
    if (eth.etherType === EtherType.Eapol) {
      if (eth.dst !== this.mac && eth.dst !== PAE_GROUP) return;
      const pdu = decodeEapol(eth.payload);
      if (isMalformed(pdu) || pdu.type !== EapolType.Packet)
        throw new Error('castgate sent a bad EAPOL frame');
      const eap = decodeEap(pdu.body);
      if (isMalformed(eap)) throw new Error(`castgate sent a bad EAP packet: ${eap.malformed}`);
      this.#receiveEap(eap, eth.dst === PAE_GROUP);
      return;
    }
    const packet = decodeGroupPacket(eth.etherType, eth.payload);
    if (packet === undefined || isMalformed(packet) || packet.message.kind !== 'query') return;
    if (packet.family !== this.identity.family) return;
    this.#queried(packet.message.maxRespMs);
  }

  #receiveEap(eap: EapPacket, toAll: boolean): void {
    this.#world.say(
      `${this.name} hears EAP ${eap.code}/${eap.id}, type ${eap.type}${toAll ? ', to all' : ''}`,
    );
    if (this.silent) {
      this.mark('silent');
      // For the switch it is over, and said.
      if (eap.code !== EapCode.Request) this.conversing = false;
      return;
    }
    switch (eap.code) {
      case EapCode.Request:
        this.#requested(eap, toAll);
        return;
      case EapCode.Success:
        if (eap.id === this.#lastRequest?.[1]) this.#succeeded();
        return;
      case EapCode.Failure:
        if (this.state === 'out') return;
        this.#world.say(`${this.name} hears EAP-Failure`);
        this.mark('rejected');
        this.concludedAt = this.#now;
        this.#out();
        if (this.wantsIn) this.#later(5500, 9000, 'tries again', () => this.#retry());
        return;
      default:
        throw new Error(`castgate sent an EAP packet with code ${eap.code}`);
    }
  }

  #requested(eap: EapPacket, toAll: boolean): void {
    if (!this.wantsIn) {
      this.mark('silent');
      return;
    }
    const again = this.#lastRequest !== undefined && sameBytes(this.#lastRequest, eap.bytes);
    // Who has begun anew since then has forgotten what it was asked.
    if (again && this.state !== 'out' && this.#lastResponse !== undefined) {
      this.#answer(this.#lastResponse, 'its answer again');
      return;
    }
    if (eap.type === EapType.Identity) this.#askedWho(toAll);
    if (!toAll) this.askedAlone = true;
    if (this.state === 'out' && eap.type !== EapType.Identity) return;
    this.#attempt++;
    this.#lastRequest = eap.bytes.slice();
    this.#lastResponse =
      eap.type === EapType.Identity
        ? identityFrame(this.mac, eap.id, this.account)
        : md5Frame(this.mac, eap.id, eap.typeData, this.password);
    this.#respondedAt = this.#now;
    this.#answer(this.#lastResponse, eap.type === EapType.Identity ? 'its identity' : 'a response');
    this.#persist();
  }

  #askedWho(toAll: boolean): void {
    const now = this.#now;
    if (this.state === 'in' && !this.#reauthenticating) {
      // The local period is shorter by up to a tenth, so that hosts are not asked all at once.
      const due = Math.min(0.9 * this.#times.askedAgainAfterMs, this.#times.endsAfterMs) + this.#letInAt;
      must(
        now >= due - SLACK_MS ||
          this.#restarts ||
          this.marks.any(this.heardAt, EXPLAINS_QUESTION) ||
          this.marks.any(this.heardAt - SLACK_MS, ['asked-by-operator']),
        () =>
          `${this.name}, in since ${now - this.heardAt} ms and not due for ${due - now} ms, was asked who it is; since then: ${this.marks.since(this.heardAt)}`,
      );
    }
    if (this.state === 'asked') {
      const since = this.#askedSince;
      must(
        this.marks.any(toAll ? since - RECENT_MS : since, ['start', 'carrier', 'unplugged']) ||
          // Where the switch could not open the port the host is forgotten, and the port vacant.
          (toAll && this.marks.any(now - FORGOTTEN_MS, ['switch-trouble'])) ||
          this.#startedTwice > since - RECENT_MS ||
          this.marks.any(since - RECENT_MS, [
            'silent',
            'radius-trouble',
            'rejected',
            'switch-trouble',
            'state-lost',
          ]),
        () => `${this.name} was asked who it is in the middle of EAP; since then: ${this.marks.since(since)}`,
      );
    }
    // The port's question to all may cross the host's own EAPOL-Start; an answer to that begins anew.
    this.#askedSince = toAll ? now - RECENT_MS : now;
    this.#restarts = false;
    this.conversing = true;
    this.askedAlone = false;
    if (this.state === 'in') this.#reauthenticating = true;
    else this.state = 'asked';
    this.#sure = false;
  }

  #succeeded(): void {
    // A word about a conversation that it has ended itself, or about one long over.
    if (!this.conversing) return;
    this.#world.say(`${this.name} hears EAP-Success`);
    this.state = 'in';
    this.#attempt++;
    this.#reauthenticating = false;
    this.conversing = false;
    this.#sure = true;
    // Said by a node that died with what it knew, and in the air since; or said before its session ended
    // again, while what is said still waited for the standby.
    for (const [mark, ms] of LATE_NEWS) {
      if (!this.marks.any(this.#now - ms, [mark]) || this.#world.isIn?.(this) === true) continue;
      this.#sure = false;
      this.mark(mark);
    }
    this.heardAt = this.#now;
    // Since then: what it hears may have waited for the standby.
    this.#letInAt = this.#respondedAt;
    this.concludedAt = this.#now;
    this.#times = this.#world.loginTimes(this.mac);
    if (this.#times.endsAfterMs !== Infinity) this.mark('session-timeout');
  }

  #queried(maxResponseMs: number): void {
    if (this.silent) {
      this.mark('silent');
      return;
    }
    if (this.wishes.size === 0) return;
    this.#later(0, maxResponseMs, 'answers a query', () => {
      const wishes = [...this.wishes];
      const { ip, version } = this.identity;
      if (version === 3) {
        if (wishes.length > 0) this.#send(stateFrame(this.mac, ip, wishes), 'v3 state');
      } else
        for (const [group] of wishes) this.#send(version2Frame(this.mac, ip, group, true), `v2 ${group}`);
    });
  }

  #refilter(group: IpAddress, before: readonly IpAddress[], after: readonly IpAddress[]): void {
    const { ip } = this.identity;
    const more = after.filter((source) => !before.includes(source));
    const fewer = before.filter((source) => !after.includes(source));
    if (more.length > 0) this.#send(sourcesFrame(this.mac, ip, group, 'allow', more), `v3 allow ${more}`);
    if (fewer.length > 0) this.#send(sourcesFrame(this.mac, ip, group, 'block', fewer), `v3 block ${fewer}`);
  }

  #answer(response: Uint8Array, what: string): void {
    this.#later(0.1, 40, `sends ${what}`, () => this.#send(response, what));
  }

  /** A supplicant that hears nothing for a while begins again. */
  #persist(): void {
    const attempt = this.#attempt;
    this.#later(15_000, 18_000, 'has waited long enough', () => {
      if (attempt === this.#attempt) this.#retry();
    });
  }

  #retry(): void {
    const waits = this.state !== 'in' || this.#reauthenticating;
    if (this.wantsIn && waits && !this.silent && this.plugged) this.start();
  }

  #send(frame: Uint8Array, what: string): void {
    if (this.silent || !this.plugged) return;
    this.#world.say(`${this.name} sends ${what}`);
    this.#world.transmit(this, frame);
  }

  #later(least: number, most: number, what: string, run: () => void): void {
    const { agenda, random } = this.#world;
    agenda.after(random.between(least, most), `${this.name} ${what}`, run);
  }

  get #now(): number {
    return this.#world.agenda.now;
  }
}

const PAE_GROUP: Mac = '01:80:c2:00:00:03';
/** castgate's clock of a session begins before its host hears of it. */
const SLACK_MS = 4_000;
const RECENT_MS = 15_000;
/** A little more than the longest time for which a supplicant waits before it begins again. */
const INSISTS_MS = 20_000;
/** What makes an EAP-Success an old story, and for how long: the longest way of a frame, the longest commit. */
const LATE_NEWS: readonly (readonly [Mark, number])[] = [
  ['state-lost', 2],
  ['ended', 400],
];
const FORGOTTEN_MS = 200_000;
const EXPLAINS_QUESTION: readonly Mark[] = ['start', 'carrier', 'unplugged', 'silent', 'ended', 'state-lost'];
