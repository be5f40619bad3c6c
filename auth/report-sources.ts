/**
 * Whose the IP source addresses of reports are. castgate knows hosts by their MAC addresses and decides by nothing
 * else; but a host that reports under its neighbour's IP address is lying, and a report must not look like the
 * switch's own. An address belongs to the host of the port that was first to report from it, while that host is in
 * and reports from it. 0.0.0.0 is everybody's (RFC 9776 §4.2.14); MLD has link-local ones only (RFC 9777 §5.2.14).
 */
import { KeyIndex } from '../session/key-index.ts';
import { hostKey } from '../session/records.ts';
import { type IpAddress, ipBytes, isMulticastIp } from '../wire/address.ts';
import type { RecordMap } from '../wire/records.ts';
import type { Reporter } from './membership-table.ts';

/** An address that a host reports from. */
export interface ReportSourceRecord {
  readonly v: 1;
  /** port / VLAN / address. */
  readonly key: string;
  /** hostKey. */
  readonly host: string;
  /** It is the host's until then, unless it reports again. */
  readonly until: number;
}

/** Why a report is dropped: a counter's label. */
export type SourceRefusal = 'source-not-unicast' | 'source-of-the-switch' | 'source-of-another-host';

export interface ReportSourceOptions {
  /** Source addresses of castgate's own queries. */
  readonly own: readonly (IpAddress | undefined)[];
  /** Addresses belong to hosts; otherwise several may report from one. */
  readonly bind: boolean;
  /** How long an address stays the host's without a report. */
  readonly holdMs: number;
}

export class ReportSources {
  readonly #options: ReportSourceOptions;
  readonly #records: RecordMap<ReportSourceRecord>;
  readonly #isIn: (host: string) => boolean;
  readonly #ofHost = new KeyIndex();

  /** Takes up the records that the store holds already. */
  constructor(
    options: ReportSourceOptions,
    records: RecordMap<ReportSourceRecord>,
    isIn: (host: string) => boolean,
  ) {
    this.#options = options;
    this.#records = records;
    this.#isIn = isIn;
    for (const { key, host } of records.values()) this.#ofHost.add(host, key);
    records.follow((key, before, after) => this.#ofHost.move(key, before?.host, after?.host));
  }

  /** Undefined: the report is to be heard. The address of one who is not in is nobody's. */
  take(now: number, { port, vlan, mac }: Reporter, source: IpAddress): SourceRefusal | undefined {
    if (source === UNSPECIFIED) return undefined;
    if (!isUnicast(source)) return 'source-not-unicast';
    if (this.#options.own.includes(source)) return 'source-of-the-switch';
    if (!this.#options.bind) return undefined;
    const host = hostKey(port, vlan, mac);
    const key = `${port}/${vlan}/${source}`;
    const record = this.#records.get(key);
    if (record !== undefined && record.host !== host && record.until > now) return 'source-of-another-host';
    const { holdMs } = this.#options;
    const isFresh = record?.host === host && record.until > now + holdMs / 2;
    if (isFresh || !this.#isIn(host)) return undefined;
    if (record !== undefined) this.#ofHost.remove(record.host, key);
    this.#records.put(key, { v: 1, key, host, until: now + holdMs });
    this.#ofHost.add(host, key);
    const oldest = this.#ofHost.count(host) > ADDRESSES ? this.#ofHost.first(host) : undefined;
    if (oldest !== undefined) this.#forget(host, oldest);
    return undefined;
  }

  /** The host is out: its addresses are nobody's. */
  endHost(host: string): void {
    for (const key of this.#ofHost.keys(host)) this.#forget(host, key);
  }

  #forget(host: string, key: string): void {
    this.#records.delete(key);
    this.#ofHost.remove(host, key);
  }
}

/** An address that one host can have. */
function isUnicast(address: IpAddress): boolean {
  if (isMulticastIp(address)) return false;
  const bytes = ipBytes(address);
  return bytes?.length === 16 || (bytes !== undefined && bytes[0] !== 127 && (bytes[0] ?? 255) < 240);
}

const UNSPECIFIED = '0.0.0.0';
/** A host has a few addresses; one that claims more gives its oldest up. */
const ADDRESSES = 4;
