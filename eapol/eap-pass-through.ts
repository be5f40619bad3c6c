/**
 * The pass-through EAP authenticator, RFC 4137 §6 and §7.1, on the record of an authenticator: it asks for
 * the identity itself; everything after it belongs to the server. Its transient states run through at once;
 * the record names those in which it rests.
 */
import type { AuthenticatorAction, ServerVerdict } from './authenticator-actions.ts';
import type { AuthenticatorRecord, AuthenticatorTimers } from './authenticator-record.ts';
import { EapCode, EapType, encodeEap } from './eap.ts';

/** One step; false where it rests. A response to be passed on becomes an action. */
export function stepEap(
  r: AuthenticatorRecord,
  timers: AuthenticatorTimers,
  now: number,
  actions: AuthenticatorAction[],
): boolean {
  if (r.eapRestart) {
    r.eapRestart = false;
    stopEap(r);
    r.identity = undefined;
    r.methodTimeoutMs = undefined;
    r.currentId = (r.currentId + 1) & 0xff;
    r.eapReqData = encodeEap({ code: EapCode.Request, id: r.currentId, type: EapType.Identity });
    r.eap = 'IDLE';
    armRequest(r, now, timers.txPeriodMs);
    return true;
  }
  if (!r.eapResp) return false;
  r.eapResp = false;
  const response = r.eapRespData;
  if (response === undefined || (r.eap !== 'IDLE' && r.eap !== 'IDLE2')) {
    r.eapNoReq = true;
    return true;
  }
  const first = r.eap === 'IDLE';
  // A copy: the session keeps it long after the frame's buffer should be gone.
  if (first) r.identity = response.slice(EAP_TYPE_DATA_AT);
  r.retransWhile = undefined;
  r.eap = 'AAA_IDLE';
  actions.push({ kind: 'ask-server', eap: response, identity: r.identity ?? new Uint8Array(0), first });
  return true;
}

/** The server's answer, or that none came, in AAA_IDLE. */
export function takeVerdict(
  r: AuthenticatorRecord,
  timers: AuthenticatorTimers,
  now: number,
  verdict: ServerVerdict,
): void {
  switch (verdict.kind) {
    case 'challenge':
      r.eapReqData = verdict.eap.bytes;
      r.currentId = verdict.eap.id;
      r.methodTimeoutMs = verdict.timeoutMs;
      r.eap = 'IDLE2';
      armRequest(r, now, r.methodTimeoutMs ?? timers.suppTimeoutMs);
      return;
    case 'accept':
      r.eapReqData = verdict.eap;
      r.eapSuccess = true;
      r.eap = 'SUCCESS2';
      return;
    case 'reject':
      // RFC 3579 §2.6.3: an Access-Reject without an EAP packet is told to nobody, however long the host waits for it.
      r.eapReqData =
        verdict.eap === 'failure' ? encodeEap({ code: EapCode.Failure, id: r.currentId }) : verdict.eap;
      r.eapFail = true;
      r.eap = 'FAILURE2';
      return;
    case 'timeout':
      // RFC 3579 §2.6.3: no EAP packet of our own making because of a time-out.
      r.eapReqData = undefined;
      r.eapTimeout = true;
      r.eap = 'TIMEOUT_FAILURE2';
      return;
  }
}

/** retransWhile is over: the request goes out again, or the host counts as silent. */
export function retransmit(r: AuthenticatorRecord, timers: AuthenticatorTimers, now: number): void {
  r.retransCount += 1;
  if (r.retransCount >= timers.maxReq) {
    r.retransWhile = undefined;
    r.eap = 'TIMEOUT_FAILURE';
    r.eapTimeout = true;
    return;
  }
  r.retransWhile = now + requestWaitMs(r, timers);
  r.eapReqData = r.lastReqData;
  r.eapReq = true;
}

/** The request that the host has not answered, whose wait begins anew; undefined where there is none. */
export function repeatRequest(
  r: AuthenticatorRecord,
  timers: AuthenticatorTimers,
  now: number,
): Uint8Array | undefined {
  if ((r.eap !== 'IDLE' && r.eap !== 'IDLE2') || r.retransWhile === undefined) return undefined;
  r.retransWhile = now + requestWaitMs(r, timers);
  return r.lastReqData;
}

/** Forgets the conversation and its timers. */
export function stopEap(r: AuthenticatorRecord): void {
  r.eap = 'DISABLED';
  r.retransWhile = undefined;
  r.aWhile = undefined;
  r.eapolEap = false;
  r.eapReq = false;
  r.eapNoReq = false;
  r.eapResp = false;
  r.eapSuccess = false;
  r.eapFail = false;
  r.eapTimeout = false;
  r.eapReqData = undefined;
  r.eapRespData = undefined;
}

function armRequest(r: AuthenticatorRecord, now: number, timeoutMs: number): void {
  r.retransCount = 0;
  r.lastReqData = r.eapReqData;
  r.retransWhile = now + timeoutMs;
  r.eapResp = false;
  r.eapNoReq = false;
  r.eapReq = true;
}

/** How long the outstanding request waits for its answer. */
function requestWaitMs(r: AuthenticatorRecord, timers: AuthenticatorTimers): number {
  return r.eap === 'IDLE' ? timers.txPeriodMs : (r.methodTimeoutMs ?? timers.suppTimeoutMs);
}

const EAP_TYPE_DATA_AT = 5;
