/** The frames that simulated subscribers send: EAPOL, IGMP and MLD as real hosts write them. */
import { createHash } from 'node:crypto';
import { EapCode, EapType, encodeEap } from '../../../eapol/eap.ts';
import { EapolType, encodeEapol } from '../../../eapol/eapol.ts';
import type { GroupMessage } from '../../../igmp/group-message.ts';
import { encodeIgmpPacket, encodeMldPacket } from '../../../igmp/group-packet.ts';
import { type GroupRecord, RecordType } from '../../../igmp/group-record.ts';
import { type IpAddress, ipFamily, type Mac } from '../../../wire/address.ts';
import { concatBytes } from '../../../wire/bytes.ts';
import { EtherType, encodeEthernet, groupMac } from '../../../wire/ethernet.ts';

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

/** A join or leave as an IGMPv2 or MLDv1 host says it; sources cannot be said. */
export function version2Frame(src: Mac, ip: IpAddress, group: IpAddress, joins: boolean): Uint8Array {
  const family = ipFamily(ip);
  const version = family === 4 ? 2 : 1;
  const dst = joins ? group : ALL_ROUTERS[family];
  return groupFrame(src, ip, dst, joins ? { kind: 'report', version, group } : { kind: 'leave', group });
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
  const family = ipFamily(ip);
  const version = family === 4 ? 3 : 2;
  return groupFrame(src, ip, ALL_RECORD_ROUTERS[family], { kind: 'record-report', version, records });
}

function eapolFrame(src: Mac, type: number, body: Uint8Array): Uint8Array {
  const payload = encodeEapol({ version: 2, type, body });
  return encodeEthernet({ dst: PAE_GROUP, src, etherType: EtherType.Eapol, payload });
}

function groupFrame(
  src: Mac,
  ip: IpAddress,
  dst: IpAddress,
  message: Exclude<GroupMessage, { kind: 'unknown' }>,
): Uint8Array {
  const parts = { src: ip, dst, message };
  return ipFamily(ip) === 4
    ? encodeEthernet({ dst: groupMac(dst), src, etherType: EtherType.Ipv4, payload: encodeIgmpPacket(parts) })
    : encodeEthernet({ dst: groupMac(dst), src, etherType: EtherType.Ipv6, payload: encodeMldPacket(parts) });
}

const PAE_GROUP: Mac = '01:80:c2:00:00:03';
const ALL_ROUTERS = { 4: '224.0.0.2', 6: 'ff02::2' } as const;
/** Of IGMPv3 and MLDv2. */
const ALL_RECORD_ROUTERS = { 4: '224.0.0.22', 6: 'ff02::16' } as const;
const NOTHING = new Uint8Array(0);
