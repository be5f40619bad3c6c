/**
 * The variables of one authenticator: Authenticator PAE and Backend machines (802.1X-2004 §8.2.4, §8.2.9),
 * re-authentication timer (§8.2.8) and the pass-through EAP authenticator (RFC 4137 §6), for one
 * (port, VLAN, MAC). A plain record under the standards' names; every timer is a deadline in it.
 */
import type { Mac } from '../wire/address.ts';

/** 802.1X-2004 §8.2.4. */
export type PaeState =
  | 'INITIALIZE'
  | 'DISCONNECTED'
  | 'RESTART'
  | 'CONNECTING'
  | 'AUTHENTICATING'
  | 'AUTHENTICATED'
  | 'ABORTING'
  | 'HELD'
  | 'FORCE_AUTH'
  | 'FORCE_UNAUTH';

/** 802.1X-2004 §8.2.9. */
export type BackendState =
  | 'INITIALIZE'
  | 'IDLE'
  | 'REQUEST'
  | 'RESPONSE'
  | 'IGNORE'
  | 'SUCCESS'
  | 'FAIL'
  | 'TIMEOUT';

/** The states of RFC 4137 in which the pass-through authenticator rests. */
export type EapState =
  | 'DISABLED'
  | 'IDLE'
  | 'IDLE2'
  | 'AAA_IDLE'
  | 'SUCCESS2'
  | 'FAILURE2'
  | 'TIMEOUT_FAILURE'
  | 'TIMEOUT_FAILURE2';

/** AuthControlledPortControl, 802.1X-2004 §8.2.2.2. */
export type PortControl = 'auto' | 'force-authorized' | 'force-unauthorized';

export interface AuthenticatorRecord {
  readonly v: 1;
  /** hostKey(port, vlan, mac) of session/records.ts. */
  readonly key: string;
  readonly port: string;
  readonly vlan: number;
  readonly mac: Mac;
  portControl: PortControl;

  pae: PaeState;
  backend: BackendState;
  eap: EapState;
  /** authPortStatus is Authorized. */
  authorized: boolean;

  reAuthCount: number;
  eapolStart: boolean;
  eapolLogoff: boolean;
  eapolEap: boolean;
  reAuthenticate: boolean;
  eapRestart: boolean;
  authStart: boolean;
  authAbort: boolean;
  authSuccess: boolean;
  authFail: boolean;
  authTimeout: boolean;

  eapReq: boolean;
  eapNoReq: boolean;
  eapResp: boolean;
  eapSuccess: boolean;
  eapFail: boolean;
  eapTimeout: boolean;
  /** What the next txReq sends: a request, Success or Failure. Undefined: the server gave nothing to send. */
  eapReqData: Uint8Array | undefined;
  /** The response that waits to be passed on. */
  eapRespData: Uint8Array | undefined;
  lastReqData: Uint8Array | undefined;
  /** Identifier of the outstanding request. */
  currentId: number;
  retransCount: number;
  /** Type-Data of the last EAP-Response/Identity: User-Name of every Access-Request (RFC 3579 §2.1). */
  identity: Uint8Array | undefined;
  /** Retransmission time of the server's request from Session-Timeout of the challenge (RFC 3580 §3.17). */
  methodTimeoutMs: number | undefined;

  /** Deadlines, milliseconds; undefined: the timer does not run. */
  quietWhile: number | undefined;
  aWhile: number | undefined;
  retransWhile: number | undefined;
  reAuthWhen: number | undefined;
}

/**
 * A machine before its first step: INITIALIZE everywhere, unauthorized, no timer. `lastId` (0-255) is the
 * Identifier before the first one that it will use.
 */
export function initialAuthenticator(
  key: string,
  port: string,
  vlan: number,
  mac: Mac,
  portControl: PortControl,
  lastId: number,
): AuthenticatorRecord {
  return {
    v: 1,
    key,
    port,
    vlan,
    mac,
    portControl,
    pae: 'INITIALIZE',
    backend: 'INITIALIZE',
    eap: 'DISABLED',
    authorized: false,
    reAuthCount: 0,
    eapolStart: false,
    eapolLogoff: false,
    eapolEap: false,
    reAuthenticate: false,
    eapRestart: false,
    authStart: false,
    authAbort: false,
    authSuccess: false,
    authFail: false,
    authTimeout: false,
    eapReq: false,
    eapNoReq: false,
    eapResp: false,
    eapSuccess: false,
    eapFail: false,
    eapTimeout: false,
    eapReqData: undefined,
    eapRespData: undefined,
    lastReqData: undefined,
    currentId: lastId,
    retransCount: 0,
    identity: undefined,
    methodTimeoutMs: undefined,
    quietWhile: undefined,
    aWhile: undefined,
    retransWhile: undefined,
    reAuthWhen: undefined,
  };
}

/** Every timer and count of the machines; defaults in config/ are the standard's. */
export interface AuthenticatorTimers {
  /** quietPeriod: how long HELD lasts. */
  readonly quietPeriodMs: number;
  /** Time before an unanswered Request/Identity is sent again. */
  readonly txPeriodMs: number;
  /** The same for requests of the server, where its challenge has no Session-Timeout. */
  readonly suppTimeoutMs: number;
  /** How long the RADIUS server may take. */
  readonly serverTimeoutMs: number;
  /** How often a request is sent in all before the host counts as silent. */
  readonly maxReq: number;
  /** Rounds of CONNECTING without an answer before the machine gives up. */
  readonly reAuthMax: number;
  readonly reAuthEnabled: boolean;
  /** reAuthPeriod, where the server names none. */
  readonly reAuthPeriodMs: number;
}
