/**
 * What castgate wants of a bridge and of its ports, and the memory of what they were before: written to a
 * file in the state directory ahead of the first touch, so that `--cleanup` can put it back, also after a
 * crash. Only what castgate sets is remembered and put back.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BridgeOption, type Link, type Option, optionOf, PortFlag, type Setting } from './netlink/link.ts';
import { SwitchStartError } from './preflight.ts';

/** Settings of the bridge, but the querier: see LinuxSwitch. Never lowers the table's limit. */
export function bridgeSettings(bridge: Link, hashMax: number): Setting[] {
  const limit = Math.max(hashMax, optionOf(bridge.bridge, BridgeOption.McastHashMax) ?? 0);
  return [
    [BridgeOption.McastHashMax, limit],
    [BridgeOption.McastIgmpVersion, 3],
    [BridgeOption.McastMldVersion, 2],
    [BridgeOption.McastSnooping, 1],
  ];
}

/**
 * Flags of a locked subscriber port. Learning off: a locked port that learns opens itself (an EAPOL-Start is
 * enough). Multicast router off: no query or PIM makes the port one that gets everything. Unknown unicast
 * off: an open host has an entry, so what is unknown is not for this port. Multicast flood on, because
 * the bridge would else keep neighbour discovery and 224.0.0.0/24 from the port; the nftables table lets
 * only these and the port's channels out. Broadcast flood on, for the same table to judge. `maxGroups`
 * undefined: a kernel that has no such limit.
 */
export function lockedSettings(maxGroups: number | undefined): Setting[] {
  const settings: Setting[] = [
    [PortFlag.Locked, 1],
    [PortFlag.Learning, 0],
    [PortFlag.UnicastFlood, 0],
    [PortFlag.MulticastFlood, 1],
    [PortFlag.BroadcastFlood, 1],
    [PortFlag.MulticastToUnicast, 0],
    [PortFlag.MulticastRouter, MULTICAST_ROUTER_NEVER],
  ];
  if (maxGroups !== undefined) settings.push([PortFlag.MulticastMaxGroups, maxGroups]);
  return settings;
}

/**
 * Flags of a port that is open to everybody: as those of a locked one, but an ordinary switch's port for
 * unicast. It learns who is behind it, and gets what the bridge knows no other place for, so that silent
 * hosts are reached too. What it learns cannot take the address of a host that is open elsewhere (fdb.ts).
 */
export function openSettings(maxGroups: number | undefined): Setting[] {
  const open: Setting[] = [
    [PortFlag.Locked, 0],
    [PortFlag.Learning, 1],
    [PortFlag.UnicastFlood, 1],
  ];
  const rest = lockedSettings(maxGroups).filter(([option]) => !open.some(([other]) => other === option));
  return [...open, ...rest];
}

/** Flags of an uplink port: what the bridge's hosts send to groups goes there. */
export function uplinkSettings(): Setting[] {
  return [[PortFlag.MulticastRouter, MULTICAST_ROUTER_ALWAYS]];
}

/** The settings that the interface does not have. A flag that this kernel does not know counts as wrong. */
export function missing(fields: Link['port'], wanted: readonly Setting[]): Setting[] {
  return wanted.filter(([option, value]) => optionOf(fields, option) !== value);
}

/** `name` of an option or flag, for messages: `Locked`. */
export function settingName([attribute]: Option, of: 'bridge' | 'port'): string {
  const table: Record<string, Option> = of === 'bridge' ? BridgeOption : PortFlag;
  return Object.entries(table).find(([, option]) => option[0] === attribute)?.[0] ?? String(attribute);
}

/** What was there before castgate, by the names of this file's tables. */
export interface Before {
  readonly v: 1;
  readonly bridge: string;
  readonly options: Record<string, number>;
  readonly ports: Record<string, Record<string, number>>;
}

/** Keeps Before in `switch-<bridge>.json`. */
export class BeforeFile {
  readonly #path: string;
  readonly #folder: string;

  constructor(folder: string, bridge: string) {
    this.#folder = folder;
    this.#path = join(folder, `switch-${bridge}.json`);
  }

  /** What the file says; undefined where there is none, or none that can be read. */
  read(): Before | undefined {
    try {
      const found = JSON.parse(readFileSync(this.#path, 'utf8')) as Before;
      return found.v === 1 ? found : undefined;
    } catch {
      return undefined;
    }
  }

  /** Adds what the file does not have yet: a value of an earlier run is the older, true one. */
  remember(
    bridge: Link,
    ports: ReadonlyMap<Link, readonly Setting[]>,
    options: readonly Setting[],
    vlans: ReadonlyMap<number, number>,
  ): void {
    const known = this.read();
    const before: Before = {
      v: 1,
      bridge: bridge.name,
      options: { ...values(bridge.bridge, options, 'bridge'), ...known?.options },
      ports: { ...known?.ports },
    };
    for (const [port, settings] of ports) {
      const vlan = vlans.get(port.index);
      before.ports[port.name] ??= {
        ...values(port.port, settings, 'port'),
        ...(vlan !== undefined && { [HOME_VLAN]: vlan }),
      };
    }
    if (JSON.stringify(known) === JSON.stringify(before)) return;
    mkdirSync(this.#folder, { recursive: true });
    const draft = `${this.#path}.new`;
    writeFileSync(draft, `${JSON.stringify(before, undefined, 2)}\n`);
    renameSync(draft, this.#path);
  }

  forget(): void {
    rmSync(this.#path, { force: true });
  }
}

/** Remembers what castgate is about to set. Throws SwitchStartError where the file cannot be written. */
export function rememberBefore(
  file: BeforeFile,
  { bridge, ports, uplinks }: { bridge: Link; ports: readonly Link[]; uplinks: readonly Link[] },
  { hashMax, maxGroupsPerPort }: { hashMax: number; maxGroupsPerPort: number | undefined },
  vlans: ReadonlyMap<number, number>,
): void {
  const settings = new Map<Link, readonly Setting[]>();
  for (const link of ports) settings.set(link, lockedSettings(maxGroupsPerPort));
  for (const link of uplinks) settings.set(link, uplinkSettings());
  try {
    const options = [...bridgeSettings(bridge, hashMax), [BridgeOption.McastQuerier, 1]] as const;
    file.remember(bridge, settings, options, vlans);
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause);
    throw new SwitchStartError('state', `cannot remember the old settings: ${what}`, { cause });
  }
}

/** The remembered values as settings again; names that this version does not know are left out. */
export function rememberedSettings(values: Record<string, number>, of: 'bridge' | 'port'): Setting[] {
  const table: Record<string, Option> = of === 'bridge' ? BridgeOption : PortFlag;
  return Object.entries(values).flatMap(([name, value]) => {
    const option = table[name];
    return option === undefined ? [] : [[option, value] as const];
  });
}

function values(
  fields: Link['port'],
  settings: readonly Setting[],
  of: 'bridge' | 'port',
): Record<string, number> {
  const found: Record<string, number> = {};
  for (const [option] of settings) {
    const value = optionOf(fields, option);
    if (value !== undefined) found[settingName(option, of)] = value;
  }
  return found;
}

/** Among a port's remembered values: the VLAN of its untagged frames. */
export const HOME_VLAN = 'HomeVlan';

const MULTICAST_ROUTER_NEVER = 0;
const MULTICAST_ROUTER_ALWAYS = 2;
