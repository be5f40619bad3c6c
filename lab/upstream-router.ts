/**
 * The multicast router above the switch, at IP level: sends IGMPv3 general queries and remembers which
 * groups it was told of. Being the kernel's multicast router of its namespace it hears every IGMP message
 * on the link, whatever group that is addressed to.
 *
 *   node dist/lab/upstream-router.js ADDRESS QUERY_SECONDS
 *
 * On standard input: groups, query. Each report is an event on standard output.
 */
import raw from 'raw-socket';
import { RecordType } from '../igmp/group-record.ts';
import { decodeIgmp, encodeIgmp, type IgmpMessage } from '../igmp/igmp.ts';
import { ipBytes } from '../wire/address.ts';
import { decodeIpv4, IpProtocol } from '../wire/ipv4.ts';
import { isMalformed } from '../wire/malformed.ts';
import { emit, type Json, serveCommands } from './line-program.ts';

const [address = '', seconds = '10'] = process.argv.slice(2);
const queryIntervalS = Number(seconds);
/** Every group that a report ever asked for, and whether it is wanted now. */
const told = new Map<
  string,
  { wanted: boolean; reports: number; firstAtMs: number; leftAtMs: number | null }
>();

const socket = raw.createSocket({ protocol: IpProtocol.Igmp, bufferSize: 65_536 });

function main(): void {
  becomeMulticastRouter();
  socket.on('message', (buffer, source) => receive(Buffer.from(buffer), source));
  socket.on('error', (error) => emit({ event: 'error', message: error.message }));
  serveCommands(perform, () => process.exit(0));
  emit({ event: 'ready' });
  sendGeneralQuery();
  setInterval(sendGeneralQuery, queryIntervalS * 1000);
}

function perform(order: string): Json {
  switch (order) {
    case 'groups':
      return { groups: Object.fromEntries(told) };
    case 'query':
      sendGeneralQuery();
      return {};
    default:
      throw new Error('the commands are: groups, query');
  }
}

function becomeMulticastRouter(): void {
  const local = Buffer.from(ipBytes(address) ?? []);
  const one = intOption(1);
  socket.setOption(IPPROTO_IP, IP_OPTIONS, ROUTER_ALERT, ROUTER_ALERT.length);
  socket.setOption(IPPROTO_IP, IP_MULTICAST_LOOP, intOption(0), 4);
  socket.setOption(IPPROTO_IP, IP_MULTICAST_IF, local, 4);
  // The link-local groups are not forwarded, so a router has to be a member: where IGMPv3 reports and
  // IGMPv2 leaves go.
  for (const group of ['224.0.0.22', '224.0.0.2']) {
    const membership = Buffer.concat([ipBytes(group) ?? Buffer.alloc(4), local]);
    socket.setOption(IPPROTO_IP, IP_ADD_MEMBERSHIP, membership, membership.length);
  }
  socket.setOption(IPPROTO_IP, MRT_INIT, one, 4);
  // struct vifctl: number 0, no flags, TTL threshold 1, no rate limit, the interface's address, no tunnel.
  const vif = Buffer.alloc(16);
  vif.writeUInt8(1, 3);
  local.copy(vif, 8);
  socket.setOption(IPPROTO_IP, MRT_ADD_VIF, vif, vif.length);
}

function sendGeneralQuery(): void {
  const query = Buffer.from(
    encodeIgmp({
      kind: 'query',
      version: 3,
      group: '0.0.0.0',
      maxRespCode: 10,
      maxRespMs: 1_000,
      suppress: false,
      qrv: 2,
      qqicCode: Math.min(queryIntervalS, 127),
      qqicSeconds: queryIntervalS,
      sources: [],
    }),
  );
  socket.send(query, 0, query.length, '224.0.0.1', (error) => {
    if (error !== null) emit({ event: 'error', message: error.message });
  });
}

function receive(packet: Buffer, source: string): void {
  const ip = decodeIpv4(packet);
  // Protocol 0 is the kernel's own word to its multicast router, not a packet.
  if (isMalformed(ip) || ip.protocol !== IpProtocol.Igmp || source === address) return;
  const message = decodeIgmp(ip.payload);
  if (isMalformed(message)) {
    emit({ event: 'malformed', reason: message.malformed, source });
    return;
  }
  for (const { group, wanted } of claims(message)) {
    const before = told.get(group);
    if (before === undefined && !wanted) continue;
    told.set(group, {
      wanted,
      reports: (before?.reports ?? 0) + (wanted ? 1 : 0),
      firstAtMs: before?.firstAtMs ?? Date.now(),
      leftAtMs: wanted ? null : Date.now(),
    });
    emit({ event: wanted ? 'wanted' : 'left', group, source });
  }
}

/** What a message says about groups, as far as a router that forwards everything from everyone cares. */
function claims(message: IgmpMessage): { readonly group: string; readonly wanted: boolean }[] {
  switch (message.kind) {
    case 'report':
      return [{ group: message.group, wanted: true }];
    case 'leave':
      return [{ group: message.group, wanted: false }];
    case 'record-report':
      return message.records.flatMap((record) => {
        const include = record.type === RecordType.ToInclude || record.type === RecordType.IsInclude;
        if (record.type === RecordType.Block) return [];
        return [{ group: record.group, wanted: !(include && record.sources.length === 0) }];
      });
    default:
      return [];
  }
}

function intOption(value: number): Buffer {
  const option = Buffer.alloc(4);
  option.writeInt32LE(value);
  return option;
}

const IPPROTO_IP = 0;
/** linux/in.h */
const IP_OPTIONS = 4;
const IP_MULTICAST_IF = 32;
const IP_MULTICAST_LOOP = 34;
const IP_ADD_MEMBERSHIP = 35;
/** linux/mroute.h */
const MRT_INIT = 200;
const MRT_ADD_VIF = 202;
/** RFC 2113 §2.1: option 148 of four octets, value 0. */
const ROUTER_ALERT = Buffer.from([0x94, 0x04, 0x00, 0x00]);

main();
