/** The IGMP and MLD frames that castgate sends: queries to subscribers, reports to the routers. */

import { encodeFloat8, encodeFloat16 } from '../../igmp/float-code.ts';
import type { QueryMessage } from '../../igmp/group-message.ts';
import { encodeIgmpPacket, encodeMldPacket } from '../../igmp/group-packet.ts';
import type { GroupRecord } from '../../igmp/group-record.ts';
import { RecordType } from '../../igmp/group-record.ts';
import type { IgmpMessage } from '../../igmp/igmp.ts';
import type { UpstreamReport } from '../../igmp/querier/proxy-reporter.ts';
import { type IpAddress, ipFamily, linkLocalAddress, type Mac } from '../../wire/address.ts';
import { EtherType, encodeEthernet, groupMac } from '../../wire/ethernet.ts';

/** Whose a frame is: its source MAC, and the source address of each family. */
export interface Sender {
  readonly mac: Mac;
  readonly address4: IpAddress;
  /** Link-local (RFC 9777 §5.1.14, §5.2.13). */
  readonly address6: IpAddress;
}

/** What a query says of the querier. */
export interface QueryTerms {
  readonly robustness: number;
  readonly queryIntervalMs: number;
}

/** What is asked for: everything (`group` undefined), one group, or sources of one. */
export interface Asked {
  readonly family: 4 | 6;
  readonly group?: IpAddress | undefined;
  readonly sources?: readonly IpAddress[];
  /** In milliseconds; rounded down to what the code can say. */
  readonly maxResponseMs: number;
}

/** A sender by the MAC addresses of its port and of the bridge. Without configured addresses 0.0.0.0 and the bridge's link-local one. */
export function senderOf(
  mac: Mac,
  bridge: Mac,
  configured: { readonly address: IpAddress | undefined; readonly address6: IpAddress | undefined },
): Sender {
  const { address = NO_ADDRESS, address6 = linkLocalAddress(bridge) } = configured;
  return { mac, address4: address, address6 };
}

/** An IGMPv3 or MLDv2 query, RFC 9776 §4.1 and RFC 9777 §5.1. */
export function queryFrame(from: Sender, terms: QueryTerms, asked: Asked): Uint8Array {
  const { family, group, sources = [], maxResponseMs } = asked;
  const common = {
    kind: 'query',
    maxRespMs: maxResponseMs,
    suppress: false,
    qrv: terms.robustness,
    qqicCode: encodeFloat8(Math.round(terms.queryIntervalMs / 1000)),
    qqicSeconds: terms.queryIntervalMs / 1000,
    sources,
  } as const;
  const message: QueryMessage =
    family === 4
      ? {
          ...common,
          version: 3,
          group: group ?? NO_ADDRESS,
          maxRespCode: encodeFloat8(Math.round(maxResponseMs / 100)),
        }
      : {
          ...common,
          version: 2,
          group: group ?? NO_ADDRESS_6,
          maxRespCode: encodeFloat16(Math.round(maxResponseMs)),
        };
  return frameOf(from, group ?? (family === 4 ? ALL_HOSTS : ALL_NODES), message);
}

/** The frames of a report, in the version that the querier upstream understands (RFC 9776 §7.2.1). */
export function reportFrames(from: Sender, report: UpstreamReport): Uint8Array[] {
  const { family, version } = report;
  const v4 = family === 4;
  if (version === 3) {
    const to = v4 ? ALL_IGMPV3_ROUTERS : ALL_MLDV2_ROUTERS;
    return chunks(report.records, family).map((records) =>
      frameOf(from, to, { kind: 'record-report', version: v4 ? 3 : 2, records }),
    );
  }
  return report.records.flatMap(({ type, group, sources }) => {
    const leaves = type === RecordType.ToInclude && sources.length === 0;
    if (leaves) {
      const to = v4 ? ALL_ROUTERS : ALL_ROUTERS_6;
      return version === 1 ? [] : [frameOf(from, to, { kind: 'leave', group })];
    }
    // An older querier knows no sources: blocking some of them cannot be said to it.
    if (type === RecordType.Block) return [];
    return [frameOf(from, group, { kind: 'report', version: v4 ? version : 1, group })];
  });
}

function frameOf(from: Sender, dst: IpAddress, message: IgmpMessage): Uint8Array {
  const { mac: src, address4, address6 } = from;
  if (ipFamily(dst) === 4) {
    const payload = encodeIgmpPacket({ src: address4, dst, message });
    return encodeEthernet({ dst: groupMac(dst), src, etherType: EtherType.Ipv4, payload });
  }
  if (message.kind === 'unknown') throw new Error('no such MLD message');
  const payload = encodeMldPacket({ src: address6, dst, message });
  return encodeEthernet({ dst: groupMac(dst), src, etherType: EtherType.Ipv6, payload });
}

/** Reports that each fit into a frame; a record too long for one goes alone and is the router's to refuse. */
function chunks(records: readonly GroupRecord[], family: 4 | 6): GroupRecord[][] {
  const address = family === 4 ? 4 : 16;
  const room = family === 4 ? REPORT_OCTETS : REPORT_OCTETS_6;
  const all: GroupRecord[][] = [];
  let size = room;
  for (const record of records) {
    const octets = 4 + address * (1 + record.sources.length);
    const last = all.at(-1);
    if (last === undefined || size + octets > room) {
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
const NO_ADDRESS_6 = '::';
const ALL_HOSTS = '224.0.0.1';
const ALL_NODES = 'ff02::1';
const ALL_ROUTERS = '224.0.0.2';
const ALL_ROUTERS_6 = 'ff02::2';
const ALL_IGMPV3_ROUTERS = '224.0.0.22';
const ALL_MLDV2_ROUTERS = 'ff02::16';
/** 1,500 less an IPv4 header with Router Alert and the report's own 8 octets. */
const REPORT_OCTETS = 1468;
/** 1,500 less an IPv6 header, a hop-by-hop header with Router Alert and the report's own 8 octets. */
const REPORT_OCTETS_6 = 1444;
