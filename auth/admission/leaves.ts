/**
 * What a leave ends, and when: `by-host`, `immediate` or `normal` (LeaveOptions). What stays for a while by `normal` is in
 * the membership record, with its deadline.
 */
import type { HostFilter, MembershipRecord } from '../../igmp/membership.ts';
import type { IpAddress } from '../../wire/address.ts';
import type { GrantTable } from '../grant-table.ts';
import type { Meant, MembershipTable, Reporter } from '../membership-table.ts';
import type { AdmissionAction, LeaveOptions } from './admission-records.ts';

export interface LeavesParts {
  readonly options: LeaveOptions;
  readonly grants: GrantTable;
  readonly memberships: MembershipTable;
  readonly emit: (action: AdmissionAction) => void;
  /** The host wants nothing of the group any more, as it said. */
  readonly drop: (membership: MembershipRecord) => void;
}

export class Leaves {
  readonly #parts: LeavesParts;

  constructor(parts: LeavesParts) {
    this.#parts = parts;
  }

  /** The host says that it wants nothing of the group any more. */
  leave(now: number, membership: MembershipRecord): void {
    const { options, grants, memberships, emit, drop } = this.#parts;
    const { port, vlan, group, mode, sources, mapped } = membership;
    if (options.mode === 'normal') {
      memberships.shorten(membership, now + options.lastMemberMs);
      // A host that named no source answers to the group.
      const asked = mode === 'include' && mapped === undefined ? sources : [];
      emit({ kind: 'ask-port', port, vlan, group, sources: asked });
      return;
    }
    if (options.mode === 'immediate') {
      for (const grant of grants.behind(port, vlan, group)) {
        const other = memberships.of(grant.host, group);
        if (other !== undefined && other.key !== membership.key) drop(other);
      }
    }
    drop(membership);
  }

  /** With `normal` leaves, sources that the host gives up stay until it was asked for them. */
  lingering(
    now: number,
    { port, vlan }: Reporter,
    { before, record }: Meant,
    filter: HostFilter,
  ): { filter: HostFilter; sources: readonly IpAddress[]; until: number } | undefined {
    const { options, emit } = this.#parts;
    if (options.mode !== 'normal' || before?.mode !== 'include' || filter.mode !== 'include')
      return undefined;
    const sources = before.sources.filter((source) => !filter.sources.includes(source));
    if (sources.length === 0) return undefined;
    emit({ kind: 'ask-port', port, vlan, group: record.group, sources });
    const both = { mode: 'include', sources: [...filter.sources, ...sources].sort() } as const;
    return { filter: both, sources, until: now + options.lastMemberMs };
  }
}
