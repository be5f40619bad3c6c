/** What a new process says to the one that has started it, each message in its turn and in its time. */
import { OWN_RECORDS, unreadable } from '../../replication/record-version.ts';
import type { Newcomer } from './hand-over.ts';
import { HANDOVER_PROTOCOL, type HandoverMessage, type Say } from './handover-message.ts';

/** Why a process that says hello so cannot go on with what this one has; undefined: it can. */
export function objectionTo({
  protocol,
  records,
  leastReader,
  oldestRead,
}: HandoverMessage): string | undefined {
  if (protocol !== HANDOVER_PROTOCOL) {
    return `the new process speaks version ${String(protocol)} of the handover, this one ${HANDOVER_PROTOCOL}`;
  }
  const reader = { records: Number(records), oldestRead: Number(oldestRead ?? leastReader) };
  const why = unreadable(OWN_RECORDS, reader);
  return why === undefined ? undefined : `the new process cannot read these records: ${why}`;
}

/** What the new process says, one after the other. */
export class Heard {
  failure: string | undefined;
  readonly #abandoned: AbortSignal;
  readonly #abandon = () => {
    this.failure ??= 'this process is told to end';
    this.#waiting?.();
  };
  readonly #messages: HandoverMessage[] = [];
  #waiting: (() => void) | undefined;

  constructor(newcomer: Newcomer, abandoned: AbortSignal) {
    this.#abandoned = abandoned;
    if (abandoned.aborted) this.#abandon();
    else abandoned.addEventListener('abort', this.#abandon, { once: true });
    newcomer.listen({
      message: (message) => {
        this.#messages.push(message);
        this.#waiting?.();
      },
      ended: (why) => {
        this.failure ??= why;
        this.#waiting?.();
      },
    });
  }

  /** Throws what has failed. */
  check(): void {
    if (this.failure !== undefined) throw new Error(this.failure);
  }

  /** Throws what has failed. From now on the handover is no longer abandoned: the new process may serve. */
  decide(): void {
    this.check();
    this.#abandoned.removeEventListener('abort', this.#abandon);
  }

  /** The next message, which is to be this one. Throws why it does not come. */
  async next(say: Say, patienceMs: number): Promise<HandoverMessage> {
    const message = await this.#next(say, patienceMs);
    if (message.say === 'refuse') {
      this.failure ??= `the new process refuses: ${String(message['why'])}`;
      throw new Error(this.failure);
    }
    if (message.say !== say) throw new Error(`the new process said ${message.say} where ${say} was due`);
    return message;
  }

  #next(say: Say, patienceMs: number): Promise<HandoverMessage> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        const message = this.#messages.shift();
        if (message === undefined && this.failure === undefined) return;
        clearTimeout(timer);
        this.#waiting = undefined;
        if (message !== undefined) resolve(message);
        else reject(new Error(this.failure));
      };
      const timer = setTimeout(() => {
        this.#waiting = undefined;
        reject(new Error(`the new process did not say ${say} within ${patienceMs} ms`));
      }, patienceMs);
      this.#waiting = settle;
      settle();
    });
  }
}
