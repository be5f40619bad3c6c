/** What a host may send to: the rights that came with its login, and those of the profile that it named. */
import type { ChannelRange, SessionRights } from '../../session/records.ts';

/** In the order login, profile; undefined: nothing. A profile that is not there gives no right. */
export function sendRights(
  rights: SessionRights | undefined,
  profiles: ReadonlyMap<string, { readonly send: readonly ChannelRange[] }>,
): readonly ChannelRange[] | undefined {
  if (rights === undefined) return undefined;
  const { profile } = rights;
  const general = profile === undefined ? undefined : profiles.get(profile)?.send;
  const all = [...rights.send, ...(general ?? [])];
  return all.length === 0 ? undefined : all;
}
