/** The IGMP frames that castgate sends: queries to subscribers, reports to the routers. */

import { encodeFloat8 } from '../igmp/float-code.ts';
import { encodeIgmpPacket } from '../igmp/group-packet.ts';
import type { GroupRecord } from '../igmp/group-record.ts';
import { RecordType } from '../igmp/group-record.ts';
import type { IgmpMessage } from '../igmp/igmp.ts';
import type { UpstreamReport } from '../igmp/proxy-reporter.ts';
import type { IpAddress, Mac } from '../wire/address.ts';
import { EtherType, encodeEthernet, groupMac } from '../wire/ethernet.ts';

/** What a query says of the querier. */
export interface QueryTerms {
  readonly robustness: number;
  readonly queryIntervalMs: number;
  readonly querier: { readonly address: IpAddress | undefined };
}

/** An IGMPv3 general query, RFC 9776 §4.1. `maxResponseMs` is rounded to what the code can say. */
export function generalQueryFrame(src: Mac, terms: QueryTerms, maxResponseMs: number): Uint8Array {
  return frameOf(src, terms.querier.address, ALL_HOSTS, {
    kind: 'query',
    version: 3,
    group: NO_ADDRESS,
    maxRespCode: encodeFloat8(Math.round(maxResponseMs / 100)),
    maxRespMs: maxResponseMs,
    suppress: false,
    qrv: terms.robustness,
    qqicCode: encodeFloat8(Math.round(terms.queryIntervalMs / 1000)),
    qqicSeconds: terms.queryIntervalMs / 1000,
    sources: [],
  });
}

/** The frames of a report, in the version that the querier upstream understands (RFC 9776 §7.2.1). */
export function reportFrames(src: Mac, from: IpAddress | undefined, report: UpstreamReport): Uint8Array[] {
  if (report.version === 3) {
    return chunks(report.records).map((records) =>
      frameOf(src, from, ALL_IGMPV3_ROUTERS, { kind: 'record-report', version: 3, records }),
    );
  }
  const { version } = report;
  return report.records.flatMap(({ type, group, sources }) => {
    const leaves = type === RecordType.ToInclude && sources.length === 0;
    if (leaves) return version === 1 ? [] : [frameOf(src, from, ALL_ROUTERS, { kind: 'leave', group })];
    // An older querier knows no sources: blocking some of them cannot be said to it.
    if (type === RecordType.Block) return [];
    return [frameOf(src, from, group, { kind: 'report', version, group })];
  });
}

function frameOf(src: Mac, from: IpAddress | undefined, dst: IpAddress, message: IgmpMessage): Uint8Array {
  const payload = encodeIgmpPacket({ src: from ?? NO_ADDRESS, dst, message });
  return encodeEthernet({ dst: groupMac(dst), src, etherType: EtherType.Ipv4, payload });
}

/** Records in as many reports as it takes for each to stay below an Ethernet frame. */
function chunks(records: readonly GroupRecord[]): GroupRecord[][] {
  const all: GroupRecord[][] = [];
  let size = REPORT_OCTETS;
  for (const record of records) {
    const octets = 8 + 4 * record.sources.length;
    const last = all.at(-1);
    if (last === undefined || size + octets > REPORT_OCTETS) {
      all.push([record]);
      size = octets;
    } else {
      last.push(record);
      size += octets;
    }
  }
  return all;
}

const NO_ADDRESS = '0.0.0.0';
const ALL_HOSTS = '224.0.0.1';
const ALL_ROUTERS = '224.0.0.2';
const ALL_IGMPV3_ROUTERS = '224.0.0.22';
/** 1,500 less an IPv4 header with Router Alert and the report's own 8 octets. */
const REPORT_OCTETS = 1468;
