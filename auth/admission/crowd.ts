/**
 * Who else may be in beside whom: the host modes of a port, and one MAC address on two ports. Judged twice:
 * when a host begins to log in, so that nobody is asked in vain, and when RADIUS has accepted it.
 */
import type { SessionRecord } from '../../session/records.ts';

/**
 * How many hosts a port is for. `multi-auth`: each MAC address logs in for itself. `single-host`: one at a
 * time. `multi-host`: the first opens the port for all behind it, who have no account. `multi-domain`: one
 * for data and one for voice, told apart by the server (Cisco-AVPair `device-traffic-class=voice`).
 */
export type HostMode = 'multi-auth' | 'single-host' | 'multi-host' | 'multi-domain';

/** `deny`: where a MAC address is in, no other port lets it in. `move`: the same account may bring it along. */
export type MacMove = 'deny' | 'move';

/** Why a host is not let in beside those who are. */
export type CrowdRefusal = 'single-host' | 'multi-host' | 'multi-domain' | 'mac-on-other-port';

/** What a host is for in `multi-domain`. */
export type Domain = 'data' | 'voice';

/** Whether one more host may be in. `others` are in on the port; `domain` is not known before the accept. */
export function crowdRefusal(
  mode: HostMode,
  others: readonly SessionRecord[],
  domain: Domain | undefined,
): CrowdRefusal | undefined {
  switch (mode) {
    case 'multi-auth':
      return undefined;
    case 'single-host':
    case 'multi-host':
      return others.length > 0 ? mode : undefined;
    case 'multi-domain': {
      const taken = new Set(others.map(domainOf));
      const full = domain === undefined ? taken.size === 2 : taken.has(domain);
      return full ? mode : undefined;
    }
  }
}

/** Whether a MAC address may log in here while it is in on another port; `account` is not known at first. */
export function moveRefusal(
  policy: MacMove,
  elsewhere: SessionRecord | undefined,
  account: string | undefined,
): CrowdRefusal | undefined {
  if (elsewhere === undefined) return undefined;
  if (policy === 'deny') return 'mac-on-other-port';
  // Whoever borrows the address of another must not be able to log that other one out.
  return account !== undefined && account !== elsewhere.account ? 'mac-on-other-port' : undefined;
}

/** Sessions from before domains were told apart are for data. */
export function domainOf({ domain }: SessionRecord): Domain {
  return domain ?? 'data';
}
