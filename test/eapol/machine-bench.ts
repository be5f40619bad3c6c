/** One authenticator on virtual time: its verbs, and what they caused. */
import { expect } from 'vitest';
import { Authenticator } from '../../eapol/authenticator.ts';
import type { AuthenticatorAction } from '../../eapol/authenticator-actions.ts';
import {
  type AuthenticatorRecord,
  type AuthenticatorTimers,
  initialAuthenticator,
  type PortControl,
} from '../../eapol/authenticator-record.ts';
import { decodeEap, EapCode, type EapPacket, EapType, encodeEap } from '../../eapol/eap.ts';
import { isMalformed } from '../../wire/malformed.ts';

const timers: AuthenticatorTimers = {
  quietPeriodMs: 60_000,
  txPeriodMs: 30_000,
  suppTimeoutMs: 20_000,
  serverTimeoutMs: 30_000,
  maxReq: 2,
  reAuthMax: 2,
  reAuthEnabled: true,
  reAuthPeriodMs: 3_600_000,
};

/** One machine on virtual time; every verb returns the actions that it caused. */
export class MachineBench {
  now = 1_000_000;
  readonly timers = timers;
  readonly record: AuthenticatorRecord;
  constructor(control: PortControl = 'auto') {
    this.record = initialAuthenticator(
      'swp1/0/02:00:00:00:00:01',
      'swp1',
      0,
      '02:00:00:00:00:01',
      control,
      6,
    );
  }
  do(verb: (machine: Authenticator, now: number) => void): AuthenticatorAction[] {
    const machine = new Authenticator(this.record, timers);
    verb(machine, this.now);
    return machine.drainActions();
  }
  /** Runs every deadline up to `ms` from now. */
  pass(ms: number): AuthenticatorAction[] {
    const until = this.now + ms;
    const actions: AuthenticatorAction[] = [];
    for (let rounds = 0; rounds < 1000; rounds++) {
      const next = new Authenticator(this.record, timers).nextTimeout();
      if (next === undefined || next > until) break;
      this.now = Math.max(this.now, next);
      actions.push(...this.do((machine, now) => machine.handleTimeout(now)));
    }
    this.now = until;
    return actions;
  }
  respond(type: number, typeData: Uint8Array, id = this.record.currentId): AuthenticatorAction[] {
    const response = parsed(encodeEap({ code: EapCode.Response, id, type, typeData }));
    return this.do((machine, now) => machine.receiveResponse(now, response));
  }
  identify(name = 'alice'): AuthenticatorAction[] {
    return this.respond(EapType.Identity, new TextEncoder().encode(name));
  }
  challenge(id: number, timeoutMs?: number): AuthenticatorAction[] {
    const eap = parsed(encodeEap({ code: EapCode.Request, id, type: 4, typeData: new Uint8Array(17) }));
    return this.do((machine, now) => machine.receiveVerdict(now, { kind: 'challenge', eap, timeoutMs }));
  }
  accept(reAuthPeriodMs?: number): AuthenticatorAction[] {
    const eap = encodeEap({ code: EapCode.Success, id: this.record.currentId });
    return this.do((machine, now) => machine.receiveVerdict(now, { kind: 'accept', eap, reAuthPeriodMs }));
  }
  reject(eap?: Uint8Array | 'failure'): AuthenticatorAction[] {
    return this.do((machine, now) => machine.receiveVerdict(now, { kind: 'reject', eap }));
  }
  login(): void {
    this.do((machine, now) => machine.begin(now));
    this.identify();
    this.challenge(100);
    this.respond(4, new Uint8Array(17));
    this.accept();
    expect(this.record.authorized).toBe(true);
  }
}

export function parsed(bytes: Uint8Array): EapPacket {
  const eap = decodeEap(bytes);
  if (isMalformed(eap)) throw new Error(eap.malformed);
  return eap;
}

export const kinds = (actions: AuthenticatorAction[]) =>
  actions.filter((a) => a.kind !== 'transition' && a.kind !== 'count').map((a) => a.kind);
export const states = (actions: AuthenticatorAction[]) =>
  actions.flatMap((a) => (a.kind === 'transition' ? [a.to] : []));
export const sent = (actions: AuthenticatorAction[]) =>
  actions.flatMap((a) => (a.kind === 'send-eap' ? [parsed(a.eap)] : []));
export const counters = (actions: AuthenticatorAction[]) =>
  actions.flatMap((a) => (a.kind === 'count' ? [a.counter] : []));
