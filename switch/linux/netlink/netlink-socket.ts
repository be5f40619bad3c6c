/**
 * Conversations with the kernel: one request, its answer, no waiting (the kernel answers rtnetlink and
 * nfnetlink before sendto returns). What the kernel refuses comes back as a failure with its errno and,
 * where it gave one, its own sentence.
 */
import { errnoName, loadNative, type Native } from '../../native.ts';
import {
  attributes,
  littleEndian,
  type Message,
  MessageFlag,
  MessageType,
  type MessageWriter,
  messages,
  numberMessages,
  textOf,
  viewOf,
} from './message.ts';

/** What the kernel refused: errno by name, and its sentence or undefined. */
export interface Refusal {
  readonly errno: string;
  readonly text: string | undefined;
}

/** The messages of the answer, or the first refusal. */
export interface Answer {
  readonly refusal: Refusal | undefined;
  readonly messages: readonly Message[];
}

export class NetlinkSocket {
  readonly #native: Native;
  readonly #fd: number;
  #sequence = 1;
  readonly #answer = new Uint8Array(ANSWER_ROOM);
  readonly #view = new DataView(this.#answer.buffer);
  #closed = false;

  /** Throws the errno's name where the socket cannot be made. */
  constructor(protocol: number) {
    this.#native = loadNative();
    this.#fd = this.#native.netlinkOpen(protocol, 0, RECEIVE_BUFFER);
    if (this.#fd < 0) throw new Error(`netlink socket: ${errnoName(this.#fd)}`);
  }

  /** Sends one or more messages and collects every answer to them. A dump that changed under way is repeated. */
  transact(request: Uint8Array): Answer {
    for (let attempt = 0; ; attempt++) {
      const first = this.#sequence;
      const next = numberMessages(request, first);
      this.#sequence = next;
      const answer = this.#once(request, first, next);
      if (
        attempt >= DUMP_ATTEMPTS ||
        !answer.messages.some((m) => (m.flags & MessageFlag.DumpInterrupted) !== 0)
      )
        return answer;
    }
  }

  /** The messages of a dump, a page at a time. The messages are views of a page that is used again. */
  *browse(request: Uint8Array): Generator<readonly Message[]> {
    const page = new Uint8Array(CHUNK + CHUNK / 2);
    this.#sequence = numberMessages(request, this.#sequence);
    for (let send = request; ; send = NOTHING) {
      const length = this.#native.netlinkTransact(this.#fd, send, page);
      const found = length > 0 ? [...messages(page.subarray(0, length))] : [];
      yield found;
      const isEnd = ({ type }: Message) => type === MessageType.Done || type === MessageType.Error;
      if (length <= 0 || found.some(isEnd)) return;
    }
  }

  /**
   * Sends many messages at once, each a change for itself: those that the kernel refused, by their place.
   * Where it did not even take the messages, all of them.
   */
  transactEach(messages: MessageWriter, count: number): Map<number, Refusal> {
    const refused = new Map<number, Refusal>();
    if (count === 0) return refused;
    const request = messages.acknowledgeLast().bytes();
    const first = this.#sequence;
    const next = numberMessages(request, first);
    this.#sequence = next;
    const answer = this.#once(request, first, next, (message) => {
      const refusal = refusalOf(message);
      if (refusal !== undefined) refused.set((message.sequence - first) >>> 0, refusal);
    });
    if (answer.refusal !== undefined && refused.size === 0) {
      for (let i = 0; i < count; i++) refused.set(i, answer.refusal);
    }
    return refused;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#native.close(this.#fd);
  }

  #once(
    request: Uint8Array,
    first: number,
    next: number,
    each: (message: Message) => void = () => {},
  ): Answer {
    let refusal: Refusal | undefined;
    const found: Message[] = [];
    let send = request;
    for (;;) {
      const length = this.#native.netlinkTransact(this.#fd, send, this.#answer);
      if (length < 0) return { refusal: { errno: errnoName(length), text: undefined }, messages: found };
      const full = this.#answer.length - length < CHUNK;
      if (this.#isPlainYes(length, first, next)) return YES;
      // The room is used again by the next request: the messages keep views, so they get a copy.
      for (const message of messages(this.#answer.slice(0, length))) {
        const distance = (message.sequence - first) >>> 0;
        if (distance >= (next - first) >>> 0) continue;
        if (message.type === MessageType.Error) {
          each(message);
          refusal ??= refusalOf(message);
        } else if (message.type !== MessageType.Done) found.push(message);
        else refusal ??= refusalOf(message);
      }
      if (!full) return { refusal, messages: found };
      send = NOTHING;
    }
  }

  /** True for the answer of nearly every change: one acknowledgement, without error. */
  #isPlainYes(length: number, first: number, next: number): boolean {
    return (
      length === PLAIN_YES &&
      this.#view.getUint16(4, littleEndian) === MessageType.Error &&
      this.#view.getInt32(16, littleEndian) === 0 &&
      (this.#view.getUint32(8, littleEndian) - first) >>> 0 < (next - first) >>> 0
    );
  }
}

/** The refusal in an error or done message; undefined where it says that all went well. */
function refusalOf(message: Message): Refusal | undefined {
  if (message.body.length < 4) return undefined;
  const code = viewOf(message.body).getInt32(0, littleEndian);
  if (code === 0) return undefined;
  const at = message.type === MessageType.Error ? ERROR_HEADER : 4;
  const text =
    (message.flags & MessageFlag.AckHasText) !== 0 ? textOf(attributes(message.body, at).get(1)) : undefined;
  return { errno: code === -ENOTSUPP ? 'ENOTSUP' : errnoName(code), text };
}

/** Error code and the header of the message that caused it (NETLINK_CAP_ACK leaves out the rest). */
const ERROR_HEADER = 20;
/** Header, error code, header of the request. */
const PLAIN_YES = 36;
const YES: Answer = { refusal: undefined, messages: [] };
const CHUNK = 32768;
const ANSWER_ROOM = 16 * CHUNK;
const RECEIVE_BUFFER = 4 << 20;
const DUMP_ATTEMPTS = 5;
const NOTHING = new Uint8Array(0);
/** The kernel's own number for "not supported", which has no name in user space. */
const ENOTSUPP = 524;

/** True for the errno that says that the process lacks a privilege. */
export function isPrivilege(errno: string): boolean {
  return errno === 'EPERM' || errno === 'EACCES';
}
