/**
 * The records that a daemon begins with: those of the last run where its journal can be gone on with, else
 * none. While it is kept, every turn goes into the journal before its effects leave. What is being accounted
 * for is in files of its own as well, which outlive a restart of the machine.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../../config/config.ts';
import { JournalLog } from '../../replication/journal.ts';
import { Feed } from '../../session/feed.ts';
import { now as wallClock } from '../../switch/clock.ts';
import { Stores } from '../core/stores.ts';
import type { Logger } from '../log/log.ts';
import { AccountingDisk } from '../spool/accounting-disk.ts';
import { ExportFile } from '../spool/export-file.ts';
import { SegmentFiles } from '../spool/segments.ts';
import { JournalFile } from './journal-file.ts';

/** Stores and the feed of their changes. */
export interface FedStores {
  readonly stores: Stores;
  readonly feed: Feed;
}

/** What the last run left. */
export interface LoadedStores extends FedStores {
  /** Hosts whose authenticator the last turn was about: what it told them may not have left. */
  readonly unsaid: ReadonlySet<string>;
}

/** Stores without records. */
export function emptyStores(config: Config): FedStores {
  const feed = new Feed();
  return { stores: new Stores(config.groups.cacheSize, feed), feed };
}

export class SavedState {
  /** Undefined: nothing is accounted for. */
  readonly accountingDisk: AccountingDisk | undefined;
  #config: Config;
  readonly #log: Logger;
  readonly #changes = new JournalLog();
  readonly #journal: JournalFile;
  readonly #path: string;
  #kept: FedStores | undefined;

  /** `draft`: beside that of a process that serves still, until `settle`. */
  constructor(config: Config, log: Logger, draft = false) {
    const { stateDirectory, bridge, accounting } = config;
    this.#config = config;
    this.#log = log;
    this.#path = join(stateDirectory, `journal-${bridge}`);
    this.#journal = new JournalFile(
      draft ? draftOf(this.#path) : this.#path,
      { bootId: bootId(), bridge },
      log,
    );
    const segments = new SegmentFiles(stateDirectory, `accounting-${bridge}`);
    const { exportFile } = accounting;
    const file = exportFile && new ExportFile(exportFile, log);
    if (accounting.enabled)
      this.accountingDisk = new AccountingDisk(segments, accounting.diskLimit, log, file);
  }

  /** What the last run left, where it can be gone on with. */
  load(now: number): LoadedStores | undefined {
    const { restart } = this.#config;
    // A journal that nobody keeps must not come to life again when somebody switches this on.
    if (!restart.warm) {
      this.#journal.remove();
      return undefined;
    }
    const loaded = emptyStores(this.#config);
    const end = this.#journal.load(loaded.stores, now, restart.maxAgeMs);
    if (typeof end === 'object') {
      const { name } = loaded.stores.authenticators;
      return {
        ...loaded,
        unsaid: new Set(end.lastTurn.flatMap(({ store, key }) => (store === name ? [key] : []))),
      };
    }
    if (end !== 'no-journal') this.#log.warn('journal-not-used', { why: end });
    return undefined;
  }

  /** From here on the journal is of these records. `soon`: they are written between other work. */
  begin(fed: FedStores, soon?: 'soon'): void {
    this.#kept?.feed.unfollow(this.#changes);
    this.#kept = undefined;
    if (!this.#config.restart.warm) return;
    this.#kept = fed;
    this.#changes.seal();
    fed.feed.follow(this.#changes);
    if (soon === undefined) this.#journal.begin(fed.stores);
    else this.#journal.beginSoon(fed.stores);
  }

  /** Takes another configuration while it runs: whether records are kept for the next start is as it says. */
  reconfigure(config: Config, fed: FedStores | undefined): void {
    const { warm } = this.#config.restart;
    this.#config = config;
    if (config.restart.warm === warm) return;
    if (fed !== undefined && warm === false) this.begin(fed);
    else this.end(false);
  }

  /** A draft, that follows the records of another process. Nothing but the journal is written. */
  follow(): void {
    const batch = this.#kept === undefined ? undefined : this.#changes.seal();
    if (batch !== undefined && this.#kept !== undefined) this.#journal.append(batch, this.#kept.stores);
  }

  /** A draft is on the disk, but for what follows. */
  prepare(): void {
    this.#journal.flush();
  }

  /** A draft takes the place of what the other process has written. */
  settle(): void {
    if (this.#kept !== undefined) this.#journal.moveTo(this.#path);
  }

  /** Another process may go on from what is on the disk: all that was told is there. */
  flush(): void {
    this.accountingDisk?.flush(wallClock());
  }

  /** It did not: this one does. */
  goOn(): void {
    rmSync(draftOf(this.#path), { force: true });
    this.accountingDisk?.goOn();
  }

  /** Ends a turn: what changed is written, before anybody can come to know of it. */
  endTurn(): void {
    const batch = this.#kept === undefined ? undefined : this.#changes.seal();
    if (batch !== undefined && this.#kept !== undefined) this.#journal.append(batch, this.#kept.stores);
    this.accountingDisk?.endTurn(wallClock());
  }

  /** Once a second. */
  sync(): void {
    this.#journal.sync();
    this.accountingDisk?.alive(wallClock());
  }

  /** True where the next start can go on with what is here now. */
  get isKept(): boolean {
    return this.#kept !== undefined && this.#journal.isKept;
  }

  /** Stops: with `keep` the next start goes on, without it begins with nothing. */
  end(keep: boolean): void {
    this.#kept?.feed.unfollow(this.#changes);
    this.#kept = undefined;
    if (keep) this.#journal.close();
    else this.#journal.remove();
  }

  /** Nothing more happens; waits for the disk. */
  close(): void {
    this.accountingDisk?.close(wallClock());
  }
}

/** Where a process writes its journal that does not serve yet. */
function draftOf(path: string): string {
  return `${path}.next`;
}

/** Another one after every start of the machine. */
function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
