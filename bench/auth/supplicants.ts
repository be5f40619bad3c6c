/**
 * Many supplicants in one process: each with a MAC address of its own, EAPOL-Start, identity and
 * MD5-Challenge, so many of them on their way at a time. Measured of each: from its first EAPOL-Start to
 * EAP-Success. One that hears nothing for a while starts again, as real ones do, and counts as stalled; one
 * that is refused or gives up counts as failed. Neither is taken out of the time that the rate is made of.
 */
import { decodeEap, EapCode, type EapPacket, EapType, encodeEap } from '../../eapol/eap.ts';
import { decodeEapol, EapolType } from '../../eapol/eapol.ts';
import { eapolFrame, md5Response } from '../../lab/hosts/eapol-frame.ts';
import type { PacketPort } from '../../lab/hosts/packet-port.ts';
import { u16 } from '../../wire/bytes.ts';
import { EtherType } from '../../wire/ethernet.ts';
import { isMalformed } from '../../wire/malformed.ts';

export interface LoginPlan {
  /** Interfaces that the supplicants stand behind, in turn. */
  readonly ports: readonly string[];
  /** Number of the first supplicant: it makes the MAC address and, modulo `accounts`, the account. */
  readonly first: number;
  readonly count: number;
  readonly inFlight: number;
  readonly accounts: number;
  readonly password: string;
  /** Silence after which a supplicant starts again, and how often it does before it gives up. */
  readonly retryMs: number;
  readonly tries: number;
  /** One that is refused starts again too, as real ones do, and counts as stalled. */
  readonly insists?: boolean;
}

export interface LoginOutcome {
  /** From the first Start to the end of the last supplicant. */
  readonly seconds: number;
  /** Of those that got in. */
  readonly latenciesMs: readonly number[];
  /** Had to start again at least once. */
  readonly stalled: number;
  /** Did not get in: EAP-Failure, or silence after the last try. */
  readonly failed: number;
}

interface Supplicant {
  readonly ifindex: number;
  readonly mac: Uint8Array;
  readonly account: Uint8Array;
  readonly startedAt: number;
  lastAt: number;
  tries: number;
}

export class Supplicants {
  readonly #port: PacketPort;
  #run: Run | undefined;

  constructor(port: PacketPort) {
    this.#port = port;
  }

  /** Logs `count` supplicants in and resolves when each has come to its end. */
  login(plan: LoginPlan): Promise<LoginOutcome> {
    return new Promise((resolve) => {
      this.#run = new Run(this.#port, plan, (outcome) => {
        this.#run = undefined;
        resolve(outcome);
      });
      this.#run.begin();
    });
  }

  /** Sends each supplicant's EAPOL-Logoff. */
  logoff(ports: readonly string[], first: number, count: number): void {
    for (let number = first; number < first + count; number++) {
      const ifindex = this.#port.indexOf(portOf(ports, number));
      this.#port.send(ifindex, eapolFrame(macOf(number), EapolType.Logoff, NO_OCTETS));
    }
  }

  /** A frame that came in at the hosts. */
  receive(ifindex: number, frame: Uint8Array): void {
    this.#run?.receive(ifindex, frame);
  }
}

class Run {
  readonly #port: PacketPort;
  readonly #plan: LoginPlan;
  readonly #done: (outcome: LoginOutcome) => void;
  readonly #open = new Map<number, Supplicant>();
  readonly #password: Uint8Array;
  readonly #latenciesMs: number[] = [];
  readonly #begunAt = performance.now();
  #next: number;
  #stalled = 0;
  #failed = 0;
  #watchdog: NodeJS.Timeout | undefined;

  constructor(port: PacketPort, plan: LoginPlan, done: (outcome: LoginOutcome) => void) {
    this.#port = port;
    this.#plan = plan;
    this.#done = done;
    this.#next = plan.first;
    this.#password = Buffer.from(plan.password);
  }

  begin(): void {
    this.#watchdog = setInterval(() => this.#wakeTheSilent(), WATCH_MS);
    this.#fill();
  }

  receive(ifindex: number, frame: Uint8Array): void {
    if (u16(frame, 12) !== EtherType.Eapol) return;
    const number = numberOf(frame);
    const supplicant = this.#open.get(number);
    if (supplicant === undefined || supplicant.ifindex !== ifindex) return;
    const pdu = decodeEapol(frame.subarray(14));
    if (isMalformed(pdu) || pdu.type !== EapolType.Packet) return;
    const eap = decodeEap(pdu.body);
    if (isMalformed(eap)) return;
    supplicant.lastAt = performance.now();
    if (eap.code === EapCode.Request) this.#answer(supplicant, eap);
    else if (eap.code === EapCode.Success) this.#end(number, supplicant, true);
    else if (eap.code === EapCode.Failure) this.#refused(number, supplicant);
  }

  #fill(): void {
    const end = this.#plan.first + this.#plan.count;
    while (this.#next < end && this.#open.size < this.#plan.inFlight) this.#start(this.#next++);
    if (this.#open.size === 0 && this.#next === end) this.#finish();
  }

  #start(number: number): void {
    const at = performance.now();
    const supplicant: Supplicant = {
      ifindex: this.#port.indexOf(portOf(this.#plan.ports, number)),
      mac: macOf(number),
      account: Buffer.from(accountOf(number, this.#plan.accounts)),
      startedAt: at,
      lastAt: at,
      tries: 1,
    };
    this.#open.set(number, supplicant);
    this.#send(supplicant, EapolType.Start, NO_OCTETS);
  }

  #answer(supplicant: Supplicant, request: EapPacket): void {
    const { id, type } = request;
    const typeData = type === EapType.Identity ? supplicant.account : md5Response(request, this.#password);
    if (typeData === undefined) return;
    this.#send(supplicant, EapolType.Packet, encodeEap({ code: EapCode.Response, id, type, typeData }));
  }

  #end(number: number, supplicant: Supplicant, success: boolean): void {
    this.#open.delete(number);
    if (success) this.#latenciesMs.push(performance.now() - supplicant.startedAt);
    else this.#failed++;
    this.#fill();
  }

  #refused(number: number, supplicant: Supplicant): void {
    if (this.#plan.insists === true) this.#again(number, supplicant);
    else this.#end(number, supplicant, false);
  }

  #again(number: number, supplicant: Supplicant): void {
    if (supplicant.tries === 1) this.#stalled++;
    if (supplicant.tries === this.#plan.tries) {
      this.#end(number, supplicant, false);
      return;
    }
    supplicant.tries++;
    supplicant.lastAt = performance.now();
    this.#send(supplicant, EapolType.Start, NO_OCTETS);
  }

  #wakeTheSilent(): void {
    const at = performance.now();
    for (const [number, supplicant] of [...this.#open]) {
      if (at - supplicant.lastAt < this.#plan.retryMs) continue;
      this.#again(number, supplicant);
    }
  }

  #finish(): void {
    clearInterval(this.#watchdog);
    this.#done({
      seconds: (performance.now() - this.#begunAt) / 1000,
      latenciesMs: this.#latenciesMs,
      stalled: this.#stalled,
      failed: this.#failed,
    });
  }

  #send(supplicant: Supplicant, type: number, body: Uint8Array): void {
    this.#port.send(supplicant.ifindex, eapolFrame(supplicant.mac, type, body));
  }
}

/** The supplicant's MAC address: locally administered, its number in the last three octets. */
export function macOf(number: number): Uint8Array {
  return Uint8Array.of(0x02, 0xcb, 0x00, number >>> 16, number >>> 8, number);
}

/** The account that a supplicant logs in with. */
export function accountOf(number: number, accounts: number): string {
  return `viewer-${number % accounts}`;
}

/** The port that a supplicant stands behind. */
export function portOf(ports: readonly string[], number: number): string {
  return ports[number % ports.length] ?? '';
}

/** Whose frame it is; -1 where it goes to none of the bench's supplicants. */
function numberOf(frame: Uint8Array): number {
  if (u16(frame, 0) !== 0x02cb || frame[2] !== 0) return -1;
  return ((frame[3] ?? 0) << 16) | u16(frame, 4);
}

const NO_OCTETS = new Uint8Array(0);
const WATCH_MS = 50;
