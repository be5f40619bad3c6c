/** What a node of two needs of its switch: that of Linux has it, and one in memory for tests. */
import type { HostOpening, Leased, SourceFilter, Switch } from '../../switch/switch.ts';
import type { IpAddress } from '../../wire/address.ts';

/** What goes on from an earlier run. */
export interface KeptState {
  readonly hosts: readonly HostOpening[];
  readonly channels: readonly {
    readonly port: string;
    readonly vlan: number;
    readonly group: IpAddress;
    readonly filter: SourceFilter;
  }[];
}

export interface FencedSwitch extends Switch, Leased {
  /** Takes the ports into its hands, and reports their links. Throws where it cannot. */
  start(kept?: KeptState): void;
  /** Lets them go; with `cleanup` as they were before. */
  stop(options: { readonly cleanup: boolean }): void;
}
