/**
 * Which events of the time between the old active's death and the takeover the new one takes up. Frames of that
 * time were heard on its own ports, and nobody has answered them. Most say the same when they are heard twice;
 * a Start would make a host log in again, or begin its login anew: whoever is known was told something already,
 * and is told it again.
 */
import { decodeEapol, EapolType } from '../../eapol/eapol.ts';
import { hostKey } from '../../session/records.ts';
import type { SwitchEvent } from '../../switch/switch.ts';
import { decodeEthernet, EtherType } from '../../wire/ethernet.ts';
import { isMalformed } from '../../wire/malformed.ts';
import type { Stores } from '../core/stores.ts';

/** True where the event is to be taken up. */
export function isUnanswered(event: SwitchEvent, stores: Stores): boolean {
  if (event.kind !== 'frame') return true;
  const frame = decodeEthernet(event.frame);
  if (isMalformed(frame)) return false;
  if (frame.etherType !== EtherType.Eapol) return true;
  const pdu = decodeEapol(frame.payload);
  if (isMalformed(pdu) || pdu.type !== EapolType.Start) return true;
  return !stores.authenticators.has(hostKey(event.port, event.vlan, frame.src));
}
