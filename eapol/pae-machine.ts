/**
 * The Authenticator PAE machine, 802.1X-2004 §8.2.4, Figure 8-8. Where a host leaves for good (logoff,
 * silence) it rests in DISCONNECTED and its record is removed instead of asking for ever, as the virtual
 * ports of 802.1X-2010 end.
 *
 * Invariant: `authorized` is set only in AUTHENTICATED, on the way back to it by re-authentication, and
 * in FORCE_AUTH; it is lost in DISCONNECTED, HELD and FORCE_UNAUTH.
 */
import type { UnauthorizeCause } from './authenticator-actions.ts';
import type { PaeState } from './authenticator-record.ts';
import { EapCode, encodeEap } from './eap.ts';
import { stopEap } from './eap-pass-through.ts';
import { count, type MachineStep } from './machine-step.ts';

/** One step; false where the machine rests. */
export function stepPae(step: MachineStep): boolean {
  const r = step.record;
  if (r.portControl === 'force-authorized' && (r.pae !== 'FORCE_AUTH' || r.eapolStart)) {
    return enterForced(step, 'FORCE_AUTH');
  }
  if (r.portControl === 'force-unauthorized' && (r.pae !== 'FORCE_UNAUTH' || r.eapolStart)) {
    return enterForced(step, 'FORCE_UNAUTH');
  }
  switch (r.pae) {
    case 'INITIALIZE':
      enter(step, 'DISCONNECTED');
      return enter(step, 'RESTART');
    case 'DISCONNECTED':
      return false;
    case 'RESTART':
      return !r.eapRestart && enter(step, 'CONNECTING');
    case 'CONNECTING':
      if (r.eapolLogoff) {
        count(step, 'authEapLogoffsWhileConnecting');
        return leave(step, 'logoff');
      }
      if (r.reAuthCount > step.timers.reAuthMax) return leave(step, 'reauthentication-failed');
      return (r.eapReq || r.eapSuccess || r.eapFail) && enter(step, 'AUTHENTICATING');
    case 'AUTHENTICATING':
      if (r.authSuccess) {
        count(step, 'authAuthSuccessesWhileAuthenticating');
        return enter(step, 'AUTHENTICATED');
      }
      if (r.authFail) {
        count(step, 'authAuthFailWhileAuthenticating');
        return enter(step, 'HELD');
      }
      if (r.authTimeout) {
        count(step, 'authAuthTimeoutsWhileAuthenticating');
        return enter(step, 'ABORTING');
      }
      if (r.eapolStart) {
        count(step, 'authAuthEapStartsWhileAuthenticating');
        return enter(step, 'ABORTING');
      }
      if (r.eapolLogoff) {
        count(step, 'authAuthEapLogoffWhileAuthenticating');
        return enter(step, 'ABORTING');
      }
      return false;
    case 'ABORTING':
      if (r.authAbort) return false;
      return r.eapolLogoff ? leave(step, 'logoff') : enter(step, 'RESTART');
    case 'AUTHENTICATED':
      if (r.eapolLogoff) {
        count(step, 'authAuthEapLogoffWhileAuthenticated');
        return leave(step, 'logoff');
      }
      if (r.eapolStart) {
        count(step, 'authAuthEapStartsWhileAuthenticated');
        return enter(step, 'RESTART');
      }
      if (r.reAuthenticate) {
        count(step, 'authAuthReauthsWhileAuthenticated');
        return enter(step, 'RESTART');
      }
      return false;
    case 'HELD':
      if (r.quietWhile === undefined || r.quietWhile > step.now) return false;
      r.quietWhile = undefined;
      return enter(step, 'RESTART');
    case 'FORCE_AUTH':
    case 'FORCE_UNAUTH':
      return false;
  }
}

/** Back to AUTHENTICATED from a re-authentication that is given up: nobody is authorized anew, and nothing is sent. */
export function restAuthenticated({ record: r, actions }: MachineStep): void {
  if (r.eap === 'AAA_IDLE') actions.push({ kind: 'abort-server', why: 'unwanted' });
  if (r.pae !== 'AUTHENTICATED') actions.push({ kind: 'transition', from: r.pae, to: 'AUTHENTICATED' });
  stopEap(r);
  r.pae = 'AUTHENTICATED';
  r.backend = 'IDLE';
  r.reAuthCount = 0;
  r.lastReqData = undefined;
  r.eapRestart = false;
  r.eapolStart = false;
  r.reAuthenticate = false;
  r.authStart = false;
  r.authAbort = false;
  r.authTimeout = false;
}

function enter(step: MachineStep, to: PaeState): true {
  const r = step.record;
  step.actions.push({ kind: 'transition', from: r.pae, to });
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
      count(step, 'authEntersConnecting');
      r.reAuthenticate = false;
      r.reAuthCount += 1;
      break;
    case 'AUTHENTICATING':
      count(step, 'authEntersAuthenticating');
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
      step.actions.push({ kind: 'authorize' });
      break;
    case 'HELD':
      r.eapolLogoff = false;
      r.eapolStart = false;
      r.quietWhile = step.now + step.timers.quietPeriodMs;
      unauthorize(step, 'rejected');
      break;
  }
  return true;
}

function enterForced(step: MachineStep, to: 'FORCE_AUTH' | 'FORCE_UNAUTH'): boolean {
  const r = step.record;
  if (r.pae !== to) step.actions.push({ kind: 'transition', from: r.pae, to });
  r.pae = to;
  r.eapolStart = false;
  r.currentId = (r.currentId + 1) & 0xff;
  const code = to === 'FORCE_AUTH' ? EapCode.Success : EapCode.Failure;
  r.authorized = to === 'FORCE_AUTH';
  step.actions.push({ kind: 'send-eap', eap: encodeEap({ code, id: r.currentId }) });
  return false;
}

/** DISCONNECTED for good: unauthorized, and the record goes. */
function leave(step: MachineStep, cause: UnauthorizeCause): boolean {
  enter(step, 'DISCONNECTED');
  stopEap(step.record);
  unauthorize(step, cause);
  step.actions.push({ kind: 'remove' });
  return false;
}

function unauthorize(step: MachineStep, cause: UnauthorizeCause): void {
  const r = step.record;
  r.reAuthWhen = undefined;
  if (!r.authorized) return;
  r.authorized = false;
  step.actions.push({ kind: 'unauthorize', cause });
}
