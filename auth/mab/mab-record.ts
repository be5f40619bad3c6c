/**
 * MAC authentication bypass of one (port, VLAN, MAC): a host that cannot speak 802.1X logs in with its MAC
 * address as user name and password. A plain record; `until` is the deadline of its state.
 *
 *   WAITING ─ 802.1X has had its time ─> ASKING ─ accept ─> AUTHENTICATED ─ time for it ─> ASKING …
 *      └ somebody answers it: gone         └ reject, silence ─> HELD ─ quietPeriod ─> gone: the next frame begins anew
 */
import type { Mac } from '../../wire/address.ts';

export type MabState = 'WAITING' | 'ASKING' | 'AUTHENTICATED' | 'HELD';

export interface MabRecord {
  readonly v: 1;
  /** hostKey(port, vlan, mac) of session/records.ts. */
  readonly key: string;
  readonly port: string;
  readonly vlan: number;
  readonly mac: Mac;
  readonly state: MabState;
  /** It is in by its MAC address, also while it is asked for again. */
  readonly authorized: boolean;
  /** End of WAITING or HELD, time to ask again in AUTHENTICATED; undefined: none. */
  readonly until: number | undefined;
  /** Counts the requests of the host, so that a late answer finds no asker. */
  readonly round: number;
  /** Askings in a row that no server answered. */
  readonly unanswered: number;
  /** State and server of a conversation that has begun (EAP-MD5 has two requests). */
  readonly radiusState: Uint8Array | undefined;
  readonly server: string | undefined;
  /** Ids that the session will have when it begins. */
  readonly acctSessionId: string;
  readonly acctMultiSessionId: string;
}
