/**
 * The evidence of the story: frames that were on the cables and records that FreeRADIUS wrote, held against
 * each other and against what each account may see.
 */
import { decodeEapol, EapolType } from '../../eapol/eapol.ts';
import { decodeGroupPacket } from '../../igmp/group-packet.ts';
import { RecordType } from '../../igmp/group-record.ts';
import { decodeIgmp } from '../../igmp/igmp.ts';
import type { IpAddress, Mac } from '../../wire/address.ts';
import { EtherType } from '../../wire/ethernet.ts';
import { IpProtocol } from '../../wire/ipv4.ts';
import { isMalformed } from '../../wire/malformed.ts';
import { type CapturedFrame, ofGroup, type Tally, tally } from '../capture.ts';
import type { Lab } from '../lab.ts';
import type { DetailRecord } from '../radius/detail-file.ts';
import type { Report } from '../report.ts';
import { FILM, type HostName, NEWS, STORY_PLAN, VAULT } from './story-plan.ts';

/** What was on the cable of each host. */
export type Frames = Readonly<Record<HostName, readonly CapturedFrame[]>>;

/** What nobody may ever see on a cable, counted in frames. */
export function judgeCables(
  lab: Lab,
  report: Report,
  frames: Frames,
  upstream: readonly CapturedFrame[],
): void {
  const count = (host: HostName, group: string) => tally(frames[host], ofGroup(group)).packets;
  const sent = (group: string) => tally(upstream, ofGroup(group)).packets;
  report.say(`the head-end sent ${sent(NEWS)} of news, ${sent(FILM)} of film, ${sent(VAULT)} of vault`);
  for (const [host, may, mayNot] of [
    ['alice', [NEWS], [FILM, VAULT]],
    ['bob', [FILM], [NEWS, VAULT]],
    ['carol', [], [NEWS, FILM, VAULT]],
  ] as const) {
    const good = may.map((group) => count(host, group)).reduce((sum, packets) => sum + packets, 0);
    const leaked = mayNot.map((group) => count(host, group)).reduce((sum, packets) => sum + packets, 0);
    report.expect(
      `not one forbidden packet reaches ${host}`,
      `${leaked} of ${mayNot.map(sent).reduce((sum, packets) => sum + packets, 0)} leaked${may.length > 0 ? `, ${good} of ${may.join()}` : ''}`,
      leaked === 0 && sent(VAULT) > 0 && (may.length === 0 || good > 0),
    );
  }
  const carol = lab.topology.host('carol').mac;
  const toCarol = frames.carol.filter((frame) => frame.src !== carol && !isControl(frame));
  report.expect('no other frame reaches carol either', `${toCarol.length} frames`, toCarol.length === 0);

  const asked = new Set(
    upstream.filter((frame) => frame.src !== lab.topology.upstreamMac).flatMap(groupsAskedFor),
  );
  report.expect(
    'upstream was told of granted groups only',
    [...asked].sort().join(', ') || 'of none',
    [...asked].sort().join() === [NEWS, FILM].join(),
  );
}

/** Accounting of both subscribers: complete, linked, true causes, octets as on the cables up to its end. */
export function judgeBooks(
  lab: Lab,
  report: Report,
  frames: Frames,
  endedAtMs: Readonly<Record<'alice' | 'bob', number>>,
): void {
  const records = lab.radius.accountingRecords().filter((record) => record.text('User-Name') !== undefined);
  for (const account of ['alice', 'bob'] as const) {
    const host = lab.topology.host(account);
    const group = account === 'alice' ? NEWS : FILM;
    const own = records.filter((record) => record.text('User-Name') === account);
    const session = own.filter((record) => groupOf(record) === undefined);
    const channel = own.filter((record) => groupOf(record) === group);
    const carried = frames[account].filter((frame) => !isControl(frame) && frame.atMs < endedAtMs[account]);
    const unicastOut = tally(carried, (frame) => frame.dst === host.mac);
    const unicastIn = tally(carried, (frame) => frame.src === host.mac);
    const cause = account === 'alice' ? 'Lost-Carrier' : 'User-Request';
    expectRecords(report, `${account}'s session`, session, cause);
    expectOctets(report, `${account}'s session, to the host`, session, 'Output', unicastOut);
    expectOctets(report, `${account}'s session, from the host`, session, 'Input', unicastIn);
    expectRecords(report, `${account}'s channel ${group}`, channel, 'User-Request');
    expectOctets(
      report,
      `${account}'s channel ${group}`,
      channel,
      'Output',
      tally(frames[account], ofGroup(group)),
    );
    const links = new Set(own.map((record) => record.text('Acct-Multi-Session-Id')));
    const classes = new Set(session.map((record) => record.text('Class')));
    report.expect(
      `${account}'s records are linked, Class is back`,
      `${links.size} Acct-Multi-Session-Id, Class ${[...classes].map(readable).join(', ')}`,
      links.size === 1 && !links.has(undefined) && readable([...classes][0]) === classOf(account),
    );
  }
  const strangers = records.filter((record) => {
    const account = record.text('User-Name');
    const group = groupOf(record);
    return (
      !(account === 'alice' && (group ?? NEWS) === NEWS) && !(account === 'bob' && (group ?? FILM) === FILM)
    );
  });
  report.expect(
    'no record of anybody or anything else',
    `${strangers.length} such records`,
    strangers.length === 0,
  );
}

/** Start, at least one Interim, and one Stop with that cause. */
function expectRecords(report: Report, what: string, records: readonly DetailRecord[], cause: string): void {
  const count = (status: string) =>
    records.filter((record) => record.text('Acct-Status-Type') === status).length;
  const last = records.at(-1);
  const [start, interim, stop] = [count('Start'), count('Interim-Update'), count('Stop')];
  const seenCause = last?.text('Acct-Terminate-Cause') ?? 'none';
  report.expect(
    `accounting of ${what}`,
    `${start} Start, ${interim} Interim, ${stop} Stop, cause ${seenCause}`,
    start === 1 && interim >= 1 && stop === 1 && seenCause === cause,
  );
}

/** The Stop record's octets beside those of the frames on the cable. */
function expectOctets(
  report: Report,
  what: string,
  records: readonly DetailRecord[],
  direction: 'Input' | 'Output',
  seen: Tally,
): void {
  const booked = records.at(-1)?.octets(direction) ?? 0;
  const off = seen.octets === 0 ? 1 : Math.abs(booked - seen.octets) / seen.octets;
  report.expect(
    `octets of ${what}`,
    `${booked} booked, ${seen.octets} on the cable (${(off * 100).toFixed(2)} % apart)`,
    booked > 0 && off <= OCTETS_TOLERANCE,
  );
}

/** The group that an accounting record is about; undefined for a session's. */
export function groupOf(record: DetailRecord): string | undefined {
  return record.text('H3C-IPv4-Multicast-Receive-Group') ?? record.text('Huawei-Multicast-Receive-Group');
}

/** When the host's EAPOL-Logoff was on the cable. */
export function loggedOffAt(frames: readonly CapturedFrame[], mac: Mac): number | undefined {
  return frames.find((frame) => {
    if (frame.src !== mac || frame.etherType !== EtherType.Eapol) return false;
    const pdu = decodeEapol(frame.payload);
    return !isMalformed(pdu) && pdu.type === EapolType.Logoff;
  })?.atMs;
}

/** When the host's IGMPv3 report that leaves the group was on the cable. */
export function leftAt(frames: readonly CapturedFrame[], mac: Mac, group: IpAddress): number | undefined {
  return frames.find((frame) => {
    if (frame.src !== mac || frame.ip?.protocol !== IpProtocol.Igmp) return false;
    const message = decodeIgmp(frame.ip.payload);
    if (isMalformed(message) || message.kind !== 'record-report') return false;
    return message.records.some(
      (record) =>
        record.group === group && record.type === RecordType.ToInclude && record.sources.length === 0,
    );
  })?.atMs;
}

/** Groups that an IGMP message asks for; none for a leave or a query. */
function groupsAskedFor(frame: CapturedFrame): string[] {
  if (frame.ip?.protocol !== IpProtocol.Igmp) return [];
  const message = decodeIgmp(frame.ip.payload);
  if (isMalformed(message)) return ['malformed'];
  if (message.kind === 'report') return [message.group];
  return message.kind === 'record-report' ? message.records.map((record) => record.group) : [];
}

/** EAPOL and IGMP: the switch and the host talk to each other, nothing is carried. */
function isControl(frame: CapturedFrame): boolean {
  // A querier asks everybody, also for IPv6: decodeGroupPacket knows IGMP and MLD.
  return (
    frame.etherType === EtherType.Eapol || decodeGroupPacket(frame.etherType, frame.payload) !== undefined
  );
}

function classOf(account: string): string | undefined {
  return STORY_PLAN.users.find((user) => user.name === account)?.class;
}

/** FreeRADIUS writes octets as 0x…; here they are text. */
function readable(octets: string | undefined): string {
  return octets?.startsWith('0x') === true
    ? Buffer.from(octets.slice(2), 'hex').toString()
    : (octets ?? 'none');
}

const OCTETS_TOLERANCE = 0.01;
