/**
 * The RADIUS servers and the network to them. Requests are verified, duplicates are known by source port,
 * identifier and authenticator and answered as before (RFC 5080 §2.2.2); servers share policy and ledger.
 * The network loses, repeats and delays; a server may be silent for a while.
 */
import { AttributeType, firstValue } from '../../../radius/attributes.ts';
import type { RadiusPort } from '../../../radius/client/request-record.ts';
import { decodeRadius, RadiusCode, type RadiusPacket } from '../../../radius/packet.ts';
import { signReply, verifyRequest } from '../../../radius/sign.ts';
import { sameBytes } from '../../../wire/bytes.ts';
import { isMalformed } from '../../../wire/malformed.ts';
import type { Random } from '../../random.ts';
import type { Ledger } from '../checks/ledger.ts';
import { must } from '../checks/violation.ts';
import { type RadiusPlan, SECRET } from '../plan.ts';
import type { AccessPolicy, Reply } from './access-policy.ts';
import type { Agenda } from './agenda.ts';

/** What the servers need of the world. */
export interface ServiceWorld {
  readonly agenda: Agenda;
  readonly random: Random;
  readonly policy: AccessPolicy;
  readonly ledger: Ledger;
  /** A datagram reaches whoever has the switch's address now. */
  deliver(server: string, port: RadiusPort, socket: number, bytes: Uint8Array): void;
  /** Something was lost, or a server is silent: logins and joins may fail for it. */
  trouble(): void;
  say(line: string): void;
}

interface Seen {
  readonly authenticator: Uint8Array;
  readonly request: Uint8Array;
  readonly at: number;
  reply: Uint8Array | undefined;
}

export class RadiusService {
  /** Requests that a server knew again. */
  duplicates = 0;
  /** No more faults: the run is being wound up. */
  healed = false;
  readonly #world: ServiceWorld;
  readonly #plan: RadiusPlan;
  readonly #seen = new Map<string, Seen>();
  readonly #lastSent = new Map<string, Uint8Array>();
  readonly #silentUntil = new Map<string, number>();
  /** Everything sent before that number is lost, or not, by chance. */
  #doomedBefore = 0;
  #sent = 0;

  constructor(world: ServiceWorld, plan: RadiusPlan) {
    this.#world = world;
    this.#plan = plan;
  }

  /** A datagram of the switch. */
  send(server: string, port: RadiusPort, socket: number, bytes: Uint8Array): void {
    const { random } = this.#world;
    const number = ++this.#sent;
    this.#know(server, port, socket, bytes);
    const copies = !this.healed && random.chance(this.#plan.repeat) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      this.#travel(`RADIUS ${codeName(bytes[0])} ${bytes[1]} to ${server}`, () => {
        const doomed = number <= this.#doomedBefore && random.chance(0.5);
        if (!doomed) this.#arrive(server, port, socket, bytes);
      });
    }
  }

  /** The switch's node died: what it sent last may not have left it. */
  loseSome(): void {
    this.#doomedBefore = this.#sent;
  }

  silence(server: string, ms: number): void {
    this.#silentUntil.set(server, this.#world.agenda.now + ms);
    this.#world.trouble();
    this.#world.say(`${server} is silent for ${Math.round(ms)} ms`);
  }

  heal(): void {
    this.healed = true;
    this.#silentUntil.clear();
    this.#world.trouble();
  }

  /** What is sent under the same identifier and authenticator is the same packet, whichever node sends it. */
  #know(server: string, port: RadiusPort, socket: number, bytes: Uint8Array): void {
    const slot = `${server}/${port}/${socket}/${bytes[1]}`;
    const before = this.#lastSent.get(slot);
    must(
      before === undefined ||
        !sameBytes(before.subarray(4, 20), bytes.subarray(4, 20)) ||
        sameBytes(before, bytes),
      () => `${slot}: another request was sent under an authenticator that was used before`,
    );
    this.#lastSent.set(slot, bytes);
  }

  #travel(what: string, arrive: () => void): void {
    const { random, agenda } = this.#world;
    if (!this.healed && random.chance(this.#plan.loss)) {
      this.#world.trouble();
      this.#world.say(`lost: ${what}`);
      return;
    }
    const [least, most] = this.#plan.delayMs;
    agenda.after(random.between(least, most), what, arrive);
  }

  #arrive(server: string, port: RadiusPort, socket: number, bytes: Uint8Array): void {
    const { agenda, policy, ledger } = this.#world;
    const packet = decodeRadius(bytes);
    if (isMalformed(packet)) throw new Error(`castgate sent a malformed RADIUS packet: ${packet.malformed}`);
    const verdict = verifyRequest(bytes, SECRET, {
      requireMessageAuthenticator: packet.code === RadiusCode.AccessRequest,
    });
    must(verdict === 'ok', () => `castgate sent a badly signed RADIUS packet: ${verdict}`);
    if ((this.#silentUntil.get(server) ?? 0) > agenda.now) {
      this.#world.trouble();
      return;
    }
    const slot = `${server}/${port}/${socket}/${packet.id}`;
    const before = this.#seen.get(slot);
    if (before !== undefined && sameBytes(before.authenticator, packet.authenticator)) {
      must(
        sameBytes(before.request, bytes),
        () => `${slot}: another request under an authenticator that was used before`,
      );
      if (agenda.now - before.at < DUPLICATE_MS) {
        this.duplicates++;
        if (before.reply !== undefined) this.#reply(server, port, socket, before.reply);
        return;
      }
    }
    const { authenticator } = packet;
    const seen: Seen = { authenticator, request: bytes, at: agenda.now, reply: undefined };
    this.#seen.set(slot, seen);
    const answer = this.#answer(packet, policy, ledger);
    const thinking = this.#world.random.chance(0.05) ? 400 : this.#world.random.between(0.1, 10);
    agenda.after(thinking, `${server} has decided about ${packet.id}`, () => {
      seen.reply = signReply({ ...answer, id: packet.id }, authenticator, SECRET);
      this.#reply(server, port, socket, seen.reply);
    });
  }

  #answer(packet: RadiusPacket, policy: AccessPolicy, ledger: Ledger): Reply {
    const { now } = this.#world.agenda;
    switch (packet.code) {
      case RadiusCode.AccountingRequest:
        ledger.enter(packet);
        return { code: RadiusCode.AccountingResponse, attributes: [] };
      case RadiusCode.AccessRequest: {
        const eap = firstValue(packet.attributes, AttributeType.EapMessage);
        return eap === undefined ? policy.judgeJoin(now, packet) : policy.judgeLogin(now, packet);
      }
      default:
        throw new Error(`castgate sent a RADIUS packet with code ${packet.code}`);
    }
  }

  #reply(server: string, port: RadiusPort, socket: number, bytes: Uint8Array): void {
    const copies = !this.healed && this.#world.random.chance(this.#plan.repeat) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      this.#travel(`RADIUS ${codeName(bytes[0])} ${bytes[1]} from ${server}`, () =>
        this.#world.deliver(server, port, socket, Uint8Array.from(bytes)),
      );
    }
  }
}

function codeName(code: number | undefined): string {
  return Object.entries(RadiusCode).find(([, value]) => value === code)?.[0] ?? String(code);
}

/** How long a server remembers what it answered. */
const DUPLICATE_MS = 30_000;
