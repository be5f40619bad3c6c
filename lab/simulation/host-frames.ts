/** The frames that simulated subscribers send: EAPOL and IGMP as real hosts write them. */
import { createHash } from 'node:crypto';
import { EapCode, EapType, encodeEap } from '../../eapol/eap.ts';
import { EapolType, encodeEapol } from '../../eapol/eapol.ts';
import { encodeIgmpPacket } from '../../igmp/group-packet.ts';
import { type GroupRecord, RecordType } from '../../igmp/group-record.ts';
import type { IgmpMessage } from '../../igmp/igmp.ts';
import type { IpAddress, Mac } from '../../wire/address.ts';
import { concatBytes } from '../../wire/bytes.ts';
import { EtherType, encodeEthernet, groupMac } from '../../wire/ethernet.ts';

/** What a host wants of a group: these sources, or (undefined) any. */
export type Wish = readonly IpAddress[] | undefined;

export function startFrame(src: Mac): Uint8Array {
  return eapolFrame(src, EapolType.Start, NOTHING);
}

export function logoffFrame(src: Mac): Uint8Array {
  return eapolFrame(src, EapolType.Logoff, NOTHING);
}

export function identityFrame(src: Mac, id: number, name: string): Uint8Array {
  const typeData = new TextEncoder().encode(name);
  const eap = encodeEap({ code: EapCode.Response, id, type: EapType.Identity, typeData });
  return eapolFrame(src, EapolType.Packet, eap);
}

/** The answer to an MD5-Challenge, RFC 3748 §5.4 and RFC 1994 §4.1. `typeData` is the request's. */
export function md5Frame(src: Mac, id: number, typeData: Uint8Array, password: string): Uint8Array {
  const value = md5Value(id, typeData.subarray(1, 1 + (typeData[0] ?? 0)), password);
  const answer = concatBytes(Uint8Array.of(value.length), value);
  const eap = encodeEap({ code: EapCode.Response, id, type: EapType.Md5Challenge, typeData: answer });
  return eapolFrame(src, EapolType.Packet, eap);
}

/** MD5 of identifier, password and challenge. */
export function md5Value(id: number, challenge: Uint8Array, password: string): Uint8Array {
  return createHash('md5').update(Uint8Array.of(id)).update(password).update(challenge).digest();
}

/** A join or leave as an IGMPv2 host says it; sources cannot be said. */
export function version2Frame(src: Mac, ip: IpAddress, group: IpAddress, joins: boolean): Uint8Array {
  const message: IgmpMessage = joins ? { kind: 'report', version: 2, group } : { kind: 'leave', group };
  return igmpFrame(src, ip, joins ? group : ALL_ROUTERS, message);
}

/** An IGMPv3 report of state changes (`TO_IN`, `TO_EX`). A wish of no sources is a leave. */
export function changeFrame(src: Mac, ip: IpAddress, wishes: readonly [IpAddress, Wish][]): Uint8Array {
  return reportFrame(src, ip, wishes, RecordType.ToInclude, RecordType.ToExclude);
}

/** An IGMPv3 report of the current state, the answer to a query. */
export function stateFrame(src: Mac, ip: IpAddress, wishes: readonly [IpAddress, Wish][]): Uint8Array {
  return reportFrame(src, ip, wishes, RecordType.IsInclude, RecordType.IsExclude);
}

/** An IGMPv3 report that asks for more, or fewer, sources of one group. */
export function sourcesFrame(
  src: Mac,
  ip: IpAddress,
  group: IpAddress,
  how: 'allow' | 'block',
  sources: readonly IpAddress[],
): Uint8Array {
  const type = how === 'allow' ? RecordType.Allow : RecordType.Block;
  return recordsFrame(src, ip, [{ type, group, sources, auxWords: 0 }]);
}

function reportFrame(
  src: Mac,
  ip: IpAddress,
  wishes: readonly [IpAddress, Wish][],
  include: number,
  exclude: number,
): Uint8Array {
  const records = wishes.map(([group, sources]) => {
    return { type: sources === undefined ? exclude : include, group, sources: sources ?? [], auxWords: 0 };
  });
  return recordsFrame(src, ip, records);
}

function recordsFrame(src: Mac, ip: IpAddress, records: readonly GroupRecord[]): Uint8Array {
  return igmpFrame(src, ip, ALL_IGMPV3_ROUTERS, { kind: 'record-report', version: 3, records });
}

function eapolFrame(src: Mac, type: number, body: Uint8Array): Uint8Array {
  const payload = encodeEapol({ version: 2, type, body });
  return encodeEthernet({ dst: PAE_GROUP, src, etherType: EtherType.Eapol, payload });
}

function igmpFrame(src: Mac, ip: IpAddress, dst: IpAddress, message: IgmpMessage): Uint8Array {
  const payload = encodeIgmpPacket({ src: ip, dst, message });
  return encodeEthernet({ dst: groupMac(dst), src, etherType: EtherType.Ipv4, payload });
}

const PAE_GROUP: Mac = '01:80:c2:00:00:03';
const ALL_ROUTERS = '224.0.0.2';
const ALL_IGMPV3_ROUTERS = '224.0.0.22';
const NOTHING = new Uint8Array(0);
