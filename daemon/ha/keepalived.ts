/**
 * castgate and keepalived: keepalived decides who serves and says so through its notify FIFO; castgate writes
 * into a file that keepalived tracks whether this node can serve, and when it should at once.
 */
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, constants, mkdirSync, openSync, statSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { dirname } from 'node:path';
import type { HaConfig } from '../../config/config.ts';
import { errnoName, loadNative } from '../../switch/native.ts';
import type { Logger } from '../log/log.ts';

/** What keepalived says of its VRRP instance. */
export type VrrpState = 'MASTER' | 'BACKUP' | 'FAULT' | 'STOP' | 'DELETED';

/** What castgate says to keepalived and hears of it, as far as the configuration names files for that. */
export class Keepalived {
  readonly #config: HaConfig;
  readonly #log: Logger;
  readonly #priority: PriorityFile;
  #fifo: NotifyFifo | undefined;
  #guard: DeathGuard | undefined;
  #state: VrrpState | undefined;

  constructor(config: HaConfig, log: Logger) {
    this.#config = config;
    this.#log = log;
    this.#priority = new PriorityFile(config.priorityFile, log);
  }

  /** What this node was last said to be worth; undefined: nothing was said yet. */
  get weight(): Weight | undefined {
    return this.#priority.weight;
  }

  /** What it said last; undefined: nothing since this daemon began, or nobody would hear it. */
  get state(): VrrpState | undefined {
    return this.#state;
  }

  /** Says what this node is worth. Repeating a weight costs nothing. */
  weigh(weight: Weight): void {
    this.#priority.set(weight);
  }

  /** Hears it from now on; the death of this process is told to it, by the guard that is there already or another one. */
  open(told: (state: VrrpState) => void): void {
    const { notifyFifo, vrrpInstance, priorityFile } = this.#config;
    const hear = (state: VrrpState) => {
      this.#state = state;
      told(state);
    };
    if (notifyFifo !== undefined) this.#fifo = NotifyFifo.open(notifyFifo, vrrpInstance, this.#log, hear);
    if (priorityFile !== undefined) this.#guard ??= guardAgainstDeath(priorityFile, this.#log);
  }

  /** Hears it no more. */
  close(): void {
    this.#fifo?.close();
    this.#fifo = undefined;
  }

  /** The end of the pipe that the guard waits at: whoever has a copy is alive to it. */
  get guarded(): number | undefined {
    return this.#guard?.descriptor;
  }

  /** Goes on where another process has heard it last, under that one's guard. */
  inherit(guard: number | undefined, state: VrrpState | undefined): void {
    if (guard !== undefined) this.#guard = guardAt(guard);
    this.#state = state;
  }

  /** Says that this process is dead. */
  died(): void {
    this.#guard?.end();
  }
}

/** Reads the FIFO; makes it where it is not there. */
export class NotifyFifo {
  readonly #socket: Socket;

  private constructor(descriptor: number, instance: string, told: (state: VrrpState) => void) {
    this.#socket = new Socket({ fd: descriptor, readable: true, writable: false });
    let rest = '';
    this.#socket.on('data', (octets: Buffer) => {
      const lines = (rest + octets.toString('utf8')).split('\n');
      rest = (lines.pop() ?? '').slice(-MAX_LINE);
      for (const line of lines) {
        const state = stateIn(line, instance);
        if (state !== undefined) told(state);
      }
    });
    this.#socket.on('error', () => {});
  }

  /** Undefined where it cannot be read; the log says why. */
  static open(
    path: string,
    instance: string,
    log: Logger,
    told: (state: VrrpState) => void,
  ): NotifyFifo | undefined {
    try {
      if (statSync(path, { throwIfNoEntry: false }) === undefined)
        execFileSync('mkfifo', ['-m', '600', path]);
      // Open for writing too: with no writer left it would end.
      const descriptor = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
      if (statSync(path).isFIFO()) return new NotifyFifo(descriptor, instance, told);
      closeSync(descriptor);
      log.error('notify-fifo-failed', { path, error: 'is no FIFO' });
    } catch (cause) {
      log.error('notify-fifo-failed', {
        path,
        error: cause instanceof Error ? cause.message : String(cause),
      });
    }
    return undefined;
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** The state that a line of the FIFO tells of this instance: `INSTANCE "name" MASTER 100`. */
export function stateIn(line: string, instance: string): VrrpState | undefined {
  const found = /^INSTANCE "(.*)" ([A-Z]+)(?: \d+)?$/.exec(line.trim());
  return found?.[1] === instance ? VRRP_STATES.find((state) => state === found[2]) : undefined;
}

/** What this node is worth to keepalived beside its configured priority. */
export const Weight = {
  /** It is to be master at once: the other one has died. */
  HandOver: 100,
  /** It can serve. */
  Able: 0,
  /** It has not all that the other one has. */
  Unable: -100,
  /** No castgate runs: keepalived gives up at once, and says so to the other one. */
  Dead: -254,
} as const;
export type Weight = (typeof Weight)[keyof typeof Weight];

/** The file that keepalived tracks. Without a path nobody is told. */
export class PriorityFile {
  readonly #path: string | undefined;
  readonly #log: Logger;
  #weight: Weight | undefined;

  constructor(path: string | undefined, log: Logger) {
    this.#path = path;
    this.#log = log;
  }

  get weight(): Weight | undefined {
    return this.#weight;
  }

  /** Repeating a weight costs nothing. */
  set(weight: Weight): void {
    if (weight === this.#weight) return;
    try {
      if (this.#path !== undefined) {
        mkdirSync(dirname(this.#path), { recursive: true, mode: 0o755 });
        writeFileSync(this.#path, `${weight}\n`);
      }
      this.#weight = weight;
    } catch (cause) {
      const error = cause instanceof Error ? cause.message : String(cause);
      this.#log.error('priority-file-failed', { path: this.#path, error });
    }
  }
}

/** Who tells keepalived of the death of this daemon. */
export interface DeathGuard {
  readonly descriptor: number;
  /** The daemon is dead from now on. */
  end(): void;
}

/**
 * Writes into keepalived's file that this daemon is dead, whenever that comes and however: by a child that waits
 * for the end of a pipe. keepalived then need not wait for the other node's word. `end` writes it now. It stays when
 * a service manager tells all of the dead daemon's processes to end. Undefined: there is none, and the log says why.
 */
export function guardAgainstDeath(path: string, log: Logger): DeathGuard | undefined {
  const native = loadNative();
  const ends = new Int32Array(2);
  const failed = native.socketPair(ends);
  if (failed < 0) {
    log.error('death-guard-failed', { path, error: errnoName(failed) });
    return undefined;
  }
  const [own = -1, its = -1] = ends;
  const guard = spawn('sh', ['-c', `trap '' TERM; read -r _; echo ${Weight.Dead} >"$0"`, path], {
    stdio: [its, 'ignore', 'ignore'],
    detached: true,
  });
  native.close(its);
  guard.on('error', (cause) => log.error('death-guard-failed', { path, error: cause.message }));
  guard.unref();
  return guardAt(own);
}

function guardAt(descriptor: number): DeathGuard {
  let isOpen = true;
  return {
    descriptor,
    end: () => {
      if (isOpen) loadNative().close(descriptor);
      isOpen = false;
    },
  };
}

export const VRRP_STATES: readonly VrrpState[] = ['MASTER', 'BACKUP', 'FAULT', 'STOP', 'DELETED'];
const MAX_LINE = 4096;
