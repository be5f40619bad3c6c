/** What a Linux switch is made with. */
import type { SourcesIn } from './bridge/mdb-way.ts';

export interface LinuxSwitchOptions {
  readonly bridge: string;
  /** Subscriber ports. */
  readonly ports: readonly string[];
  /** Those of `ports` that are open to everybody: only multicast has to be granted there. */
  readonly openPorts?: readonly string[];
  readonly uplinks: readonly string[];
  /** Bridges that ports may be moved to; a port that is still in one of them at the start is brought home. */
  readonly otherBridges?: readonly string[];
  /** `all` also reports what hosts send that speak no 802.1X (capture-filter.ts). */
  readonly hosts?: 'known' | 'all';
  /** Frames of a subscriber port that are read in a second, EAPOL apart (flood-limit.ts); 0: all. */
  readonly framesPerPort?: number;
  /** Where the settings from before castgate are kept for the cleanup. */
  readonly stateDirectory: string;
  /** The least size of the bridge's multicast database, in entries: well above ports × groups × sources. */
  readonly hashMax?: number;
  /** The kernel's limit of database entries on a port, sources counted too; behind the daemon's own limits. */
  readonly maxGroupsPerPort?: number;
  /** `both` keeps broadcasts from a port without an open host; `in` lets them out (AdminControlledDirections). */
  readonly controlledDirections?: 'both' | 'in';
  /**
   * Subscriber ports carry nothing but while this process lives and has a lease (fence.ts). Without it, what a
   * dead process had opened stays open.
   */
  readonly fence?: boolean;
  /** Where a port's sources are told apart; without it, by the kernel's version (mdb-way.ts). */
  readonly sourcesIn?: SourcesIn;
}

/** All that has a default, with it. */
export type SettledOptions = Required<Omit<LinuxSwitchOptions, 'sourcesIn' | 'openPorts'>>;

export function settled(options: LinuxSwitchOptions): SettledOptions {
  return { ...DEFAULTS, ...options };
}

const DEFAULTS = {
  hosts: 'known',
  framesPerPort: 0,
  otherBridges: [],
  hashMax: 65_536,
  maxGroupsPerPort: 1024,
  controlledDirections: 'both',
  fence: false,
} as const;
