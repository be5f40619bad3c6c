/**
 * The head-end: sends channels as numbered multicast datagrams at a steady rate, and returns unicast
 * datagrams that come to the echo port.
 *
 *   node dist/lab/channel-source.js ADDRESS PACKETS_PER_SECOND OCTETS GROUP...
 *
 * On standard input: counts, start GROUP, stop GROUP, send ADDRESS COUNT (unicast datagrams).
 */
import { createSocket, type Socket } from 'node:dgram';
import { CHANNEL_PORT, ECHO_PORT, writeChannelPacket } from './hosts/channel-packet.ts';
import { emit, type Json, serveCommands } from './line-program.ts';

const [address = '', rate = '', octets = '', ...groups] = process.argv.slice(2);
const perSecond = Number(rate);
const size = Number(octets);
const sent = new Map<string, number>(groups.map((group) => [group, 0]));
const stopped = new Set<string>();

const sender = createSocket('udp4');
/** Bound where a channel of IPv6 is sent. */
let sender6: Socket | undefined;

function main(): void {
  sender.bind(0, address, () => {
    sender.setMulticastInterface(address);
    sender.setMulticastTTL(8);
    sender.setMulticastLoopback(false);
    if (groups.some((group) => group.includes(':'))) openSender6();
    const echo = createSocket('udp4');
    echo.on('message', (payload, from) => echo.send(payload, from.port, from.address));
    echo.bind(ECHO_PORT, address, () => {
      serveCommands(perform, () => process.exit(0));
      emit({ event: 'ready' });
      send();
    });
  });
}

function openSender6(): void {
  const socket = createSocket('udp6');
  socket.bind(0, '::', () => {
    socket.setMulticastInterface('::%eth0');
    socket.setMulticastTTL(8);
    socket.setMulticastLoopback(false);
    sender6 = socket;
  });
  const echo = createSocket({ type: 'udp6', ipv6Only: true });
  echo.on('message', (payload, from) => echo.send(payload, from.port, from.address));
  echo.bind(ECHO_PORT, '::');
}

/** Sends what is due by the clock, so that a late timer does not slow the channels down. */
function send(): void {
  const begin = performance.now();
  let rounds = 0;
  setInterval(
    () => {
      const due = Math.floor(((performance.now() - begin) / 1000) * perSecond);
      // After a long pause of this process the missed rounds are skipped: no burst.
      if (due - rounds > perSecond / 4) rounds = due - 1;
      for (; rounds < due; rounds++) {
        for (const [group, sequence] of sent) {
          if (stopped.has(group)) continue;
          const socket = group.includes(':') ? sender6 : sender;
          socket?.send(writeChannelPacket(sequence, size), CHANNEL_PORT, group);
          sent.set(group, sequence + 1);
        }
      }
    },
    Math.max(1, 1000 / perSecond),
  );
}

function perform(order: string, [group = '', count = '1']: readonly string[]): Json {
  switch (order) {
    case 'counts':
      return { sent: Object.fromEntries(sent) };
    case 'start':
      stopped.delete(group);
      if (!sent.has(group)) sent.set(group, 0);
      return { group };
    case 'stop':
      stopped.add(group);
      return { group };
    case 'send':
      for (let i = 0; i < Number(count); i++) sender.send(writeChannelPacket(i, size), CHANNEL_PORT, group);
      return { address: group, sent: Number(count) };
    default:
      throw new Error('the commands are: counts, start GROUP, stop GROUP, send ADDRESS COUNT');
  }
}

main();
