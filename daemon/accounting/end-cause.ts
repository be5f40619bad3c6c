/** Why sessions and channels end, and what accounting is told of it (RFC 2866 §5.10, RFC 3580 §2.1). */
import type { ChannelEnd } from '../../auth/admission/admission-records.ts';
import { TerminateCause } from '../../radius/values.ts';

/** Why a session ends. Its channels end for the same reason. */
export type SessionEnd =
  | 'logoff'
  | 'lost-carrier'
  | 'reauthentication-failed'
  | 'session-timeout'
  | 'account-changed'
  | 'mode-changed'
  /** By a Disconnect-Request of RADIUS. */
  | 'admin-reset'
  /** The port's link is taken down by a CoA-Request, for a moment or for good. */
  | 'port-reinitialized'
  | 'port-disabled'
  /** The same account logged in with the same MAC address on another port. */
  | 'moved'
  | 'idle-timeout'
  /** The online handshake: the host answers no more. */
  | 'host-gone'
  | 'switch-failed'
  | 'shutdown';

/** Whether the host itself is gone with its session, or is at once in another one; or castgate is. */
export function isHostGone(cause: SessionEnd): boolean {
  return GONE.has(cause);
}

const GONE: ReadonlySet<SessionEnd> = new Set([
  'lost-carrier',
  'port-reinitialized',
  'port-disabled',
  'moved',
  'account-changed',
  'shutdown',
]);

/** Acct-Terminate-Cause of a channel. */
export const channelTerminateCause: Readonly<Record<ChannelEnd, TerminateCause>> = {
  leave: TerminateCause.UserRequest,
  'membership-timeout': TerminateCause.IdleTimeout,
  'permission-ended': TerminateCause.SessionTimeout,
  'permission-withdrawn': TerminateCause.AdminReset,
  'preview-ended': TerminateCause.SessionTimeout,
  preempted: TerminateCause.PortPreempted,
  logoff: TerminateCause.UserRequest,
  'lost-carrier': TerminateCause.LostCarrier,
  'reauthentication-failed': TerminateCause.ReauthenticationFailure,
  'session-timeout': TerminateCause.SessionTimeout,
  'account-changed': TerminateCause.ServiceUnavailable,
  'mode-changed': TerminateCause.AdminReset,
  'admin-reset': TerminateCause.AdminReset,
  'port-reinitialized': TerminateCause.PortReinitialized,
  'port-disabled': TerminateCause.PortAdministrativelyDisabled,
  moved: TerminateCause.LostCarrier,
  'idle-timeout': TerminateCause.IdleTimeout,
  'host-gone': TerminateCause.LostCarrier,
  'switch-failed': TerminateCause.NasError,
  shutdown: TerminateCause.AdminReboot,
};

/** Acct-Terminate-Cause of a session. */
export const sessionTerminateCause: Readonly<Record<SessionEnd, TerminateCause>> = channelTerminateCause;

/** The same where the session goes on with another VLAN, filter or rights, under another Acct-Session-Id. */
export const authorizationTerminateCause: TerminateCause = TerminateCause.ServiceUnavailable;
