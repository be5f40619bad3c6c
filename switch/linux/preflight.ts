/**
 * What must be there before castgate touches anything. Each thing that is missing is one line that names
 * it and says how to get it.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { type Capability, heldCapabilities } from './capabilities.ts';
import type { Kernel } from './kernel.ts';
import { BridgeOption, type Link, optionOf, PortFlag } from './netlink/link.ts';

/** Why a switch cannot start. `message` is one line for the operator. */
export class SwitchStartError extends Error {
  readonly reason: StartReason;

  constructor(reason: StartReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SwitchStartError';
    this.reason = reason;
  }
}

export type StartReason =
  | 'native'
  | 'privilege'
  | 'tool'
  | 'kernel'
  | 'bridge'
  | 'port'
  | 'state'
  | 'refused';

/** Needs no sockets: privileges, kernel and tools. Throws SwitchStartError. */
export function checkSystem(): void {
  const missing = missingPrivileges(readFileSync('/proc/self/status', 'utf8'));
  if (missing.length > 0) {
    const service = `AmbientCapabilities=${missing.join(' ')}`;
    throw new SwitchStartError(
      'privilege',
      `missing ${missing.join(' and ')}: run as root, or in the service: ${service}`,
    );
  }
  if (!atLeast(release(), MINIMUM_KERNEL)) {
    const wanted = MINIMUM_KERNEL.join('.');
    throw new SwitchStartError(
      'kernel',
      `Linux ${release()} is too old: ${wanted} is the first with locked bridge ports`,
    );
  }
  if (spawnSync('nft', ['--version']).error !== undefined) {
    throw new SwitchStartError('tool', 'no `nft` in PATH: apt install nftables');
  }
}

/** The capabilities that castgate needs and that `/proc/self/status` does not show. */
export function missingPrivileges(status: string): string[] {
  const held = heldCapabilities(status);
  return PRIVILEGES.filter((name) => !held.has(name));
}

/**
 * The bridge and the ports as they are; throws SwitchStartError where one is not fit. A port may be in one of
 * `otherBridges` for now.
 */
export function checkBridge(
  kernel: Kernel,
  bridgeName: string,
  ports: readonly string[],
  uplinks: readonly string[],
  otherBridges: readonly string[] = [],
): { bridge: Link; ports: Link[]; uplinks: Link[] } {
  const twice = [...ports, ...uplinks].find((name, i, all) => all.indexOf(name) !== i);
  if (twice !== undefined)
    throw new SwitchStartError('port', `port ${twice} is named twice among ports and uplinks`);
  const links = new Map(kernel.links().map((link) => [link.name, link]));
  const bridge = links.get(bridgeName);
  if (bridge?.bridge === undefined) {
    const what = bridge === undefined ? 'no interface' : 'not a bridge:';
    throw new SwitchStartError('bridge', `${what} ${bridgeName}: ip link add ${bridgeName} type bridge`);
  }
  if (!bridge.administrativelyUp) {
    throw new SwitchStartError('bridge', `bridge ${bridgeName} is down: ip link set ${bridgeName} up`);
  }
  if (optionOf(bridge.bridge, BridgeOption.McastSnooping) === undefined) {
    throw new SwitchStartError(
      'kernel',
      'this kernel has no multicast snooping: it needs CONFIG_BRIDGE_IGMP_SNOOPING',
    );
  }
  const away = new Set(otherBridges.flatMap((name) => links.get(name)?.index ?? []));
  const member = (name: string): Link => {
    const link = links.get(name);
    if (link === undefined) {
      throw new SwitchStartError(
        'port',
        `no interface ${name}: create it, or take it out of the configuration`,
      );
    }
    const isAway = link.master !== undefined && away.has(link.master);
    if ((link.master !== bridge.index && !isAway) || link.port === undefined) {
      throw new SwitchStartError(
        'port',
        `${name} is not a port of ${bridgeName}: ip link set ${name} master ${bridgeName}`,
      );
    }
    if (optionOf(link.port, PortFlag.Locked) === undefined) {
      throw new SwitchStartError('kernel', `the kernel offers no locked flag on port ${name}`);
    }
    return link;
  };
  return { bridge, ports: ports.map(member), uplinks: uplinks.map(member) };
}

/** True where a release like `6.18.44-x` is at least the version. */
export function atLeast(text: string, [major, minor]: readonly [number, number]): boolean {
  const [, a, b] = /^(\d+)\.(\d+)/.exec(text) ?? [];
  return Number(a) > major || (Number(a) === major && Number(b) >= minor);
}

const MINIMUM_KERNEL = [5, 18] as const;

const PRIVILEGES: readonly Capability[] = ['CAP_NET_ADMIN', 'CAP_NET_RAW'];
