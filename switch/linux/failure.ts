/** The kernel's refusals in the words of the switch. */
import type { SwitchFailure } from '../switch.ts';
import type { Refusal } from './netlink/netlink-socket.ts';

export function failure(doing: string, { errno, text }: Refusal): SwitchFailure {
  return { failed: `${doing}: ${text ?? errno}`, errno };
}

/**
 * A group that the bridge's multicast database had no room for (mcast_hash_max). The kernel switches snooping off
 * with that refusal, which is put right at once; so it is not asked again before there is room.
 */
export function databaseFull(doing: string, bridge: string): SwitchFailure {
  const failed = `${doing}: the multicast database of ${bridge} is full (multicast.hash_max)`;
  return { failed, errno: DATABASE_FULL };
}

/** The bridge's word for it. */
export const DATABASE_FULL = 'E2BIG';

/** What the bridge says where the entry is not there; its other refusals with this errno have words. */
export function isAbsence(refusal: Refusal | undefined): boolean {
  return refusal?.errno === 'ENOENT' || (refusal?.errno === 'EINVAL' && refusal.text === undefined);
}
