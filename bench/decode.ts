/**
 * How fast the codecs are: one frame in, one decoded value out, on one core. Beside each stands what a package
 * or a program of the same trade makes of the same octets in the same run; where that does less work its name
 * says so. Rounds of both alternate.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeEap, EapCode, EapType, encodeEap } from '../eapol/eap.ts';
import { decodeEapol, EapolType, encodeEapol } from '../eapol/eapol.ts';
import { decodeGroupPacket, encodeIgmpPacket, encodeMldPacket } from '../igmp/group-packet.ts';
import type { GroupRecord } from '../igmp/group-record.ts';
import { AttributeType, integer, octets, splitEapMessage, text } from '../radius/attributes.ts';
import { decodeRadius, RadiusCode } from '../radius/packet.ts';
import { signAccessRequest, signReply, verifyReply } from '../radius/sign.ts';
import type { IpAddress, Mac } from '../wire/address.ts';
import { concatBytes, putU16 } from '../wire/bytes.ts';
import { internetChecksum } from '../wire/checksum.ts';
import { decodeEthernet, EtherType, encodeEthernet, groupMac } from '../wire/ethernet.ts';
import { isMalformed } from '../wire/malformed.ts';
import { type BenchRow, type Round, rowOfRounds } from './report/row.ts';

/** All rows, in about ten seconds. */
export async function benchDecode(): Promise<BenchRow[]> {
  return [...frames(), ...radius()];
}

function frames(): BenchRow[] {
  const eapol = HOSTS.map(eapolFrame);
  const igmp2 = HOSTS.map((n) => frame(EtherType.Ipv4, n, '239.1.1.1', encodeIgmpPacket(reportV2(n))));
  const igmp3 = HOSTS.map((n) => frame(EtherType.Ipv4, n, '224.0.0.22', encodeIgmpPacket(reportV3(n))));
  const mld2 = HOSTS.map((n) => frame(EtherType.Ipv6, n, 'ff02::16', encodeMldPacket(reportMld2(n))));
  const headers = 'package pcap, which reads no records and checks nothing';
  return [
    compare('EAPOL frame to EAP Response/Identity', 'tcpdump -n, which also reads and prints', {
      castgate: inTurn(eapol, eapolOf),
      reference: { perSecond: () => tcpdumpPerSecond(eapol) },
    }),
    compare('IGMPv2 frame to report', 'package pcap, which checks nothing', {
      castgate: inTurn(igmp2, groupOf),
      reference: inTurn(igmp2.map(toBuffer), pcapDecode),
    }),
    compare('IGMPv3 frame to report of 4 records with a source each', headers, {
      castgate: inTurn(igmp3, groupOf),
      reference: inTurn(igmp3.map(toBuffer), pcapDecode),
    }),
    compare('the same from a host and to groups never seen before', headers, {
      castgate: inTurn(igmp3, strangerOf),
      reference: inTurn(igmp3.map(toBuffer), pcapDecode),
    }),
    compare('MLDv2 frame to report of 4 records with a source each', headers, {
      castgate: inTurn(mld2, groupOf),
      reference: inTurn(mld2.map(toBuffer), pcapDecode),
    }),
  ];
}

function radius(): BenchRow[] {
  const secret = 'a secret of sixteen';
  const key = new TextEncoder().encode(secret);
  const authenticator = new Uint8Array(16).fill(0x42);
  const eap = encodeEap({ code: EapCode.Request, id: 2, type: EapType.Tls, typeData: new Uint8Array(590) });
  const attributes = [octets(AttributeType.State, new Uint8Array(16).fill(1)), ...splitEapMessage(eap)];
  const challenge = signReply({ code: RadiusCode.AccessChallenge, id: 7, attributes }, authenticator, key);
  const packet = Buffer.from(challenge);
  const asked = [
    text(AttributeType.UserName, 'ann@example'),
    text(AttributeType.NasIdentifier, 'edge-1'),
    text(AttributeType.CallingStationId, '02-00-00-00-00-01'),
    integer(AttributeType.NasPort, 3),
  ];
  const request = radiusPackage.encode({
    code: 'Access-Request',
    identifier: 7,
    secret,
    attributes: [['User-Name', 'ann@example']],
    add_message_authenticator: true,
  });
  const answer = signReply(
    { code: RadiusCode.AccessAccept, id: 7, attributes },
    request.subarray(4, 20),
    key,
  );
  const answerPacket = Buffer.from(answer);
  const requestAuthenticator = new Uint8Array(request.subarray(4, 20));
  return [
    compare('RADIUS challenge of 660 octets to attributes', 'package radius', {
      castgate: () => ('attributes' in decodeRadius(challenge) ? 1 : 0),
      reference: () => radiusPackage.decode_without_secret({ packet }).identifier,
    }),
    compare('RADIUS answer of 660 octets verified, both signatures', 'package radius', {
      castgate: () =>
        verifyReply(requestAuthenticator, answer, key, { requireMessageAuthenticator: true }) === 'ok'
          ? 1
          : 0,
      reference: () => (radiusPackage.verify_response({ request, response: answerPacket, secret }) ? 1 : 0),
    }),
    compare('RADIUS Access-Request signed', 'package radius', {
      castgate: () => signAccessRequest({ id: 7, authenticator, attributes: asked }, key).length,
      reference: () =>
        radiusPackage.encode({
          code: 'Access-Request',
          identifier: 7,
          secret,
          attributes: [
            ['User-Name', 'ann@example'],
            ['NAS-Identifier', 'edge-1'],
            ['Calling-Station-Id', '02-00-00-00-00-01'],
            ['NAS-Port', 3],
          ],
          add_message_authenticator: true,
        }).length,
    }),
  ];
}

/** Runs once and gives a number that is not 0, so that nothing can be left out of it. */
type Step = () => number;

interface Sides {
  readonly castgate: Step;
  readonly reference: Step | { readonly perSecond: () => number | undefined };
}

function compare(what: string, referenceName: string, sides: Sides): BenchRow {
  const { castgate, reference } = sides;
  const other = typeof reference === 'function' ? () => perSecond(reference) : reference.perSecond;
  perSecond(castgate);
  const rounds: Round[] = [];
  for (let i = 0; i < ROUNDS; i++) rounds.push({ castgate: perSecond(castgate), reference: other() });
  return rowOfRounds({ section: 'Codecs, one core', what, unit: '/s' }, referenceName, 'ratio', rounds);
}

/** How often a step runs in a second, measured over ROUND_MS. Throws where it gives 0: it did not do its work. */
function perSecond(step: Step): number {
  let done = 0;
  const start = performance.now();
  let now = start;
  while (now - start < ROUND_MS) {
    for (let i = 0; i < STEPS_BETWEEN_LOOKS; i++) if (step() === 0) throw new Error('a step did nothing');
    done += STEPS_BETWEEN_LOOKS;
    now = performance.now();
  }
  return (done * 1000) / (now - start);
}

function eapolOf(b: Uint8Array): number {
  const link = decodeEthernet(b);
  if (isMalformed(link)) return 0;
  const pdu = decodeEapol(link.payload);
  if (isMalformed(pdu)) return 0;
  const eap = decodeEap(pdu.body);
  return isMalformed(eap) ? 0 : eap.length;
}

function groupOf(b: Uint8Array): number {
  const link = decodeEthernet(b);
  if (isMalformed(link)) return 0;
  const packet = decodeGroupPacket(link.etherType, link.payload);
  return packet === undefined || isMalformed(packet) ? 0 : packet.family;
}

/** As groupOf, with other addresses each time; the checksums are taken along. */
function strangerOf(b: Uint8Array): number {
  stranger = (stranger + 1) % 0xffff;
  // Host octets of MAC and source address, low octets of the four groups.
  putU16(b, 10, stranger);
  putU16(b, IPV4_AT + 14, stranger);
  putU16(b, IPV4_AT + 10, 0);
  putU16(b, IPV4_AT + 10, internetChecksum(b, IPV4_AT, IGMP_AT));
  for (let i = 0; i < 4; i++) putU16(b, IGMP_AT + 8 + 12 * i + 6, stranger * 4 + i);
  putU16(b, IGMP_AT + 2, 0);
  putU16(b, IGMP_AT + 2, internetChecksum(b, IGMP_AT));
  return groupOf(b);
}

/** A step that takes the items one after the other, round and round. */
function inTurn<T>(items: readonly T[], work: (item: T) => number): Step {
  let next = 0;
  return () => {
    const item = items[next % items.length];
    next++;
    return item === undefined ? 0 : work(item);
  };
}

function toBuffer(b: Uint8Array): Buffer {
  return Buffer.from(b);
}

function pcapDecode(b: Buffer): number {
  const decoded = pcapPackage.decode.packet({
    buf: b,
    header: pcapHeader(b.length),
    link_type: 'LINKTYPE_ETHERNET',
  });
  return decoded.payload.ethertype;
}

/** Seconds, microseconds, captured length, length: as the package hands it on with each frame. */
function pcapHeader(length: number): Buffer {
  PCAP_HEADER.writeUInt32LE(length, 8);
  PCAP_HEADER.writeUInt32LE(length, 12);
  return PCAP_HEADER;
}

/** tcpdump over many copies of frames; undefined where it is not installed. Its start is taken off. */
function tcpdumpPerSecond(frames: readonly Uint8Array[]): number | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'castgate-bench-'));
  try {
    const time = (copies: number): number | undefined => {
      const path = join(folder, `${copies}.pcap`);
      writeFileSync(path, captureOf(frames, copies));
      const start = performance.now();
      const { status } = spawnSync('tcpdump', ['-nt', '-r', path], { stdio: ['ignore', 'ignore', 'ignore'] });
      return status === 0 ? performance.now() - start : undefined;
    };
    const none = time(0);
    const all = time(TCPDUMP_FRAMES);
    return none === undefined || all === undefined ? undefined : (TCPDUMP_FRAMES * 1000) / (all - none);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A capture file of `count` frames (a multiple of how many are given), the given ones over and over. */
function captureOf(frames: readonly Uint8Array[], count: number): Uint8Array {
  const numbers = (...values: number[]) => new Uint8Array(Uint32Array.from(values).buffer);
  const head = numbers(0xa1b2c3d4, 0x00040002, 0, 0, 65_535, 1);
  const once = concatBytes(...frames.flatMap((b) => [numbers(1_750_000_000, 0, b.length, b.length), b]));
  const rounds = Math.ceil(count / frames.length);
  return concatBytes(head, ...Array.from({ length: rounds }, () => once));
}

function eapolFrame(n: number): Uint8Array {
  const identity = new TextEncoder().encode(`user-${n}@example`);
  const body = encodeEap({ code: EapCode.Response, id: 1, type: EapType.Identity, typeData: identity });
  const payload = encodeEapol({ version: 2, type: EapolType.Packet, body });
  return encodeEthernet({ dst: '01:80:c2:00:00:03', src: host(n), etherType: EtherType.Eapol, payload });
}

function frame(etherType: number, n: number, dst: IpAddress, payload: Uint8Array): Uint8Array {
  return encodeEthernet({ dst: groupMac(dst), src: host(n), etherType, payload });
}

function host(n: number): Mac {
  return `02:00:00:00:01:${n.toString(16).padStart(2, '0')}`;
}

function reportV2(n: number) {
  const group = `239.1.1.${n % CHANNELS}`;
  return { src: `192.0.2.${n}`, dst: group, message: { kind: 'report', version: 2, group } as const };
}

function reportV3(n: number) {
  const records = [0, 1, 2, 3].map((i) => record(`239.1.1.${(n + i) % CHANNELS}`, `198.51.100.${i}`));
  return {
    src: `192.0.2.${n}`,
    dst: '224.0.0.22',
    message: { kind: 'record-report', version: 3, records } as const,
  };
}

function reportMld2(n: number) {
  const channel = (i: number) => `ff15::101:${((n + i) % CHANNELS).toString(16)}`;
  const records = [0, 1, 2, 3].map((i) => record(channel(i), `2001:db8:77::${i}`));
  return {
    src: `fe80::ff:fe00:${n.toString(16)}`,
    dst: 'ff02::16',
    message: { kind: 'record-report', version: 2, records } as const,
  };
}

function record(group: IpAddress, source: IpAddress): GroupRecord {
  return { type: 5, group, sources: [source], auxWords: 0 };
}

interface PcapPackage {
  readonly decode: {
    packet(frame: { buf: Buffer; header: Buffer; link_type: string }): { payload: { ethertype: number } };
  };
}

interface RadiusPackage {
  encode(args: object): Buffer;
  decode_without_secret(args: { packet: Buffer }): { identifier: number };
  verify_response(args: { request: Buffer; response: Buffer; secret: string }): boolean;
}

const load = createRequire(import.meta.url);
const pcapPackage: PcapPackage = load('pcap');
const radiusPackage: RadiusPackage = load('radius');

/** Hosts that take turns, and the channels that they ask for. */
const HOSTS: readonly number[] = Array.from({ length: 250 }, (_, n) => n);
const CHANNELS = 200;
const IPV4_AT = 14;
const IGMP_AT = IPV4_AT + 24;
let stranger = 0;
const PCAP_HEADER = Buffer.alloc(16);
const ROUNDS = 5;
const ROUND_MS = 100;
const STEPS_BETWEEN_LOOKS = 64;
const TCPDUMP_FRAMES = 200_000;
