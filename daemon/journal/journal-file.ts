/**
 * The journal on the disk: what replication/journal.ts says, in a file that only its owner may read. Every
 * turn is written before its effects leave, so that a daemon that was killed starts again with what others
 * believe. Where it cannot be written it is removed, loudly: an old state is worse than none.
 */
import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  futimesSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { Batch } from '../../replication/change-log.ts';
import {
  type JournalEnd,
  type JournalFault,
  type JournalHead,
  journalEntry,
  journalSnapshot,
  readJournal,
} from '../../replication/journal.ts';
import type { ReplicatedStores } from '../../replication/replicated-stores.ts';
import type { Logger } from '../log/log.ts';

/** A file that has not all records yet. */
interface Draft {
  readonly descriptor: number;
  readonly frames: Generator<Uint8Array>;
  octets: number;
}

export class JournalFile {
  #path: string;
  readonly #head: JournalHead;
  readonly #log: Logger;
  #descriptor: number | undefined;
  #draft: Draft | undefined;
  /** Of an entry, until it is written. */
  readonly #room = Buffer.allocUnsafe(ENTRY_ROOM);
  #snapshotOctets = 0;
  #entryOctets = 0;
  #synced = true;

  constructor(path: string, head: JournalHead, log: Logger) {
    this.#path = path;
    this.#head = head;
    this.#log = log;
  }

  /** False where it could not be written: nothing is kept for the next start. */
  get isKept(): boolean {
    return this.#descriptor !== undefined || this.#draft !== undefined;
  }

  /**
   * Puts what an earlier run left into empty stores: they are as that run left them. A file whose
   * daemon was last alive more than `maxAgeMs` ago is not used: too much may have happened unseen.
   */
  load(stores: ReplicatedStores, now: number, maxAgeMs: number): JournalFault | 'too-old' | JournalEnd {
    let octets: Uint8Array;
    try {
      if (now - statSync(this.#path).mtimeMs > maxAgeMs) return 'too-old';
      octets = readFileSync(this.#path);
    } catch {
      return 'no-journal';
    }
    return readJournal(octets, this.#head, stores);
  }

  /** Begins anew with all records as they are now; what the file held before is replaced at once. */
  begin(stores: ReplicatedStores): void {
    this.#open(stores);
    while (this.#draft !== undefined) this.#write(this.#draft);
  }

  /**
   * Begins anew like `begin`, between other work: until it has all records, an earlier file of the same records goes
   * on, and one of others is gone.
   */
  beginSoon(stores: ReplicatedStores): void {
    try {
      if (this.#descriptor === undefined) rmSync(this.#path, { force: true });
    } catch (cause) {
      this.#fail(cause);
      return;
    }
    this.#open(stores);
    const draft = this.#draft;
    const goOn = () => {
      if (draft === undefined || this.#draft !== draft) return;
      this.#write(draft);
      setImmediate(goOn);
    };
    setImmediate(goOn);
  }

  /** Appends a turn. Once the turns outweigh the records, the file begins anew. */
  append(batch: Batch, stores: ReplicatedStores): void {
    const draft = this.#draft;
    if (this.#descriptor === undefined && draft === undefined) return;
    const entry = journalEntry(batch, this.#room);
    try {
      if (this.#descriptor !== undefined) writeAll(this.#descriptor, entry);
      // What is written of the records from here on is as they are after this turn.
      if (draft !== undefined) writeAll(draft.descriptor, entry);
    } catch (cause) {
      this.#fail(cause);
      return;
    }
    this.#entryOctets += entry.length;
    this.#synced = false;
    const rotation = Math.max(LEAST_ROTATION_OCTETS, 2 * this.#snapshotOctets);
    if (draft === undefined && this.#entryOctets > rotation) this.beginSoon(stores);
  }

  /**
   * Tells by the file's time that the daemon lives, also where nothing has changed, and asks the disk for what
   * the kernel still holds: a machine that loses power starts with another boot id anyway.
   */
  sync(): void {
    const descriptor = this.#descriptor;
    if (descriptor === undefined) return;
    this.#touch(descriptor);
    if (this.#synced) return;
    this.#synced = true;
    fdatasync(descriptor, (error) => {
      if (error !== null && this.#descriptor === descriptor) this.#fail(error);
    });
  }

  /** Waits for the disk: a file that takes another one's place with much unwritten holds up whoever renames it. */
  flush(): void {
    try {
      if (this.#descriptor !== undefined) fdatasyncSync(this.#descriptor);
    } catch (cause) {
      this.#fail(cause);
    }
  }

  /** From here on it is this file, in place of the one that is there. Where that is refused it is removed. */
  moveTo(path: string): void {
    const { isKept } = this;
    try {
      if (isKept) renameSync(this.#path, path);
      this.#path = path;
    } catch (cause) {
      this.#fail(cause);
      this.#path = path;
    }
  }

  /** Keeps the file for the next start. */
  close(): void {
    while (this.#draft !== undefined) this.#write(this.#draft);
    if (this.#descriptor !== undefined) this.#touch(this.#descriptor);
    this.#close();
  }

  /** Removes the file: the next start begins with nothing. */
  remove(): void {
    this.#close();
    rmSync(this.#path, { force: true });
    rmSync(`${this.#path}.new`, { force: true });
  }

  #open(stores: ReplicatedStores): void {
    const path = `${this.#path}.new`;
    try {
      this.#closeDraft();
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o755 });
      rmSync(path, { force: true });
      const descriptor = openSync(path, 'wx', 0o600);
      const draft = { descriptor, frames: journalSnapshot(this.#head, stores), octets: 0 };
      this.#draft = draft;
      this.#entryOctets = 0;
      // Its head, before any turn can follow.
      this.#write(draft);
    } catch (cause) {
      this.#fail(cause);
    }
  }

  /** The next records of the draft; after the last ones it is the file. */
  #write(draft: Draft): void {
    try {
      const next = draft.frames.next();
      if (next.done !== true) {
        writeAll(draft.descriptor, next.value);
        draft.octets += next.value.length;
        return;
      }
      // Without waiting for the disk: only a process that ends needs the file, and it needs what the kernel has.
      renameSync(`${this.#path}.new`, this.#path);
      if (this.#descriptor !== undefined) closeSync(this.#descriptor);
      this.#descriptor = draft.descriptor;
      this.#draft = undefined;
      this.#snapshotOctets = draft.octets;
      this.#synced = false;
    } catch (cause) {
      this.#fail(cause);
    }
  }

  #touch(descriptor: number): void {
    const seconds = Date.now() / 1000;
    try {
      futimesSync(descriptor, seconds, seconds);
    } catch (cause) {
      this.#fail(cause);
    }
  }

  #fail(cause: unknown): void {
    const error = cause instanceof Error ? cause.message : String(cause);
    this.#log.error('journal-lost', {
      path: this.#path,
      error,
      means: 'a restart will begin without sessions',
    });
    try {
      this.remove();
    } catch {
      // A disk that cannot be written at all: what stays there grows too old to be used.
    }
  }

  #closeDraft(): void {
    const draft = this.#draft;
    this.#draft = undefined;
    if (draft !== undefined) closeSync(draft.descriptor);
  }

  #close(): void {
    this.#closeDraft();
    const descriptor = this.#descriptor;
    this.#descriptor = undefined;
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function writeAll(descriptor: number, octets: Uint8Array): void {
  for (let at = 0; at < octets.length; ) at += writeSync(descriptor, octets, at);
}

const LEAST_ROTATION_OCTETS = 8 << 20;
/** Turns that change more are few. */
const ENTRY_ROOM = 1 << 16;
