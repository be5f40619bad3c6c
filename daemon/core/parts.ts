/** What the parts of the core share: configuration, records, readings of the switch, and where effects go. */

import type { AcceptOptions } from '../../auth/access-accept.ts';
import type { RightsForm } from '../../auth/rights/rights-attributes.ts';
import type { Config, PortConfig } from '../../config/config.ts';
import type { PortIdentity } from '../../session/nas-attributes.ts';
import type { Switch } from '../../switch/switch.ts';
import type { Mac } from '../../wire/address.ts';
import type { Logger } from '../log/log.ts';
import type { Effect } from './effects.ts';
import type { Stores } from './stores.ts';
import type { Tally } from './tally.ts';

/** What the core reads of the switch; it changes it only by effects. */
export type SwitchReadings = Pick<
  Switch,
  'hostCounters' | 'channelCounter' | 'macOf' | 'linkId' | 'hasVlans' | 'portNumber'
>;

export interface CoreParts {
  readonly config: Config;
  readonly ports: ReadonlyMap<string, PortConfig>;
  readonly stores: Stores;
  readonly readings: SwitchReadings;
  readonly tally: Tally;
  readonly log: Logger;
  /** Octets that nobody can foretell. */
  readonly random: (length: number) => Uint8Array;
  /** Appends to what the turn does at its end. */
  readonly effect: (effect: Effect) => void;
}

/** How rights in an Access-Accept are read. */
export function rightsFormOf({ groups, channels }: Config): RightsForm {
  return { nativeVendor: groups.nativeVendor, profiles: channels.policy.profiles };
}

/** What an Access-Accept may ask for here. */
export function acceptOptions({ config, readings }: CoreParts): AcceptOptions {
  return {
    vlanIsThere: (vlan) => config.vlanBridges.has(vlan) || readings.hasVlans(),
    rights: rightsFormOf(config),
    filters: config.filters,
  };
}

/** How RADIUS is told of a host's place. */
export function placeOf(parts: CoreParts, port: string, mac: Mac): PortIdentity {
  const record = parts.stores.ports.get(port);
  return {
    port,
    mac,
    portNumber: record?.number ?? parts.readings.portNumber(port),
    portMac: record?.mac ?? parts.readings.macOf(port),
  };
}
