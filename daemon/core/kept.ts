/** What goes on at the switch where another core goes on with the records. */
import { filterOf } from '../../auth/forwarding-table.ts';
import type { ServedPort } from '../../switch/linux/repair/following.ts';
import { openingOfSession } from './data-plane.ts';
import type { Stores } from './stores.ts';

/** All that the records say of the switch. */
export function keptOf({ sessions, forwardings, portServices }: Stores) {
  return {
    hosts: [...sessions.values()].map(openingOfSession),
    channels: [...forwardings.values()].map((record) => ({ ...record, filter: filterOf(record) })),
    services: [...portServices.values()] as readonly ServedPort[],
  };
}
