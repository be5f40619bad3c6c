/**
 * One host that joins groups, each once, at a rate: every join is a question to RADIUS. It is let in by its MAC
 * address.
 *
 *   node dist/lab/takeover/joiner.js LINE      (interface in its namespace)
 *
 * On standard input: hello, run FIRST COUNT RATE, again NUMBER,…, leave FIRST COUNT, report.
 */
import { encodeIgmpPacket } from '../../igmp/group-packet.ts';
import type { Mac } from '../../wire/address.ts';
import { EtherType, encodeEthernet, groupMac } from '../../wire/ethernet.ts';
import { PacketPort } from '../hosts/packet-port.ts';
import { emit, type Json, serveCommands } from '../line-program.ts';
import { groupOf } from './groups.ts';

export const JOINER_MAC: Mac = '02:ca:57:00:03:01';
const ADDRESS = '10.77.0.99';
const ALL_ROUTERS = '224.0.0.2';
const [line = ''] = process.argv.slice(2);

function main(): void {
  const port = new PacketPort([line], 'none');
  const ifindex = port.indexOf(line);
  let sent = 0;
  const join = (number: number) => {
    const group = groupOf(number);
    const message = { kind: 'report', version: 2, group } as const;
    const payload = encodeIgmpPacket({ src: ADDRESS, dst: group, message });
    port.send(
      ifindex,
      encodeEthernet({ dst: groupMac(group), src: JOINER_MAC, etherType: EtherType.Ipv4, payload }),
    );
    sent++;
  };
  const leave = (number: number) => {
    const message = { kind: 'leave', group: groupOf(number) } as const;
    const payload = encodeIgmpPacket({ src: ADDRESS, dst: ALL_ROUTERS, message });
    const dst = groupMac(ALL_ROUTERS);
    port.send(ifindex, encodeEthernet({ dst, src: JOINER_MAC, etherType: EtherType.Ipv4, payload }));
  };
  const perform = (verb: string, words: readonly string[]): Json => {
    if (verb === 'hello') port.send(ifindex, arp());
    else if (verb === 'run') run(words.map(Number), join);
    else if (verb === 'again')
      for (const number of (words[0] ?? '').split(',').filter(Boolean)) join(Number(number));
    else if (verb === 'leave') for (const number of numbers(words)) leave(number);
    else if (verb === 'report') return { sent };
    else
      throw new Error(
        'the commands are: hello, run FIRST COUNT RATE, again NUMBER,…, leave FIRST COUNT, report',
      );
    return {};
  };
  serveCommands(perform, () => process.exit(0));
  emit({ event: 'ready' });
}

/** By the clock, so that a timer that comes late does not lower the rate. */
function run([first = 0, total = 0, rate = 1]: readonly number[], join: (number: number) => void): void {
  const began = performance.now();
  let done = 0;
  const timer = setInterval(() => {
    const due = Math.min(total, Math.floor(((performance.now() - began) / 1000) * rate) + 1);
    for (; done < due; done++) join(first + done);
    if (done >= total) clearInterval(timer);
  }, 1);
}

function numbers([first = '0', count = '0']: readonly string[]): number[] {
  return Array.from({ length: Number(count) }, (_, i) => Number(first) + i);
}

/** Asks for itself, as a host does that comes up. */
function arp(): Uint8Array {
  const mac = Uint8Array.from(JOINER_MAC.split(':').map((word) => Number.parseInt(word, 16)));
  const ip = Uint8Array.from(ADDRESS.split('.').map(Number));
  const payload = new Uint8Array(28);
  payload.set([0, 1, 8, 0, 6, 4, 0, 1]);
  payload.set(mac, 8);
  payload.set(ip, 14);
  payload.set(ip, 24);
  return encodeEthernet({ dst: 'ff:ff:ff:ff:ff:ff', src: JOINER_MAC, etherType: EtherType.Arp, payload });
}

main();
