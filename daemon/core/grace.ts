/**
 * Deadlines after a pause in which nobody served: a takeover, a restart. What ran out meanwhile ran out
 * unheard, so it gets a moment more: hosts are asked at once, and answer before their channels would end.
 * Without it every membership of a long pause would end in one storm.
 */

import type { Config } from '../../config/config.ts';
import type { AuthenticatorRecord } from '../../eapol/authenticator-record.ts';
import type { Stores } from './stores.ts';

/** How long hosts have, after a pause, to say what they still want: twice what they have to answer a query. */
export function graceMs(config: Config): number {
  return 2 * config.multicast.queryResponseIntervalMs;
}

/** Moves every deadline that is before `now + graceMs` there. To be called before a core takes the records up. */
export function grantGrace(stores: Stores, now: number, graceMs: number): void {
  const least = now + graceMs;
  const later = (at: number) => Math.max(at, least);
  for (const record of [...stores.memberships.values()]) {
    if (record.expiresAt >= least && record.sourceUntil.every((at) => at >= least)) continue;
    const sourceUntil = record.sourceUntil.map(later);
    const expiresAt = later(record.expiresAt);
    stores.memberships.put(record.key, { ...record, sourceUntil, expiresAt });
  }
  for (const record of [...stores.grants.values()]) {
    // What cannot be renewed gets no more than a turn to end in.
    const isRenewable = record.access !== 'preview' && record.by !== 'optimistic';
    const expiresAt = Math.max(record.expiresAt, isRenewable ? least : now);
    if (expiresAt > record.expiresAt) stores.grants.put(record.key, { ...record, expiresAt });
  }
  for (const record of [...stores.sessions.values()]) {
    if (record.endsAt !== undefined && record.endsAt < least) {
      stores.sessions.put(record.key, { ...record, endsAt: least });
    }
  }
  for (const record of [...stores.queriers.values()]) {
    stores.queriers.put(record.key, { ...record, nextAt: now });
  }
  for (const record of [...stores.authenticators.values()]) {
    const moved: AuthenticatorRecord = { ...record };
    let changed = false;
    for (const timer of ['aWhile', 'retransWhile', 'reAuthWhen'] as const) {
      const at = moved[timer];
      if (at === undefined || at >= least) continue;
      moved[timer] = least;
      changed = true;
    }
    if (changed) stores.authenticators.put(record.key, moved);
  }
}
