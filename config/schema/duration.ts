/**
 * Durations as people write them: `500ms`, `30s`, `10m`, `1h`, `2d`, or several in falling order (`1h30m`).
 * A number without a unit is refused, because 30 could be either of two that differ by a thousand.
 */

/** A duration that cannot be read; `refused` says what to write instead. */
export interface DurationRefused {
  readonly refused: string;
}

/** Milliseconds of a duration in text; whole, at least 0. */
export function parseDuration(value: unknown): number | DurationRefused {
  if (typeof value === 'number') {
    return { refused: `a duration needs a unit: write ${value}s for seconds or ${value}ms for milliseconds` };
  }
  if (typeof value !== 'string') return { refused: `expected a duration such as 30s, not ${nounOf(value)}` };
  const text = value.trim();
  if (/^\d+(\.\d+)?$/.test(text)) {
    return { refused: `a duration needs a unit: write ${text}s for seconds or ${text}ms for milliseconds` };
  }
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) {
    return {
      refused: `'${value}' is not a duration: write a number and a unit of ms, s, m, h or d, such as 30s`,
    };
  }
  let total = 0;
  let previous = Number.POSITIVE_INFINITY;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    const scale = UNITS.find(([name]) => name === unit)?.[1] ?? 0;
    if (scale >= previous)
      return { refused: `'${value}': units go from large to small, each once, as in 1h30m` };
    previous = scale;
    total += Number(amount) * scale;
  }
  const rounded = Math.round(total);
  if (Math.abs(total - rounded) > 1e-6) return { refused: `'${value}' is finer than a millisecond` };
  if (rounded > Number.MAX_SAFE_INTEGER) return { refused: `'${value}' is too long` };
  return rounded;
}

/** Shortest exact text of a duration: `90s` as `1m30s`, 0 as `0s`. For whole milliseconds from 0. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  let rest = ms;
  let text = '';
  for (const [name, scale] of UNITS) {
    const amount = Math.floor(rest / scale);
    if (amount === 0) continue;
    text += `${amount}${name}`;
    rest -= amount * scale;
  }
  return text;
}

/** What a value is, in words for a message: `a list`, `nothing`, `the number 3`. */
export function nounOf(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value === 'string') return value === '' ? 'an empty text' : `the text '${value}'`;
  return `${typeof value === 'number' ? 'the number ' : ''}${String(value)}`;
}

const UNITS: readonly (readonly [string, number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
];
