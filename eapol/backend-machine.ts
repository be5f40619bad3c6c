/**
 * The Backend machine, 802.1X-2004 §8.2.9, Figure 8-13: between the Authenticator PAE and the EAP layer. It
 * sends what EAP has to say to the host, and waits for the server no longer than serverTimeout: aWhile means something in
 * RESPONSE alone, and runs there alone.
 */
import { stopEap } from './eap-pass-through.ts';
import { count, type MachineStep } from './machine-step.ts';

/** One step; false where the machine rests. */
export function stepBackend(step: MachineStep): boolean {
  const r = step.record;
  if (r.authAbort) {
    if (r.eap === 'AAA_IDLE') step.actions.push({ kind: 'abort-server', why: 'unwanted' });
    stopEap(r);
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
      return takeOutcome(step);
    case 'REQUEST':
    case 'IGNORE':
      if (r.eapolEap) return enterResponse(step);
      return takeOutcome(step);
    case 'RESPONSE':
      if (r.eapNoReq) {
        r.eapNoReq = false;
        r.backend = 'IGNORE';
        r.aWhile = undefined;
        return true;
      }
      return takeOutcome(step);
    case 'SUCCESS':
    case 'FAIL':
    case 'TIMEOUT':
      r.backend = 'IDLE';
      r.authStart = false;
      return true;
  }
}

/** aWhile is over: the server has taken too long. */
export function serverTimedOut(step: MachineStep): void {
  if (step.record.backend === 'RESPONSE') enterTimeout(step);
}

/** txReq: sends what EAP has to say, where it has something. */
export function transmit({ record, actions }: MachineStep): void {
  if (record.eapReqData !== undefined) actions.push({ kind: 'send-eap', eap: record.eapReqData });
}

function takeOutcome(step: MachineStep): boolean {
  const r = step.record;
  if (r.eapTimeout) return enterTimeout(step);
  if (r.eapFail) {
    count(step, 'backendAuthFails');
    r.backend = 'FAIL';
    r.aWhile = undefined;
    r.eapFail = false;
    r.authFail = true;
    transmit(step);
    return true;
  }
  if (r.eapSuccess) {
    count(step, 'backendAuthSuccesses');
    r.backend = 'SUCCESS';
    r.aWhile = undefined;
    r.eapSuccess = false;
    r.authSuccess = true;
    transmit(step);
    return true;
  }
  if (r.eapReq) {
    r.backend = 'REQUEST';
    r.eapReq = false;
    r.aWhile = undefined;
    // txReq with the request of a method, not with Request/Identity.
    if (r.eap === 'IDLE2') count(step, 'backendOtherRequestsToSupplicant');
    transmit(step);
    return true;
  }
  return false;
}

function enterResponse(step: MachineStep): true {
  const r = step.record;
  count(step, 'backendResponses');
  r.backend = 'RESPONSE';
  r.eapolEap = false;
  r.eapNoReq = false;
  r.aWhile = step.now + step.timers.serverTimeoutMs;
  r.eapResp = true;
  return true;
}

function enterTimeout(step: MachineStep): true {
  const r = step.record;
  if (r.eap === 'AAA_IDLE') step.actions.push({ kind: 'abort-server', why: 'timeout' });
  stopEap(r);
  r.backend = 'TIMEOUT';
  r.aWhile = undefined;
  r.authTimeout = true;
  return true;
}
