/**
 * How each port is served as a whole, which follows from who is in on it: looked at whenever that changes, kept
 * as a record where it is not the ordinary way, and told to the switch.
 */
import { fallbackVlan } from '../../auth/fallback.ts';
import type { Config, PortConfig } from '../../config/config.ts';
import type { SessionRecord } from '../../session/records.ts';
import { ORDINARY, type PortService } from '../../switch/switch.ts';
import type { CoreParts } from '../core/parts.ts';

/** What they have to know of those who are in on a port. */
export interface PortOccupants {
  isOccupied(port: string): boolean;
  /** The VLAN that they have brought; entrance.ts lets in none that would bring another. */
  assignedVlan(port: string): number | undefined;
}

export class PortServices {
  readonly #parts: CoreParts;
  readonly #occupants: PortOccupants;

  constructor(parts: CoreParts, occupants: PortOccupants) {
    this.#parts = parts;
    this.#occupants = occupants;
  }

  /** Sessions of the port have changed; `about` is the host who is not in where the switch refuses. */
  follow(port: string, about?: string): void {
    const wanted = this.#wanted(port);
    const { portServices } = this.#parts.stores;
    const now = portServices.get(port) ?? ORDINARY;
    if (isSame(wanted, now)) return;
    if (isSame(wanted, ORDINARY)) portServices.delete(port);
    else portServices.put(port, { v: 1, key: port, ...wanted });
    this.#tell(port, wanted, about);
  }

  /** The configuration may have changed since the records were made. */
  resume(): void {
    for (const { name } of this.#parts.config.ports) this.follow(name);
  }

  #wanted(name: string): PortService {
    const port = this.#parts.ports.get(name);
    if (port === undefined) return ORDINARY;
    if (port.mode === 'monitor') return this.#monitored(name);
    if (!this.#occupants.isOccupied(name)) return this.#fallbackOf(port);
    const open = port.hostMode === 'multi-host';
    return placeIn(this.#parts.config, this.#occupants.assignedVlan(name), open);
  }

  /** Open to all in the VLAN of those who are in; only while it is up, since a port that went comes back ordinary. */
  #monitored(name: string): PortService {
    if (this.#parts.stores.ports.get(name)?.up !== true) return ORDINARY;
    return {
      ...placeIn(this.#parts.config, this.#occupants.assignedVlan(name), true),
      monitored: true,
    };
  }

  #fallbackOf(port: PortConfig): PortService {
    const record = this.#parts.stores.fallbacks.get(port.name);
    const vlan = record === undefined ? undefined : fallbackVlan(port, record.kind);
    return vlan === undefined ? ORDINARY : placeIn(this.#parts.config, vlan, true);
  }

  #tell(port: string, service: PortService, about: string | undefined): void {
    this.#parts.effect({ kind: 'serve-port', port, service, ...(about !== undefined && { about }) });
    const { open, vlan, bridge, monitored } = service;
    this.#parts.log.info('port-served', { port, open, vlan, bridge, monitored });
  }
}

/** The VLAN that these hosts have brought. */
export function assignedVlan(sessions: readonly SessionRecord[]): number | undefined {
  return sessions.find((session) => session.assignedVlan !== undefined)?.assignedVlan;
}

/** A VLAN is one of the bridge, or another bridge that stands for it. */
export function placeIn(
  { vlanBridges }: Pick<Config, 'vlanBridges'>,
  vlan: number | undefined,
  open: boolean,
): PortService {
  const bridge = vlan === undefined ? undefined : vlanBridges.get(vlan);
  return { open, vlan: bridge === undefined ? vlan : undefined, bridge };
}

function isSame(a: PortService, b: PortService): boolean {
  return (
    a.open === b.open &&
    a.vlan === b.vlan &&
    a.bridge === b.bridge &&
    (a.monitored === true) === (b.monitored === true)
  );
}
