/**
 * The captures in fixtures/captures, as the frames they are made of. `npx vitest run test/cli/decode/own-captures`
 * with WRITE_CAPTURES=1 writes the files again; without it the test compares.
 */
import { EapCode, EapType, encodeEap } from '../../../eapol/eap.ts';
import { EapolType, encodeEapol } from '../../../eapol/eapol.ts';
import { encodeIgmpPacket, encodeMldPacket } from '../../../igmp/group-packet.ts';
import type { GroupRecord } from '../../../igmp/group-record.ts';
import {
  AttributeType,
  address,
  integer,
  octets,
  splitEapMessage,
  text,
} from '../../../radius/attributes.ts';
import { RadiusCode } from '../../../radius/packet.ts';
import {
  signAccessRequest,
  signAccountingRequest,
  signDynamicRequest,
  signReply,
} from '../../../radius/sign.ts';
import type { IpAddress } from '../../../wire/address.ts';
import { concatBytes } from '../../../wire/bytes.ts';
import { EtherType, encodeEthernet, groupMac, type VlanTag } from '../../../wire/ethernet.ts';
import { encodeIpv4 } from '../../../wire/ipv4.ts';
import { encodeIpv6 } from '../../../wire/ipv6.ts';
import { encodeUdp } from '../../../wire/udp.ts';
import { type FrameToWrite, Link, pcapFile } from './pcap-file.ts';

/** The shared secret of radius.pcap and radius-tcp.pcap. */
export const SECRET = 'a secret of the fixtures';

/** Name and octets of each capture. */
export function ownCaptures(): ReadonlyMap<string, Uint8Array> {
  return new Map([
    ['login', pcapFile(Link.Ethernet, inOrder(login()))],
    ['joins', pcapFile(Link.Ethernet, inOrder(joins()))],
    ['joins-ipv6', pcapFile(Link.Raw, inOrder(joins6()))],
    ['radius', pcapFile(Link.LinuxSll, inOrder(radius()))],
    ['radius-tcp', pcapFile(Link.LinuxSll2, inOrder(radiusTcp()))],
  ]);
}

/** Frames a tenth of a second apart. */
function inOrder(frames: readonly Uint8Array[]): FrameToWrite[] {
  return frames.map((data, i) => ({ timeUs: START_US + 100_000 * i, data }));
}

function login(): Uint8Array[] {
  const eapol = (src: string, type: number, body: Uint8Array, version = 2) =>
    encodeEthernet({
      dst: PAE_GROUP,
      src,
      etherType: EtherType.Eapol,
      payload: encodeEapol({ version, type, body }),
    });
  const eap = (src: string, code: number, id: number, type?: number, data: Uint8Array = NOTHING) =>
    eapol(src, EapolType.Packet, encodeEap({ code, id, type, typeData: data }));
  const challenge = concatBytes(Uint8Array.of(16), new Uint8Array(16).fill(0x5a));
  const start = eapol(HOST, EapolType.Start, NOTHING);
  return [
    concatBytes(start, new Uint8Array(60 - start.length)),
    eap(SWITCH, EapCode.Request, 1, EapType.Identity),
    eap(HOST, EapCode.Response, 1, EapType.Identity, ascii('ann@example')),
    eap(SWITCH, EapCode.Request, 2, EapType.Peap, Uint8Array.of(0x20)),
    eap(HOST, EapCode.Response, 2, EapType.Nak, Uint8Array.of(EapType.Md5Challenge)),
    eap(SWITCH, EapCode.Request, 3, EapType.Md5Challenge, challenge),
    eap(HOST, EapCode.Response, 3, EapType.Md5Challenge, challenge),
    eap(SWITCH, EapCode.Success, 3),
    eap(HOST, EapCode.Response, 4, EapType.Tls, Uint8Array.of(0xc0, 0, 0, 1, 0, 0x16)),
    eapol(HOST, EapolType.Logoff, NOTHING, 3),
    // Refused: a type of tomorrow, a body that is not there, a response without a type.
    eapol(HOST, 9, NOTHING),
    eapol(HOST, EapolType.Packet, encodeEap({ code: 2, id: 9, type: 1 })).subarray(0, 20),
    eapol(HOST, EapolType.Packet, Uint8Array.of(2, 9, 0, 4)),
  ];
}

function joins(): Uint8Array[] {
  const frame = (packet: Uint8Array, dst: IpAddress, vlans: readonly VlanTag[] = []) =>
    encodeEthernet({ dst: groupMac(dst), src: HOST, vlans, etherType: EtherType.Ipv4, payload: packet });
  const src = '192.0.2.10';
  const report = (...records: GroupRecord[]) =>
    encodeIgmpPacket({ src, dst: '224.0.0.22', message: { kind: 'record-report', version: 3, records } });
  const record = (type: number, group: IpAddress, ...sources: IpAddress[]): GroupRecord => ({
    type,
    group,
    sources,
    auxWords: 0,
  });
  const query = { ...GENERAL_QUERY, group: '0.0.0.0' };
  const badChecksum = report(record(4, '239.1.1.1'));
  badChecksum.fill(2, badChecksum.length - 1);
  return [
    frame(encodeIgmpPacket({ src: '192.0.2.1', dst: '224.0.0.1', message: query }), '224.0.0.1'),
    frame(report(record(4, '239.1.1.1')), '224.0.0.22'),
    frame(
      report(record(5, '232.1.1.1', '198.51.100.7'), record(6, '239.1.1.2', '198.51.100.8')),
      '224.0.0.22',
      [{ id: 42, pcp: 5, dei: false, tpid: EtherType.Vlan }],
    ),
    frame(report(record(3, '239.1.1.1')), '224.0.0.22', [
      { id: 200, pcp: 0, dei: false, tpid: EtherType.ServiceVlan },
      { id: 7, pcp: 1, dei: false, tpid: EtherType.Vlan },
    ]),
    frame(
      encodeIgmpPacket({
        src,
        dst: '239.1.1.1',
        message: { kind: 'report', version: 2, group: '239.1.1.1' },
      }),
      '239.1.1.1',
    ),
    frame(
      encodeIgmpPacket({ src, dst: '224.0.0.2', message: { kind: 'leave', group: '239.1.1.1' } }),
      '224.0.0.2',
    ),
    frame(badChecksum, '224.0.0.22'),
    frame(encodeIpv4({ src, dst: '239.1.1.1', ttl: 1, protocol: 17, payload: NOTHING }), '239.1.1.1'),
  ];
}

function joins6(): Uint8Array[] {
  const join: GroupRecord = { type: 4, group: 'ff15::101', sources: [], auxWords: 0 };
  const message = { kind: 'record-report', version: 2, records: [join] } as const;
  const query = { ...GENERAL_QUERY, version: 2, group: '::' } as const;
  return [
    encodeMldPacket({ src: 'fe80::1', dst: 'ff02::1', message: query }),
    encodeMldPacket({ src: 'fe80::2', dst: 'ff02::16', message }),
    encodeMldPacket({
      src: 'fe80::2',
      dst: 'ff15::101',
      message: { kind: 'report', version: 1, group: 'ff15::101' },
    }),
    // Refused: from ::, and from afar.
    encodeMldPacket({ src: '::', dst: 'ff02::16', message }),
    encodeMldPacket({ src: '2001:db8::2', dst: 'ff02::16', message }),
    encodeIgmpPacket({
      src: '192.0.2.10',
      dst: '239.1.1.1',
      message: { kind: 'report', version: 1, group: '239.1.1.1' },
    }),
    encodeIpv6({
      src: 'fe80::2',
      dst: 'fe80::1',
      hopLimit: 255,
      nextHeader: 58,
      payload: Uint8Array.of(128, 0, 0, 0),
    }),
  ];
}

function radius(): Uint8Array[] {
  const toServer = (payload: Uint8Array, port: number) =>
    datagram('192.0.2.1', 40_000, SERVER, port, payload);
  const toNas = (payload: Uint8Array, port: number) => datagram(SERVER, port, '192.0.2.1', 40_000, payload);
  const authenticator = new Uint8Array(16).fill(7);
  const identity = encodeEap({ code: 2, id: 1, type: 1, typeData: ascii('ann@example') });
  const request = signAccessRequest(
    {
      id: 1,
      authenticator,
      attributes: [
        text(AttributeType.UserName, 'ann@example'),
        text(AttributeType.NasIdentifier, 'edge-1'),
        integer(AttributeType.NasPort, 3),
        ...splitEapMessage(identity),
      ],
    },
    KEY,
  );
  const challenge = signReply(
    {
      code: RadiusCode.AccessChallenge,
      id: 1,
      attributes: [
        octets(AttributeType.State, Uint8Array.of(1, 2, 3)),
        ...splitEapMessage(encodeEap({ code: 1, id: 2, type: EapType.Peap, typeData: Uint8Array.of(0x20) })),
      ],
    },
    authenticator,
    KEY,
  );
  const accounting = signAccountingRequest(
    {
      id: 9,
      attributes: [integer(AttributeType.AcctStatusType, 1), text(AttributeType.AcctSessionId, 'A-1')],
    },
    KEY,
  );
  const accepted = signReply({ code: 5, id: 9, attributes: [] }, accounting.subarray(4, 20), KEY, {
    messageAuthenticator: false,
  });
  const group = concatBytes(Uint8Array.of(0, 0, 0x63, 0xa2, 98, 6), Uint8Array.of(239, 1, 1, 1));
  const coa = signDynamicRequest(
    {
      code: RadiusCode.CoaRequest,
      id: 2,
      attributes: [
        text(AttributeType.UserName, 'ann@example'),
        octets(AttributeType.VendorSpecific, group),
        address(AttributeType.NasIpAddress, '192.0.2.1'),
      ],
    },
    KEY,
  );
  const forged = challenge.slice();
  forged.fill(0xee, 4, 5);
  return [
    toServer(request, 1812),
    toServer(request, 1812),
    toNas(challenge, 1812),
    toNas(forged, 1812),
    toServer(accounting, 1813),
    toNas(concatBytes(accepted, Uint8Array.of(0, 0)), 1813),
    toNas(coa, 3799),
    // Refused: cut in an attribute, a code of nobody, a reply whose Session-Timeout has three octets.
    toServer(Uint8Array.of(...request.subarray(0, 2), 0, 22, ...authenticator, 1, 9), 1812),
    toServer(Uint8Array.of(99, 1, 0, 20, ...authenticator), 1812),
    toNas(Uint8Array.of(2, 1, 0, 25, ...authenticator, 27, 5, 0, 0, 60), 1812),
  ];
}

/** Two requests in three segments, the second one sent twice; then both answers in one. */
function radiusTcp(): Uint8Array[] {
  const request = (id: number, fill: number) =>
    signAccessRequest(
      {
        id,
        authenticator: new Uint8Array(16).fill(fill),
        attributes: [text(AttributeType.UserName, `user-${id}`)],
      },
      KEY,
    );
  const answer = (id: number, fill: number) =>
    signReply({ code: 2, id, attributes: [] }, new Uint8Array(16).fill(fill), KEY);
  const both = concatBytes(request(1, 1), request(2, 2));
  const up = (sequence: number, payload: Uint8Array) =>
    segment('192.0.2.1', 50_000, SERVER, 1812, sequence, payload);
  const down = (sequence: number, payload: Uint8Array) =>
    segment(SERVER, 1812, '192.0.2.1', 50_000, sequence, payload);
  const wrapping = 0xffffffe0;
  return [
    up(wrapping, both.subarray(0, 30)),
    up((wrapping + 30) % 2 ** 32, both.subarray(30, 70)),
    up((wrapping + 30) % 2 ** 32, both.subarray(30, 70)),
    up((wrapping + 70) % 2 ** 32, both.subarray(70)),
    down(1, concatBytes(answer(1, 1), answer(2, 2))),
    down(1000, Uint8Array.of(2, 3, 0, 4)),
  ];
}

function datagram(
  src: IpAddress,
  srcPort: number,
  dst: IpAddress,
  dstPort: number,
  payload: Uint8Array,
): Uint8Array {
  const udp = encodeUdp({ src, srcPort, dst, dstPort, payload });
  const packet = encodeIpv4({ src, dst, ttl: 64, protocol: 17, payload: udp });
  // Linux cooked v1: from us, Ethernet, an address of six octets.
  return concatBytes(Uint8Array.of(0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x08, 0x00), packet);
}

function segment(
  src: IpAddress,
  srcPort: number,
  dst: IpAddress,
  dstPort: number,
  sequence: number,
  payload: Uint8Array,
): Uint8Array {
  const header = new DataView(new ArrayBuffer(20));
  header.setUint16(0, srcPort);
  header.setUint16(2, dstPort);
  header.setUint32(4, sequence);
  header.setUint16(12, 0x5018);
  const tcp = concatBytes(new Uint8Array(header.buffer), payload);
  const packet = encodeIpv4({ src, dst, ttl: 64, protocol: 6, payload: tcp });
  // Linux cooked v2: IPv4, interface 3, Ethernet, from us, an address of six octets.
  const link = Uint8Array.of(0x08, 0x00, 0, 0, 0, 0, 0, 3, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0);
  return concatBytes(link, packet);
}

function ascii(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

const NOTHING = new Uint8Array(0);
const START_US = 1_750_000_000_000_000;
const PAE_GROUP = '01:80:c2:00:00:03';
const HOST = '02:00:00:00:00:01';
const SWITCH = '02:00:00:00:00:fe';
const SERVER = '192.0.2.99';
const KEY = ascii(SECRET);
const GENERAL_QUERY = {
  kind: 'query',
  version: 3,
  maxRespCode: 100,
  maxRespMs: 10_000,
  suppress: false,
  qrv: 2,
  qqicCode: 125,
  qqicSeconds: 125,
  sources: [],
} as const;
