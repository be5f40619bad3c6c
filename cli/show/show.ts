/**
 * `castgate show`: what a running daemon knows, as a table for people or as JSON for programs. The JSON is
 * the daemon's rows as they are (daemon/show/show-rows.ts); the table leaves some out and rounds.
 */
import type {
  AccountingRow,
  DriftRow,
  GroupRow,
  HaRow,
  PortRow,
  PrivilegeRow,
  RadiusRow,
  RefusalRow,
  SessionRow,
  ShowRows,
} from '../../daemon/show/show-rows.ts';
import { askDaemon } from '../control-client.ts';
import { type SelectionOptions, selected } from '../selection.ts';
import { amount, type Column, printable, span, table } from '../table.ts';

/** What can be shown. */
export const SHOW_TOPICS = [
  'sessions',
  'groups',
  'radius',
  'ports',
  'refusals',
  'ha',
  'accounting',
  'drift',
  'privileges',
] as const satisfies readonly (keyof ShowRows)[];
export type ShowTopic = (typeof SHOW_TOPICS)[number];

/** Parts of a topic that have a name of their own. */
const PARTS: Readonly<Record<'grants' | 'denied', { readonly of: ShowTopic; readonly state: string }>> = {
  grants: { of: 'groups', state: 'granted' },
  denied: { of: 'groups', state: 'refused' },
};

/** All words that `castgate show` takes. */
export const SHOW_WORDS = [...SHOW_TOPICS, 'grants', 'denied'] as const;
export type ShowWord = (typeof SHOW_WORDS)[number];

/** By what the rows of a topic can be chosen. */
export const SELECTABLE: Readonly<Record<ShowWord, readonly (keyof SelectionOptions)[]>> = {
  sessions: ['port', 'mac', 'account'],
  groups: ['port', 'mac', 'account', 'group'],
  grants: ['port', 'mac', 'account', 'group'],
  denied: ['port', 'mac', 'account', 'group'],
  ports: ['port'],
  radius: [],
  refusals: [],
  ha: [],
  accounting: [],
  drift: [],
  privileges: [],
};

/** Text to print, or why there is none. */
export type Shown = { readonly text: string } | { readonly failed: string };

/** Asks the daemon behind the socket. `now` is what ages and remaining times are counted from. */
export async function show(
  word: ShowWord,
  socketPath: string,
  json: boolean,
  now: number,
  selection: Readonly<Record<string, string>> = {},
): Promise<Shown> {
  const part = word === 'grants' || word === 'denied' ? PARTS[word] : undefined;
  const topic = part?.of ?? (word as ShowTopic);
  const answer = await askDaemon(socketPath, topic);
  if ('failed' in answer) return answer;
  if (!isRows(answer.result)) {
    return {
      failed: `the daemon on ${socketPath} answered '${topic}' with no list: is it of another version?`,
    };
  }
  const wanted = part === undefined ? selection : { ...selection, state: part.state };
  const rows = selected(answer.result, wanted);
  if (json) return { text: `${JSON.stringify(rows)}\n` };
  const text = renderRows(topic, rows, now);
  return { text: topic === 'ports' ? text + (await refusedBelow(socketPath)) : text };
}

/** Under the ports, what the kernel refused on all of them; nothing where a daemon does not tell. */
async function refusedBelow(socketPath: string): Promise<string> {
  const answer = await askDaemon(socketPath, 'refusals');
  if ('failed' in answer || !isRows(answer.result)) return '';
  const refused = answer.result.filter((row) => Number(field(row, 'packets')) > 0);
  return refused.length === 0 ? '' : `\nrefused by the kernel:\n${table(REFUSAL_COLUMNS, refused)}`;
}

/** Rows as a table. A field that is missing or of another type than it should be reads `-`. */
export function renderRows(topic: ShowTopic, rows: readonly object[], now: number): string {
  switch (topic) {
    case 'sessions':
      return rows.length === 0 ? 'no sessions\n' : table(sessionColumns(now, rows), rows);
    case 'groups':
      return rows.length === 0 ? 'no groups\n' : table(groupColumns(now), rows);
    case 'radius':
      return table(RADIUS_COLUMNS, rows) + reasons(rows, 'server', 'discarded');
    case 'ports':
      return table(portColumns(rows), rows) + reasons(rows, 'port', 'drops');
    case 'refusals':
      return table(REFUSAL_COLUMNS, rows);
    case 'ha':
      return table(HA_COLUMNS, rows) + alarms(rows) + takeover(rows, now);
    case 'accounting':
      return table(accountingColumns(now), rows);
    case 'privileges':
      return renderPrivileges(rows);
    case 'drift':
      return rows.length === 0 ? 'nothing was found changed\n' : table(driftColumns(now), rows);
  }
}

/** What this user may do for each feature; under it what will not work. */
export function renderPrivileges(rows: readonly object[]): string {
  const lacking = rows.filter((row) => field(row, 'held') !== true);
  const means = lacking.map(
    (row) => `without it: ${textOf(field(row, 'without'))} (${textOf(field(row, 'feature'))})\n`,
  );
  return table(PRIVILEGE_COLUMNS, rows) + means.join('');
}

type Columns = readonly Column<object>[];

function sessionColumns(now: number, rows: readonly object[]): Columns {
  const isMonitored = rows.some((row) => typeof field(row, 'letThrough') === 'string');
  return [
    text<SessionRow>('PORT', 'port'),
    vlan<SessionRow>('vlan'),
    text<SessionRow>('MAC', 'mac'),
    text<SessionRow>('ACCOUNT', 'account'),
    text<SessionRow>('STATE', 'state'),
    yes<SessionRow>('AUTHORIZED', 'authorized'),
    ...(isMonitored ? [text<SessionRow>('LET-THROUGH', 'letThrough')] : []),
    age<SessionRow>('SINCE', 'since', now),
    until<SessionRow>('REAUTH', 'reauthAt', now),
    octets<SessionRow>('IN', 'octetsIn'),
    octets<SessionRow>('OUT', 'octetsOut'),
    text<SessionRow>('SERVER', 'server'),
    text<SessionRow>('ACCT-SESSION', 'acctSessionId'),
  ];
}

function groupColumns(now: number): Columns {
  return [
    text<GroupRow>('PORT', 'port'),
    vlan<GroupRow>('vlan'),
    text<GroupRow>('MAC', 'mac'),
    text<GroupRow>('ACCOUNT', 'account'),
    text<GroupRow>('GROUP', 'group'),
    { title: 'SOURCE', cell: (row) => (field(row, 'source') === null ? '*' : textOf(field(row, 'source'))) },
    text<GroupRow>('STATE', 'state'),
    text<GroupRow>('REASON', 'reason'),
    text<GroupRow>('BY', 'by'),
    age<GroupRow>('SINCE', 'since', now),
    until<GroupRow>('EXPIRES', 'expiresAt', now),
    octets<GroupRow>('OCTETS', 'octets'),
    count<GroupRow>('PACKETS', 'packets'),
  ];
}

function driftColumns(now: number): Columns {
  return [age<DriftRow>('AGO', 'at', now), text<DriftRow>('WHAT', 'what')];
}

function accountingColumns(now: number): Columns {
  return [
    text<AccountingRow>('STATE', 'state'),
    count<AccountingRow>('RUNNING', 'running'),
    count<AccountingRow>('WAITING', 'waiting'),
    count<AccountingRow>('LIMIT', 'limit'),
    age<AccountingRow>('OLDEST', 'oldestAt', now),
    count<AccountingRow>('ACKNOWLEDGED', 'acknowledged'),
    sum<AccountingRow>('LOST', 'lost'),
    octets<AccountingRow>('DISK', 'diskOctets'),
    octets<AccountingRow>('DISK-LIMIT', 'diskLimit'),
    count<AccountingRow>('UNWRITTEN', 'unwritten'),
  ];
}

function portColumns(rows: readonly object[]): Columns {
  const isMonitored = rows.some((row) => field(row, 'mode') === 'monitor');
  const hasMab = rows.some((row) => Object.keys(record(field(row, 'mab'))).length > 0);
  return [
    text<PortRow>('PORT', 'port'),
    { title: 'LINK', cell: linkWords },
    text<PortRow>('MODE', 'mode'),
    count<PortRow>('HOSTS', 'hosts'),
    count<PortRow>('AUTHORIZED', 'authorizedHosts'),
    ...(isMonitored ? [count<PortRow>('LET-THROUGH', 'monitoredHosts')] : []),
    count<PortRow>('CHANNELS', 'channels'),
    count<PortRow>('EAPOL-RX', 'eapolRx'),
    count<PortRow>('EAPOL-TX', 'eapolTx'),
    ...(hasMab ? MAB_COLUMNS : []),
    count<PortRow>('IGMP-RX', 'igmpRx'),
    sum<PortRow>('DROPS', 'drops'),
  ];
}

const MAB_COLUMNS: Columns = ['asked', 'accepted', 'rejected'].map((outcome) => ({
  title: `MAB-${outcome.toUpperCase()}`,
  cell: (row) => String(record(field(row, 'mab'))[outcome] ?? 0),
  right: true,
}));

function linkWords(row: object): string {
  const shutBy = field(row, 'shutBy');
  if (typeof shutBy === 'string') return `shut by ${shutBy}`;
  return field(row, 'up') === true ? 'up' : 'down';
}

const RADIUS_COLUMNS: Columns = [
  text<RadiusRow>('SERVER', 'server'),
  text<RadiusRow>('ADDRESS', 'address'),
  text<RadiusRow>('STATE', 'state'),
  count<RadiusRow>('IN-FLIGHT', 'inFlight'),
  count<RadiusRow>('SENT', 'sent'),
  count<RadiusRow>('ACCEPTS', 'accepts'),
  count<RadiusRow>('REJECTS', 'rejects'),
  count<RadiusRow>('CHALLENGES', 'challenges'),
  count<RadiusRow>('TIMEOUTS', 'timeouts'),
  count<RadiusRow>('RETRANSMITS', 'retransmits'),
  sum<RadiusRow>('DISCARDED', 'discarded'),
  { title: 'RTT', cell: (row) => milliseconds(field(row, 'rttMs')), right: true },
  count<RadiusRow>('ACCT-QUEUE', 'accountingQueue'),
];

const REFUSAL_COLUMNS: Columns = [
  text<RefusalRow>('WHAT', 'what'),
  count<RefusalRow>('PACKETS', 'packets'),
  octets<RefusalRow>('OCTETS', 'octets'),
];

const PRIVILEGE_COLUMNS: Columns = [
  text<PrivilegeRow>('FEATURE', 'feature'),
  text<PrivilegeRow>('NEEDS', 'needs'),
  { title: 'HELD', cell: (row) => (field(row, 'held') === true ? 'yes' : 'NO') },
];

const HA_COLUMNS: Columns = [
  text<HaRow>('NODE', 'node'),
  text<HaRow>('ROLE', 'role'),
  count<HaRow>('EPOCH', 'epoch'),
  text<HaRow>('MODE', 'mode'),
  text<HaRow>('STATE', 'state'),
  count<HaRow>('CHANGE', 'change'),
  count<HaRow>('LAG', 'lagRecords'),
  ms<HaRow>('LAG-TIME', 'lagMs'),
  ms<HaRow>('RTT', 'roundTripMs'),
  count<HaRow>('HELD', 'heldEffects'),
  ms<HaRow>('LAST-BEAT', 'lastBeatMs'),
  count<HaRow>('CONNECTIONS', 'connections'),
  text<HaRow>('WAY', 'way'),
  text<HaRow>('DIGEST', 'digest'),
  count<HaRow>('WEIGHT', 'weight'),
];

/** What somebody has to know at once. */
function alarms(rows: readonly object[]): string {
  return rows
    .flatMap((row) => [
      field(row, 'alone') === true ? 'ALARM: it serves alone: no standby is in step\n' : '',
      field(row, 'role') === 'standby' && field(row, 'state') !== 'in-step'
        ? 'ALARM: this standby is not in step\n'
        : '',
      typeof field(row, 'mismatch') === 'string' ? `versions: ${textOf(field(row, 'mismatch'))}\n` : '',
      typeof field(row, 'wayRefused') === 'string'
        ? `standby_first: not possible: ${textOf(field(row, 'wayRefused'))}\n`
        : '',
      typeof field(row, 'refused') === 'string' ? `not done: ${textOf(field(row, 'refused'))}\n` : '',
    ])
    .join('');
}

/** The last change of roles, step by step. */
function takeover(rows: readonly object[], now: number): string {
  return rows
    .map((row) => {
      const steps = field(row, 'lastTakeover');
      const at = field(row, 'lastChangeAt');
      if (!Array.isArray(steps) || typeof at !== 'number') return '';
      const lines = steps.map((step: object) => {
        const after = numberOr(field(step, 'ms'), (n) => n.toFixed(1)).padStart(9);
        return `${after} ms  ${textOf(field(step, 'step'))}\n`;
      });
      return `\nlast change of roles, ${span(now - at)} ago:\n${lines.join('')}`;
    })
    .join('');
}

/** Under the table: each count by reason, of those that are not 0. */
function reasons(rows: readonly object[], name: string, key: string): string {
  return rows
    .map((row) => {
      const counts = Object.entries(record(field(row, key))).filter(
        ([, n]) => typeof n === 'number' && n > 0,
      );
      if (counts.length === 0) return '';
      const list = counts.map(([reason, n]) => `${printable(reason)} ${String(n)}`).join(', ');
      return `${textOf(field(row, name))} ${key}: ${list}\n`;
    })
    .join('');
}

function text<Row>(title: string, key: keyof Row & string): Column<object> {
  return { title, cell: (row) => textOf(field(row, key)) };
}

function vlan<Row>(key: keyof Row & string): Column<object> {
  return {
    title: 'VLAN',
    cell: (row) => (field(row, key) === 0 ? '-' : textOf(field(row, key))),
    right: true,
  };
}

function yes<Row>(title: string, key: keyof Row & string): Column<object> {
  return { title, cell: (row) => (field(row, key) === true ? 'yes' : 'no') };
}

function count<Row>(title: string, key: keyof Row & string): Column<object> {
  return { title, cell: (row) => textOf(field(row, key)), right: true };
}

function octets<Row>(title: string, key: keyof Row & string): Column<object> {
  return { title, cell: (row) => numberOr(field(row, key), amount), right: true };
}

function age<Row>(title: string, key: keyof Row & string, now: number): Column<object> {
  return { title, cell: (row) => numberOr(field(row, key), (at) => span(now - at)), right: true };
}

function until<Row>(title: string, key: keyof Row & string, now: number): Column<object> {
  return { title, cell: (row) => numberOr(field(row, key), (at) => `in ${span(at - now)}`), right: true };
}

function sum<Row>(title: string, key: keyof Row & string): Column<object> {
  const total = (row: object) =>
    Object.values(record(field(row, key))).reduce(
      (n: number, each) => n + (typeof each === 'number' ? each : 0),
      0,
    );
  return { title, cell: (row) => String(total(row)), right: true };
}

function ms<Row>(title: string, key: keyof Row & string): Column<object> {
  return { title, cell: (row) => milliseconds(field(row, key)), right: true };
}

function milliseconds(value: unknown): string {
  return numberOr(value, (ms) => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)}ms`);
}

function numberOr(value: unknown, form: (n: number) => string): string {
  return typeof value === 'number' && Number.isFinite(value) ? form(value) : '-';
}

function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? printable(String(value)) : '-';
}

function field(row: object, key: string): unknown {
  return Object.hasOwn(row, key) ? Reflect.get(row, key) : undefined;
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function isRows(value: unknown): value is readonly object[] {
  return Array.isArray(value) && value.every((row) => typeof row === 'object' && row !== null);
}
