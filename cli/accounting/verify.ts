/**
 * Looks whether accounting that was written down is whole: one Start and one Stop for each record, octets and times
 * that never go down, nothing after the end, nothing said in two ways; and adds up what was used.
 */
import { amount, type Column, span, table } from '../table.ts';
import type { Entry } from './entry.ts';

/** What is wrong with one record or one file. */
export interface Finding {
  readonly kind: 'orphan' | 'double' | 'contradiction' | 'fell' | 'late' | 'gap';
  readonly session: string;
  readonly what: string;
}

/** What one account used, in records that have ended. */
export interface AccountSum {
  readonly account: string;
  records: number;
  seconds: number;
  input: number;
  output: number;
}

export interface Verdict {
  readonly messages: number;
  /** Came again, word for word: harmless. */
  readonly repeated: number;
  readonly records: number;
  /** Begun, and not ended where the file ends. */
  readonly open: number;
  readonly refused: number;
  readonly findings: readonly Finding[];
  readonly sums: readonly AccountSum[];
}

interface Run {
  start: Entry | undefined;
  stop: Entry | undefined;
  last: Entry | undefined;
}

/** Judges entries in the order in which they were written down. */
export function verify(entries: readonly Entry[]): Verdict {
  const findings: Finding[] = [];
  const names = new Map<string, string>();
  const runs = new Map<string, Run>();
  let repeated = 0;
  let refused = 0;
  let line: number | undefined;
  for (const entry of entries) {
    const { session, status, time, words } = entry;
    const find = (kind: Finding['kind'], what: string) => findings.push({ kind, session, what });
    if (entry.line !== undefined) {
      if (line !== undefined && entry.line !== line + 1)
        find('gap', `line ${entry.line} follows line ${line}`);
      line = entry.line;
    }
    const name = `${session} ${status} ${time}`;
    const before = names.get(name);
    if (before !== undefined) {
      if (before === words) repeated++;
      else find('contradiction', `${status} of ${time} was said in two ways`);
      continue;
    }
    names.set(name, words);
    if (status === 'refused') refused++;
    if (status === 'refused' || status === 'on' || status === 'off') continue;
    const run = runs.get(session) ?? { start: undefined, stop: undefined, last: undefined };
    runs.set(session, run);
    judge(run, entry, find);
  }
  for (const [session, { start }] of runs) {
    if (start === undefined) findings.push({ kind: 'orphan', session, what: 'there is no Start' });
  }
  return {
    messages: entries.length,
    repeated,
    records: runs.size,
    open: [...runs.values()].filter(({ stop }) => stop === undefined).length,
    refused,
    findings,
    sums: sumsOf([...runs.values()]),
  };
}

function judge(run: Run, entry: Entry, find: (kind: Finding['kind'], what: string) => void): void {
  const { status } = entry;
  if (status === 'start') {
    if (run.start !== undefined) find('double', `two Starts: ${run.start.time} and ${entry.time}`);
    run.start ??= entry;
    return;
  }
  if (status === 'stop' && run.stop !== undefined) {
    find('double', `two Stops: ${run.stop.time} and ${entry.time}`);
    return;
  }
  if (run.stop !== undefined) {
    find('late', `an Interim-Update of ${entry.time} behind the Stop`);
    return;
  }
  const { last } = run;
  if (last !== undefined && (entry.input < last.input || entry.output < last.output)) {
    find('fell', `octets fell from ${last.input}/${last.output} to ${entry.input}/${entry.output}`);
  }
  if (last !== undefined && entry.seconds < last.seconds) {
    find('fell', `time fell from ${last.seconds} s to ${entry.seconds} s`);
  }
  run.last = entry;
  if (status === 'stop') run.stop = entry;
}

function sumsOf(runs: readonly Run[]): AccountSum[] {
  const sums = new Map<string, AccountSum>();
  for (const { stop } of runs) {
    if (stop === undefined) continue;
    const { account } = stop;
    const sum = sums.get(account) ?? { account, records: 0, seconds: 0, input: 0, output: 0 };
    sum.records++;
    sum.seconds += stop.seconds;
    sum.input += stop.input;
    sum.output += stop.output;
    sums.set(account, sum);
  }
  return [...sums.values()].sort((a, b) => (a.account < b.account ? -1 : 1));
}

/** The verdict for people: sums, findings, and one line at the end. */
export function renderVerdict(verdict: Verdict): string {
  const { messages, repeated, records, open, refused, findings, sums } = verdict;
  const lines = findings.map(({ kind, session, what }) => `${kind} ${session}: ${what}\n`);
  const counts = [
    `${messages} messages`,
    `${repeated} of them came again`,
    `${records} records`,
    `${open} not ended`,
    `${refused} refused joins`,
    `${findings.length} findings`,
  ];
  const sumTable = sums.length === 0 ? '' : `${table(SUM_COLUMNS, sums)}\n`;
  return `${sumTable}${lines.join('')}${counts.join(', ')}\n`;
}

const SUM_COLUMNS: readonly Column<AccountSum>[] = [
  { title: 'ACCOUNT', cell: ({ account }) => account },
  { title: 'RECORDS', cell: ({ records }) => String(records), right: true },
  { title: 'TIME', cell: ({ seconds }) => span(seconds * 1000), right: true },
  { title: 'IN', cell: ({ input }) => amount(input), right: true },
  { title: 'OUT', cell: ({ output }) => amount(output), right: true },
];
