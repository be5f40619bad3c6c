/**
 * What a changed key of the configuration needs while castgate runs: nothing (`live`), another process beside
 * this one that takes over (`upgrade`), or an end and another start (`restart`).
 */

import type { Config } from '../config.ts';
import { type ChangedKey, changedKeys } from '../file/changed-keys.ts';

export type ReloadNeed = 'live' | 'upgrade' | 'restart';

/** A changed key, and what it needs. */
export interface ChangedKeyNeed extends ChangedKey {
  readonly needs: ReloadNeed;
}

/** The keys that differ, each with what it needs. */
export function changesOf(before: Config, after: Config): ChangedKeyNeed[] {
  const forced = new Set([...forcedOpen(before), ...forcedOpen(after)]);
  return changedKeys(before, after).map((changed) => {
    // What is set up in the kernel for a mode is that a port is always open.
    const isLive = changed.key === MODE && !forced.has(changed.at);
    return { ...changed, needs: isLive ? 'live' : needOf(changed.key) };
  });
}

/** What a key needs; keys are written as in docs/configuration.md. Whatever is not listed is live. */
export function needOf(key: string): ReloadNeed {
  if (RESTART.some((one) => key === one || key.startsWith(`${one}.`))) return 'restart';
  return UPGRADE.has(key) ? 'upgrade' : 'live';
}

function forcedOpen({ ports }: Config): string[] {
  return ports.filter(({ mode }) => mode === 'force-authorized').map(({ name }) => `ports.${name}.mode`);
}

const MODE = 'ports.NAME.mode';

/** Another bridge or other records are another castgate; the two nodes of a pair agree on the rest. */
const RESTART: readonly string[] = ['bridge', 'state_directory', 'ha', 'radius.servers[].connection_backup'];

/**
 * What is set up once: ports in the kernel, the files of accounting, the cache of decisions. `ports` is which
 * ones there are.
 */
const UPGRADE: ReadonlySet<string> = new Set([
  'ports',
  MODE,
  'uplinks',
  'vlan_bridges',
  'multicast.hash_max',
  'multicast.max_groups_per_port',
  'groups.cache_size',
  'accounting.enabled',
  'accounting.export_file',
  'accounting.export_size',
  'accounting.export_keep',
  'accounting.disk_limit',
]);
