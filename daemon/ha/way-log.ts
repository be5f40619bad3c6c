/** What the log says of the way that packets take (connection-backup/linux/standby-first.ts). */
import type { Config } from '../../config/config.ts';
import type { WayEvent } from '../../connection-backup/linux/standby-first.ts';
import type { IpAddress } from '../../wire/address.ts';
import type { Logger } from '../log/log.ts';
import { backedUpPaths } from '../radius/backed-up-streams.ts';

/** One line an event. */
export function logWay(log: Logger, event: WayEvent): void {
  switch (event.kind) {
    case 'in-the-way':
      log.info('in-the-way', { interface: event.device });
      return;
    case 'through-standby':
      log.info('packets-through-standby', {});
      return;
    case 'taken-back':
      log.warn('packets-taken-back', { why: event.why });
      return;
    case 'overflowed':
      log.warn('tap-overflowed', { more: event.more, means: 'what was missed is left to the records' });
      return;
    case 'refused':
      log.error('standby-first-refused', {
        why: event.why,
        means: 'packets come to the active, and acknowledgements wait for the records',
      });
      return;
  }
}

/** The virtual addresses of connections that are backed up. */
export function addressesOf({ radius }: Pick<Config, 'radius'>): IpAddress[] {
  return [...new Set(backedUpPaths(radius).map(({ local }) => local))];
}
