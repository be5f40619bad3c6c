/**
 * The nftables table `castgate_connections`: what this machine sends on connections that are backed up goes into a
 * queue, which nobody but castgate can let out of. The table stays where the process dies: nobody reads the queue
 * then, so the kernel drops what it has to say about the connections of a dead process (RST, FIN).
 */
import { MessageFlag, MessageWriter, NetlinkProtocol, viewOf } from '../../switch/linux/netlink/message.ts';
import { NetlinkSocket, type Refusal } from '../../switch/linux/netlink/netlink-socket.ts';
import { type IpAddress, ipBytes, ipFamily } from '../../wire/address.ts';
import { IpProtocol } from '../../wire/ipv4.ts';

/** Connections from a local address to one peer. */
export interface HeldPath {
  readonly local: IpAddress;
  readonly remote: IpAddress;
  readonly port: number;
}

/** The table's name, in the families `ip` and `ip6`. */
export const HOLD_TABLE = 'castgate_connections';

/** Puts the table there for these paths, instead of what it was before. Undefined: it is there. */
export function holdPaths(paths: readonly HeldPath[], queue: number): Refusal | undefined {
  for (const family of [4, 6] as const) {
    const rules = paths
      .filter(({ local }) => ipFamily(local) === family)
      .map((path) => matches(family, path));
    const refusal = putQueueTable({ name: HOLD_TABLE, family, hook: HOOK_OUTPUT, rules, queue });
    // What is not wanted need not be there to be taken away.
    if (refusal !== undefined && rules.length > 0) return refusal;
  }
  return undefined;
}

/** Takes the table away: the kernel speaks for itself again. */
export function releasePaths(): void {
  holdPaths([], 0);
}

/** A table with one chain, whose rules put packets into a queue. */
export interface QueueTable {
  readonly name: string;
  readonly family: 4 | 6;
  /** Of the family `inet`: 1 input, 3 output. */
  readonly hook: number;
  /** What each rule asks for; without rules the table is taken away. */
  readonly rules: readonly (readonly Expression[])[];
  readonly queue: number;
}

/** Puts the table there, instead of what it was before, all at once. Undefined: it is there. */
export function putQueueTable(table: QueueTable): Refusal | undefined {
  const socket = new NetlinkSocket(NetlinkProtocol.Netfilter);
  try {
    const { refusal } = socket.transact(encodeTable(table, queueExpression(table.queue)));
    if (refusal === undefined || table.rules.length === 0) return refusal;
    // Kernels without the expression `queue` may have the target of iptables for it.
    return socket.transact(encodeTable(table, queueTarget(table.queue))).refusal;
  } finally {
    socket.close();
  }
}

/** Part of a rule. */
export type Expression = (message: MessageWriter) => void;

function encodeTable({ name, family, hook, rules }: QueueTable, queue: Expression): Uint8Array {
  const message = new MessageWriter(4096);
  const begin = (type: number, flags: number) =>
    message
      .begin((NFTABLES << 8) + type, flags)
      .u8(family === 4 ? 2 : 10)
      .u8(0)
      .u16(0);
  const mark = (type: number) =>
    message.begin(type, MessageFlag.Request).u8(0).u8(0).raw(BATCH_SUBSYSTEM).end();
  mark(BATCH_BEGIN);
  begin(NEW_TABLE, CREATE).attributeText(1, name).end();
  begin(DELETE_TABLE, MessageFlag.Request | (rules.length === 0 ? MessageFlag.Ack : 0))
    .attributeText(1, name)
    .end();
  if (rules.length > 0) {
    begin(NEW_TABLE, CREATE).attributeText(1, name).end();
    begin(NEW_CHAIN, CREATE)
      .attributeText(1, name)
      .attributeText(3, CHAIN)
      .nest(4, () => {
        message.attribute(1, big32(hook)).attribute(2, big32(PRIORITY));
      })
      .attributeText(7, 'filter')
      .end();
    rules.forEach((rule, i) => {
      const flags = i === rules.length - 1 ? MessageFlag.Ack : 0;
      begin(NEW_RULE, CREATE | MessageFlag.Append | flags)
        .attributeText(1, name)
        .attributeText(2, CHAIN)
        .nest(4, () => {
          for (const expression of [...rule, queue]) expression(message);
        })
        .end();
    });
  }
  mark(BATCH_END);
  return message.bytes();
}

/** Goes on only with TCP. */
export function ofTcp(): Expression[] {
  return [
    expression('meta', (m) => m.attribute(1, big32(REGISTER)).attribute(2, big32(META_L4_PROTOCOL))),
    equal(Uint8Array.of(IpProtocol.Tcp)),
  ];
}

/** Goes on only with TCP segments of the path. */
function matches(family: 4 | 6, { local, remote, port }: HeldPath): Expression[] {
  const length = family === 4 ? 4 : 16;
  const [source, destination] = family === 4 ? [12, 16] : [8, 24];
  const load = (base: number, offset: number, octets: number) =>
    expression('payload', (m) =>
      m
        .attribute(1, big32(REGISTER))
        .attribute(2, big32(base))
        .attribute(3, big32(offset))
        .attribute(4, big32(octets)),
    );
  return [
    ...ofTcp(),
    load(BASE_NETWORK, source, length),
    equal(ipBytes(local) ?? NOTHING),
    load(BASE_NETWORK, destination, length),
    equal(ipBytes(remote) ?? NOTHING),
    load(BASE_TRANSPORT, 2, 2),
    equal(Uint8Array.of(port >> 8, port & 0xff)),
  ];
}

function equal(octets: Uint8Array): Expression {
  return expression('cmp', (m) =>
    m
      .attribute(1, big32(REGISTER))
      .attribute(2, big32(0))
      .nest(3, () => m.attribute(1, octets)),
  );
}

/** Without the flag `bypass`: where nobody reads the queue, packets are dropped. */
function queueExpression(queue: number): Expression {
  return expression('queue', (m) => m.attribute(1, big16(queue)).attribute(2, big16(1)));
}

function queueTarget(queue: number): Expression {
  const info = new Uint8Array(2);
  new Uint16Array(info.buffer)[0] = queue;
  return expression('target', (m) => m.attributeText(1, 'NFQUEUE').attribute(2, big32(0)).attribute(3, info));
}

function expression(name: string, data: (message: MessageWriter) => void): Expression {
  return (message) => {
    message.nest(1, () => {
      message.attributeText(1, name).nest(2, () => data(message));
    });
  };
}

function big32(value: number): Uint8Array {
  const octets = new Uint8Array(4);
  viewOf(octets).setInt32(0, value);
  return octets;
}

function big16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff);
}

const CREATE = MessageFlag.Request | MessageFlag.Create;
const NFTABLES = 10;
const BATCH_SUBSYSTEM = Uint8Array.of(0, NFTABLES);
const BATCH_BEGIN = 0x10;
const BATCH_END = 0x11;
const NEW_TABLE = 0;
const DELETE_TABLE = 2;
const NEW_CHAIN = 3;
const NEW_RULE = 6;
const CHAIN = 'output';
const HOOK_OUTPUT = 3;
/** Where `mangle` is. */
const PRIORITY = -150;
const REGISTER = 1;
const META_L4_PROTOCOL = 16;
const BASE_NETWORK = 1;
const BASE_TRANSPORT = 2;
const NOTHING = new Uint8Array(0);
