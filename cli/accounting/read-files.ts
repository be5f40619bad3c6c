/** Reads accounting files for `castgate accounting tail` and `castgate accounting verify`. */
import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import type { Progress } from '../progress.ts';
import { amount, printable, span } from '../table.ts';
import { readDetail, readExport } from './entry.ts';
import { renderVerdict, verify } from './verify.ts';

export interface VerifyOptions {
  /** FreeRADIUS's detail files instead of castgate's export. */
  readonly detail: boolean;
  readonly json: boolean;
}

/** 0: whole; 1: something is wrong; 2: a file cannot be read, or holds no accounting. */
export function verifyFiles(
  files: readonly string[],
  options: VerifyOptions,
  out: (text: string) => void,
  err: (text: string) => void,
  say: Progress = () => {},
): number {
  const entries = [];
  for (const [i, file] of files.entries()) {
    say(i, files.length);
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch (cause) {
      err(`castgate: cannot read ${file}: ${cause instanceof Error ? cause.message : String(cause)}\n`);
      return 2;
    }
    const read = options.detail ? readDetail(text) : readExport(text);
    if (read.strange > 0) {
      const form = options.detail ? 'a detail file of FreeRADIUS' : "castgate's export (try --detail)";
      err(`castgate: ${file}: ${read.strange} lines are no accounting: is it ${form}?\n`);
      return 2;
    }
    entries.push(...read.entries);
  }
  const verdict = verify(entries);
  out(options.json ? `${JSON.stringify(verdict)}\n` : renderVerdict(verdict));
  return verdict.findings.length === 0 ? 0 : 1;
}

/** Export files of one path in the order in which they were written: FILE.2, FILE.1, FILE. */
export function withRotated(file: string): readonly string[] {
  const files = [file];
  for (let n = 1; existsSync(`${file}.${n}`); n++) files.unshift(`${file}.${n}`);
  return files;
}

/** Prints the last lines of an export, and with `follow` those that come. Resolves with an exit code. */
export async function tailFile(
  file: string,
  lines: number,
  follow: boolean,
  out: (text: string) => void,
  err: (text: string) => void,
): Promise<number> {
  let at = 0;
  try {
    const text = readFileSync(file, 'utf8');
    at = Buffer.byteLength(text.slice(0, text.lastIndexOf('\n') + 1));
    const whole = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
    for (const line of whole.slice(0, -1).slice(-lines || whole.length)) out(lineText(line));
  } catch (cause) {
    err(`castgate: cannot read ${file}: ${cause instanceof Error ? cause.message : String(cause)}\n`);
    return 2;
  }
  while (follow) {
    await new Promise((resolve) => setTimeout(resolve, FOLLOW_INTERVAL_MS));
    const read = readFrom(file, at);
    at = read.at;
    for (const line of read.lines) out(lineText(line));
  }
  return 0;
}

/** Whole lines behind an offset; a file that has become shorter is another one. */
function readFrom(file: string, at: number): { readonly at: number; readonly lines: readonly string[] } {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch {
    return { at, lines: [] };
  }
  try {
    const { size } = fstatSync(descriptor);
    const from = size < at ? 0 : at;
    const octets = Buffer.alloc(size - from);
    readSync(descriptor, octets, 0, octets.length, from);
    const end = octets.lastIndexOf(0x0a) + 1;
    return { at: from + end, lines: octets.toString('utf8', 0, end).split('\n').slice(0, -1) };
  } finally {
    closeSync(descriptor);
  }
}

/** A line of the export for people; one that is none as it is. */
function lineText(line: string): string {
  let read: Readonly<Record<string, unknown>>;
  try {
    read = JSON.parse(line) as Readonly<Record<string, unknown>>;
  } catch {
    return `${printable(line)}\n`;
  }
  const text = (name: string) => {
    const value = read[name];
    return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  };
  const counted = read['outputOctets'] !== null && read['outputOctets'] !== undefined;
  const parts = [
    text('time'),
    text('status'),
    text('account'),
    text('port'),
    [text('group'), text('source')].filter((part) => part !== '').join(' from '),
    counted ? `${span(Number(text('seconds')) * 1000)} in ${amount(Number(text('inputOctets')))}` : '',
    counted ? `out ${amount(Number(text('outputOctets')))}` : '',
    text('cause'),
    text('note'),
    text('session'),
  ];
  return `${printable(parts.filter((part) => part !== '').join('  '))}\n`;
}

const FOLLOW_INTERVAL_MS = 500;
