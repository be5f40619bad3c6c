/**
 * Subscribers that are frames: 802.1X clients whose every step is at a chosen moment, which wpa_supplicant
 * with its timers of whole seconds cannot do. EAP-MD5; one that hears nothing for a second begins again, and
 * that is counted as a retry of its own.
 *
 *   node dist/lab/ha/crowd.js LINE...      (interfaces in its namespace)
 *
 * On standard input: login LINE DELAY_MS, logoff LINE DELAY_MS, report. An account is named as its line.
 */

import { decodeEap, EapCode, EapType, encodeEap } from '../../eapol/eap.ts';
import { decodeEapol, EapolType } from '../../eapol/eapol.ts';
import { u16 } from '../../wire/bytes.ts';
import { EtherType } from '../../wire/ethernet.ts';
import { isMalformed } from '../../wire/malformed.ts';
import { monotonicMs } from '../hosts/channel-packet.ts';
import { eapolFrame, md5Response } from '../hosts/eapol-frame.ts';
import { PacketPort } from '../hosts/packet-port.ts';
import { emit, type Json, serveCommands } from '../line-program.ts';
import { passwordOf } from './pair-plan.ts';

/** Where a subscriber of the crowd stands, and what happened since its last login began. */
export interface CrowdMember {
  readonly line: string;
  readonly state: 'out' | 'on-the-way' | 'in' | 'refused';
  /** When its first EAPOL-Start left. */
  readonly startedAtMs: number;
  /** When EAP-Success came; 0 before. */
  readonly inAtMs: number;
  /** Beginnings after the first. */
  readonly retries: number;
  /** EAP-Requests after it was in: somebody asks it again who it is. */
  readonly askedAgain: number;
  /** EAP-Failures after it was in. */
  readonly thrownOut: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
interface Place extends Mutable<CrowdMember> {
  readonly ifindex: number;
  readonly mac: Uint8Array;
  heardAtMs: number;
}

const lines = process.argv.slice(2);
const port = new PacketPort(lines, 'all');
const places = new Map<string, Place>(
  lines.map((line, index) => [
    line,
    {
      ...{ line, state: 'out', startedAtMs: 0, inAtMs: 0, retries: 0, askedAgain: 0, thrownOut: 0 },
      ...{ ifindex: port.indexOf(line), mac: Uint8Array.of(0x02, 0xca, 0x57, 0, 2, index + 1), heardAtMs: 0 },
    },
  ]),
);

function main(): void {
  port.watch(receive);
  setInterval(wakeTheSilent, 50);
  serveCommands(perform, () => process.exit(0));
  emit({ event: 'ready' });
}

function perform(verb: string, [line = '', delay = '0']: readonly string[]): Json {
  if (verb === 'report')
    return { members: [...places.values()].map(({ ifindex, mac, heardAtMs, ...member }) => member) };
  const place = places.get(line);
  if (place === undefined) throw new Error(`no line ${line}`);
  if (verb === 'login') setTimeout(() => login(place), Number(delay));
  else if (verb === 'logoff') setTimeout(() => logoff(place), Number(delay));
  else throw new Error('the commands are: login LINE DELAY_MS, logoff LINE DELAY_MS, report');
  return {};
}

function login(place: Place): void {
  const now = monotonicMs();
  Object.assign(place, { state: 'on-the-way', startedAtMs: now, inAtMs: 0 });
  Object.assign(place, { retries: 0, askedAgain: 0, thrownOut: 0, heardAtMs: now });
  send(place, EapolType.Start, NOTHING);
}

function logoff(place: Place): void {
  place.state = 'out';
  send(place, EapolType.Logoff, NOTHING);
}

function receive(ifindex: number, frame: Uint8Array): void {
  if (u16(frame, 12) !== EtherType.Eapol) return;
  const place = [...places.values()].find((candidate) => candidate.ifindex === ifindex);
  // Its own frames come up as well.
  if (place === undefined || Buffer.compare(frame.subarray(6, 12), place.mac) === 0) return;
  const pdu = decodeEapol(frame.subarray(14));
  if (isMalformed(pdu) || pdu.type !== EapolType.Packet) return;
  const eap = decodeEap(pdu.body);
  if (isMalformed(eap) || place.state === 'out') return;
  place.heardAtMs = monotonicMs();
  if (eap.code === EapCode.Request) {
    if (place.state === 'in') place.askedAgain++;
    const account = Buffer.from(place.line);
    const typeData =
      eap.type === EapType.Identity ? account : md5Response(eap, Buffer.from(passwordOf(place.line)));
    if (typeData === undefined) return;
    send(
      place,
      EapolType.Packet,
      encodeEap({ code: EapCode.Response, id: eap.id, type: eap.type, typeData }),
    );
  } else if (eap.code === EapCode.Success && place.state !== 'in') {
    place.state = 'in';
    place.inAtMs = place.heardAtMs;
  } else if (eap.code === EapCode.Failure) {
    if (place.state === 'in') place.thrownOut++;
    place.state = 'refused';
  }
}

function wakeTheSilent(): void {
  const now = monotonicMs();
  for (const place of places.values()) {
    if (place.state !== 'on-the-way' || now - place.heardAtMs < PATIENCE_MS) continue;
    place.retries++;
    place.heardAtMs = now;
    send(place, EapolType.Start, NOTHING);
  }
}

function send(place: Place, type: number, body: Uint8Array): void {
  port.send(place.ifindex, eapolFrame(place.mac, type, body));
}

const NOTHING = new Uint8Array(0);
const PATIENCE_MS = 1_000;

main();
