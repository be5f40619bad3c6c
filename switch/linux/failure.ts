/** The kernel's refusals in the words of the switch. */
import type { SwitchFailure } from '../switch.ts';
import type { Refusal } from './netlink/netlink-socket.ts';

export function failure(doing: string, { errno, text }: Refusal): SwitchFailure {
  return { failed: `${doing}: ${text ?? errno}`, errno };
}

/** What the bridge says where the entry is not there; its other refusals with this errno have words. */
export function isAbsence(refusal: Refusal | undefined): boolean {
  return refusal?.errno === 'ENOENT' || (refusal?.errno === 'EINVAL' && refusal.text === undefined);
}
