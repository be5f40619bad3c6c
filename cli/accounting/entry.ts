/**
 * Accounting messages as they were written down: castgate's export, or FreeRADIUS's detail files. Both become
 * the same entries; what is no message is left out and counted.
 */

/** One message. */
export interface Entry {
  readonly status: 'start' | 'interim' | 'stop' | 'on' | 'off' | 'refused';
  /** Acct-Session-Id. */
  readonly session: string;
  /** As it was written; with session and status it names the message. */
  readonly time: string;
  readonly account: string;
  readonly input: number;
  readonly output: number;
  readonly seconds: number;
  /** All that it says but how late it was sent: what comes again must say the same. */
  readonly words: string;
  /** Number of the line in the export; undefined: it has none. */
  readonly line: number | undefined;
}

export interface Entries {
  readonly entries: readonly Entry[];
  /** Lines or blocks that are no message. */
  readonly strange: number;
}

/** castgate's JSON lines. A last line that is not finished is left out. */
export function readExport(text: string): Entries {
  const lines = text.split('\n');
  lines.pop();
  const entries: Entry[] = [];
  for (const line of lines) {
    const entry = entryOfLine(line);
    if (entry !== undefined) entries.push(entry);
  }
  return { entries, strange: lines.length - entries.length };
}

/** FreeRADIUS's detail files: blocks of `Name = value` under a date, an empty line behind each. */
export function readDetail(text: string): Entries {
  const blocks = text.split('\n\n');
  blocks.pop();
  const entries: Entry[] = [];
  let others = 0;
  for (const block of blocks) {
    const entry = entryOfBlock(block);
    if (entry === 'other') others++;
    else if (entry !== undefined) entries.push(entry);
  }
  return { entries, strange: blocks.length - entries.length - others };
}

function entryOfLine(line: string): Entry | undefined {
  let read: unknown;
  try {
    read = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof read !== 'object' || read === null) return undefined;
  const fields = read as Readonly<Record<string, unknown>>;
  const text = (name: string) => (typeof fields[name] === 'string' ? (fields[name] as string) : '');
  const number = (name: string) => (typeof fields[name] === 'number' ? (fields[name] as number) : 0);
  const status = STATUSES.find((each) => each === text('status'));
  if (status === undefined || text('session') === '') return undefined;
  const { line: _line, sequence: _sequence, ...said } = fields;
  return {
    status,
    session: text('session'),
    time: text('time'),
    account: text('account'),
    input: number('inputOctets'),
    output: number('outputOctets'),
    seconds: number('seconds'),
    words: JSON.stringify(said),
    line: typeof fields['line'] === 'number' ? fields['line'] : undefined,
  };
}

/** `other`: a packet that is about no session, such as those that only other programs make. */
function entryOfBlock(block: string): Entry | 'other' | undefined {
  const values = new Map<string, string>();
  const said: string[] = [];
  for (const line of block.split('\n')) {
    const [, name, value] = /^\t([^ ]+) [:+]?= (.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) continue;
    if (!values.has(name)) values.set(name, unquoted(value));
    if (!NOT_WORDS.has(name)) said.push(line.trim());
  }
  if (values.size === 0) return undefined;
  const status = DETAIL_STATUSES[values.get('Acct-Status-Type') ?? ''];
  const session = values.get('Acct-Session-Id');
  if (status === undefined) return 'other';
  if (session === undefined) return undefined;
  const number = (name: string) => Number(values.get(name) ?? 0) || 0;
  const wide = (way: string) => number(`Acct-${way}-Octets`) + number(`Acct-${way}-Gigawords`) * 2 ** 32;
  return {
    status,
    session,
    time: values.get('Event-Timestamp') ?? '',
    account: values.get('User-Name') ?? '',
    input: wide('Input'),
    output: wide('Output'),
    seconds: number('Acct-Session-Time'),
    words: said.join('\n'),
    line: undefined,
  };
}

function unquoted(value: string): string {
  return value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value;
}

const STATUSES = ['start', 'interim', 'stop', 'on', 'off', 'refused'] as const;
const DETAIL_STATUSES: Readonly<Record<string, Entry['status']>> = {
  Start: 'start',
  'Interim-Update': 'interim',
  Alive: 'interim',
  Stop: 'stop',
  'Accounting-On': 'on',
  'Accounting-Off': 'off',
  Failed: 'refused',
};
/** What FreeRADIUS adds, or another attempt of the same message changes. */
const NOT_WORDS: ReadonlySet<string> = new Set([
  'Acct-Delay-Time',
  'Timestamp',
  'Packet-Src-IP-Address',
  'Packet-Src-Port',
  'Acct-Unique-Session-Id',
  'Tmp-String-9',
  'NAS-IP-Address-Added',
]);
