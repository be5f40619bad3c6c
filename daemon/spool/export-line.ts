/** An accounting message as one JSON object, for people and programs without a RADIUS server. */
import { attributesOf } from '../../radius/attribute-octets.ts';
import { AttributeType, firstInteger, firstText, firstValue, textOf } from '../../radius/attributes.ts';
import { TerminateCause } from '../../radius/values.ts';
import type { AccountingMessage } from '../../session/records.ts';
import { toHex } from '../../wire/bytes.ts';

/** One line of an export file. What a message does not have is null. */
export interface ExportLine {
  /** Counts the lines of a node's export, through all its files. */
  readonly line: number;
  /** Key of the message: later ones have greater keys. */
  readonly sequence: string;
  readonly status: AccountingMessage['status'];
  /** Of the event: ISO 8601, in UTC. With session and status it names the message for ever. */
  readonly time: string;
  /** Acct-Session-Id. */
  readonly session: string;
  /** Acct-Multi-Session-Id: ties channels to the session. */
  readonly multiSession: string | null;
  readonly kind: 'session' | 'channel' | 'switch';
  readonly account: string | null;
  readonly port: string | null;
  readonly vlan: number | null;
  readonly mac: string | null;
  readonly group: string | null;
  /** Null for any source. */
  readonly source: string | null;
  readonly seconds: number | null;
  readonly inputOctets: number | null;
  readonly outputOctets: number | null;
  readonly inputPackets: number | null;
  readonly outputPackets: number | null;
  /** Acct-Terminate-Cause by name. */
  readonly cause: string | null;
  /** `preview`, or why a join was refused. */
  readonly note: string | null;
  /** Class attributes in hex. */
  readonly classes: readonly string[];
}

/** The message as a line's object; `line` is its number. */
export function exportLine(message: AccountingMessage, line: number): ExportLine {
  const { key, status, about, eventAt } = message;
  const attributes = attributesOf(message.attributes);
  const number = (type: number) => firstInteger(attributes, type) ?? null;
  const wide = (low: number, high: number) => {
    const octets = number(low);
    return octets === null ? null : octets + (number(high) ?? 0) * 2 ** 32;
  };
  const [what = '', port, vlan, mac, group, source] = about.split('/');
  const userName = firstValue(attributes, AttributeType.UserName);
  const cause = number(AttributeType.AcctTerminateCause);
  return {
    line,
    sequence: key,
    status,
    time: new Date(eventAt).toISOString(),
    session: firstText(attributes, AttributeType.AcctSessionId) ?? '',
    multiSession: firstText(attributes, AttributeType.AcctMultiSessionId) ?? null,
    kind: what === 'session' ? 'session' : what === '' ? 'switch' : 'channel',
    account: userName === undefined ? null : textOf(userName),
    port: port ?? null,
    vlan: vlan === undefined ? null : Number(vlan),
    mac: mac ?? null,
    group: group ?? null,
    source: source === undefined || source === '*' ? null : source,
    seconds: number(AttributeType.AcctSessionTime),
    inputOctets: wide(AttributeType.AcctInputOctets, AttributeType.AcctInputGigawords),
    outputOctets: wide(AttributeType.AcctOutputOctets, AttributeType.AcctOutputGigawords),
    inputPackets: number(AttributeType.AcctInputPackets),
    outputPackets: number(AttributeType.AcctOutputPackets),
    cause: cause === null ? null : (CAUSE_NAMES.get(cause) ?? String(cause)),
    note: firstText(attributes, AttributeType.ConnectInfo) ?? null,
    classes: attributes.filter(({ type }) => type === AttributeType.Class).map(({ value }) => toHex(value)),
  };
}

/** `LostCarrier` as RADIUS dictionaries have it: `Lost-Carrier`. */
const CAUSE_NAMES = new Map<number, string>(
  Object.entries(TerminateCause).map(([name, value]) => [value, name.replace(/(?<=[a-z])(?=[A-Z])/g, '-')]),
);
