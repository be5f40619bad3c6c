/**
 * Keeps one port from filling the log: of what is said about a port only so many lines a second are written,
 * the rest is counted and told afterwards. Who has no session can cause a line with every frame, and each
 * costs more than the frame itself. Errors are always written.
 */
import type { Facility, Logger, LogMethod } from './log.ts';

/** A log that writes at most `linesPerSecond` info and warn lines about each port. `now` in milliseconds. */
export function limitPerPort(log: Logger, now: () => number, linesPerSecond = LINES_PER_SECOND): Logger {
  return limit(log, now, linesPerSecond, new Map());
}

interface PortLines {
  second: number;
  lines: number;
  withheld: number;
}

function limit(
  log: Logger,
  now: () => number,
  linesPerSecond: number,
  seconds: Map<string, PortLines>,
): Logger {
  const limited =
    (level: 'info' | 'warn'): LogMethod =>
    (event, fields) => {
      const say = log[level];
      const port = portOf(fields);
      if (port === undefined) {
        say(event, fields);
        return;
      }
      const second = Math.floor(now() / 1000);
      let state = seconds.get(port);
      if (state === undefined) {
        state = { second, lines: 0, withheld: 0 };
        seconds.set(port, state);
      }
      if (state.second !== second) {
        if (state.withheld > 0) log.warn('log-lines-withheld', { port, lines: state.withheld });
        Object.assign(state, { second, lines: 0, withheld: 0 });
      }
      state.lines++;
      if (state.lines > linesPerSecond) state.withheld++;
      else say(event, fields);
    };
  const { facility } = log;
  return {
    debug: (event, fields) => log.debug(event, fields),
    info: limited('info'),
    warn: limited('warn'),
    error: (event, fields) => log.error(event, fields),
    // One port, one limit, whatever part speaks of it.
    ...(facility && { facility: (name: Facility) => limit(facility(name), now, linesPerSecond, seconds) }),
  };
}

/** The port that a line is about, by its field `port` or the beginning of `host`. */
function portOf(fields: object | undefined): string | undefined {
  if (fields === undefined) return undefined;
  if ('port' in fields && typeof fields.port === 'string') return fields.port;
  if (!('host' in fields) || typeof fields.host !== 'string') return undefined;
  return fields.host.slice(0, fields.host.indexOf('/'));
}

/** Well over what a port of subscribers that behave has to say, logins of all its hosts included. */
const LINES_PER_SECOND = 100;
