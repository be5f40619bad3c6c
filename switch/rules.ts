/**
 * What every switch refuses without asking its hardware: the bridge of linux/ and the one in memory give
 * the same answer to the same question.
 */
import { type IpAddress, ipFamily, isGroupMac, isMulticastIp, type Mac } from '../wire/address.ts';
import { u16 } from '../wire/bytes.ts';
import type { HostPlace, SourceFilter, SwitchFailure } from './switch.ts';

/** The kernel's limit of sources in one filter (PG_SRC_ENT_LIMIT, less one). */
export const MAX_SOURCES = 31;

/**
 * True for the frames by which the nodes of a pair tell each other that they serve (EtherType 0x88B5, local
 * experimental 1 of IEEE Std 802). They come from uplinks; of a subscriber port they are not taken, nor forwarded.
 */
export function isClaim(frame: Uint8Array): boolean {
  return u16(frame, 12) === CLAIM_ETHER_TYPE;
}

export const CLAIM_ETHER_TYPE = 0x88b5;

/**
 * Why a host must not be opened. A bridge has one place for a MAC address, so an address that is open
 * elsewhere has to be closed there first; and one of the switch's own would take the switch's frames.
 */
export function hostRefusal(
  { port, mac }: HostPlace,
  ownMacs: { has(mac: Mac): boolean },
  openOn: string | undefined,
): SwitchFailure | undefined {
  const doing = `open ${mac} on ${port}`;
  if (isGroupMac(mac) || mac === '00:00:00:00:00:00') {
    return { failed: `${doing}: not an address of a host`, errno: 'EADDRNOTAVAIL' };
  }
  if (ownMacs.has(mac)) return { failed: `${doing}: an address of the switch itself`, errno: 'EADDRINUSE' };
  if (openOn === undefined || openOn === port) return undefined;
  return { failed: `${doing}: open on ${openOn}`, errno: 'EEXIST' };
}

/** Why a filter cannot be set. */
export function filterRefusal(
  port: string,
  group: IpAddress,
  { sources }: SourceFilter,
): SwitchFailure | undefined {
  const doing = `forward ${group} to ${port}`;
  if (!isMulticastIp(group)) return { failed: `${doing}: not a multicast address`, errno: 'EINVAL' };
  const family = ipFamily(group);
  const stranger = sources.find((source) => ipFamily(source) !== family);
  if (stranger !== undefined) {
    return { failed: `${doing}: source ${stranger} is of another family`, errno: 'EINVAL' };
  }
  if (sources.length <= MAX_SOURCES) return undefined;
  return { failed: `${doing}: more than ${MAX_SOURCES} sources`, errno: 'ENOSPC' };
}

/** True where the filter lets nothing through: INCLUDE {} is "left the group" (RFC 9776 §3.2). */
export function isNothing({ mode, sources }: SourceFilter): boolean {
  return mode === 'include' && sources.length === 0;
}

/** A port that is not there now. */
export function gone(doing: string, port: string): SwitchFailure {
  return { failed: `${doing}: no such port now: ${port}`, errno: 'ENODEV' };
}
