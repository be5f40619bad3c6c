/**
 * Deadlines after a pause in which nobody served: a takeover, a restart. What ran out meanwhile ran out
 * unheard, so it gets a moment more: hosts are asked at once, and answer before their channels would end.
 * Without it every membership of a long pause would end in one storm.
 */
import type { AuthenticatorRecord } from '../eapol/authenticator-record.ts';
import type { Stores } from './stores.ts';

/** Moves every deadline that is before `now + graceMs` there. To be called before a core takes the records up. */
export function grantGrace(stores: Stores, now: number, graceMs: number): void {
  const least = now + graceMs;
  const later = (at: number) => Math.max(at, least);
  for (const record of [...stores.memberships.values()]) {
    const sourceUntil = record.sourceUntil.map(later);
    const expiresAt = later(record.expiresAt);
    stores.memberships.put(record.key, { ...record, sourceUntil, expiresAt });
  }
  for (const record of [...stores.grants.values()]) {
    if (record.expiresAt < least) stores.grants.put(record.key, { ...record, expiresAt: least });
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
    for (const timer of ['aWhile', 'retransWhile', 'reAuthWhen'] as const) {
      const at = moved[timer];
      if (at !== undefined) moved[timer] = later(at);
    }
    stores.authenticators.put(record.key, moved);
  }
}
