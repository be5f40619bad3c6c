/**
 * A RADIUS server over TCP that counts: connections, every octet, every packet, whatever comes twice, out of order
 * or damaged. It lets hosts in by their MAC address and says no to every question about a group, each time it is
 * asked. It can read slowly, or not at all for a while.
 *
 *   node dist/lab/takeover/counting-server.js ADDRESS SECRET_FILE REPLY_OCTETS
 *
 * On standard input: pace OCTETS_PER_MS (0: as it comes), stop, go, report FIRST, end.
 */
import { readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { octets, vendorAttributes } from '../../radius/attributes.ts';
import { decodeRadius, type RadiusAttribute, RadiusCode, radiusLength } from '../../radius/packet.ts';
import { signReply, verifyRequest } from '../../radius/sign.ts';
import { PacketStream } from '../../radius/stream/packet-stream.ts';
import { H3cAttribute, Vendor } from '../../radius/values.ts';
import { isMalformed } from '../../wire/malformed.ts';
import { monotonicMs } from '../hosts/channel-packet.ts';
import { emit, type Json, serveCommands } from '../line-program.ts';
import { numberOfGroup } from './groups.ts';

/** What has been seen since the server was started. */
export interface CountingReport {
  /** Connections that were accepted, and that came to an end. */
  readonly accepted: number;
  readonly ended: readonly string[];
  readonly octets: number;
  readonly packets: number;
  /** Packets whose octets or signature were wrong. */
  readonly damaged: readonly string[];
  /** Packets that were there before: the same identifier and authenticator on the same connection. */
  readonly repeated: number;
  /** Numbers of groups, in the order of the questions, from the asked-for one on. */
  readonly asked: readonly number[];
  /** Answers that were given, of any kind. */
  readonly answered: number;
  /** When the last packet came. */
  readonly lastAtMs: number;
}

const [address = '', secretFile = '', replyOctets = '0'] = process.argv.slice(2);
const secret = readFileSync(secretFile);
const sockets = new Set<Socket>();
const seen = new Set<string>();
const asked: { readonly number: number; readonly atMs: number }[] = [];
const count = { accepted: 0, octets: 0, packets: 0, repeated: 0, answered: 0, lastAtMs: 0 };
const ended: string[] = [];
const damaged: string[] = [];
let pace = 0;
let stopped = false;

function serve(socket: Socket, port: number): void {
  count.accepted++;
  const number = count.accepted;
  const stream = new PacketStream();
  sockets.add(socket);
  socket.setNoDelay(true);
  if (stopped) socket.pause();
  socket.on('data', (bytes: Buffer) => {
    count.octets += bytes.length;
    const packets = stream.push(bytes);
    if (packets === undefined) {
      damaged.push('a length that no packet has');
      socket.destroy();
      return;
    }
    for (const packet of packets) take(socket, number, packet);
    if (pace > 0) {
      socket.pause();
      setTimeout(() => {
        if (!stopped) socket.resume();
      }, bytes.length / pace);
    }
  });
  socket.on('error', (error) => ended.push(`port ${port}: ${error.message}`));
  socket.on('close', (failed) => {
    sockets.delete(socket);
    if (!failed) ended.push(`port ${port}: closed`);
  });
}

function take(socket: Socket, connection: number, bytes: Uint8Array): void {
  count.packets++;
  count.lastAtMs = monotonicMs();
  const packet = decodeRadius(bytes);
  if (isMalformed(packet)) {
    damaged.push(packet.malformed);
    return;
  }
  const verdict = verifyRequest(bytes, secret, { requireMessageAuthenticator: false });
  if (verdict !== 'ok') damaged.push(verdict);
  const key = `${connection}/${Buffer.from(bytes.subarray(0, 20)).toString('base64')}`;
  if (seen.has(key)) count.repeated++;
  seen.add(key);
  const { code, id, attributes } = packet;
  const number = groupIn(attributes);
  if (number !== undefined && code === RadiusCode.AccessRequest) asked.push({ number, atMs: count.lastAtMs });
  const isQuestion = number !== undefined && code === RadiusCode.AccessRequest;
  const reply =
    code === RadiusCode.AccountingRequest
      ? RadiusCode.AccountingResponse
      : isQuestion
        ? RadiusCode.AccessReject
        : RadiusCode.AccessAccept;
  const more = isQuestion ? padding() : [];
  socket.write(signReply({ code: reply, id, attributes: more }, bytes.subarray(4, 20), secret));
  count.answered++;
}

function groupIn(attributes: readonly RadiusAttribute[]): number | undefined {
  const found = vendorAttributes(attributes, Vendor.H3c);
  if ('malformed' in found) return undefined;
  const group = found.find(({ type }) => type === H3cAttribute.Ipv4MulticastReceiveGroup);
  return group === undefined ? undefined : numberOfGroup(group.value);
}

/** Class attributes up to the length that was asked for; room is left for the Message-Authenticator. */
function padding(): RadiusAttribute[] {
  const more: RadiusAttribute[] = [];
  for (let left = Number(replyOctets) - radiusLength([]) - 18; left > 2; ) {
    const length = Math.min(left, 255);
    more.push(octets(CLASS, new Uint8Array(length - 2).fill(0x61)));
    left -= length;
  }
  return more;
}

function perform(verb: string, [word = '0']: readonly string[]): Json {
  if (verb === 'pace') pace = Number(word);
  else if (verb === 'stop') {
    stopped = true;
    for (const socket of sockets) socket.pause();
  } else if (verb === 'go') {
    stopped = false;
    for (const socket of sockets) socket.resume();
  } else if (verb === 'end') {
    for (const socket of sockets) socket.end();
  } else if (verb === 'report') {
    const numbers = asked.map(({ number }) => number).filter((number) => number >= Number(word));
    return { report: { ...count, ended, damaged, asked: numbers } satisfies CountingReport };
  } else if (verb === 'times') {
    const of = asked.filter(({ number }) => number >= Number(word));
    return { times: of.map(({ atMs }) => atMs), numbers: of.map(({ number }) => number) };
  } else throw new Error('the commands are: pace OCTETS_PER_MS, stop, go, report FIRST, times FIRST, end');
  return {};
}

const CLASS = 25;
let listening = 0;
for (const port of [1812, 1813])
  createServer((socket) => serve(socket, port)).listen(port, address, () => {
    listening++;
    if (listening < 2) return;
    serveCommands(perform, () => process.exit(0));
    emit({ event: 'ready' });
  });
