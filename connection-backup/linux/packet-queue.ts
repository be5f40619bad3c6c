/**
 * Packets that the kernel holds until this process has judged them (NFQUEUE, linux/netfilter/nfnetlink_queue.h).
 * A process that is dead judges none: what waits is dropped then, and so is everything after it.
 */

import {
  attributes,
  littleEndian,
  MessageFlag,
  MessageType,
  MessageWriter,
  messages,
  NetlinkProtocol,
  viewOf,
} from '../../switch/linux/netlink/message.ts';
import { errnoName, type Native, type Watch } from '../../switch/native.ts';
import { checked, int32 } from './socket-option.ts';

/** A packet that waits. `id` is for its verdict; `octets` begin with the IP header and may be cut off. */
export type PacketListener = (id: number, octets: Uint8Array) => void;

export class PacketQueue {
  readonly #native: Native;
  readonly #fd: number;
  readonly #watch: Watch;
  readonly #number: number;
  readonly #verdict: Uint8Array;
  readonly #listener: PacketListener;
  readonly #room = new Uint8Array(ANSWER_ROOM);

  /** Throws SocketError: EPERM without the capability, EBUSY where another process has the queue. */
  constructor(native: Native, number: number, listener: PacketListener) {
    this.#native = native;
    this.#number = number;
    this.#listener = listener;
    this.#fd = checked('netlink socket', native.netlinkOpen(NetlinkProtocol.Netfilter, 0, RECEIVE_BUFFER));
    try {
      // A packet that is not heard of stays with the kernel, and TCP sends it again.
      native.inetSetOption(this.#fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, int32(1));
      this.#configure((m) => m.attribute(CONFIG_COMMAND, Uint8Array.of(COMMAND_BIND, 0, 0, 0)));
      this.#configure((m) =>
        m.attribute(CONFIG_PARAMETERS, Uint8Array.of(0, 0, 0, COPY_OCTETS, COPY_PACKET)),
      );
      this.#configure((m) => m.attribute(CONFIG_MAX_LENGTH, big32(MOST_WAITING)));
      this.#configure((m) =>
        m.attribute(CONFIG_MASK, big32(FLAG_GSO)).attribute(CONFIG_FLAGS, big32(FLAG_GSO)),
      );
    } catch (cause) {
      native.close(this.#fd);
      throw cause;
    }
    const message = new MessageWriter(64);
    this.#begin(message, MESSAGE_VERDICT, MessageFlag.Request).attribute(VERDICT_HEADER, new Uint8Array(8));
    this.#verdict = message.end().bytes();
    const watch = native.netlinkWatch(this.#fd, (octets) => {
      if (typeof octets !== 'number') this.#read(octets, listener);
    });
    if (typeof watch === 'number') {
      native.close(this.#fd);
      throw new Error(`queue ${number} cannot be watched: ${errnoName(watch)}`);
    }
    this.#watch = watch;
  }

  /** Lets a packet go, or drops it. */
  judge(id: number, pass: boolean): void {
    const view = viewOf(this.#verdict);
    view.setUint32(VERDICT_AT, pass ? NF_ACCEPT : NF_DROP);
    view.setUint32(VERDICT_AT + 4, id);
    this.#native.inetSend(this.#fd, this.#verdict, NO_ADDRESS);
  }

  /** Takes what waits now, without the event loop. */
  poll(): void {
    for (;;) {
      const length = this.#native.inetReceive(this.#fd, this.#room);
      if (length <= 0) return;
      this.#read(this.#room.slice(0, length), this.#listener);
    }
  }

  close(): void {
    this.#native.unwatch(this.#watch);
  }

  #read(octets: Uint8Array, listener: PacketListener): void {
    for (const { type, body } of messages(octets)) {
      if (type !== (SUBSYSTEM << 8) + MESSAGE_PACKET) continue;
      const fields = attributes(body, NFGENMSG);
      const header = fields.get(PACKET_HEADER);
      const payload = fields.get(PACKET_PAYLOAD);
      if (header === undefined || header.length < 4) continue;
      listener(viewOf(header).getUint32(0), payload ?? NO_ADDRESS);
    }
  }

  #configure(write: (message: MessageWriter) => void): void {
    const message = new MessageWriter(64);
    write(this.#begin(message, MESSAGE_CONFIG, MessageFlag.Request | MessageFlag.Ack));
    const answer = new Uint8Array(ANSWER_ROOM);
    const length = checked(
      `queue ${this.#number}`,
      this.#native.netlinkTransact(this.#fd, message.end().bytes(), answer),
    );
    for (const { type, body } of messages(answer.subarray(0, length)))
      if (type === MessageType.Error && body.length >= 4)
        checked(`queue ${this.#number}`, viewOf(body).getInt32(0, littleEndian));
  }

  #begin(message: MessageWriter, type: number, flags: number): MessageWriter {
    return message
      .begin((SUBSYSTEM << 8) + type, flags)
      .u8(AF_UNSPEC)
      .u8(0)
      .raw(Uint8Array.of(this.#number >> 8, this.#number & 0xff));
  }
}

function big32(value: number): Uint8Array {
  const octets = new Uint8Array(4);
  viewOf(octets).setUint32(0, value);
  return octets;
}

const SUBSYSTEM = 3;
const MESSAGE_PACKET = 0;
const MESSAGE_VERDICT = 1;
const MESSAGE_CONFIG = 2;
const CONFIG_COMMAND = 1;
const CONFIG_PARAMETERS = 2;
const CONFIG_MAX_LENGTH = 3;
const CONFIG_MASK = 4;
const CONFIG_FLAGS = 5;
const COMMAND_BIND = 1;
const COPY_PACKET = 2;
/** IP header and the longest TCP header. */
const COPY_OCTETS = 120;
const FLAG_GSO = 4;
const PACKET_HEADER = 1;
const PACKET_PAYLOAD = 10;
const VERDICT_HEADER = 2;
/** Header of the message, of the subsystem, of the attribute. */
const VERDICT_AT = 24;
const NF_DROP = 0;
const NF_ACCEPT = 1;
const NFGENMSG = 4;
const AF_UNSPEC = 0;
const SOL_NETLINK = 270;
const NETLINK_NO_ENOBUFS = 5;
const RECEIVE_BUFFER = 4 << 20;
const MOST_WAITING = 4_096;
const ANSWER_ROOM = 65_536;
const NO_ADDRESS = new Uint8Array(0);
