/**
 * Rights that came with a login, after RADIUS has given or taken channels of its own accord (RFC 5176): they say the
 * same from then on, so that what is revoked stays refused however it was covered, and what is given is given.
 */
import type { ChannelRange, ReceiveRight, SessionRecord, SessionRights } from '../../session/records.ts';
import { type IpAddress, ipFamily } from '../../wire/address.ts';
import type { ChannelPolicy } from './channel-policy.ts';

/** Undefined where the rights say nothing of these groups. */
export function amendedRights(
  session: SessionRecord,
  groups: readonly IpAddress[],
  permit: boolean,
  policy: ChannelPolicy,
): SessionRights | undefined {
  const { rights } = session;
  const covered = groups.filter((group) => policy.covers(session, group));
  if (rights === undefined || covered.length === 0) return undefined;
  const access = permit ? 'watch' : 'forbid';
  const said = covered.flatMap((group): ReceiveRight[] => {
    const whole = { group, prefixLength: wholeLength(group), access } as const;
    // A right to one source of the group is more specific than one to the group: it has to be answered for itself.
    const sources = new Set(policy.sourcesNamed(rights, group));
    return [undefined, ...sources].map((source) => ({ ...whole, source }));
  });
  const isSaid = (right: ChannelRange) => isWhole(right) && covered.includes(right.group);
  return { ...rights, receive: [...said, ...rights.receive.filter((right) => !isSaid(right))] };
}

function isWhole({ group, prefixLength }: ChannelRange): boolean {
  return prefixLength === wholeLength(group);
}

function wholeLength(group: IpAddress): number {
  return ipFamily(group) === 4 ? 32 : 128;
}
