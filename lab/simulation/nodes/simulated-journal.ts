/**
 * A node's journal on a simulated disk: written as the daemon writes it, each turn before its effects leave.
 * The process may die in the middle of the last entry. What is read back is compared with what the stores
 * held when the last whole entry was written.
 */
import { ChangeLog } from '../../../replication/change-log.ts';
import {
  type JournalHead,
  journalEntry,
  journalSnapshot,
  readJournal,
} from '../../../replication/journal.ts';
import type { ReplicatedStores } from '../../../replication/replicated-stores.ts';
import type { Change, ChangeFeed } from '../../../session/store.ts';
import type { Random } from '../../random.ts';
import { differenceOf, imageOf, type StateImage } from '../checks/state-image.ts';
import { must, Violation } from '../checks/violation.ts';

export class SimulatedJournal implements ChangeFeed {
  readonly #rotateOctets: number;
  readonly #log = new ChangeLog(0, 'none');
  #frames: Uint8Array[] = [];
  #octets = 0;
  /** Entries behind the snapshot. */
  #entries = 0;
  #torn = false;
  /** The state that the whole file says, and the one that it says without its last entry. */
  #state: StateImage = new Map();
  #stateBefore: StateImage = new Map();

  /** A file with more than `rotateOctets` begins anew with a snapshot. */
  constructor(rotateOctets: number) {
    this.#rotateOctets = rotateOctets;
  }

  changed(change: Change): void {
    this.#log.changed(change);
  }

  /** A daemon serves with these stores: from here on the journal is of it. */
  begin(stores: ReplicatedStores): void {
    this.#log.seal();
    this.#rotate(stores);
  }

  /** Ends a turn. False where there was nothing to write. */
  endTurn(stores: ReplicatedStores): boolean {
    const batch = this.#log.seal();
    if (batch === undefined) return false;
    const entry = journalEntry(batch);
    this.#frames.push(entry);
    this.#octets += entry.length;
    this.#entries++;
    this.#stateBefore = this.#state;
    this.#state = imageOf(stores);
    return true;
  }

  /** A file that has grown begins anew, once the entry is in it: as the daemon does. */
  rotateIfLong(stores: ReplicatedStores): void {
    if (this.#octets > this.#rotateOctets) this.#rotate(stores);
  }

  /** The process died in the middle of writing the last entry. False where there is none. */
  tear(random: Random): boolean {
    const last = this.#frames.at(-1);
    if (this.#entries === 0 || last === undefined) return false;
    this.#frames[this.#frames.length - 1] = last.subarray(0, random.whole(0, last.length - 1));
    this.#state = this.#stateBefore;
    this.#torn = true;
    return true;
  }

  /** Reads the file into empty stores, and looks whether they are as they were. What the last turn changed. */
  read(stores: ReplicatedStores): readonly Change[] {
    const end = readJournal(Buffer.concat(this.#frames), HEAD, stores);
    const how = this.#torn ? ', torn,' : '';
    if (typeof end === 'string') throw new Violation(`the journal${how} cannot be read: ${end}`);
    const differs = differenceOf(this.#state, imageOf(stores));
    must(differs === undefined, () => `the journal${how} is not what the stores were: ${differs} differs`);
    return end.lastTurn;
  }

  #rotate(stores: ReplicatedStores): void {
    this.#frames = [...journalSnapshot(HEAD, stores)];
    this.#octets = 0;
    this.#entries = 0;
    this.#torn = false;
    this.#state = imageOf(stores);
  }
}

const HEAD: JournalHead = { bootId: 'the boot of the simulation', bridge: 'br0' };
