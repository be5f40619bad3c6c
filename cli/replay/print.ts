/**
 * The lines of `castgate replay`: one a decision, for people or as JSON. `time` is that of `castgate decode`:
 * seconds since the first frame of the capture, with nine digits behind the point.
 */
import { printable } from '../table.ts';

/** A decision and what it is about. Fields that are undefined are left out. */
export interface Decision {
  readonly time: string;
  /** The frame that caused it; null: a timer. */
  readonly frame: number | null;
  /** The core's word for it: session-started, join-refused, … */
  readonly decision: string;
  readonly port?: string | undefined;
  readonly mac?: string | undefined;
  readonly account?: string | undefined;
  readonly group?: string | undefined;
  readonly source?: string | undefined;
  readonly reason?: string | undefined;
  readonly cause?: string | undefined;
  readonly by?: string | undefined;
  readonly [field: string]: unknown;
}

/** Milliseconds since the first frame as text. */
export function decisionTime(ms: number): string {
  const microseconds = Math.max(0, Math.round(ms * 1000));
  const fraction = String(microseconds % 1_000_000).padStart(6, '0');
  return `${Math.floor(microseconds / 1_000_000)}.${fraction}000`;
}

/** What the core's log calls a host, as fields of their own. */
export function withHost(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { host, ...rest } = fields;
  const match = typeof host === 'string' ? /^(.*)\/(\d+)\/([^/]*)$/.exec(host) : null;
  if (match === null) return { ...fields };
  return { port: match[1], vlan: Number(match[2]), mac: match[3], ...rest };
}

/** One line: frame (or -), time, what, who, where, what about, why. Nothing in it can steer a terminal. */
export function describeDecision(decision: Decision): string {
  const { time, frame, decision: what, note, ...fields } = decision;
  const head = `${String(frame ?? '-').padStart(5)} ${time.slice(0, -3).padStart(12)}`;
  if (typeof note === 'string') return printable(`${head}  note: ${note}`);
  const { port, vlan, mac, account, group, source, reason, cause, by, ...others } = fields;
  const who = [account, mac].filter((part) => part !== undefined).join(' ');
  const where = [port, vlan === undefined || vlan === 0 ? undefined : `VLAN ${vlan}`];
  const channel =
    group === undefined ? undefined : source === undefined ? `${group}` : `${group} from ${source}`;
  const why = [
    reason ?? cause,
    by === undefined ? undefined : `by ${by}`,
    ...Object.entries(others)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name} ${value}`),
  ];
  const parts = [where, [who === '' ? undefined : who], [channel], why]
    .map((part) => part.filter((word) => word !== undefined).join(' '))
    .filter((part) => part !== '');
  return printable(`${head}  ${what.padEnd(WIDEST)}  ${parts.join(', ')}`.trimEnd());
}

/** The longest of the usual words. */
const WIDEST = 'question-unanswered'.length;
