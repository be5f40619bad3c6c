/**
 * A subscriber's player: joins channels by the kernel's own IGMP or MLD and counts what arrives. Run in a host's
 * namespace, by the lab or by a person:
 *
 *   ip netns exec NAMESPACE node dist/lab/receiver.js [join GROUP [SOURCE]]
 *
 * and then on standard input: join GROUP [SOURCE], leave GROUP [SOURCE], counts, echo ADDRESS COUNT,
 * answer (others' echoes, by IPv6).
 * With a command on the command line it also says once a second what it has received.
 */
import { createSocket, type Socket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import { CHANNEL_PORT, ECHO_PORT, readChannelPacket } from './hosts/channel-packet.ts';
import { emit, type Json, serveCommands } from './line-program.ts';

interface Reception {
  readonly socket: Socket;
  readonly joinedAtMs: number;
  packets: number;
  octets: number;
  firstAtMs: number | undefined;
  lastAtMs: number | undefined;
  lowest: number;
  highest: number;
}

const receptions = new Map<string, Reception>();
const address = Object.values(networkInterfaces())
  .flat()
  .find((candidate) => candidate?.family === 'IPv4' && !candidate.internal)?.address;

async function main(): Promise<void> {
  const [verb, ...args] = process.argv.slice(2);
  // With a command of its own it goes on without standard input, as in the background of a shell.
  serveCommands(perform, () => {
    if (verb === undefined) process.exit(0);
  });
  emit({ event: 'ready', address: address ?? null });
  if (verb === undefined) return;
  emit({ did: verb, ...(await perform(verb, args)) });
  setInterval(() => emit({ event: 'counts', ...counts() }), 1_000);
}

function perform(order: string, words: readonly string[]): Json | Promise<Json> {
  const [first = '', second] = words;
  switch (order) {
    case 'join':
      return join(first, second);
    case 'leave':
      return leave(first, second);
    case 'counts':
      return counts();
    case 'echo':
      return echo(first, Number(second ?? '1'));
    case 'answer':
      return answer();
    default:
      throw new Error(
        'the commands are: join GROUP [SOURCE], leave GROUP [SOURCE], counts, echo ADDRESS COUNT, answer',
      );
  }
}

function join(group: string, source: string | undefined): Promise<Json> {
  const key = channelOf(group, source);
  if (receptions.has(key)) throw new Error(`${key} is joined already`);
  const v6 = group.includes(':');
  const socket = createSocket({ type: v6 ? 'udp6' : 'udp4', reuseAddr: true });
  const at = v6 ? '::%eth0' : address;
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    // Bound to the group's own address, the socket gets this group and no other.
    socket.bind(CHANNEL_PORT, group, () => {
      try {
        if (source === undefined) socket.addMembership(group, at);
        else socket.addSourceSpecificMembership(source, group, at);
      } catch (error) {
        socket.close();
        reject(error);
        return;
      }
      const reception: Reception = {
        socket,
        joinedAtMs: Date.now(),
        packets: 0,
        octets: 0,
        firstAtMs: undefined,
        lastAtMs: undefined,
        lowest: Number.POSITIVE_INFINITY,
        highest: -1,
      };
      const joined = performance.now();
      socket.on('message', (payload) => {
        const now = Date.now();
        if (reception.firstAtMs === undefined) {
          reception.firstAtMs = now;
          emit({ event: 'first', channel: key, afterMs: round(performance.now() - joined) });
        }
        reception.lastAtMs = now;
        reception.packets++;
        reception.octets += payload.length;
        const packet = readChannelPacket(payload);
        if (packet === undefined) return;
        reception.lowest = Math.min(reception.lowest, packet.sequence);
        reception.highest = Math.max(reception.highest, packet.sequence);
      });
      receptions.set(key, reception);
      resolve({ channel: key, atMs: reception.joinedAtMs });
    });
  });
}

function leave(group: string, source: string | undefined): Json {
  const key = channelOf(group, source);
  const reception = receptions.get(key);
  if (reception === undefined) throw new Error(`${key} is not joined`);
  const atMs = Date.now();
  reception.socket.close();
  receptions.delete(key);
  return { channel: key, atMs, ...countsOf(reception) };
}

function counts(): Json {
  const byChannel: Record<string, Json> = {};
  for (const [key, reception] of receptions) byChannel[key] = countsOf(reception);
  return { channels: byChannel };
}

function countsOf(reception: Reception): Json {
  const expected = reception.highest < 0 ? 0 : reception.highest - reception.lowest + 1;
  return {
    packets: reception.packets,
    octets: reception.octets,
    missing: expected - reception.packets,
    joinedAtMs: reception.joinedAtMs,
    firstAtMs: reception.firstAtMs ?? null,
    lastAtMs: reception.lastAtMs ?? null,
  };
}

/** Sends datagrams to the echo port of a host, one every 5 ms, and counts what comes back. */
function echo(target: string, count: number): Promise<Json> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(target.includes(':') ? 'udp6' : 'udp4');
    const payload = Buffer.alloc(ECHO_OCTETS, 0x65);
    let sent = 0;
    let returned = 0;
    const finish = () => {
      socket.close();
      resolve({ sent, returned });
    };
    socket.on('error', reject);
    socket.on('message', () => {
      returned++;
      if (returned === count) finish();
    });
    const sender = setInterval(() => {
      socket.send(payload, ECHO_PORT, target);
      sent++;
      if (sent < count) return;
      clearInterval(sender);
      setTimeout(() => {
        if (returned < count) finish();
      }, ECHO_PATIENCE_MS);
    }, 5);
  });
}

/** Sends back what comes to its own echo port. */
function answer(): Promise<Json> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp6');
    socket.on('error', reject);
    socket.on('message', (payload, from) => socket.send(payload, from.port, from.address));
    socket.bind(ECHO_PORT, '::', () => resolve({ port: ECHO_PORT }));
  });
}

function channelOf(group: string, source: string | undefined): string {
  return source === undefined ? group : `${group} from ${source}`;
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

const ECHO_OCTETS = 600;
const ECHO_PATIENCE_MS = 400;

await main();
