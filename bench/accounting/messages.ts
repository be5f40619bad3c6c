/**
 * Accounting messages as a switch makes them: a session and a channel by turns, each with its Start and its Stop,
 * in H3C's encoding, with a Class. They go into the stores that they are made over.
 */
import { Accounting, accountingDefaults } from '../../accounting/accounting.ts';
import { accountedChannel } from '../../auth/admission/group-encoding.ts';
import { TerminateCause } from '../../radius/values.ts';
import { nasAttributes, portAttributes } from '../../session/nas-attributes.ts';
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
import { type IpAddress, macAt } from '../../wire/address.ts';
import { toHex } from '../../wire/bytes.ts';

/** Where the messages go. */
export interface MessageStores {
  readonly accountingRecords: Store<AccountingRecord>;
  readonly accountingQueue: Store<AccountingMessage>;
}

export class MessageMaker {
  readonly accounting: Accounting;
  #made = 0;
  readonly #begin: number;

  constructor(stores: MessageStores, begin: number) {
    this.#begin = begin;
    const options = {
      ...accountingDefaults,
      limit: 10_000_000,
      nas: nasAttributes({ identifier: 'lab-switch', address: '198.18.0.1' }),
      place: (port: string, mac: string) =>
        portAttributes({ port, mac, portNumber: 7, portMac: '02:ca:57:00:00:80' }),
      channel: (group: IpAddress, source: IpAddress | undefined, vlan: number) =>
        accountedChannel({ encoding: 'h3c', nativeVendor: 32473 }, { group, source, vlan }),
      draw: () => 0.5,
    };
    const { accountingRecords, accountingQueue } = stores;
    const generations = new Store<CounterGeneration>('counter-generations');
    this.accounting = new Accounting(options, accountingRecords, generations, accountingQueue);
  }

  /** The next messages, `count` of them. */
  make(count: number): void {
    for (let i = 0; i < count; i++) this.#next();
  }

  #next(): void {
    const n = this.#made++;
    const at = this.#begin + n;
    const record = Math.floor(n / 2);
    const session = sessionOf(Math.floor(record / 2), at);
    if (record % 2 === 0) {
      if (n % 2 === 0) this.accounting.startSession(at, session, NOTHING);
      else this.accounting.stopSession(at, session.key, COUNTED, TerminateCause.UserRequest);
      return;
    }
    const grant = grantOf(session, record);
    if (n % 2 === 0) this.accounting.startChannel(at, grant, session, idOf(record), NOTHING);
    else this.accounting.stopChannel(at, grant.key, COUNTED, TerminateCause.UserRequest);
  }
}

function sessionOf(n: number, at: number): SessionRecord {
  const port = `swp${1 + (n % 8)}`;
  const mac = macAt(Uint8Array.of(2, 0xbe, (n >> 24) & 0xff, (n >> 16) & 0xff, (n >> 8) & 0xff, n & 0xff), 0);
  const account = `subscriber-${n}@example.net`;
  return {
    v: 1,
    key: hostKey(port, 0, mac),
    port,
    vlan: 0,
    mac,
    account,
    userName: Buffer.from(account),
    acctSessionId: idOf(0x40000000 + n),
    acctMultiSessionId: `02-CA-57-00-00-FE-${mac.replaceAll(':', '-').toUpperCase()}-ED-00-00-00-00-00-00-00`,
    classes: [CLASS],
    state: undefined,
    server: 'lab',
    startedAt: at,
    authenticatedAt: at,
    endsAt: undefined,
    interimMs: undefined,
  };
}

function grantOf({ key, port, vlan, mac, account }: SessionRecord, n: number): GrantRecord {
  const group = `239.1.${(n >> 8) & 0xff}.${n & 0xff}`;
  return {
    v: 1,
    key: channelKey(key, group, undefined),
    host: key,
    port,
    vlan,
    mac,
    group,
    source: undefined,
    account,
    grantedAt: 0,
    expiresAt: Number.POSITIVE_INFINITY,
    by: 'radius',
    classes: [],
  };
}

/** As long as those that castgate draws. */
function idOf(n: number): string {
  const octetsOfIt = new Uint8Array(8);
  new DataView(octetsOfIt.buffer).setUint32(4, n);
  return toHex(octetsOfIt).toUpperCase();
}

const CLASS = Buffer.from('product=hd;contract=4711');
const NOTHING: AccountingCounts = { inputOctets: 0, outputOctets: 0, inputPackets: 0, outputPackets: 0 };
const COUNTED: AccountingCounts = {
  inputOctets: 48_213,
  outputOctets: 5_218_442_113,
  inputPackets: 312,
  outputPackets: 3_965_381,
};
