/**
 * Accounting messages as JSON lines in a file, each once, in their order. A message goes into the file once it
 * survives a power cut in the queue; what was missed by a death is written at the next start, since the file itself
 * tells how far it goes. Full files are renamed to FILE.1, FILE.2 and so on.
 */
import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { AccountingMessage } from '../../session/records.ts';
import type { Change, Store } from '../../session/store.ts';
import type { Logger } from '../log/log.ts';
import { exportLine } from './export-line.ts';

export interface ExportOptions {
  readonly path: string;
  readonly maxOctets: number;
  /** Renamed files that are kept. */
  readonly keep: number;
}

export class ExportFile {
  readonly #options: ExportOptions;
  readonly #log: Logger;
  #exported: ((key: string) => void) | undefined;
  #store = '';
  #descriptor: number | undefined;
  #octets = 0;
  #line = 0;
  /** Key of the last message in the file. */
  #last = '';
  #safe = '';
  #syncing = false;
  /** Of the turn that is being thought. */
  #fresh: AccountingMessage[] = [];
  /** By turns; not safe in the queue, or not taken by the file. */
  #sealed: { readonly turn: number; readonly messages: readonly AccountingMessage[] }[] = [];
  #failed = false;

  constructor(options: ExportOptions, log: Logger) {
    this.#options = options;
    this.#log = log;
  }

  /** Exports what is in the queue and was not yet, and what comes. `exported`: up to which key it is safe. */
  begin(queue: Store<object>, exported: (key: string) => void): void {
    this.#exported = exported;
    this.#store = queue.name;
    this.#open();
    const messages = [...queue.entries()]
      .map(([, message]) => message as AccountingMessage)
      .filter(({ key }) => key > this.#last)
      .sort((a, b) => (a.key < b.key ? -1 : 1));
    this.#fresh = [];
    this.#sealed = [{ turn: 0, messages }];
    this.write(0);
    this.#sync();
  }

  changed({ store, record }: Change): void {
    if (store !== this.#store || record === undefined) return;
    const message = record as AccountingMessage;
    if (message.key > this.#last) this.#fresh.push(message);
  }

  /** A turn is over. */
  seal(turn: number): void {
    if (this.#fresh.length === 0) return;
    this.#sealed.push({ turn, messages: this.#fresh });
    this.#fresh = [];
  }

  /** Writes what the turns up to this one have said. */
  write(turn: number): void {
    if (this.#exported === undefined) return;
    const ready = this.#sealed.filter((sealed) => sealed.turn <= turn).flatMap(({ messages }) => messages);
    if (ready.length === 0) return;
    if (this.#descriptor === undefined) this.#open();
    if (this.#descriptor === undefined) return;
    const lines = ready.map((message, i) => `${JSON.stringify(exportLine(message, this.#line + i + 1))}\n`);
    const octets = Buffer.from(lines.join(''));
    try {
      for (let at = 0; at < octets.length; ) at += writeSync(this.#descriptor, octets, at);
    } catch (cause) {
      this.#fail(cause);
      return;
    }
    this.#recover();
    this.#octets += octets.length;
    this.#line += lines.length;
    this.#last = ready.at(-1)?.key ?? this.#last;
    this.#sealed = this.#sealed.filter((sealed) => sealed.turn > turn);
    this.#sync();
    if (this.#octets >= this.#options.maxOctets) this.#rotate();
  }

  /** Waits for the disk. */
  close(): void {
    this.#exported = undefined;
    this.#closeFile();
  }

  /** One sync at a time. */
  #sync(): void {
    const last = this.#last;
    if (this.#syncing || this.#safe === last || this.#descriptor === undefined) return;
    this.#syncing = true;
    fdatasync(this.#descriptor, (error) => {
      this.#syncing = false;
      // A file that was full is synced when it is closed.
      if (error !== null && error.code !== 'EBADF') {
        this.#fail(error);
        return;
      }
      this.#safe = last;
      this.#exported?.(last);
      if (this.#last !== last) this.#sync();
    });
  }

  #open(): void {
    const { path } = this.#options;
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
      const descriptor = openSync(path, 'a+', 0o640);
      this.#descriptor = descriptor;
      this.#octets = fstatSync(descriptor).size;
      this.#readEnd(descriptor);
      if (this.#last === '') this.#readEndOf(`${path}.1`);
    } catch (cause) {
      this.#fail(cause);
    }
  }

  #readEndOf(path: string): void {
    let descriptor: number;
    try {
      descriptor = openSync(path, 'r');
    } catch {
      return;
    }
    this.#takeEnd(endOf(descriptor));
    closeSync(descriptor);
  }

  /** Where the last process was; a line that it did not finish goes. */
  #readEnd(descriptor: number): void {
    const end = endOf(descriptor);
    const whole = end.lastIndexOf('\n') + 1;
    const torn = Buffer.byteLength(end.slice(whole));
    if (torn > 0) {
      this.#octets -= torn;
      ftruncateSync(descriptor, this.#octets);
    }
    this.#takeEnd(end.slice(0, whole));
  }

  #takeEnd(text: string): void {
    const last = text.trimEnd().split('\n').at(-1) ?? '';
    try {
      const { line, sequence } = JSON.parse(last) as { line?: unknown; sequence?: unknown };
      if (typeof line !== 'number' || typeof sequence !== 'string') return;
      this.#line = line;
      this.#last = sequence;
    } catch {
      // No line, or somebody else's: the count goes on from where this process is.
    }
  }

  #rotate(): void {
    const { path, keep } = this.#options;
    this.#closeFile();
    try {
      rmSync(`${path}.${keep}`, { force: true });
      for (let n = keep - 1; n >= 1; n--) renameIfThere(`${path}.${n}`, `${path}.${n + 1}`);
      renameSync(path, `${path}.1`);
    } catch (cause) {
      this.#fail(cause);
    }
    this.#open();
  }

  #closeFile(): void {
    if (this.#descriptor === undefined) return;
    try {
      fdatasyncSync(this.#descriptor);
      closeSync(this.#descriptor);
      this.#safe = this.#last;
    } catch (cause) {
      this.#fail(cause);
    }
    this.#descriptor = undefined;
  }

  /** What is not written waits, and is tried again with the next message. */
  #fail(cause: unknown): void {
    if (this.#descriptor !== undefined) {
      const descriptor = this.#descriptor;
      this.#descriptor = undefined;
      try {
        ftruncateSync(descriptor, this.#octets);
        closeSync(descriptor);
      } catch {
        // It is as it is: the next opening looks at its end.
      }
    }
    if (this.#failed) return;
    this.#failed = true;
    const error = cause instanceof Error ? cause.message : String(cause);
    this.#log.error('accounting-export', { state: 'refused', path: this.#options.path, error });
  }

  #recover(): void {
    if (!this.#failed) return;
    this.#failed = false;
    this.#log.warn('accounting-export', { state: 'ok', path: this.#options.path });
  }
}

/** The last part of a file, enough for its last lines. */
function endOf(descriptor: number): string {
  const { size } = fstatSync(descriptor);
  const length = Math.min(size, END_OCTETS);
  const octets = Buffer.alloc(length);
  const got = readSync(descriptor, octets, 0, length, size - length);
  return octets.toString('utf8', 0, got);
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'ENOENT')) throw cause;
  }
}

const END_OCTETS = 1 << 16;
