/**
 * What the daemon tells the service manager that started it, by the protocol of sd_notify(3): datagrams to the
 * socket that the environment names. Started by hand there is none, and nobody is told.
 *
 * The watchdog is fed by a timer of the event loop: a loop that hangs feeds nobody, and is killed.
 */
import { errnoName, loadNative } from '../switch/native.ts';
import type { Logger } from './log/log.ts';

/** Variables of sd_notify(3): `READY=1`, `STATUS=…`, `MAINPID=…`. No value holds a line feed. */
export type ServiceState = Readonly<Record<string, string | number>>;

/** Sends one datagram; a negative errno where it was not taken. */
export type DatagramSend = (path: string, octets: Uint8Array) => number;

export class ServiceNotify {
  readonly #socket: string | undefined;
  readonly #log: Logger;
  readonly #send: DatagramSend;
  readonly #watchdogMs: number | undefined;
  #feeding: NodeJS.Timeout | undefined;
  #hasFailed = false;

  /** Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID (sd_watchdog_enabled(3)). */
  constructor(
    environment: Readonly<Record<string, string | undefined>>,
    log: Logger,
    send: DatagramSend = (path, octets) => loadNative().datagramSend(path, octets),
  ) {
    this.#socket = environment['NOTIFY_SOCKET'] || undefined;
    this.#log = log;
    this.#send = send;
    this.#watchdogMs = watchdogMs(environment);
  }

  /** Somebody listens. */
  get isHeard(): boolean {
    return this.#socket !== undefined;
  }

  /** It serves, or stands by: from here on the watchdog is fed. */
  ready(status: string): void {
    this.tell({ READY: 1, STATUS: status });
    if (this.#watchdogMs === undefined || this.#socket === undefined) return;
    this.tell({ WATCHDOG: 1 });
    clearInterval(this.#feeding);
    this.#feeding = setInterval(() => this.tell({ WATCHDOG: 1 }), this.#watchdogMs / FEEDS);
  }

  /** One line for people: `systemctl status` shows it. */
  status(status: string): void {
    this.tell({ STATUS: status });
  }

  /** It reads its configuration anew; `ready` says that it is done. */
  reloading(status: string): void {
    // systemd wants to know that the answer belongs to this very reload: Type=notify-reload.
    const microseconds = process.hrtime.bigint() / 1000n;
    this.tell({ RELOADING: 1, MONOTONIC_USEC: String(microseconds), STATUS: status });
  }

  /** It is about to end. The watchdog is fed on: a stop that hangs is to be killed as well. */
  stopping(status: string): void {
    this.tell({ STOPPING: 1, STATUS: status });
  }

  /** Nothing more is said: for a process that hands its service to another one, or has ended it. */
  close(): void {
    clearInterval(this.#feeding);
    this.#feeding = undefined;
  }

  /** Any variables, in one datagram. */
  tell(state: ServiceState): void {
    if (this.#socket === undefined) return;
    const text = Object.entries(state)
      .map(([name, value]) => `${name}=${String(value).replaceAll('\n', ' ')}`)
      .join('\n');
    const taken = this.#send(this.#socket, Buffer.from(text));
    if (taken >= 0) {
      this.#hasFailed = false;
      return;
    }
    // Once, and not at each feeding.
    if (!this.#hasFailed)
      this.#log.warn('service-manager-unheard', { socket: this.#socket, error: errnoName(taken) });
    this.#hasFailed = true;
  }
}

/** Undefined: no watchdog, or it is another process's. */
function watchdogMs(environment: Readonly<Record<string, string | undefined>>): number | undefined {
  const { WATCHDOG_USEC: interval, WATCHDOG_PID: pid } = environment;
  if (interval === undefined || !/^[1-9]\d{0,14}$/.test(interval)) return undefined;
  if (pid !== undefined && pid !== String(process.pid)) return undefined;
  return Number(interval) / 1000;
}

/** Feedings in one watchdog interval: sd_watchdog_enabled(3) wants two at least. */
const FEEDS = 3;
