/** A core that goes on, in the same process, with the records of the one that served until now: another configuration. */
import type { Config } from '../../config/config.ts';
import { laneKey } from '../../radius/client/request-record.ts';
import { changedPorts } from '../radius/radius-changes.ts';
import { Core, type CoreOptions } from './core.ts';

/** To be called between two turns; the one that comes next is for `Core.reconfigured`. */
export function successor(
  before: Core,
  config: Config,
  options: Omit<CoreOptions, 'stores' | 'tally'>,
): Core {
  forgetServers(before, config);
  return new Core(config, { ...options, stores: before.stores, tally: before.tally });
}

/** What was known of servers that are no more, or are reached otherwise, says nothing of the new ones. */
function forgetServers({ stores, config: before }: Core, after: Config): void {
  const forget = (name: string, port: 'auth' | 'acct') => stores.radiusServers.delete(laneKey(name, port));
  for (const { name } of before.radius.servers) {
    if (after.radius.servers.some((server) => server.name === name)) continue;
    forget(name, 'auth');
    forget(name, 'acct');
  }
  for (const { name, port } of changedPorts(before, after)) forget(name, port);
}
