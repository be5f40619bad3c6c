/**
 * The records that a daemon begins with: those of the last run where its journal can be gone on with, else
 * none. From then on every turn goes into the journal before its effects leave.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { ChangeLog } from '../replication/change-log.ts';
import { JournalFile } from './journal-file.ts';
import type { Logger } from './log.ts';
import { Stores } from './stores.ts';

export class SavedState {
  readonly stores: Stores;
  /** True where the records are those of an earlier run. */
  readonly isWarm: boolean;
  readonly #log: ChangeLog;
  readonly #journal: JournalFile | undefined;

  constructor(config: Config, log: Logger, now: number) {
    const { restart, stateDirectory, bridge, groups } = config;
    this.#log = new ChangeLog(0, 'none');
    const empty = () => new Stores(groups.cacheSize, this.#log);
    const path = join(stateDirectory, `journal-${bridge}`);
    const journal = new JournalFile(path, { bootId: bootId(), bridge }, log);
    if (!restart.warm) {
      // A journal that nobody keeps must not come to life again when somebody switches this on.
      journal.remove();
      this.stores = empty();
      this.isWarm = false;
      return;
    }
    this.#journal = journal;
    const stores = empty();
    const fault = journal.load(stores, now, restart.maxAgeMs);
    this.isWarm = fault === undefined;
    this.stores = fault === undefined ? stores : empty();
    if (fault !== undefined && fault !== 'no-journal') log.warn('journal-not-used', { why: fault });
  }

  /** The daemon serves: from here on the journal is of this run. */
  begin(): void {
    this.#log.seal();
    this.#journal?.begin(this.stores);
  }

  /** Ends a turn: what changed is written, before anybody can come to know of it. */
  endTurn(): void {
    const batch = this.#log.seal();
    if (batch !== undefined) this.#journal?.append(batch, this.stores);
  }

  /** Now and then. */
  sync(): void {
    this.#journal?.sync();
  }

  /** True where the next start can go on with what is here now. */
  get isKept(): boolean {
    return this.#journal?.isKept === true;
  }

  /** Stops: with `keep` the next start goes on, without it begins with nothing. */
  end(keep: boolean): void {
    if (keep) this.#journal?.close();
    else this.#journal?.remove();
  }
}

/** Another one after every start of the machine. */
function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
