/**
 * The players of all hosts in one process: sockets in each host's namespace, so that joins and leaves are the
 * kernel's own IGMP, and all times are of one clock.
 *
 *   node dist/lab/ha/viewers.js SETUP      (JSON, see ViewersSetup)
 *
 * On standard input: join HOST GROUP, leave HOST GROUP, zap HOST PERIOD_MS GROUP..., rest HOST, mark, report.
 */
import { createSocket, type Socket } from 'node:dgram';
import { CHANNEL_PORT, monotonicMs, readChannelPacket } from '../hosts/channel-packet.ts';
import { inNamespace } from '../hosts/packet-port.ts';
import { emit, type Json, serveCommands } from '../line-program.ts';
import { Reception, type ReceptionReport } from './reception.ts';

export interface ViewersSetup {
  readonly home: string;
  readonly hosts: readonly { readonly name: string; readonly namespace: string; readonly address: string }[];
  readonly groups: readonly string[];
}

/** A channel that a host has joined, since the last mark. */
export interface WatchedChannel extends ReceptionReport {
  readonly host: string;
  readonly group: string;
  readonly joinedAtMs: number;
  /** When its first datagram since the join was read. */
  readonly firstAtMs: number | undefined;
}

/** A join that a zapping host has made since the last mark. */
export interface Zap {
  readonly host: string;
  readonly group: string;
  readonly joinedAtMs: number;
  /** To the first datagram; undefined where it left before one came. */
  readonly afterMs: number | undefined;
}

export interface ViewersReport {
  readonly atMs: number;
  readonly watched: readonly WatchedChannel[];
  readonly zaps: readonly Zap[];
}

interface Seat {
  readonly host: string;
  readonly group: string;
  readonly address: string;
  readonly socket: Socket;
  readonly reception: Reception;
  joinedAtMs: number | undefined;
  firstAtMs: number | undefined;
}

const seats = new Map<string, Seat>();
const zapping = new Map<string, { readonly timer: NodeJS.Timeout; seat: Seat }>();
let zaps: Zap[] = [];

async function main(setup: ViewersSetup): Promise<void> {
  for (const host of setup.hosts)
    await inNamespace(host.namespace, setup.home, async () => {
      for (const group of setup.groups)
        seats.set(`${host.name} ${group}`, await takeSeat(host.name, group, host.address));
    });
  serveCommands(perform, () => process.exit(0));
  emit({ event: 'ready' });
}

function perform(verb: string, [host = '', first = '', ...groups]: readonly string[]): Json {
  switch (verb) {
    case 'join':
      join(seatOf(host, first));
      return {};
    case 'leave':
      leave(seatOf(host, first));
      return {};
    case 'zap':
      zap(host, Number(first), groups);
      return {};
    case 'rest':
      rest(host);
      return {};
    case 'mark':
      for (const seat of seats.values()) seat.reception.mark();
      zaps = [];
      return {};
    case 'report':
      return { report: report() };
    default:
      throw new Error('the commands are: join, leave, zap, rest, mark, report');
  }
}

function takeSeat(host: string, group: string, address: string): Promise<Seat> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  const reception = new Reception();
  const seat: Seat = {
    ...{ host, group, address, socket, reception },
    joinedAtMs: undefined,
    firstAtMs: undefined,
  };
  socket.on('message', (payload) => {
    const packet = readChannelPacket(payload);
    if (packet === undefined || seat.joinedAtMs === undefined) return;
    const now = monotonicMs();
    seat.firstAtMs ??= now;
    reception.take(packet.sequence, packet.sentAtMs, now);
  });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    // Bound to the group's own address, the socket gets this group and no other.
    socket.bind(CHANNEL_PORT, group, () => {
      socket.setRecvBufferSize(RECEIVE_OCTETS);
      resolve(seat);
    });
  });
}

function join(seat: Seat): void {
  seat.reception.reset();
  seat.firstAtMs = undefined;
  seat.joinedAtMs = monotonicMs();
  seat.socket.addMembership(seat.group, seat.address);
}

function leave(seat: Seat): void {
  seat.socket.dropMembership(seat.group, seat.address);
  seat.joinedAtMs = undefined;
}

/** From channel to channel, for ever. */
function zap(host: string, periodMs: number, groups: readonly string[]): void {
  let next = 1;
  const first = seatOf(host, groups[0] ?? '');
  join(first);
  const state = {
    seat: first,
    timer: setInterval(() => {
      endZap(state.seat);
      state.seat = seatOf(host, groups[next++ % groups.length] ?? '');
      join(state.seat);
    }, periodMs),
  };
  zapping.set(host, state);
}

function rest(host: string): void {
  const state = zapping.get(host);
  if (state === undefined) throw new Error(`${host} is not zapping`);
  clearInterval(state.timer);
  zapping.delete(host);
  endZap(state.seat);
}

function endZap(seat: Seat): void {
  const joinedAtMs = seat.joinedAtMs ?? 0;
  const afterMs = seat.firstAtMs === undefined ? undefined : seat.firstAtMs - joinedAtMs;
  zaps.push({ host: seat.host, group: seat.group, joinedAtMs, afterMs });
  leave(seat);
}

function report(): ViewersReport {
  const watched: WatchedChannel[] = [];
  for (const { host, group, joinedAtMs, firstAtMs, reception } of seats.values())
    if (joinedAtMs !== undefined) watched.push({ host, group, joinedAtMs, firstAtMs, ...reception.report() });
  return { atMs: monotonicMs(), watched, zaps };
}

function seatOf(host: string, group: string): Seat {
  const seat = seats.get(`${host} ${group}`);
  if (seat === undefined) throw new Error(`${host} has no seat for ${group}`);
  return seat;
}

/** The kernel's limit where nobody has raised it. */
const RECEIVE_OCTETS = 212_992;

await main(JSON.parse(process.argv[2] ?? '') as ViewersSetup);
