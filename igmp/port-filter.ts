/**
 * What a port must receive of a group when several hosts behind it hold grants: the merge of RFC 9776 §3.2
 * over the hosts, restricted to what was granted.
 */
import type { IpAddress } from '../wire/address.ts';
import type { HostFilter } from './membership.ts';

/** One host's share: what it was granted of the group, and which sources it does not want (EXCLUDE). */
export interface GrantedShare {
  /** Undefined: granted for any source. */
  readonly source: IpAddress | undefined;
  /** Sources that a host with an any-source grant excludes. */
  readonly excluded: readonly IpAddress[];
}

/** The filter for the port; undefined where nobody is granted anything. */
export function mergeShares(shares: readonly GrantedShare[]): HostFilter | undefined {
  const any = shares.filter((share) => share.source === undefined);
  const named = new Set(shares.flatMap((share) => (share.source === undefined ? [] : [share.source])));
  const [first, ...others] = any;
  if (first === undefined) {
    return named.size === 0 ? undefined : { mode: 'include', sources: [...named].sort() };
  }
  const excluded = first.excluded.filter(
    (source) => !named.has(source) && others.every((share) => share.excluded.includes(source)),
  );
  return { mode: 'exclude', sources: [...excluded].sort() };
}

/** True where both say the same. */
export function sameFilter(a: HostFilter | undefined, b: HostFilter | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.mode === b.mode &&
    a.to === b.to &&
    a.sources.length === b.sources.length &&
    a.sources.every((source, i) => source === b.sources[i])
  );
}
