/** What an authenticator is told by the server, and what it asks of the world. */
import type { PaeState } from './authenticator-record.ts';
import type { EapPacket } from './eap.ts';

/** Why an authorized machine became unauthorized: the accounting's terminate cause follows from it. */
export type UnauthorizeCause = 'logoff' | 'rejected' | 'reauthentication-failed';

/** What a machine asks of the world. */
export type AuthenticatorAction =
  | { readonly kind: 'send-eap'; readonly eap: Uint8Array }
  /** Pass the response to the server; `first` begins a new RADIUS conversation (no State, RFC 5080 §2.2.1). */
  | {
      readonly kind: 'ask-server';
      readonly eap: Uint8Array;
      readonly identity: Uint8Array;
      readonly first: boolean;
    }
  /** Forget the request to the server: it has taken too long, or its answer is no longer wanted. */
  | { readonly kind: 'abort-server'; readonly why: 'timeout' | 'unwanted' }
  | { readonly kind: 'authorize' }
  | { readonly kind: 'unauthorize'; readonly cause: UnauthorizeCause }
  /** The machine has ended; its record is to be removed. */
  | { readonly kind: 'remove' }
  | { readonly kind: 'transition'; readonly from: PaeState; readonly to: PaeState }
  | { readonly kind: 'count'; readonly counter: AuthenticatorCounter };

/** dot1xAuthStatsTable and dot1xAuthDiagTable, IEEE8021-PAE-MIB: counted at the transitions that define them. */
export type AuthenticatorCounter =
  | 'authEntersConnecting'
  | 'authEapLogoffsWhileConnecting'
  | 'authEntersAuthenticating'
  | 'authAuthSuccessesWhileAuthenticating'
  | 'authAuthTimeoutsWhileAuthenticating'
  | 'authAuthFailWhileAuthenticating'
  | 'authAuthEapStartsWhileAuthenticating'
  | 'authAuthEapLogoffWhileAuthenticating'
  | 'authAuthReauthsWhileAuthenticated'
  | 'authAuthEapStartsWhileAuthenticated'
  | 'authAuthEapLogoffWhileAuthenticated'
  | 'backendResponses'
  | 'backendAccessChallenges'
  | 'backendOtherRequestsToSupplicant'
  | 'backendAuthSuccesses'
  | 'backendAuthFails';

/** What the RADIUS server decided; `eap` is what it gave to send on. */
export type ServerVerdict =
  | { readonly kind: 'challenge'; readonly eap: EapPacket; readonly timeoutMs: number | undefined }
  | {
      readonly kind: 'accept';
      readonly eap: Uint8Array | undefined;
      /** Undefined: the local period. Infinity: the session ends instead, no re-authentication of ours. */
      readonly reAuthPeriodMs: number | undefined;
    }
  /** `failure`: the server accepted the host and castgate does not let it in, and says so itself. */
  | { readonly kind: 'reject'; readonly eap: Uint8Array | 'failure' | undefined }
  | { readonly kind: 'timeout' };
