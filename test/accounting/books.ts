/** What the tests of accounting/ share: sessions, grants, and messages read back as a server would read them. */
import { Accounting, type AccountingOptions, accountingDefaults } from '../../accounting/accounting.ts';
import type { QueueAction } from '../../accounting/queue.ts';
import { AttributeType, allValues, firstInteger, firstText, octets } from '../../radius/attributes.ts';
import type { RadiusAttribute } from '../../radius/packet.ts';
import { portAttributes } from '../../session/nas-attributes.ts';
import {
  type AccountingCounts,
  type AccountingMessage,
  type AccountingRecord,
  type CounterGeneration,
  channelKey,
  type GrantRecord,
  hostKey,
  type SessionRecord,
} from '../../session/records.ts';
import { Store } from '../../session/store.ts';
import { utf8 } from '../radius/arbitraries.ts';

export const ALICE = '02:00:00:00:0a:01';
export const NOW = 1_700_000_000_000;

export function session(over: Partial<SessionRecord> = {}): SessionRecord {
  const port = over.port ?? 'swp3';
  const mac = over.mac ?? ALICE;
  return {
    v: 1,
    key: hostKey(port, 0, mac),
    port,
    vlan: 0,
    mac,
    account: 'alice',
    userName: utf8('alice'),
    acctSessionId: '5F1A0001',
    acctMultiSessionId: 'multi-1',
    classes: [],
    state: undefined,
    server: 'a',
    startedAt: NOW,
    authenticatedAt: NOW,
    endsAt: undefined,
    interimMs: undefined,
    ...over,
  };
}

export function grant(of: SessionRecord, group: string, classes: readonly Uint8Array[] = []): GrantRecord {
  const { port, vlan, mac, account } = of;
  return {
    v: 1,
    key: channelKey(of.key, group, undefined),
    host: of.key,
    port,
    vlan,
    mac,
    group,
    source: undefined,
    account,
    grantedAt: NOW,
    expiresAt: NOW + 300_000,
    by: 'radius',
    classes,
  };
}

export function reading(inputOctets: number, outputOctets: number): AccountingCounts {
  return {
    inputOctets,
    outputOctets,
    inputPackets: Math.floor(inputOctets / 100),
    outputPackets: Math.floor(outputOctets / 100),
  };
}

export function makeBooks(options: Partial<AccountingOptions> = {}) {
  const records = new Store<AccountingRecord>('accounting');
  const generations = new Store<CounterGeneration>('generations');
  const queue = new Store<AccountingMessage>('queue');
  const all: AccountingOptions = {
    ...accountingDefaults,
    perSecond: Number.POSITIVE_INFINITY,
    nas: [octets(AttributeType.NasIdentifier, utf8('nas1'))],
    place: (port, mac) =>
      portAttributes({ port, mac, portNumber: 3, portMac: '02:00:00:00:0a:fe' }) as RadiusAttribute[],
    channel: (group) => [octets(AttributeType.FilterId, utf8(`channel ${group}`))],
    draw: () => 0.5,
    ...options,
  };
  const inFlight = new Set<string>();
  const make = (isInFlight = (token: string) => inFlight.has(token)) =>
    new Accounting(all, records, generations, queue, isInFlight);
  return { records, generations, queue, options: all, inFlight, make, accounting: make() };
}

/** A message as a server reads it. */
export interface ReadMessage {
  readonly status: number | undefined;
  readonly id: string | undefined;
  readonly multi: string | undefined;
  readonly seconds: number | undefined;
  readonly cause: number | undefined;
  readonly input: number;
  readonly output: number;
  readonly classes: readonly Uint8Array[];
  readonly channel: string | undefined;
}

export function readMessage(attributes: readonly RadiusAttribute[]): ReadMessage {
  const number = (type: number) => firstInteger(attributes, type);
  const wide = (low: number, high: number) => (number(low) ?? 0) + 2 ** 32 * (number(high) ?? 0);
  return {
    status: number(AttributeType.AcctStatusType),
    id: firstText(attributes, AttributeType.AcctSessionId),
    multi: firstText(attributes, AttributeType.AcctMultiSessionId),
    seconds: number(AttributeType.AcctSessionTime),
    cause: number(AttributeType.AcctTerminateCause),
    input: wide(AttributeType.AcctInputOctets, AttributeType.AcctInputGigawords),
    output: wide(AttributeType.AcctOutputOctets, AttributeType.AcctOutputGigawords),
    classes: allValues(attributes, AttributeType.Class),
    channel: firstText(attributes, AttributeType.FilterId),
  };
}

export const sends = (actions: readonly QueueAction[]) => actions.filter((action) => action.kind === 'send');

/** Hands out and acknowledges until nothing is left; gives what a server would have read. */
export function settle(accounting: Accounting, now: number): ReadMessage[] {
  const read: ReadMessage[] = [];
  for (let batch = sends(accounting.drainRequests(now)); batch.length > 0; ) {
    for (const { token, attributes } of batch) {
      read.push(readMessage(attributes));
      accounting.acknowledged(token);
    }
    batch = sends(accounting.drainRequests(now));
  }
  return read;
}
