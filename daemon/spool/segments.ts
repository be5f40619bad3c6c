/**
 * The files of the accounting queue on the disk: numbered segments that only grow at their end and go as a
 * whole. What was appended survives a power cut once a sync that began afterwards is done.
 */
import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fsync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

/** What the queue needs of a disk. Methods throw what the system says; `sync` tells it instead. */
export interface Segments {
  /** Numbers of the segments that are there, ascending. */
  list(): readonly number[];
  read(segment: number): Uint8Array;
  /** Appends to a segment, which is made by its first octets. Where it throws, the segment's end is in doubt. */
  append(segment: number, octets: Uint8Array): void;
  /** Calls back, later, when all that was appended and removed before survives a power cut, or cannot. */
  sync(done: (error: Error | undefined) => void): void;
  /** Waits until all of a segment survives a power cut. Throws where it cannot. */
  settle(segment: number): void;
  remove(segment: number): void;
  /** Waits for the disk; nothing is to be called afterwards. */
  close(): void;
}

interface OpenSegment {
  readonly number: number;
  readonly descriptor: number;
  octets: number;
  /** Has octets that no sync has covered. */
  dirty: boolean;
}

/** Segments as files `NAME.000000000001` that only their owner may read. */
export class SegmentFiles implements Segments {
  readonly #folder: string;
  readonly #name: string;
  #open: OpenSegment[] = [];
  /** Older segments that the last sync may still be at work on. */
  #closing: OpenSegment[] = [];
  #folderDirty = false;

  constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#name = name;
  }

  list(): readonly number[] {
    let names: string[];
    try {
      names = readdirSync(this.#folder);
    } catch {
      return [];
    }
    const prefix = `${this.#name}.`;
    return names
      .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
      .map((name) => Number(name.slice(prefix.length)))
      .sort((a, b) => a - b);
  }

  read(segment: number): Uint8Array {
    return readFileSync(this.#path(segment));
  }

  append(segment: number, octets: Uint8Array): void {
    const open = this.#open.find(({ number }) => number === segment) ?? this.#create(segment);
    open.dirty = true;
    try {
      for (let at = 0; at < octets.length; ) at += writeSync(open.descriptor, octets, at);
      open.octets += octets.length;
    } catch (cause) {
      // What did get in would hide all that comes behind it.
      ftruncateSync(open.descriptor, open.octets);
      throw cause;
    }
  }

  sync(done: (error: Error | undefined) => void): void {
    const dirty = this.#open.filter((open) => open.dirty);
    for (const open of dirty) open.dirty = false;
    const withFolder = this.#folderDirty;
    this.#folderDirty = false;
    let left = dirty.length + (withFolder ? 1 : 0);
    let failure: Error | undefined;
    const finished = (error: Error | null) => {
      failure ??= error ?? undefined;
      if (--left <= 0) done(failure);
    };
    if (left === 0) setImmediate(finished, null);
    for (const { descriptor } of dirty) fdatasync(descriptor, finished);
    if (withFolder) this.#syncFolder(finished);
    this.#closeOld();
  }

  settle(segment: number): void {
    // One that took nothing is not there.
    if (!this.list().includes(segment)) return;
    for (const path of [this.#path(segment), this.#folder]) {
      const descriptor = openSync(path, 'r');
      try {
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
    }
  }

  remove(segment: number): void {
    rmSync(this.#path(segment), { force: true });
    this.#folderDirty = true;
  }

  close(): void {
    for (const { dirty, descriptor } of this.#open) if (dirty) fdatasyncSync(descriptor);
    for (const { descriptor } of [...this.#open, ...this.#closing]) closeSync(descriptor);
    this.#open = [];
    this.#closing = [];
  }

  #create(segment: number): OpenSegment {
    mkdirSync(this.#folder, { recursive: true, mode: 0o755 });
    const descriptor = openSync(this.#path(segment), 'wx', 0o600);
    const open = { number: segment, descriptor, octets: 0, dirty: true };
    this.#open.push(open);
    this.#folderDirty = true;
    return open;
  }

  /** Only the newest is ever appended to; an older one is closed once a sync has covered it. */
  #closeOld(): void {
    const newest = this.#open.at(-1);
    // Their descriptors are in use by the sync that has just begun: closed when the next one begins.
    for (const open of this.#closing) closeSync(open.descriptor);
    this.#closing = this.#open.filter((open) => open !== newest);
    this.#open = newest === undefined ? [] : [newest];
  }

  #syncFolder(done: (error: Error | null) => void): void {
    let descriptor: number;
    try {
      descriptor = openSync(this.#folder, 'r');
    } catch (cause) {
      done(cause instanceof Error ? cause : new Error(String(cause)));
      return;
    }
    fsync(descriptor, (error) => {
      closeSync(descriptor);
      done(error);
    });
  }

  #path(segment: number): string {
    return join(this.#folder, `${this.#name}.${String(segment).padStart(NUMBER_DIGITS, '0')}`);
  }
}

const NUMBER_DIGITS = 12;
