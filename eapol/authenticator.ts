/**
 * The authenticator of one (port, VLAN, MAC): Authenticator PAE and Backend machines of 802.1X-2004 §8.2
 * over the pass-through EAP authenticator of RFC 4137. Verbs in, actions out; the machine owns no socket
 * and no clock. Where a host leaves for good (logoff, silence) the machine rests in DISCONNECTED and its
 * record is removed instead of asking for ever, as the virtual ports of 802.1X-2010 end; a new EAPOL-Start
 * makes a new one.
 *
 * Invariant: `authorized` is set only in AUTHENTICATED, on the way back to it by re-authentication, and
 * in FORCE_AUTH; it is lost in DISCONNECTED, HELD and FORCE_UNAUTH.
 */
import type {
  AuthenticatorAction,
  AuthenticatorCounter,
  ServerVerdict,
  UnauthorizeCause,
} from './authenticator-actions.ts';
import type { AuthenticatorRecord, AuthenticatorTimers, PaeState } from './authenticator-record.ts';
import { EapCode, type EapPacket, EapType, encodeEap } from './eap.ts';
import { repeatRequest, retransmit, stepEap, stopEap, takeVerdict } from './eap-pass-through.ts';

/** The verbs on one record. Holds nothing itself: make one whenever something happens to the record. */
export class Authenticator {
  readonly record: AuthenticatorRecord;
  readonly #timers: AuthenticatorTimers;
  #actions: AuthenticatorAction[] = [];
  #now = 0;

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
    if (verdict.kind === 'challenge') this.#count('backendAccessChallenges');
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
   * Says again what the host was told last, for a node that took over and cannot know whether it left: the
   * request that it is to answer, whose wait begins anew, or how its login ended.
   */
  repeat(now: number): void {
    const r = this.record;
    const request = repeatRequest(r, this.#timers, now);
    if (request !== undefined) this.#actions.push({ kind: 'send-eap', eap: request });
    const succeeded = r.eap === 'SUCCESS2' && r.pae === 'AUTHENTICATED';
    const failed = r.eap === 'FAILURE2' && r.pae === 'HELD';
    if (succeeded || failed) this.#transmit();
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
    this.#now = now;
    this.#expire(now);
    for (let steps = 0; steps < MAX_STEPS; steps++) {
      const changed =
        this.#stepPae() ||
        this.#stepBackend() ||
        stepEap(this.record, this.#timers, this.#now, this.#actions);
      if (!changed) return;
    }
    throw new Error(`authenticator of ${this.record.key} did not come to rest in ${MAX_STEPS} steps`);
  }

  #expire(now: number): void {
    const r = this.record;
    if (r.retransWhile !== undefined && r.retransWhile <= now) retransmit(r, this.#timers, now);
    if (r.aWhile !== undefined && r.aWhile <= now) {
      r.aWhile = undefined;
      if (r.backend === 'RESPONSE') this.#enterBackendTimeout();
    }
    if (r.reAuthWhen !== undefined && r.reAuthWhen <= now) {
      r.reAuthWhen = undefined;
      if (r.pae === 'AUTHENTICATED') r.reAuthenticate = true;
    }
  }

  /** Authenticator PAE, 802.1X-2004 Figure 8-8. */
  #stepPae(): boolean {
    const r = this.record;
    if (r.portControl === 'force-authorized' && (r.pae !== 'FORCE_AUTH' || r.eapolStart)) {
      return this.#enterForced('FORCE_AUTH');
    }
    if (r.portControl === 'force-unauthorized' && (r.pae !== 'FORCE_UNAUTH' || r.eapolStart)) {
      return this.#enterForced('FORCE_UNAUTH');
    }
    switch (r.pae) {
      case 'INITIALIZE':
        this.#enterPae('DISCONNECTED');
        return this.#enterPae('RESTART');
      case 'DISCONNECTED':
        return false;
      case 'RESTART':
        return !r.eapRestart && this.#enterPae('CONNECTING');
      case 'CONNECTING':
        if (r.eapolLogoff) {
          this.#count('authEapLogoffsWhileConnecting');
          return this.#leave('logoff');
        }
        if (r.reAuthCount > this.#timers.reauthMax) return this.#leave('reauthentication-failed');
        return (r.eapReq || r.eapSuccess || r.eapFail) && this.#enterPae('AUTHENTICATING');
      case 'AUTHENTICATING':
        if (r.authSuccess) {
          this.#count('authAuthSuccessesWhileAuthenticating');
          return this.#enterPae('AUTHENTICATED');
        }
        if (r.authFail) {
          this.#count('authAuthFailWhileAuthenticating');
          return this.#enterPae('HELD');
        }
        if (r.authTimeout) {
          this.#count('authAuthTimeoutsWhileAuthenticating');
          return this.#enterPae('ABORTING');
        }
        if (r.eapolStart) {
          this.#count('authAuthEapStartsWhileAuthenticating');
          return this.#enterPae('ABORTING');
        }
        if (r.eapolLogoff) {
          this.#count('authAuthEapLogoffWhileAuthenticating');
          return this.#enterPae('ABORTING');
        }
        return false;
      case 'ABORTING':
        if (r.authAbort) return false;
        return r.eapolLogoff ? this.#leave('logoff') : this.#enterPae('RESTART');
      case 'AUTHENTICATED':
        if (r.eapolLogoff) {
          this.#count('authAuthEapLogoffWhileAuthenticated');
          return this.#leave('logoff');
        }
        if (r.eapolStart) {
          this.#count('authAuthEapStartsWhileAuthenticated');
          return this.#enterPae('RESTART');
        }
        if (r.reAuthenticate) {
          this.#count('authAuthReauthsWhileAuthenticated');
          return this.#enterPae('RESTART');
        }
        return false;
      case 'HELD':
        if (r.quietWhile === undefined || r.quietWhile > this.#now) return false;
        r.quietWhile = undefined;
        return this.#enterPae('RESTART');
      case 'FORCE_AUTH':
      case 'FORCE_UNAUTH':
        return false;
    }
  }

  #enterPae(to: PaeState): true {
    const r = this.record;
    this.#actions.push({ kind: 'transition', from: r.pae, to });
    r.pae = to;
    switch (to) {
      case 'DISCONNECTED':
        r.reAuthCount = 0;
        r.eapolLogoff = false;
        break;
      case 'RESTART':
        r.eapolStart = false;
        r.eapRestart = true;
        break;
      case 'CONNECTING':
        this.#count('authEntersConnecting');
        r.reAuthenticate = false;
        r.reAuthCount += 1;
        break;
      case 'AUTHENTICATING':
        this.#count('authEntersAuthenticating');
        r.eapolStart = false;
        r.authSuccess = false;
        r.authFail = false;
        r.authTimeout = false;
        r.authStart = true;
        break;
      case 'ABORTING':
        r.authAbort = true;
        break;
      case 'AUTHENTICATED':
        r.reAuthCount = 0;
        r.eapRespData = undefined;
        r.lastReqData = undefined;
        r.authorized = true;
        this.#actions.push({ kind: 'authorize' });
        break;
      case 'HELD':
        r.eapolLogoff = false;
        r.eapolStart = false;
        r.quietWhile = this.#now + this.#timers.quietPeriodMs;
        this.#unauthorize('rejected');
        break;
    }
    return true;
  }

  #enterForced(to: 'FORCE_AUTH' | 'FORCE_UNAUTH'): boolean {
    const r = this.record;
    if (r.pae !== to) this.#actions.push({ kind: 'transition', from: r.pae, to });
    r.pae = to;
    r.eapolStart = false;
    r.currentId = (r.currentId + 1) & 0xff;
    const code = to === 'FORCE_AUTH' ? EapCode.Success : EapCode.Failure;
    r.authorized = to === 'FORCE_AUTH';
    this.#actions.push({ kind: 'send-eap', eap: encodeEap({ code, id: r.currentId }) });
    return false;
  }

  /** DISCONNECTED for good: unauthorized, and the record goes. */
  #leave(cause: UnauthorizeCause): boolean {
    this.#enterPae('DISCONNECTED');
    stopEap(this.record);
    this.#unauthorize(cause);
    this.#actions.push({ kind: 'remove' });
    return false;
  }

  #unauthorize(cause: UnauthorizeCause): void {
    const r = this.record;
    r.reAuthWhen = undefined;
    if (!r.authorized) return;
    r.authorized = false;
    this.#actions.push({ kind: 'unauthorize', cause });
  }

  /** Backend, 802.1X-2004 Figure 8-13. */
  #stepBackend(): boolean {
    const r = this.record;
    if (r.authAbort) {
      if (r.eap === 'AAA_IDLE') this.#actions.push({ kind: 'abort-server', why: 'unwanted' });
      stopEap(this.record);
      r.backend = 'IDLE';
      r.authStart = false;
      r.authAbort = false;
      return true;
    }
    switch (r.backend) {
      case 'INITIALIZE':
        r.backend = 'IDLE';
        return true;
      case 'IDLE':
        if (!r.authStart) return false;
        return this.#backendOutcome();
      case 'REQUEST':
      case 'IGNORE':
        if (r.eapolEap) return this.#enterResponse();
        return this.#backendOutcome();
      case 'RESPONSE':
        if (r.eapNoReq) {
          r.eapNoReq = false;
          r.backend = 'IGNORE';
          return true;
        }
        return this.#backendOutcome();
      case 'SUCCESS':
      case 'FAIL':
      case 'TIMEOUT':
        r.backend = 'IDLE';
        r.authStart = false;
        return true;
    }
  }

  #backendOutcome(): boolean {
    const r = this.record;
    if (r.eapTimeout) return this.#enterBackendTimeout();
    if (r.eapFail) {
      this.#count('backendAuthFails');
      r.backend = 'FAIL';
      r.eapFail = false;
      r.authFail = true;
      this.#transmit();
      return true;
    }
    if (r.eapSuccess) {
      this.#count('backendAuthSuccesses');
      r.backend = 'SUCCESS';
      r.eapSuccess = false;
      r.authSuccess = true;
      this.#transmit();
      return true;
    }
    if (r.eapReq) {
      r.backend = 'REQUEST';
      r.eapReq = false;
      r.aWhile = undefined;
      this.#transmit();
      return true;
    }
    return false;
  }

  #enterResponse(): true {
    const r = this.record;
    this.#count('backendResponses');
    r.backend = 'RESPONSE';
    r.eapolEap = false;
    r.eapNoReq = false;
    r.aWhile = this.#now + this.#timers.serverTimeoutMs;
    r.eapResp = true;
    return true;
  }

  #enterBackendTimeout(): true {
    const r = this.record;
    if (r.eap === 'AAA_IDLE') this.#actions.push({ kind: 'abort-server', why: 'timeout' });
    stopEap(this.record);
    r.backend = 'TIMEOUT';
    r.authTimeout = true;
    return true;
  }

  #transmit(): void {
    const data = this.record.eapReqData;
    if (data !== undefined) this.#actions.push({ kind: 'send-eap', eap: data });
  }

  #reAuthDeadline(now: number, serverPeriodMs: number | undefined): number | undefined {
    if (serverPeriodMs !== undefined) return serverPeriodMs === Infinity ? undefined : now + serverPeriodMs;
    return this.#timers.reauthEnabled ? now + this.#timers.reauthPeriodMs : undefined;
  }

  #count(counter: AuthenticatorCounter): void {
    this.#actions.push({ kind: 'count', counter });
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

const MAX_STEPS = 100;
