/**
 * The authenticator of one (port, VLAN, MAC): Authenticator PAE (pae-machine.ts) and Backend machine
 * (backend-machine.ts) of 802.1X-2004 §8.2 over the pass-through EAP authenticator of RFC 4137. Verbs in,
 * actions out; the machines own no socket and no clock, and run until none of them has a step to take. A
 * record that was removed at a host's end is made anew by its next EAPOL-Start.
 */
import type { AuthenticatorAction, ServerVerdict } from './authenticator-actions.ts';
import type { AuthenticatorRecord, AuthenticatorTimers } from './authenticator-record.ts';
import { serverTimedOut, stepBackend, transmit } from './backend-machine.ts';
import { EapCode, type EapPacket, EapType } from './eap.ts';
import { repeatRequest, retransmit, stepEap, takeVerdict } from './eap-pass-through.ts';
import { count, type MachineStep } from './machine-step.ts';
import { restAuthenticated, stepPae } from './pae-machine.ts';

/** The verbs on one record. Holds nothing itself: make one whenever something happens to the record. */
export class Authenticator {
  readonly record: AuthenticatorRecord;
  readonly #timers: AuthenticatorTimers;
  #actions: AuthenticatorAction[] = [];

  constructor(record: AuthenticatorRecord, timers: AuthenticatorTimers) {
    this.record = record;
    this.#timers = timers;
  }

  /** First step of a new record: asks for the identity, or takes the forced state. */
  begin(now: number): void {
    this.#run(now);
  }

  /**
   * First step of a record whose host answered a Request/Identity that the port sent to all on its own
   * account: as if this machine had sent it.
   */
  beginWithIdentity(now: number, response: EapPacket): void {
    this.#run(now);
    const r = this.record;
    this.#actions = this.#actions.filter((action) => action.kind !== 'send-eap');
    r.currentId = response.id;
    this.receiveResponse(now, response);
  }

  /** EAPOL-Start. Ignored while HELD. */
  receiveStart(now: number): void {
    if (this.record.pae === 'HELD') return;
    this.record.eapolStart = true;
    this.#run(now);
  }

  /** EAPOL-Logoff. Ignored while HELD. */
  receiveLogoff(now: number): void {
    if (this.record.pae === 'HELD') return;
    this.record.eapolLogoff = true;
    this.#run(now);
  }

  /**
   * An EAP-Response. Only the answer to the outstanding request is taken (RFC 3579 §2.2); false where it
   * was stale, a duplicate, or not asked for.
   */
  receiveResponse(now: number, response: EapPacket): boolean {
    const r = this.record;
    const waiting = r.eap === 'IDLE' || r.eap === 'IDLE2';
    if (r.pae === 'HELD' || !waiting || response.code !== EapCode.Response || response.id !== r.currentId) {
      return false;
    }
    if (r.eap === 'IDLE' && response.type !== EapType.Identity) return false;
    r.eapRespData = response.bytes;
    r.eapolEap = true;
    this.#run(now);
    return true;
  }

  /** The answer of the server, or that none came. Ignored where none is awaited. */
  receiveVerdict(now: number, verdict: ServerVerdict): void {
    if (this.record.eap !== 'AAA_IDLE') return;
    if (verdict.kind === 'challenge') count(this.#step(now), 'backendAccessChallenges');
    if (verdict.kind === 'accept') {
      this.record.reAuthWhen = this.#reAuthDeadline(now, verdict.reAuthPeriodMs);
    }
    takeVerdict(this.record, this.#timers, now, verdict);
    this.#run(now);
  }

  /** Ask the host to authenticate again; it stays authorized meanwhile (802.1X-2004 §8.2.8). */
  reAuthenticate(now: number): void {
    if (this.record.pae !== 'AUTHENTICATED') return;
    this.record.reAuthenticate = true;
    this.#run(now);
  }

  /**
   * No server can be asked: who is authorized stays so, and is to be asked again at `at`. A conversation that has begun
   * is given up without a word (RFC 3579 §2.6.3). Nothing where the host is not authorized.
   */
  postponeReAuthentication(now: number, at: number): void {
    const r = this.record;
    if (!r.authorized || r.portControl !== 'auto') return;
    restAuthenticated(this.#step(now));
    r.reAuthWhen = at;
  }

  /** Another reAuthPeriod from now on; Infinity: no re-authentication of ours, undefined: the local period. */
  setReAuthPeriod(now: number, periodMs: number | undefined): void {
    this.record.reAuthWhen = this.#reAuthDeadline(now, periodMs);
    this.#run(now);
  }

  /**
   * Says again what the host was told last, for a node that took over and cannot know whether it left: the
   * request that it is to answer, whose wait begins anew, or how its login ended.
   */
  repeat(now: number): void {
    const r = this.record;
    const request = repeatRequest(r, this.#timers, now);
    if (request !== undefined) this.#actions.push({ kind: 'send-eap', eap: request });
    const succeeded = r.eap === 'SUCCESS2' && r.pae === 'AUTHENTICATED';
    const failed = r.eap === 'FAILURE2' && r.pae === 'HELD';
    if (succeeded || failed) transmit(this.#step(now));
  }

  /** Lets every deadline that has passed take effect. Late and needless calls do no harm. */
  handleTimeout(now: number): void {
    this.#run(now);
  }

  /** The earliest deadline, milliseconds; undefined where no timer runs. */
  nextTimeout(): number | undefined {
    return nextAuthenticatorTimeout(this.record);
  }

  /** Takes the actions since the last call, in order. */
  drainActions(): AuthenticatorAction[] {
    const actions = this.#actions;
    this.#actions = [];
    return actions;
  }

  #run(now: number): void {
    const step = this.#step(now);
    this.#expire(step);
    for (let steps = 0; steps < MAX_STEPS; steps++) {
      const changed =
        stepPae(step) || stepBackend(step) || stepEap(step.record, step.timers, now, step.actions);
      if (!changed) return;
    }
    throw new Error(`authenticator of ${this.record.key} did not come to rest in ${MAX_STEPS} steps`);
  }

  #step(now: number): MachineStep {
    return { record: this.record, timers: this.#timers, now, actions: this.#actions };
  }

  #expire(step: MachineStep): void {
    const { record: r, now } = step;
    if (r.retransWhile !== undefined && r.retransWhile <= now) retransmit(r, this.#timers, now);
    if (r.aWhile !== undefined && r.aWhile <= now) {
      r.aWhile = undefined;
      serverTimedOut(step);
    }
    if (r.reAuthWhen !== undefined && r.reAuthWhen <= now) {
      r.reAuthWhen = undefined;
      if (r.pae === 'AUTHENTICATED') r.reAuthenticate = true;
    }
  }

  #reAuthDeadline(now: number, serverPeriodMs: number | undefined): number | undefined {
    if (serverPeriodMs !== undefined) return serverPeriodMs === Infinity ? undefined : now + serverPeriodMs;
    if (!this.#timers.reAuthEnabled) return undefined;
    return now + this.#timers.reAuthPeriodMs * (1 - JITTER * draw(`${this.record.key}/${now}`));
  }
}

/** The earliest deadline in a record. */
export function nextAuthenticatorTimeout(r: AuthenticatorRecord): number | undefined {
  let next: number | undefined;
  for (const at of [r.quietWhile, r.aWhile, r.retransWhile, r.reAuthWhen]) {
    if (at !== undefined && (next === undefined || at < next)) next = at;
  }
  return next;
}

/** From 0 up to 1, the same for the same text on every node (FNV-1a). */
function draw(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0) / 2 ** 32;
}

/** Hosts that came in together are asked again apart: the local period is shorter by up to this part of it. */
const JITTER = 0.1;
const MAX_STEPS = 100;
