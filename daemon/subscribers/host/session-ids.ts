/** The ids of a session in accounting: drawn when its login begins, kept as long as it lasts. */
import { multiSessionId } from '../../../accounting/multi-session-id.ts';
import type { SessionIds } from '../../../auth/login.ts';
import type { Mac } from '../../../wire/address.ts';
import { newAcctSessionId } from '../../accounting/books.ts';
import type { CoreParts } from '../../core/parts.ts';

export function newSessionIds(parts: CoreParts, now: number, mac: Mac): SessionIds {
  const bridgeMac = parts.readings.macOf(undefined) ?? mac;
  return {
    acctSessionId: newAcctSessionId(parts),
    acctMultiSessionId: multiSessionId(bridgeMac, mac, now),
  };
}

/** The ids alone, of a record that has more. */
export function idsOf(from: SessionIds): SessionIds {
  return { acctSessionId: from.acctSessionId, acctMultiSessionId: from.acctMultiSessionId };
}
