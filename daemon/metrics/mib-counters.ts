/**
 * The counters of IEEE8021-PAE-MIB: dot1xAuthStatsTable and dot1xAuthDiagTable, by port. The name of a metric
 * is the MIB's object in snake case: dot1xAuthEntersConnecting is dot1x_auth_enters_connecting_total.
 */
import type { AuthenticatorCounter } from '../../eapol/authenticator-actions.ts';
import type { EapolCounter } from '../subscribers/eapol-frames.ts';

/** The name that the metric has for the object of the MIB. */
export function mibMetric(object: string): string {
  return `${object.replace(/(?<=[a-z0-9])[A-Z]/g, (c) => `_${c}`).toLowerCase()}_total`;
}

/** Counter of frames -> object of dot1xAuthStatsTable, and what it counts. */
export const EAPOL_COUNTERS: Readonly<Record<EapolCounter, readonly [object: string, help: string]>> = {
  'eapol-rx': ['dot1xAuthEapolFramesRx', 'Valid EAPOL frames received'],
  'eapol-tx': ['dot1xAuthEapolFramesTx', 'EAPOL frames sent'],
  'eapol-start-rx': ['dot1xAuthEapolStartFramesRx', 'EAPOL-Start frames received'],
  'eapol-logoff-rx': ['dot1xAuthEapolLogoffFramesRx', 'EAPOL-Logoff frames received'],
  'eapol-resp-id-rx': ['dot1xAuthEapolRespIdFramesRx', 'EAP-Response/Identity frames received'],
  'eapol-resp-rx': ['dot1xAuthEapolRespFramesRx', 'Other EAP-Response frames received'],
  'eapol-req-id-tx': ['dot1xAuthEapolReqIdFramesTx', 'EAP-Request/Identity frames sent'],
  'eapol-req-tx': ['dot1xAuthEapolReqFramesTx', 'Other EAP-Request frames sent'],
  'eapol-invalid-rx': ['dot1xAuthInvalidEapolFramesRx', 'EAPOL frames received of a type that is not known'],
  'eapol-length-error-rx': [
    'dot1xAuthEapLengthErrorFramesRx',
    'EAPOL frames received whose Packet Body Length is not there or not true',
  ],
};

/** Counter of the machines -> object of dot1xAuthDiagTable, and what it counts. */
export const PAE_COUNTERS: Readonly<Record<AuthenticatorCounter, readonly [object: string, help: string]>> = {
  authEntersConnecting: ['dot1xAuthEntersConnecting', 'Transitions to CONNECTING'],
  authEapLogoffsWhileConnecting: [
    'dot1xAuthEapLogoffsWhileConnecting',
    'CONNECTING to DISCONNECTED by EAPOL-Logoff',
  ],
  authEntersAuthenticating: ['dot1xAuthEntersAuthenticating', 'CONNECTING to AUTHENTICATING'],
  authAuthSuccessesWhileAuthenticating: [
    'dot1xAuthAuthSuccessWhileAuthenticating',
    'AUTHENTICATING to AUTHENTICATED',
  ],
  authAuthTimeoutsWhileAuthenticating: [
    'dot1xAuthAuthTimeoutsWhileAuthenticating',
    'AUTHENTICATING to ABORTING by time',
  ],
  authAuthFailWhileAuthenticating: ['dot1xAuthAuthFailWhileAuthenticating', 'AUTHENTICATING to HELD'],
  authAuthEapStartsWhileAuthenticating: [
    'dot1xAuthAuthEapStartsWhileAuthenticating',
    'AUTHENTICATING to ABORTING by EAPOL-Start',
  ],
  authAuthEapLogoffWhileAuthenticating: [
    'dot1xAuthAuthEapLogoffWhileAuthenticating',
    'AUTHENTICATING to ABORTING by EAPOL-Logoff',
  ],
  authAuthReauthsWhileAuthenticated: [
    'dot1xAuthAuthReauthsWhileAuthenticated',
    'AUTHENTICATED to CONNECTING by re-authentication',
  ],
  authAuthEapStartsWhileAuthenticated: [
    'dot1xAuthAuthEapStartsWhileAuthenticated',
    'AUTHENTICATED to CONNECTING by EAPOL-Start',
  ],
  authAuthEapLogoffWhileAuthenticated: [
    'dot1xAuthAuthEapLogoffWhileAuthenticated',
    'AUTHENTICATED to DISCONNECTED by EAPOL-Logoff',
  ],
  backendResponses: ['dot1xAuthBackendResponses', 'Responses passed to a RADIUS server'],
  backendAccessChallenges: ['dot1xAuthBackendAccessChallenges', 'Access-Challenges'],
  backendOtherRequestsToSupplicant: [
    'dot1xAuthBackendOtherRequestsToSupplicant',
    'Requests of a RADIUS server passed to the host, again ones too',
  ],
  backendAuthSuccesses: ['dot1xAuthBackendAuthSuccesses', 'Success indications of the server'],
  backendAuthFails: ['dot1xAuthBackendAuthFails', 'Failure indications of the server'],
};
