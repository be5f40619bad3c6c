/**
 * A subscriber's unicast through a fault: numbered datagrams to the head-end's echo port, and what comes back.
 * Commands: `mark` forgets all that was sent so far; `tell` gives how many were sent, how many of these did not
 * come back, and the longest time between two that did.
 *
 *   caller HOST_ADDRESS ECHO_ADDRESS
 */
import { createSocket } from 'node:dgram';
import { ECHO_PORT, monotonicMs } from '../hosts/channel-packet.ts';
import { emit, serveCommands } from '../line-program.ts';

export interface Called {
  readonly sent: number;
  readonly lost: number;
  readonly gapMs: number;
}

const [from = '', to = ''] = process.argv.slice(2);
const socket = createSocket('udp4');
const open = new Map<number, number>();
let number = 0;
let first = 0;
let lastAt = Number.NaN;
let gapMs = 0;

socket.on('message', (payload) => {
  const sequence = payload.readUInt32BE(0);
  if (!open.delete(sequence) || sequence < first) return;
  const at = monotonicMs();
  if (at - lastAt > gapMs) gapMs = at - lastAt;
  lastAt = at;
});
// An unreachable head-end is a lost datagram, and no more.
socket.on('error', () => {});

socket.bind(0, from, () => {
  setInterval(() => {
    const payload = Buffer.alloc(64);
    payload.writeUInt32BE(number, 0);
    open.set(number++, monotonicMs());
    socket.send(payload, ECHO_PORT, to, () => {});
  }, EVERY_MS);
  serveCommands(perform, () => process.exit(0));
  emit({ event: 'ready' });
});

function perform(verb: string) {
  if (verb === 'mark') {
    open.clear();
    first = number;
    lastAt = Number.NaN;
    gapMs = 0;
  } else if (verb !== 'tell') throw new Error('mark or tell');
  const due = monotonicMs() - ON_ITS_WAY_MS;
  const lost = [...open].filter(([sequence, at]) => sequence >= first && at < due).length;
  return { called: { sent: number - first, lost, gapMs } satisfies Called };
}

const EVERY_MS = 5;
/** Longer than an answer takes. */
const ON_ITS_WAY_MS = 500;
