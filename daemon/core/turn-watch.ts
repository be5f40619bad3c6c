/**
 * Who looks on while a node serves: what the core says, which records change, and when the effects of a turn
 * have left. For measurements and for people; nothing is decided by it.
 */
import type { ChangeFeed } from '../../session/store.ts';
import type { Facility, Logger, LogLevel, LogMethod } from '../log/log.ts';

export interface TurnWatch extends ChangeFeed {
  /** Something came in from the switch; turns about it follow until `dealtWith`. */
  arrived(): void;
  dealtWith(): void;
  /** A turn begins. */
  began(): void;
  /** The core says so, in the words of the log. */
  happened(event: string, fields: object | undefined): void;
  /** A turn is over. Its effects leave once change `change` is safe; changes up to `safe` are. */
  ended(change: number, safe: number): void;
}

/** A log whose lines the watch hears of too, wanted or not. */
export function watchLog(log: Logger, watch: TurnWatch | undefined): Logger {
  if (watch === undefined) return log;
  const both =
    (level: LogLevel): LogMethod =>
    (event, fields) => {
      watch.happened(event, fields);
      log[level](event, fields);
    };
  const { facility } = log;
  return {
    debug: both('debug'),
    info: both('info'),
    warn: both('warn'),
    error: both('error'),
    ...(facility && { facility: (name: Facility) => watchLog(facility(name), watch) }),
  };
}

/** One watch for several. */
export function watchAll(watches: readonly TurnWatch[]): TurnWatch {
  return {
    arrived: () => {
      for (const watch of watches) watch.arrived();
    },
    dealtWith: () => {
      for (const watch of watches) watch.dealtWith();
    },
    began: () => {
      for (const watch of watches) watch.began();
    },
    changed: (change) => {
      for (const watch of watches) watch.changed(change);
    },
    happened: (event, fields) => {
      for (const watch of watches) watch.happened(event, fields);
    },
    ended: (change, safe) => {
      for (const watch of watches) watch.ended(change, safe);
    },
  };
}
