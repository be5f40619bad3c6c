/**
 * What each feature of the configuration needs of the user that runs the daemon, and whether it has it: said in
 * the log at the start, by `castgate show privileges` and by `castgate check --privileges`.
 */
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname } from 'node:path';
import type { Config } from '../config/config.ts';
import { type Capability, heldCapabilities } from '../switch/linux/capabilities.ts';
import type { Logger } from './log/log.ts';
import type { PrivilegeRow } from './show/show-rows.ts';

/** What a process may do. */
export interface Privileges {
  /** Its user, by name or number. */
  readonly user: string;
  readonly held: ReadonlySet<Capability>;
  /** The first port that needs no capability (ip(7), ip_unprivileged_port_start). */
  readonly firstFreePort: number;
  /** May write there; what is not there yet counts as its folder. */
  writes(path: string): boolean;
}

/** One row a feature that this configuration uses. */
export function privilegeRows(config: Config, may: Privileges = ownPrivileges()): PrivilegeRow[] {
  const { http, ha, accounting } = config;
  const { dynamicAuthorization } = config.radius;
  const rows: PrivilegeRow[] = [];
  const row = (feature: string, needs: string, held: boolean, without: string) =>
    rows.push({ feature, needs, held, without });
  const capability = (feature: string, needs: Capability, without: string) =>
    row(feature, needs, may.held.has(needs), without);
  const port = (feature: string, number: number, without: string) => {
    if (number < may.firstFreePort)
      capability(`${feature} on port ${number}`, 'CAP_NET_BIND_SERVICE', without);
  };
  const file = (feature: string, path: string, without: string) =>
    row(feature, `write ${path}`, may.writes(path), without);

  capability('locked ports, MAC addresses and channels of the bridge', 'CAP_NET_ADMIN', NO_START);
  capability('nftables: the second lock, and the counters', 'CAP_NET_ADMIN', NO_START);
  capability('EAPOL, IGMP and MLD on the ports', 'CAP_NET_RAW', NO_START);
  if (ha !== undefined) capability('the fence of a pair of nodes', 'CAP_NET_ADMIN', NO_START);
  file('castgate show and the other commands', config.controlSocket, NO_START);
  file('records, accounting, what the kernel was set to before', config.stateDirectory, NO_START);
  if (accounting.exportFile !== undefined)
    file('accounting as a file', accounting.exportFile.path, 'no lines are written');
  if (http.enabled) port('the page and /metrics', http.port, 'nobody is answered there');
  if (dynamicAuthorization.clients.length > 0)
    port('Disconnect and CoA', dynamicAuthorization.port, 'RADIUS cannot end or change sessions');
  if (ha !== undefined) {
    port('the link of the pair', ha.port, 'the other node does not reach this one');
    if (ha.notifyFifo !== undefined)
      file('orders of keepalived', ha.notifyFifo, 'only castgate promote and demote change roles');
    if (ha.priorityFile !== undefined)
      file('the weight for keepalived', ha.priorityFile, 'keepalived does not hear how this node is');
  }
  return rows;
}

/** One event: who runs it, what it may, and each feature that will not work. */
export function sayPrivileges(
  config: Config,
  log: Logger,
  may: Privileges = ownPrivileges(),
): readonly PrivilegeRow[] {
  const rows = privilegeRows(config, may);
  const cannot = rows
    .filter(({ held }) => !held)
    .map(({ feature, needs, without }) => ({ feature, needs, without }));
  const level = cannot.length === 0 ? 'info' : 'warn';
  log[level]('privileges', { user: may.user, capabilities: [...may.held], cannot });
  return rows;
}

/** Of this process, as it is now. */
export function ownPrivileges(): Privileges {
  return {
    user: ownName(),
    held: heldCapabilities(readFileSync('/proc/self/status', 'utf8')),
    firstFreePort: firstFreePort(),
    writes,
  };
}

function ownName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user without an entry.
    return String(process.getuid?.() ?? 'unknown');
  }
}

function firstFreePort(): number {
  try {
    return Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'));
  } catch {
    return 1024;
  }
}

function writes(path: string): boolean {
  let at = path;
  while (statSync(at, { throwIfNoEntry: false }) === undefined && dirname(at) !== at) at = dirname(at);
  try {
    accessSync(at, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

const NO_START = 'castgate does not start';
