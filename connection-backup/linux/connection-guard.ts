/**
 * What leaves this machine on connections that are backed up, for as long as the process lives: each segment waits
 * in a queue until it is judged. Connections that nobody has told of are those of an earlier process, or of another
 * node: of them nothing leaves.
 */
import type { Native, Watch } from '../../switch/native.ts';
import { ipFamily } from '../../wire/address.ts';
import type { FallBack } from '../continuation.ts';
import type { Hold } from '../hold.ts';
import type { ConnectionRecord, Endpoint } from '../records.ts';
import { decodeSegment, decodeTcp, encodeQuestion, type QuestionParts, type Segment } from '../segment.ts';
import type { Seen } from '../tap.ts';
import { type HeldPath, holdPaths, releasePaths } from './hold-table.ts';
import { PacketQueue } from './packet-queue.ts';
import {
  checked,
  familyOf,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  SOCK_RAW,
  setInt,
  socketAddress,
} from './socket-option.ts';

/** One connection whose segments are judged. */
export interface Flow {
  readonly hold: Hold;
  /** Sequence number of the first octet that the peer ever sent; undefined before the connection is made. */
  receivedFrom: number | undefined;
  /** Packets that wait, in order. */
  readonly waiting: { readonly id: number; readonly segment: Segment }[];
}

/** What this node itself has seen of what a peer sent, from a position on and without a gap; nothing where it did not look. */
export type SeenOf = (record: ConnectionRecord, position: number) => Uint8Array;

/** A question to a peer that is not answered yet. */
export interface Question {
  /** Asks (again). */
  ask(): void;
  /** Takes what has come, without the event loop. */
  poll(): void;
  end(): void;
}

/** Of all connections since the process began. */
export interface GuardCounts {
  /** Connections of another node, or of an earlier process, that went on; and those that could not. */
  continued: number;
  readonly fellBack: Partial<Record<FallBack, number>>;
  /** Octets of peers that continued ones went on from, and that only this node had seen. */
  takenUp: number;
  /** Segments that had to wait for the standby, and that were dropped because nobody may send them. */
  held: number;
  dropped: number;
}

export class ConnectionGuard {
  readonly counts: GuardCounts = { continued: 0, fellBack: {}, takenUp: 0, held: 0, dropped: 0 };
  readonly #native: Native;
  readonly #queue: PacketQueue;
  readonly #number: number;
  readonly #flows = new Map<string, Flow>();
  /** False: it is in doubt whether this node still serves, and nothing leaves before that is clear. */
  #mayAct: () => boolean = () => false;
  #seenOf: SeenOf = () => NO_ADDRESS;

  private constructor(native: Native, queue: number) {
    this.#native = native;
    this.#number = queue;
    this.#queue = new PacketQueue(native, queue, (id, octets) => this.#judge(id, octets));
  }

  /** Takes these paths into its hands. Text: why it cannot. */
  static open(native: Native, paths: readonly HeldPath[], queue = QUEUE): ConnectionGuard | string {
    try {
      const guard = new ConnectionGuard(native, queue);
      const refused = guard.hold(paths);
      if (refused === undefined) return guard;
      guard.#queue.close();
      return `the kernel takes no rule that queues packets: ${refused}`;
    } catch (cause) {
      return `packets cannot be queued: ${cause instanceof Error ? cause.message : String(cause)}`;
    }
  }

  /** Whether the kernel queues packets; the queue itself may be another process's. Text: why it does not. */
  static check(native: Native): string | undefined {
    try {
      new PacketQueue(native, QUEUE + 1, () => {}).close();
      return undefined;
    } catch (cause) {
      return `packets cannot be queued: ${cause instanceof Error ? cause.message : String(cause)}`;
    }
  }

  /** Takes other paths. Text: why it cannot. */
  hold(paths: readonly HeldPath[]): string | undefined {
    const refusal = holdPaths(paths, this.#number);
    return refusal === undefined ? undefined : (refusal.text ?? refusal.errno);
  }

  /** Who says from now on whether anything may leave. */
  obey(mayAct: () => boolean): void {
    this.#mayAct = mayAct;
  }

  /** Who says from now on what this node itself has seen of a connection. */
  ask(seenOf: SeenOf): void {
    this.#seenOf = seenOf;
  }

  /** What this node itself has seen of what the peer sent, from a position on. */
  seenOf(record: ConnectionRecord, position: number): Uint8Array {
    return this.#seenOf(record, position);
  }

  /** The standby itself has seen everything of a connection up to there: so much may be acknowledged. */
  seen({ local, remote, receivedFrom, awaited }: Seen): void {
    const flow = this.#flows.get(keyOf(local, remote));
    if (flow?.receivedFrom !== receivedFrom) return;
    flow.hold.raise(awaited);
    this.release(flow);
  }

  /** From here on segments of this connection are judged by `hold`. */
  add(local: Endpoint, remote: Endpoint, hold: Hold, receivedFrom?: number): Flow {
    const flow: Flow = { hold, receivedFrom, waiting: [] };
    this.#flows.set(keyOf(local, remote), flow);
    return flow;
  }

  /** Nothing more of the connection leaves. */
  remove(local: Endpoint, remote: Endpoint, flow: Flow): void {
    const key = keyOf(local, remote);
    if (this.#flows.get(key) === flow) this.#flows.delete(key);
    for (const { id } of flow.waiting.splice(0)) this.#drop(id);
  }

  /** Judges again what waits. */
  release(flow: Flow): void {
    if (flow.waiting.length === 0 || !this.#mayAct()) return;
    let ready = 0;
    for (const { id, segment } of flow.waiting) {
      const verdict = flow.hold.judge(segment);
      if (verdict === 'hold') break;
      ready++;
      if (verdict === 'pass') this.#queue.judge(id, true);
      else this.#drop(id);
    }
    flow.waiting.splice(0, ready);
  }

  /** Asks the peer of a connection where it stands; every segment that comes from it meanwhile is an answer. */
  question(parts: QuestionParts, answered: (segment: Segment) => void): Question {
    const native = this.#native;
    const { local, remote } = parts;
    const fd = rawSocket(native, local, remote);
    const octets = encodeQuestion(parts);
    const take = (came: Uint8Array) => {
      const segment =
        ipFamily(local.address) === 4
          ? decodeSegment(came)
          : decodeTcp(came, 0, came.length, remote.address, local.address);
      if (segment?.source.port === remote.port && segment.destination.port === local.port) answered(segment);
    };
    const watch = native.netlinkWatch(fd, (came) => {
      if (typeof came !== 'number') take(came);
    });
    let over = false;
    if (typeof watch === 'number') {
      native.close(fd);
      checked('watch', watch);
    }
    return {
      // What cannot be sent now is asked again in a moment.
      ask: () => void native.inetSend(fd, octets, NO_ADDRESS),
      poll: () => {
        const room = new Uint8Array(LARGEST_PACKET);
        while (!over) {
          const length = native.inetReceive(fd, room);
          if (length <= 0) return;
          take(room.slice(0, length));
        }
      },
      end: () => {
        over = true;
        native.unwatch(watch as Watch);
      },
    };
  }

  /** Judges what waits now, without the event loop. */
  poll(): void {
    this.#queue.poll();
  }

  /** Ends the queue. `clean`: the rules too, so that the kernel may speak for itself again. */
  close(clean: boolean): void {
    if (clean) releasePaths();
    this.#queue.close();
  }

  #judge(id: number, octets: Uint8Array): void {
    const segment = decodeSegment(octets);
    const flow =
      segment === undefined ? undefined : this.#flows.get(keyOf(segment.source, segment.destination));
    if (segment === undefined || flow === undefined) {
      this.#drop(id);
      return;
    }
    const verdict = flow.waiting.length > 0 || !this.#mayAct() ? 'hold' : flow.hold.judge(segment);
    if (verdict === 'pass') this.#queue.judge(id, true);
    else if (verdict === 'drop') this.#drop(id);
    else {
      this.counts.held++;
      flow.waiting.push({ id, segment });
    }
  }

  #drop(id: number): void {
    this.counts.dropped++;
    this.#queue.judge(id, false);
  }
}

/** What connections need of a guard. */
export type Guarding = Pick<
  ConnectionGuard,
  'counts' | 'hold' | 'obey' | 'add' | 'remove' | 'release' | 'question' | 'poll' | 'seenOf'
>;

/** Hears and says TCP segments of one peer, beside the kernel's own. */
function rawSocket(native: Native, local: Endpoint, remote: Endpoint): number {
  const family = familyOf(local);
  const fd = checked('raw socket', native.inetOpen(family, SOCK_RAW, IPPROTO_TCP));
  try {
    if (family === 2) setInt(native, fd, IPPROTO_IP, IP_TRANSPARENT, 1);
    else setInt(native, fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1);
    checked('bind', native.inetBind(fd, socketAddress({ ...local, port: 0 })));
    checked('connect', native.inetConnect(fd, socketAddress({ ...remote, port: 0 })));
    return fd;
  } catch (cause) {
    native.close(fd);
    throw cause;
  }
}

function keyOf(local: Endpoint, remote: Endpoint): string {
  return `${local.address} ${local.port} ${remote.address} ${remote.port}`;
}

/** Of the 65,536 of a network namespace. */
const QUEUE = 51_773;
const IP_TRANSPARENT = 19;
const IPV6_TRANSPARENT = 75;
const LARGEST_PACKET = 65_536;
const NO_ADDRESS = new Uint8Array(0);
