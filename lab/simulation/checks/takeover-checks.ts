/**
 * What a takeover or a restart must not cost: whoever was in is in, under the same accounting, what was
 * received is received, nothing that was to be said to a server is lost, and what was under way to one is
 * said again in the very same octets.
 */
import type { Stores } from '../../../daemon/core/stores.ts';
import type { RadiusPort, RadiusRequestRecord } from '../../../radius/client/request-record.ts';
import { sameBytes } from '../../../wire/bytes.ts';
import { must } from './violation.ts';

/** A datagram that left. */
export interface SentDatagram {
  readonly server: string;
  readonly port: RadiusPort;
  readonly socket: number;
  readonly bytes: Uint8Array;
}

/** What of a node's records is looked at afterwards. */
export interface Possessions {
  readonly keys: ReadonlyMap<string, ReadonlySet<string>>;
  readonly sessions: ReadonlyMap<string, string>;
  readonly accounting: ReadonlyMap<string, string>;
  readonly requests: readonly RadiusRequestRecord[];
}

/** Before the node that goes on with these records does anything. */
export function possessionsOf(stores: Stores): Possessions {
  const keys = new Map<string, ReadonlySet<string>>();
  for (const name of KEPT_WHOLE) keys.set(name, keysOf(stores, name));
  return {
    keys,
    sessions: new Map([...stores.sessions.values()].map((one) => [one.key, identityOf(one)])),
    accounting: new Map([...stores.accountingRecords.values()].map((one) => [one.key, identityOf(one)])),
    requests: [...stores.radiusRequests.values()],
  };
}

/** After the node's first turn, in which nothing came in and the switch refused nothing. */
export function checkPossessions(before: Possessions, stores: Stores, sent: readonly SentDatagram[]): void {
  for (const [name, keys] of before.keys) {
    const now = keysOf(stores, name);
    for (const key of keys) must(now.has(key), () => `going on lost ${key} of ${name}`);
  }
  for (const [key, identity] of before.sessions) {
    const session = stores.sessions.get(key);
    must(
      session !== undefined && identityOf(session) === identity,
      () => `going on changed the session of ${key} from ${identity}`,
    );
  }
  for (const [key, identity] of before.accounting) {
    const record = stores.accountingRecords.get(key);
    must(
      record !== undefined && identityOf(record) === identity,
      () => `going on changed the accounting of ${key} from ${identity}`,
    );
  }
  checkRequests(before.requests, stores, sent);
}

/** Requests in flight are said again, each once and as it was: a server knows it by its octets. */
function checkRequests(
  before: readonly RadiusRequestRecord[],
  stores: Stores,
  sent: readonly SentDatagram[],
): void {
  for (const { key, token, attempts } of before) {
    const attempt = attempts.at(-1);
    // What the message of an accounting request was replaced by is sent instead.
    const isReplaced = token.startsWith('acct/') && !stores.accountingQueue.has(token.slice('acct/'.length));
    if (attempt === undefined || isReplaced) continue;
    const { server, socket, id, authenticator } = attempt;
    const same = sent.filter(
      (one) =>
        one.server === server &&
        one.socket === socket &&
        one.bytes[1] === id &&
        sameBytes(one.bytes.subarray(4, 20), authenticator),
    );
    must(same.length === 1, () => `${key}, in flight, was sent ${same.length} times as it was, not once`);
  }
}

/** Sessions of one host on two ports: it has moved, and the switch opens the first one only. */
export function disputedHosts(stores: Stores): ReadonlySet<string> {
  const first = new Map<string, string>();
  const disputed = new Set<string>();
  for (const { key, vlan, mac } of stores.sessions.values()) {
    const other = first.get(`${vlan}/${mac}`);
    if (other !== undefined) disputed.add(key).add(other);
    else first.set(`${vlan}/${mac}`, key);
  }
  return disputed;
}

function keysOf(stores: Stores, name: string): ReadonlySet<string> {
  return new Set([...stores.store(name).entries()].map(([key]) => key));
}

function identityOf(one: { account: string; acctSessionId: string; acctMultiSessionId: string }): string {
  return `${one.account} ${one.acctSessionId} ${one.acctMultiSessionId}`;
}

/** Stores of which going on takes nothing away. */
const KEPT_WHOLE = [
  'authenticators',
  'conversations',
  'sessions',
  'memberships',
  'pending',
  'questions',
  'grants',
  'forwardings',
  'report-sources',
  'accounting-records',
  'accounting-queue',
] as const;
