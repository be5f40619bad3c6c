/**
 * The two ways in which castgate uses the bridge's multicast database, chosen once by the kernel's version.
 * From Linux 6.3 on an entry holds filter mode and sources, carries castgate's number, and a port's entries
 * have a limit. Before that (Debian 12: 6.1) it is one plain permanent (*,G) for each group of a port, and
 * the nftables table tells the sources apart. Plain (S,G) entries would not do there: a (*,G) that comes
 * after them is not added to them (net/bridge/br_mdb.c), and what has none is flooded by the bridge.
 * The second way was run on Linux 6.18 with the messages of 6.1 only, never on 6.1 itself.
 */
import type { IpAddress } from '../../../wire/address.ts';
import type { SourceFilter } from '../../switch.ts';
import { CASTGATE_PROTOCOL, type MdbEntry, putAddGroup, putSetMembership } from '../netlink/mdb.ts';
import type { MessageWriter } from '../netlink/message.ts';
import type { Refusal } from '../netlink/netlink-socket.ts';
import { atLeast } from '../preflight.ts';

/** Which table tells a port's sources apart: names the way in LinuxSwitch's options. */
export type SourcesIn = 'database' | 'table';

export interface MdbWay {
  readonly sourcesIn: SourcesIn;
  /** The kernel has a limit of entries for each port (IFLA_BRPORT_MCAST_MAX_GROUPS). */
  readonly limitsPorts: boolean;
  /** Makes the port receive the group by the filter, as far as this way's entries can say it. */
  putSet(
    message: MessageWriter,
    bridge: number,
    port: number,
    vlan: number,
    group: IpAddress,
    filter: SourceFilter,
  ): void;
  /** True where a refusal of that message says that the entry is there already. */
  isThere(refusal: Refusal): boolean;
  /** True for a (*,G) entry of a subscriber port that is as putSet makes it. */
  isRight(entry: MdbEntry, filter: SourceFilter): boolean;
  /** True for an entry of a subscriber port that castgate made, in this run or before. */
  isOurs(entry: MdbEntry): boolean;
}

/** The way that fits a release like `6.1.0-28-amd64`. */
export function mdbWayOf(release: string): MdbWay {
  return MDB_WAYS[atLeast(release, SOURCE_LISTS_SINCE) ? 'database' : 'table'];
}

/** Both ways, by the table that tells sources apart. */
export const MDB_WAYS: Readonly<Record<SourcesIn, MdbWay>> = {
  database: {
    sourcesIn: 'database',
    limitsPorts: true,
    putSet: putSetMembership,
    isThere: () => false,
    isRight(entry, filter) {
      const sources = new Set(entry.sources);
      return (
        entry.protocol === CASTGATE_PROTOCOL &&
        entry.permanent &&
        entry.mode === filter.mode &&
        sources.size === new Set(filter.sources).size &&
        filter.sources.every((source) => sources.has(source))
      );
    },
    isOurs: (entry) => entry.protocol === CASTGATE_PROTOCOL && entry.permanent,
  },
  table: {
    sourcesIn: 'table',
    limitsPorts: false,
    putSet: putAddGroup,
    isThere: ({ errno }) => errno === 'EEXIST',
    isRight: (entry) => entry.permanent && entry.mode !== 'include' && entry.sources.length === 0,
    // These kernels give every entry of user space the same number: on castgate's ports it is castgate's.
    isOurs: (entry) => entry.permanent,
  },
};

const SOURCE_LISTS_SINCE = [6, 3] as const;
