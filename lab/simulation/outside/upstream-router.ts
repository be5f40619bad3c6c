/** The multicast router at the uplink: believes what is reported to it, as RFC 9776 §6.4 has it. */
import { queryFrame } from '../../../daemon/channels/group-frames.ts';
import { decodeGroupPacket, encodeIgmpPacket, encodeMldPacket } from '../../../igmp/group-packet.ts';
import { type GroupRecord, RecordType } from '../../../igmp/group-record.ts';
import type { IpAddress, Mac } from '../../../wire/address.ts';
import { decodeEthernet, EtherType, encodeEthernet, groupMac } from '../../../wire/ethernet.ts';
import { isMalformed } from '../../../wire/malformed.ts';

interface Filter {
  readonly mode: 'include' | 'exclude';
  readonly sources: readonly IpAddress[];
}

export class UpstreamRouter {
  /** Reports that were heard. */
  reports = 0;
  readonly #groups = new Map<string, Filter>();

  /** A frame that the switch sent on the uplink. */
  receive(vlan: number, frame: Uint8Array): void {
    const eth = decodeEthernet(frame);
    const packet = isMalformed(eth) ? undefined : decodeGroupPacket(eth.etherType, eth.payload);
    if (packet === undefined || isMalformed(packet)) throw new Error('castgate sent no report upstream');
    this.reports++;
    const { message } = packet;
    if (message.kind === 'report') this.#groups.set(`${vlan}/${message.group}`, EVERYTHING);
    else if (message.kind === 'leave') this.#groups.delete(`${vlan}/${message.group}`);
    else if (message.kind === 'record-report')
      for (const record of message.records) this.#apply(vlan, record);
  }

  /** Whether it sends these packets down. */
  passes(vlan: number, group: IpAddress, source: IpAddress): boolean {
    const filter = this.#groups.get(`${vlan}/${group}`);
    return filter !== undefined && filter.sources.includes(source) === (filter.mode === 'include');
  }

  /** Groups that it sends down, as `vlan/group`. */
  groups(): string[] {
    return [...this.#groups.keys()];
  }

  /** Begins with nothing, as after a restart. */
  forget(): void {
    this.#groups.clear();
  }

  /** A general query of IGMP and one of MLD; of IGMPv2 and MLDv1 they make the switch speak these. */
  query(version: 2 | 3): readonly Uint8Array[] {
    if (version === 3) {
      const from = { mac: ROUTER, address4: ADDRESS, address6: ADDRESS_6 };
      const terms = { robustness: 2, queryIntervalMs: 20_000 };
      return ([4, 6] as const).map((family) => queryFrame(from, terms, { family, maxResponseMs: 1000 }));
    }
    const older = { ...OLDER_QUERY, version: 2, group: '0.0.0.0', maxRespCode: 10 } as const;
    const oldest = { ...OLDER_QUERY, version: 1, group: '::', maxRespCode: 1000 } as const;
    const igmp = encodeIgmpPacket({ src: ADDRESS, dst: ALL_HOSTS, message: older });
    const mld = encodeMldPacket({ src: ADDRESS_6, dst: ALL_NODES, message: oldest });
    return [
      encodeEthernet({ dst: groupMac(ALL_HOSTS), src: ROUTER, etherType: EtherType.Ipv4, payload: igmp }),
      encodeEthernet({ dst: groupMac(ALL_NODES), src: ROUTER, etherType: EtherType.Ipv6, payload: mld }),
    ];
  }

  #apply(vlan: number, { type, group, sources }: GroupRecord): void {
    const key = `${vlan}/${group}`;
    const before = this.#groups.get(key) ?? { mode: 'include', sources: [] };
    const merged = [...new Set([...before.sources, ...sources])];
    const rest = before.sources.filter((source) => !sources.includes(source));
    const { mode } = before;
    switch (type) {
      case RecordType.IsExclude:
      case RecordType.ToExclude:
        this.#set(key, 'exclude', sources);
        return;
      case RecordType.ToInclude:
        this.#set(key, 'include', sources);
        return;
      case RecordType.IsInclude:
      case RecordType.Allow:
        this.#set(key, mode, mode === 'include' ? merged : rest);
        return;
      case RecordType.Block:
        this.#set(key, mode, mode === 'include' ? rest : merged);
        return;
      default:
        throw new Error(`castgate sent a group record of type ${type}`);
    }
  }

  #set(key: string, mode: Filter['mode'], sources: readonly IpAddress[]): void {
    if (mode === 'include' && sources.length === 0) this.#groups.delete(key);
    else this.#groups.set(key, { mode, sources });
  }
}

const EVERYTHING: Filter = { mode: 'exclude', sources: [] };
const ROUTER: Mac = '02:00:00:00:ee:01';
const ADDRESS = '198.18.9.1';
const ADDRESS_6 = 'fe80::e1';
const ALL_HOSTS = '224.0.0.1';
const ALL_NODES = 'ff02::1';
const OLDER_QUERY = {
  kind: 'query',
  maxRespMs: 1000,
  suppress: false,
  qrv: 0,
  qqicCode: 0,
  qqicSeconds: 0,
  sources: [],
} as const;
