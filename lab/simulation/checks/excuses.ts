/**
 * Whether what happened to a subscriber explains why castgate ended its session or channel. An end for a
 * reason that the world does not know of is a violation: a takeover, for instance, is never one.
 */

import type { Subscriber } from '../outside/subscriber.ts';
import type { Mark } from './marks.ts';
import { must } from './violation.ts';

/** `cause` is castgate's word; `what` ended. `servedSince`: when it was that castgate has served for so long since. */
export function checkCause(
  subscriber: Subscriber,
  servedSince: (ms: number) => number,
  what: string,
  cause: string,
): void {
  const excuse = EXCUSES[cause];
  must(excuse !== undefined, () => `${what} of ${subscriber.name} ended for no known cause: ${cause}`);
  if (subscriber.marks.any(servedSince(LOST_MS), ['state-lost'])) return;
  const [shortestMs, marks] = excuse;
  const since = servedSince(shortestMs);
  must(
    subscriber.marks.any(since, marks),
    () =>
      `${what} of ${subscriber.name} ended by ${cause}, which nothing explains; lately: ${subscriber.marks.since(since)}`,
  );
}

/** How long ago what explains a cause may have been, in milliseconds, and what does. */
const EXCUSES: Readonly<Record<string, readonly [number, readonly Mark[]]>> = {
  logoff: [20_000, ['logoff']],
  'lost-carrier': [100, ['carrier']],
  'port-disabled': [100, ['shut']],
  'session-timeout': [120_000, ['session-timeout']],
  'account-changed': [60_000, ['other-account']],
  'switch-failed': [200_000, ['switch-trouble']],
  'reauthentication-failed': [
    120_000,
    ['silent', 'unplugged', 'rejected', 'radius-trouble', 'logoff', 'insists'],
  ],
  'admin-reset': [100, ['disconnected']],
  leave: [20_000, ['left']],
  'membership-timeout': [90_000, ['silent', 'unplugged', 'left']],
  'permission-ended': [60_000, ['radius-trouble']],
  'permission-withdrawn': [60_000, ['withdrawn']],
};
/** What an older state brings back ends within this time. */
const LOST_MS = 200_000;
