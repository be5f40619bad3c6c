/**
 * Keeps one port from filling the log: of what is said about a port only so many lines a second are written,
 * the rest is counted and told afterwards. Who has no session can cause a line with every frame, and each
 * costs more than the frame itself. Errors are always written.
 */
import type { Logger, LogMethod } from './log.ts';

/** A log that writes at most `linesPerSecond` info and warn lines about each port. `now` in milliseconds. */
export function limitPerPort(log: Logger, now: () => number, linesPerSecond = LINES_PER_SECOND): Logger {
  const seconds = new Map<string, { second: number; lines: number; withheld: number }>();
  const limited =
    (say: LogMethod): LogMethod =>
    (event, fields) => {
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
  return { debug: log.debug, info: limited(log.info), warn: limited(log.warn), error: log.error };
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
