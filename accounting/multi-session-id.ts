/** Acct-Multi-Session-Id as RFC 3580 §2.2 suggests it. */
import { stationText } from '../radius/attributes.ts';
import type { Mac } from '../wire/address.ts';
import { putU32, toHex } from '../wire/bytes.ts';

/**
 * Bridge MAC, supplicant MAC and the NTP time of the session's begin, in hex with hyphens. `now` in
 * milliseconds since 1970.
 */
export function multiSessionId(bridge: Mac, host: Mac, now: number): string {
  const ntp = new Uint8Array(8);
  putU32(ntp, 0, Math.floor(now / 1000) + NTP_OFFSET_S);
  putU32(ntp, 4, ((now % 1000) / 1000) * 2 ** 32);
  const time = toHex(ntp).toUpperCase().match(/../g)?.join('-') ?? '';
  return `${stationText(bridge)}-${stationText(host)}-${time}`;
}

/** Seconds from 1900 to 1970. */
const NTP_OFFSET_S = 2_208_988_800;
