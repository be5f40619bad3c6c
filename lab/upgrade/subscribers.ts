/**
 * Many subscribers that are frames, behind one line. Each says everything once and never again: what is lost on its
 * way, or not answered, stays unanswered and is told.
 *
 *   node dist/lab/upgrade/subscribers.js FIRST COUNT      (eth0 in its namespace)
 *
 * On standard input: enter COUNT, go RATE, rest. `enter` logs the first ones in, who stay and watch; `go` begins to do
 * RATE things in a second, until `rest`: the others log in and off, those who stay join and leave. `rest` waits for what
 * is on its way and tells.
 */
import { decodeEap, EapCode, EapType, encodeEap } from '../../eapol/eap.ts';
import { decodeEapol, EapolType } from '../../eapol/eapol.ts';
import { encodeIgmpPacket } from '../../igmp/group-packet.ts';
import { RecordType } from '../../igmp/group-record.ts';
import { u16 } from '../../wire/bytes.ts';
import { EtherType, encodeEthernet, groupMac } from '../../wire/ethernet.ts';
import { isMalformed } from '../../wire/malformed.ts';
import { monotonicMs } from '../hosts/channel-packet.ts';
import { eapolFrame, md5Response } from '../hosts/eapol-frame.ts';
import { PacketPort } from '../hosts/packet-port.ts';
import { emit, type Json, serveCommands } from '../line-program.ts';
import { accountOf, CHANNELS, channelOf, macOf, PASSWORD } from './subscriber-plan.ts';

/** What a line's subscribers have seen. */
export interface SubscribersSeen {
  readonly logins: number;
  readonly logoffs: number;
  readonly joins: number;
  readonly leaves: number;
  /** Logins that came to no end. */
  readonly unanswered: readonly string[];
  /** Requests to somebody who was in, and failures of such. */
  readonly askedAgain: readonly string[];
  readonly longestLoginMs: number;
  /** MAC addresses of who is in. */
  readonly inside: readonly string[];
  /** `MAC GROUP` of what is wanted now. */
  readonly wanted: readonly string[];
}

interface Place {
  readonly number: number;
  readonly mac: string;
  readonly octets: Uint8Array;
  readonly groups: Set<string>;
  state: 'out' | 'on-the-way' | 'in';
  since: number;
  resident: boolean;
}

const [first = '0', count = '0'] = process.argv.slice(2);
const port = new PacketPort(['eth0'], 'all');
const ifindex = port.indexOf('eth0');
const places = Array.from({ length: Number(count) }, (_, i): Place => {
  const number = Number(first) + i;
  const mac = macOf(number);
  const octets = Uint8Array.from(mac.split(':'), (part) => Number.parseInt(part, 16));
  return { number, mac, octets, groups: new Set(), state: 'out', since: 0, resident: false };
});
const byMac = new Map(places.map((place) => [Buffer.from(place.octets).toString('hex'), place]));
let tally = { logins: 0, logoffs: 0, joins: 0, leaves: 0, longestLoginMs: 0 };
let askedAgain: string[] = [];
let going: NodeJS.Timeout | undefined;

port.watch(receive);
serveCommands(perform, () => process.exit(0));
emit({ event: 'ready' });

async function perform(verb: string, [argument = '0']: readonly string[]): Promise<Json> {
  if (verb === 'enter') return enter(Number(argument));
  if (verb === 'go') {
    going = setInterval(act, 1000 / Number(argument));
    return {};
  }
  if (verb === 'rest') return { ...(await rest()) };
  throw new Error('the commands are: enter COUNT, go RATE, rest');
}

/** A few at a time, so that nothing but an upgrade can be the reason where one is lost. */
async function enter(many: number): Promise<Json> {
  const waiting = places.slice(0, many);
  for (let at = 0; at < waiting.length; at += AT_A_TIME) {
    const some = waiting.slice(at, at + AT_A_TIME);
    for (const place of some) {
      place.resident = true;
      login(place);
    }
    await until(() => some.every(({ state }) => state === 'in'));
  }
  for (const place of waiting) join(place, channelOf(place.number));
  return { inside: waiting.filter(({ state }) => state === 'in').length };
}

/** One thing by one of them. */
function act(): void {
  const place = places[Math.floor(Math.random() * places.length)];
  if (place === undefined) return;
  if (!place.resident) {
    if (place.state === 'out') login(place);
    else if (place.state === 'in' && monotonicMs() - place.since > STAYS_MS) logoff(place);
    return;
  }
  const group = channelOf(place.number + 1 + Math.floor(Math.random() * (CHANNELS - 1)));
  if (place.groups.has(group)) leave(place, group);
  else join(place, group);
}

async function rest(): Promise<SubscribersSeen> {
  clearInterval(going);
  await until(() => places.every(({ state }) => state !== 'on-the-way'));
  const unanswered = places.filter(({ state }) => state === 'on-the-way').map(({ mac }) => mac);
  const seen: SubscribersSeen = {
    ...tally,
    unanswered,
    askedAgain,
    inside: places.filter(({ state }) => state === 'in').map(({ mac }) => mac),
    wanted: places.flatMap(({ mac, groups, state }) =>
      state === 'in' ? [...groups].map((group) => `${mac} ${group}`) : [],
    ),
  };
  for (const place of places) if (place.state === 'on-the-way') place.state = 'out';
  tally = { logins: 0, logoffs: 0, joins: 0, leaves: 0, longestLoginMs: 0 };
  askedAgain = [];
  return seen;
}

function login(place: Place): void {
  place.state = 'on-the-way';
  place.since = monotonicMs();
  tally.logins++;
  eapol(place, EapolType.Start, NOTHING);
}

function logoff(place: Place): void {
  place.state = 'out';
  tally.logoffs++;
  eapol(place, EapolType.Logoff, NOTHING);
}

function join(place: Place, group: string): void {
  place.groups.add(group);
  tally.joins++;
  report(place, group, RecordType.ToExclude);
}

function leave(place: Place, group: string): void {
  place.groups.delete(group);
  tally.leaves++;
  report(place, group, RecordType.ToInclude);
}

function receive(_: number, frame: Uint8Array): void {
  if (u16(frame, 12) !== EtherType.Eapol) return;
  const place = byMac.get(Buffer.from(frame.subarray(0, 6)).toString('hex'));
  if (place === undefined) return;
  const pdu = decodeEapol(frame.subarray(14));
  if (isMalformed(pdu) || pdu.type !== EapolType.Packet) return;
  const eap = decodeEap(pdu.body);
  if (isMalformed(eap)) return;
  if (place.state === 'in') {
    askedAgain.push(`${place.mac} got EAP code ${eap.code} while it was in`);
    return;
  }
  if (place.state === 'out') return;
  if (eap.code === EapCode.Request) {
    const { id, type } = eap;
    const account = Buffer.from(accountOf(place.number));
    const typeData = type === EapType.Identity ? account : md5Response(eap, Buffer.from(PASSWORD));
    if (typeData === undefined) return;
    eapol(place, EapolType.Packet, encodeEap({ code: EapCode.Response, id, type, typeData }));
  } else if (eap.code === EapCode.Success) {
    tally.longestLoginMs = Math.max(tally.longestLoginMs, monotonicMs() - place.since);
    place.state = 'in';
    place.since = monotonicMs();
  }
}

function eapol(place: Place, type: number, body: Uint8Array): void {
  send(eapolFrame(place.octets, type, body));
}

function report(place: Place, group: string, type: number): void {
  const message = {
    kind: 'record-report',
    version: 3,
    records: [{ type, group, sources: [], auxWords: 0 }],
  } as const;
  const { number } = place;
  const src = `10.64.${number >> 8}.${number & 255}`;
  const payload = encodeIgmpPacket({ src, dst: REPORTS, message });
  send(encodeEthernet({ src: place.mac, dst: groupMac(REPORTS), etherType: EtherType.Ipv4, payload }));
}

function send(frame: Uint8Array): void {
  if (!port.send(ifindex, frame)) throw new Error('the line took no more frames');
}

/** Resolves when it is so, or after the time that a login may take at most. */
async function until(isSo: () => boolean): Promise<void> {
  const end = monotonicMs() + PATIENCE_MS;
  while (!isSo() && monotonicMs() < end) await new Promise((resolve) => setTimeout(resolve, 10));
}

const NOTHING = new Uint8Array(0);
const REPORTS = '224.0.0.22';
const AT_A_TIME = 16;
const STAYS_MS = 1000;
/** A lost frame shows: castgate asks again only after 30 seconds. */
const PATIENCE_MS = 15_000;
