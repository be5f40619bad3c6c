/** What a port is for: whether anybody is asked who it is there, and whether the answer decides anything. */
import type { PortControl } from '../eapol/authenticator-record.ts';

/** `monitor` asks, decides and says as `auto` does, and keeps nobody out. The others are 802.1X-2004 §8.2.2.2. */
export type PortMode = 'auto' | 'monitor' | 'force-authorized' | 'force-unauthorized';

/** Whether hosts are asked who they are. */
export function isAsking(mode: PortMode): boolean {
  return portControlOf(mode) === 'auto';
}

/** AuthControlledPortControl: the authenticator of a monitored port decides as that of any other. */
export function portControlOf(mode: PortMode): PortControl {
  return mode === 'monitor' ? 'auto' : mode;
}
