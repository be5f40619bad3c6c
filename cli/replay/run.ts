/**
 * One replay: the daemon's core between a switch in memory and the recorded servers. The capture's time is
 * the only time; frames, recorded answers and the core's own timers take their turns in its order, and each
 * decision is printed with what caused it.
 */
import { createHash } from 'node:crypto';
import type { Config } from '../../config/config.ts';
import { Core } from '../../daemon/core/core.ts';
import { endTurn } from '../../daemon/core/turn.ts';
import type { Logger } from '../../daemon/log/log.ts';
import { EapCode, EapType } from '../../eapol/eap.ts';
import type { RadiusPort } from '../../radius/client/request-record.ts';
import { decodeRadius, RadiusCode } from '../../radius/packet.ts';
import { signReply } from '../../radius/sign.ts';
import { hostKey } from '../../session/records.ts';
import { MemorySwitch } from '../../switch/memory-switch.ts';
import { toHex } from '../../wire/bytes.ts';
import { isMalformed } from '../../wire/malformed.ts';
import type { Progress } from '../progress.ts';
import { questionOf, RecordedAnswers } from './answers.ts';
import { LONGEST_SILENCE_MS, type PortFrame, type ReplayCapture } from './frames.ts';
import { type PortChoice, PortPlan, type ReceivedFrame } from './ports.ts';
import { type Decision, decisionTime, withHost } from './print.ts';

/** A datagram on its way to the core. */
interface Reply {
  readonly at: number;
  readonly server: string;
  readonly port: RadiusPort;
  readonly socket: number;
  readonly bytes: Uint8Array;
  /** The frame that it is from; null: one that was not recorded. */
  readonly frame: number | null;
}

/** Both ends of RADIUS are in this process: any secret will do. */
export const STAND_IN_SECRET = new TextEncoder().encode('both ends of it are in this one process');

/** One replay: make it, run it once. */
export class Replay {
  readonly #config: Config;
  readonly #capture: ReplayCapture;
  readonly #plan: PortPlan;
  readonly #answers: RecordedAnswers;
  readonly #print: (decision: Decision) => void;
  readonly #switch: MemorySwitch;
  readonly #core: Core;
  readonly #startsAt: number;
  #now: number;
  /** What caused the turn that runs. */
  #cause: number | null = null;
  #lastFrame = 0;
  /** In the order of their time. */
  #replies: Reply[] = [];
  /** Requests whose answer was looked up, and whether there was one. */
  readonly #asked = new Map<string, boolean>();
  /** Identifier of the recorded switch's last request for an identity, by port. */
  readonly #identityAsked = new Map<string, number>();
  readonly #noted = new Set<string>();

  constructor(
    config: Config,
    capture: ReplayCapture,
    choice: PortChoice,
    print: (decision: Decision) => void,
  ) {
    this.#config = config;
    this.#capture = capture;
    this.#print = print;
    this.#plan = new PortPlan(capture.frames, config, choice);
    this.#answers = new RecordedAnswers(capture.frames, (frame) => this.#plan.portOf(frame));
    this.#startsAt = capture.startsAt ?? 0;
    this.#now = this.#startsAt;
    const names = config.ports.map((port) => port.name);
    this.#switch = new MemorySwitch({ ports: names, uplinks: config.uplinks }, (events) => {
      for (const event of events) {
        this.#core.switchEvent(this.#now, event);
        this.#endTurn();
      }
    });
    this.#core = new Core(config, { readings: this.#switch, log: this.#log(), random: seededRandom() });
  }

  /** `say` hears of each frame that is done. */
  run(say: Progress = () => {}): void {
    if (this.#capture.startsAt === undefined) return;
    for (const note of this.#plan.notes) this.#note(note);
    if (this.#capture.gaps.length > 0) this.#note(SHORTENED);
    this.#core.start(this.#now);
    this.#endTurn();
    this.#switch.start();
    for (const frame of this.#capture.frames) {
      if (frame.kind !== 'port') continue;
      say(frame.number, this.#capture.frames.length);
      this.#advance(frame.at);
      this.#lastFrame = frame.number;
      const received = this.#plan.received(frame);
      if (received !== undefined) this.#receive(received);
      else this.#hearSwitch(frame);
    }
    this.#finish();
  }

  /** Lets pass what lies before `until`: answers and the core's own timers. */
  #advance(until: number): void {
    for (let turns = 0; turns < MAX_TURNS; turns++) {
      const reply = this.#replies[0];
      const timer = this.#core.nextTimeout() ?? Number.POSITIVE_INFINITY;
      if (reply !== undefined && reply.at <= Math.min(timer, until)) {
        this.#replies.shift();
        this.#now = Math.max(this.#now, reply.at);
        this.#cause = reply.frame;
        this.#core.datagram(this.#now, reply.server, reply.port, reply.socket, reply.bytes);
      } else if (timer <= until) {
        this.#now = Math.max(this.#now, timer);
        this.#cause = null;
        this.#core.handleTimeout(this.#now);
      } else {
        this.#now = Math.max(this.#now, until);
        return;
      }
      this.#endTurn();
    }
    throw new Error(`the core did not come to rest at ${this.#time()}`);
  }

  #receive({ frame, port, vlan, octets }: ReceivedFrame): void {
    this.#cause = frame.number;
    const before = this.#core.tally.withPrefix(port, 'drop/');
    const heard = this.#isIdentity(frame) ? this.#identified(frame, port, vlan, octets) : octets;
    this.#switch.receive(port, vlan, heard);
    for (const [reason, count] of Object.entries(this.#core.tally.withPrefix(port, 'drop/'))) {
      if (count === (before[reason] ?? 0)) continue;
      this.#decided('frame-dropped', { port, vlan, mac: frame.link?.src, reason });
    }
  }

  /** The recorded switch's own words are not fed to anybody; its request for an identity explains the answer. */
  #hearSwitch(frame: PortFrame): void {
    const port = this.#plan.portOf(frame);
    const { eap } = frame;
    if (port === undefined || eap?.code !== EapCode.Request || eap.type !== EapType.Identity) return;
    this.#identityAsked.set(port, eap.id);
  }

  #isIdentity({ eap }: PortFrame): boolean {
    return eap?.code === EapCode.Response && eap.type === EapType.Identity;
  }

  /**
   * The answer to a request for the identity repeats the recorded switch's identifier; here it gets the one of
   * castgate's own request. Where castgate has asked nothing because the host is in, the recorded switch had
   * its reasons to ask again: castgate asks too.
   */
  #identified(frame: PortFrame, port: string, vlan: number, octets: Uint8Array): Uint8Array {
    const { authenticators, ports } = this.#core.stores;
    const key = hostKey(port, vlan, frame.link?.src ?? '');
    const asked = this.#identityAsked.get(port) === frame.eap?.id;
    if (authenticators.get(key)?.pae === 'AUTHENTICATED' && asked) {
      this.#noteOnce(
        `frame ${frame.number} answers a request of the recorded switch's own: castgate is made to ask there too`,
      );
      this.#core.reauthenticate(this.#now, key);
      this.#endTurn();
    }
    const record = authenticators.get(key);
    const hello = ports.get(port)?.helloId ?? -1;
    const id = record === undefined ? hello : record.eap === 'IDLE' ? record.currentId : -1;
    if (id < 0) return octets;
    const changed = octets.slice();
    changed[ETHERNET_HEADER + EAPOL_HEADER + 1] = id;
    return changed;
  }

  /** After the last frame, until what was asked has its answer or has waited in vain for it. */
  #finish(): void {
    const { retransmit } = this.#config.radius;
    const waits = [
      retransmit.maxDurationMs,
      this.#config.groups.patienceMs,
      ...this.#config.ports.map((port) => port.serverTimeoutMs),
    ];
    const end = this.#now + Math.max(...waits) + AFTERWARDS_MS;
    while (this.#isWaiting() && this.#now < end) {
      const next = Math.min(this.#core.nextTimeout() ?? end, this.#replies[0]?.at ?? end, end);
      this.#advance(Math.max(next, this.#now));
    }
  }

  #isWaiting(): boolean {
    if (this.#replies.length > 0) return true;
    return [...this.#core.stores.radiusRequests.values()].some((request) => request.list !== 'acct');
  }

  #endTurn(): void {
    const send = this.#send.bind(this);
    endTurn(this.#core, this.#switch, { send }, () => this.#now);
  }

  /** A datagram to a server: accounting is acknowledged, a question gets its recorded answer or none. */
  #send(server: string, port: RadiusPort, socket: number, bytes: Uint8Array): void {
    const packet = decodeRadius(bytes);
    if (isMalformed(packet)) throw new Error(`the core sent a malformed packet: ${packet.malformed}`);
    const { id, authenticator } = packet;
    const reply = (at: number, code: number, attributes: typeof packet.attributes, frame: number | null) => {
      const signed = signReply({ code, id, attributes }, authenticator, STAND_IN_SECRET);
      this.#replies.push({ at, server, port, socket, bytes: signed, frame });
      this.#replies.sort((a, b) => a.at - b.at);
    };
    if (packet.code === RadiusCode.AccountingRequest)
      reply(this.#now, RadiusCode.AccountingResponse, [], null);
    if (packet.code !== RadiusCode.AccessRequest) return;
    const request = this.#requestOf(server, socket, id, authenticator);
    if (this.#asked.get(request) === true) return;
    const answer = this.#answers.answerTo(this.#now, this.#lastFrame, packet);
    const news = !this.#asked.has(request);
    this.#asked.set(request, answer !== undefined);
    if (answer !== undefined) {
      if (answer.from === 'eapol') this.#noteOnce(STANDS_IN);
      if (!answer.signed) this.#noteOnce(UNSIGNED);
      reply(this.#now + answer.delayMs, answer.code, answer.attributes, answer.frame);
    } else if (news) {
      const { account, mac, port: place, group } = questionOf(packet);
      const question = group === undefined ? { login: true } : { group };
      this.#decided('question-unanswered', {
        port: place,
        mac,
        account,
        ...question,
        reason: 'not-recorded',
      });
    }
  }

  /** A name for the request that a packet belongs to: the same for its repetitions and at other servers. */
  #requestOf(server: string, socket: number, id: number, authenticator: Uint8Array): string {
    for (const { token, attempts, giveUpAt } of this.#core.stores.radiusRequests.values()) {
      const own = attempts.some((at) => at.server === server && at.socket === socket && at.id === id);
      if (own) return `${token} ${giveUpAt ?? ''}`;
    }
    return `${server} ${socket} ${id} ${toHex(authenticator)}`;
  }

  #log(): Logger {
    const decided = (event: string, fields?: object) => {
      if (!NO_DECISIONS.has(event)) this.#decided(event, { ...fields });
    };
    // Of what is logged for debugging only the repeated refusal is a decision.
    const repeated = (event: string, fields?: object) => {
      if (event === 'join-refused') decided(event, fields);
    };
    return { debug: repeated, info: decided, warn: decided, error: decided };
  }

  #decided(decision: string, fields: Readonly<Record<string, unknown>>): void {
    this.#print({ time: this.#time(), frame: this.#cause, decision, ...withHost(fields) });
  }

  /** The time that the capture has now. */
  #time(): string {
    const gap = this.#capture.gaps.findLast(({ at }) => at <= this.#now);
    return decisionTime(this.#now - this.#startsAt + (gap?.skippedMs ?? 0));
  }

  #note(note: string): void {
    this.#decided('note', { note });
  }

  #noteOnce(note: string): void {
    const kind = note.replace(/^frame \d+ /, '');
    if (this.#noted.has(kind)) return;
    this.#noted.add(kind);
    this.#note(note);
  }
}

/** Octets that are the same in every run, so that two replays of one capture are equal. */
function seededRandom(): (length: number) => Uint8Array {
  let block = 0;
  let pool: Uint8Array = new Uint8Array(0);
  return (length) => {
    const out = new Uint8Array(length);
    for (let at = 0; at < length; at++) {
      if (pool.length === 0) pool = createHash('sha256').update(`castgate replay ${block++}`).digest();
      out[at] = pool[0] ?? 0;
      pool = pool.subarray(1);
    }
    return out;
  };
}

const STANDS_IN =
  'the capture holds no RADIUS for this login: what the recorded switch told the supplicant stands in for the verdict';
const UNSIGNED =
  'a recorded answer has no Message-Authenticator: the daemon takes such only without require_message_authenticator';
const SHORTENED = `a silence of more than ${LONGEST_SILENCE_MS / 3_600_000} hours counts as one of that time`;
/** What the core logs that is no decision about a host or a channel. */
const NO_DECISIONS: ReadonlySet<string> = new Set(['port-up', 'port-down']);
const ETHERNET_HEADER = 14;
const EAPOL_HEADER = 4;
const AFTERWARDS_MS = 1_000;
/** More turns than any capture needs between two frames; past it the core is going round in circles. */
const MAX_TURNS = 10_000_000;
