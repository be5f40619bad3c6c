/**
 * The daemon's log: one JSON object a line, `event` names what happened in kebab-case and the fields say to
 * whom. A level that is not wanted costs one empty call. Secrets do not get out: fields named as such read
 * `[hidden]`, and octets are written as hex. A reader that does not keep up loses lines; it never holds the
 * daemon up.
 */
import type { Writable } from 'node:stream';
import { pino } from 'pino';
import { LogOutput } from './log-output.ts';

/** `fields` must not be named level, time or event, and must not change afterwards: the line is made later. */
export type LogMethod = (event: string, fields?: object) => void;

export interface Logger {
  readonly debug: LogMethod;
  readonly info: LogMethod;
  readonly warn: LogMethod;
  readonly error: LogMethod;
  /** The same log for one part of the daemon, whose level can be changed by itself. */
  readonly facility?: (name: Facility) => Logger;
}

/** Parts of the daemon whose levels can be told apart. */
export const FACILITIES = ['subscribers', 'channels', 'radius', 'accounting', 'ha', 'daemon'] as const;
export type Facility = (typeof FACILITIES)[number];
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The log of one part; the same one where it does not tell parts apart. */
export function facilityOf(log: Logger, name: Facility): Logger {
  return log.facility?.(name) ?? log;
}

/** A logger with something behind it. */
export interface OpenLogger extends Logger {
  /** Of each part, as it is now. */
  readonly levels: Readonly<Record<Facility, LogLevel>>;
  /** From here on. */
  setLevel(facility: Facility, level: LogLevel): void;
  /** Waits, within a second, for what is still to be written; before the process ends. */
  close(): Promise<void>;
}

/** Where lines go: a stream, or a function for tests and tools. */
export type LogTarget = Writable | ((line: string) => void);

/** Logs what is at least `level`, in every part until `setLevel`. */
export function openLog(level: LogLevel, target: LogTarget = process.stdout): OpenLogger {
  const sink: Sink = typeof target === 'function' ? atOnce(target) : new LogOutput(target);
  let saidAt = 0;
  let time = '';
  const log = pino(
    {
      level: 'debug',
      base: null,
      messageKey: 'event',
      timestamp: () => time,
      formatters: { level: (label) => ({ level: label }), log: (fields) => placed(presentable(fields)) },
    },
    sink,
  );
  const levels = Object.fromEntries(FACILITIES.map((name) => [name, level])) as Record<Facility, LogLevel>;
  const facility = (of: Facility): Logger => {
    const methods = Object.fromEntries(
      LOG_LEVELS.map((name): [LogLevel, LogMethod] => [
        name,
        (event, fields) => {
          const at = Date.now();
          sink.later(() => {
            // Many lines of a busy moment have the same time.
            if (at !== saidAt) time = `,"time":"${new Date(at).toISOString()}"`;
            saidAt = at;
            log[name](fields ?? {}, event);
          });
        },
      ]),
    ) as Record<LogLevel, LogMethod>;
    const wanted = (name: LogLevel) =>
      LOG_LEVELS.indexOf(name) >= LOG_LEVELS.indexOf(levels[of]) ? methods[name] : nothing;
    return {
      get debug() {
        return wanted('debug');
      },
      get info() {
        return wanted('info');
      },
      get warn() {
        return wanted('warn');
      },
      get error() {
        return wanted('error');
      },
      facility,
    };
  };
  const whole = facility('daemon');
  return Object.defineProperties(
    {
      levels,
      setLevel: (name: Facility, wanted: LogLevel) => {
        levels[name] = wanted;
      },
      close: () => sink.close(),
    },
    Object.getOwnPropertyDescriptors(whole),
  ) as OpenLogger;
}

/** Says nothing. */
export const silentLog: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };

type Sink = Pick<LogOutput, 'later' | 'write' | 'close'>;

function atOnce(write: (line: string) => void): Sink {
  return { later: (say) => say(), write, close: () => Promise.resolve() };
}

function nothing(): void {}

/** Whom a line is about can be searched for in parts: `host` is port/VLAN/MAC. */
function placed(fields: Fields): Fields {
  const { host } = fields;
  if (typeof host !== 'string' || 'port' in fields) return fields;
  const [port, vlan, mac, ...rest] = host.split('/');
  if (mac === undefined || rest.length > 0) return fields;
  return { port, vlan: Number(vlan), mac, ...fields };
}

/**
 * The fields as they may be written: octets as hex, errors with their trace, secrets hidden. What was handed in
 * stays as it is. In place of pino's own redaction, whose wildcards cost more than all the rest of a line.
 */
export function presentable(fields: Fields, depth = 0): Fields {
  let changed: Fields | undefined;
  for (const name in fields) {
    const value = fields[name];
    const shown = SECRET_NAMES.has(name) ? '[hidden]' : presentableValue(value, depth);
    if (shown === value) continue;
    changed ??= { ...fields };
    changed[name] = shown;
  }
  return changed ?? fields;
}

function presentableValue(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array)
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex');
  if (value instanceof Error) return { name: value.name, message: value.message, stack: value.stack };
  if (depth === MAX_DEPTH) return '[deeper]';
  if (!Array.isArray(value)) return presentable(value as Fields, depth + 1);
  const shown = value.map((item) => presentableValue(item, depth + 1));
  return shown.some((item, i) => item !== value[i]) ? shown : value;
}

type Fields = Record<string, unknown>;

const SECRET_NAMES: ReadonlySet<string> = new Set([
  'secret',
  'token',
  'password',
  'userPassword',
  'sharedSecret',
]);
/** Deeper than anything that is logged: a record that holds itself comes to an end. */
const MAX_DEPTH = 6;
