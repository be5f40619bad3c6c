/**
 * The daemon's log: one JSON object a line, `event` names what happened in kebab-case and the fields say to
 * whom. A level that is not wanted costs one empty call. Secrets do not get out: fields named as such read
 * `[hidden]`, and octets are written as hex. A reader that does not keep up loses lines; it never holds the
 * daemon up.
 */
import type { Writable } from 'node:stream';
import { pino } from 'pino';
import { LogOutput } from './log-output.ts';

/** `fields` must not be named level, time or event. */
export type LogMethod = (event: string, fields?: object) => void;

export interface Logger {
  readonly debug: LogMethod;
  readonly info: LogMethod;
  readonly warn: LogMethod;
  readonly error: LogMethod;
}

/** A logger with something behind it. */
export interface OpenLogger extends Logger {
  /** Waits, within a second, for what is still to be written; before the process ends. */
  close(): Promise<void>;
}

/** Where lines go: a stream, or a function for tests and tools. */
export type LogTarget = Writable | ((line: string) => void);

/** Logs what is at least `level`. */
export function openLog(level: keyof Logger, target: LogTarget = process.stdout): OpenLogger {
  const sink: Sink = typeof target === 'function' ? { write: target } : new LogOutput(target);
  const log = pino(
    {
      level,
      base: null,
      messageKey: 'event',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: withoutOctets },
      redact: { paths: SECRET_PATHS, censor: '[hidden]' },
    },
    sink,
  );
  const method = (name: keyof Logger): LogMethod => {
    if (!log.isLevelEnabled(name)) return nothing;
    return (event, fields) => log[name](fields ?? {}, event);
  };
  return {
    debug: method('debug'),
    info: method('info'),
    warn: method('warn'),
    error: method('error'),
    close: () => sink.close?.() ?? Promise.resolve(),
  };
}

/** Says nothing. */
export const silentLog: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };

interface Sink {
  write(line: string): void;
  close?(): Promise<void>;
}

function nothing(): void {}

function withoutOctets(fields: Record<string, unknown>): Record<string, unknown> {
  let changed: Record<string, unknown> | undefined;
  for (const name in fields) {
    const value = fields[name];
    const plain =
      value instanceof Uint8Array
        ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')
        : value instanceof Error
          ? { name: value.name, message: value.message, stack: value.stack }
          : value;
    if (plain === value) continue;
    changed ??= { ...fields };
    changed[name] = plain;
  }
  return changed ?? fields;
}

const SECRET_NAMES = ['secret', 'password', 'userPassword', 'sharedSecret'];
const SECRET_PATHS = SECRET_NAMES.flatMap((name) => [name, `*.${name}`, `*[*].${name}`]);
