/** The way that packets take where they come to the standby first, as a node has it and its log tells of it. */
import type { Config, HaConfig } from '../../config/config.ts';
import type { ConnectionGuard } from '../../connection-backup/linux/connection-guard.ts';
import { StandbyFirst, type WayEvent } from '../../connection-backup/linux/standby-first.ts';
import { loadNative } from '../../switch/native.ts';
import type { IpAddress } from '../../wire/address.ts';
import type { Logger } from '../log/log.ts';
import { backedUpPaths } from '../radius/backed-up-streams.ts';

/** `tellSeen`: the other node is to hear how far this one has seen each connection. */
export function standbyFirst(
  config: Config & { readonly ha: HaConfig },
  log: Logger,
  guard: ConnectionGuard,
  tellSeen: () => void,
): StandbyFirst {
  let isTelling = false;
  const first = new StandbyFirst({
    native: loadNative(),
    guard,
    addresses: addressesOf(config),
    leaseMs: config.ha.leaseMs,
    // What comes together is told together.
    advanced: () => {
      if (!isTelling)
        process.nextTick(() => {
          isTelling = false;
          tellSeen();
        });
      isTelling = true;
    },
    told: (event) => logWay(log, event),
  });
  guard.ask((record, position) => first.seen(record, position));
  return first;
}

/** One line an event. */
function logWay(log: Logger, event: WayEvent): void {
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
