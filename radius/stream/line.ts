/**
 * One connection to a RADIUS server over TCP or TLS, without the socket: when to connect and to connect again,
 * what waits for it, packets out of the stream, and the watchdog that finds out about a connection whose other
 * end is gone (RFC 6613 §2.6, RFC 3539 §3.4). Not a record: a connection is of one node and dies with it,
 * but for an upgrade, which hands it on.
 */
import { concatBytes, u8, u32 } from '../../wire/bytes.ts';
import type { RadiusAttribute } from '../packet.ts';
import { RadiusCode } from '../packet.ts';
import { signAccessRequest, verifyReply } from '../sign.ts';
import { PacketStream } from './packet-stream.ts';

export interface LineOptions {
  readonly secret: Uint8Array;
  /** What the watchdog's Status-Server carries, for instance NAS-Identifier. */
  readonly statusAttributes: readonly RadiusAttribute[];
  /** Always there: connected at once and again after a loss. Else only while there is something to send. */
  readonly kept: boolean;
  readonly random: (octets: number) => Uint8Array;
}

/** What the owner of the socket is to do, in order. */
export type LineAction =
  | { readonly kind: 'connect' }
  | { readonly kind: 'write'; readonly bytes: Uint8Array }
  /** Close the socket; `closed` is not to be called for it. */
  | { readonly kind: 'close' }
  | { readonly kind: 'packet'; readonly bytes: Uint8Array }
  | { readonly kind: 'connected' }
  /** What was sent or waited is gone with the connection; `refused`: it never came to be. */
  | { readonly kind: 'lost'; readonly why: 'closed' | 'refused' };

/** What a process that leaves knows of an open connection, for the one that goes on with it. */
export interface LineState {
  /** Octets that came and are no whole packet yet. */
  readonly rest: Uint8Array;
  /** Octets that the kernel has not taken yet. */
  readonly unsent: Uint8Array;
  /** Authenticator of the watchdog's packet that is not answered yet. */
  readonly watchdog: Uint8Array | undefined;
  /** Nothing has come since the watchdog asked. */
  readonly asking: boolean;
  /** When the silence of the server is over, on the clock of both. */
  readonly until: number | undefined;
}

export class Line {
  readonly #options: LineOptions;
  #state: 'idle' | 'connecting' | 'open' | 'waiting' = 'idle';
  #stream = new PacketStream();
  #waiting: Uint8Array[] = [];
  #backOffMs = 0;
  /** When the state's own time is over: connecting, waiting, or the silence of an open connection. */
  #until: number | undefined;
  /** Authenticator of the watchdog's packet that is not answered yet. */
  #watchdog: Uint8Array | undefined;
  /** Nothing has come since the watchdog asked. */
  #asking = false;
  /** Answers to the watchdog of the node that made the connection are nothing to wonder at. */
  #inherited = false;
  #actions: LineAction[] = [];

  constructor(options: LineOptions) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Connects, if that is not under way. */
  open(now: number): void {
    if (this.#state === 'idle') this.#connect(now);
  }

  /**
   * The connection is there already, as another node made it: what that one asked the watchdog may still be
   * answered.
   */
  continued(): void {
    this.#state = 'open';
    this.#inherited = true;
  }

  /** For another process; undefined where the connection is not open. `unheard`: octets that came and were not taken. */
  handOn(unheard: Uint8Array, unsent: Uint8Array): LineState | undefined {
    if (this.#state !== 'open') return undefined;
    const rest = concatBytes(this.#stream.rest, unheard);
    return { rest, unsent, watchdog: this.#watchdog, asking: this.#asking, until: this.#until };
  }

  /** The connection is there already, as the process before this one left it. */
  takeOver({ rest, watchdog, asking, until }: LineState): void {
    this.#state = 'open';
    this.#stream = new PacketStream(rest);
    this.#watchdog = watchdog;
    this.#asking = asking;
    this.#until = until;
  }

  /** Asks over a connection that is continued whether the server is there. */
  ask(now: number): void {
    if (this.#state === 'open' && !this.#asking) this.#watch(now, CONTINUED_ANSWER_MS);
  }

  /** A packet is about to leave on the connection, by another way than `send`. False: there is none. */
  sending(now: number): boolean {
    if (this.#state !== 'open') return false;
    if (!this.#options.kept && !this.#asking) this.#until = now + IDLE_MS;
    return true;
  }

  /** Sends a packet, now or as soon as there is a connection. */
  send(now: number, bytes: Uint8Array): void {
    if (this.#state === 'open') {
      this.#actions.push({ kind: 'write', bytes });
      if (!this.#options.kept) this.#until = now + IDLE_MS;
      return;
    }
    // What does not fit waits for its request's own timer.
    if (this.#waiting.length < MOST_WAITING) this.#waiting.push(bytes);
    this.open(now);
  }

  /** The socket is connected, and for TLS both ends have shown who they are. */
  opened(now: number): void {
    if (this.#state !== 'connecting') return;
    this.#state = 'open';
    this.#inherited = false;
    this.#stream = new PacketStream();
    this.#rest(now);
    this.#actions.push({ kind: 'connected' });
    for (const bytes of this.#waiting) this.#actions.push({ kind: 'write', bytes });
    this.#waiting = [];
  }

  /** The socket is closed, or could not be connected. */
  closed(now: number): void {
    if (this.#state !== 'connecting' && this.#state !== 'open') return;
    this.#lose(now, this.#state === 'open' ? 'closed' : 'refused');
  }

  /** Closes the connection for what came on it (RFC 6613 §2.6.4). */
  drop(now: number): void {
    if (this.#state !== 'open') return;
    this.#actions.push({ kind: 'close' });
    this.#lose(now, 'closed');
  }

  /** Octets from the server. */
  received(now: number, bytes: Uint8Array): void {
    if (this.#state !== 'open') return;
    const packets = this.#stream.push(bytes);
    if (packets === undefined) {
      this.drop(now);
      return;
    }
    for (const packet of packets) {
      if (u8(packet, 1) === WATCHDOG_ID) {
        if (!this.#takeWatchdog(packet) && !this.#inherited) {
          this.drop(now);
          return;
        }
      } else this.#actions.push({ kind: 'packet', bytes: packet });
      this.#backOffMs = 0;
      if (this.#options.kept || this.#asking) this.#rest(now);
    }
  }

  handleTimeout(now: number): void {
    if (this.#until === undefined || now < this.#until) return;
    switch (this.#state) {
      case 'connecting':
        this.#actions.push({ kind: 'close' });
        this.#lose(now, 'refused');
        return;
      case 'waiting':
        this.#connect(now);
        return;
      case 'open':
        if (!this.#options.kept && !this.#asking) this.#close();
        else if (!this.#asking) this.#watch(now);
        else this.drop(now);
        return;
      case 'idle':
        this.#until = undefined;
    }
  }

  nextTimeout(): number | undefined {
    return this.#until;
  }

  drainActions(): LineAction[] {
    const actions = this.#actions;
    this.#actions = [];
    return actions;
  }

  #connect(now: number): void {
    this.#state = 'connecting';
    this.#until = now + CONNECT_MS;
    this.#actions.push({ kind: 'connect' });
  }

  /** Nothing is wanted of it any more. */
  #close(): void {
    this.#state = 'idle';
    this.#until = undefined;
    this.#actions.push({ kind: 'close' }, { kind: 'lost', why: 'closed' });
  }

  #lose(now: number, why: 'closed' | 'refused'): void {
    this.#waiting = [];
    this.#watchdog = undefined;
    this.#asking = false;
    this.#backOffMs = Math.min(MOST_BACK_OFF_MS, Math.max(LEAST_BACK_OFF_MS, 2 * this.#backOffMs));
    this.#state = 'waiting';
    // Half of it more by chance, so that many switches do not come back in step.
    this.#until = now + this.#backOffMs * (1 + this.#draw() / 2);
    this.#actions.push({ kind: 'lost', why });
  }

  /** The silence of the server begins anew. */
  #rest(now: number): void {
    this.#asking = false;
    const { kept } = this.#options;
    this.#until = now + (kept ? WATCHDOG_MS + (2 * this.#draw() - 1) * WATCHDOG_JITTER_MS : IDLE_MS);
  }

  #watch(now: number, patienceMs = WATCHDOG_ANSWER_MS): void {
    const { secret, statusAttributes, random } = this.#options;
    this.#watchdog = random(16);
    this.#asking = true;
    const request = { id: WATCHDOG_ID, authenticator: this.#watchdog, attributes: statusAttributes };
    this.#actions.push({ kind: 'write', bytes: signAccessRequest(request, secret, RadiusCode.StatusServer) });
    this.#until = now + patienceMs;
  }

  /** False: it answers nothing that was asked. */
  #takeWatchdog(packet: Uint8Array): boolean {
    if (this.#watchdog === undefined) return false;
    const options = { requireMessageAuthenticator: false };
    if (verifyReply(this.#watchdog, packet, this.#options.secret, options) !== 'ok') return false;
    this.#watchdog = undefined;
    return true;
  }

  /** A number in [0, 1). */
  #draw(): number {
    return u32(this.#options.random(4), 0) / 2 ** 32;
  }
}

/** RFC 6613 §2.6.5: reserved for the watchdog, so that it works when all others are in use. */
const WATCHDOG_ID = 0;
/** RFC 3539 §3.4.1: Tw, give or take. */
const WATCHDOG_MS = 30_000;
const WATCHDOG_JITTER_MS = 2_000;
const WATCHDOG_ANSWER_MS = 10_000;
/** A connection that another node made is not believed in for as long as one's own. */
const CONTINUED_ANSWER_MS = 3_000;
/** How long a connection that is not kept stays without anything to send. */
const IDLE_MS = 60_000;
const CONNECT_MS = 5_000;
/** draft-ietf-radext-radiusdtls-bis: never sooner than half a second. */
const LEAST_BACK_OFF_MS = 500;
const MOST_BACK_OFF_MS = 60_000;
const MOST_WAITING = 1024;
