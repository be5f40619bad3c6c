/**
 * The accounting queue's place on the disk, as the daemon uses it: what of the stores is kept there, which
 * datagrams wait for the disk, and what is said when it fills up or refuses.
 *
 * No accounting message goes to a server before a sync has covered it: a server never knows of a session that
 * a power cut could make castgate forget. Nothing else waits for the disk, neither hosts nor channels. While
 * the disk refuses, messages leave all the same, and are safe from a kill of castgate only by its journal.
 */

import type { Feed } from '../../session/feed.ts';
import type { Change, ChangeFeed, Store } from '../../session/store.ts';
import type { DatagramSender } from '../core/effects.ts';
import type { Logger } from '../log/log.ts';
import type { ExportFile } from './export-file.ts';
import type { Segments } from './segments.ts';
import { Spool } from './spool.ts';

/** The stores that are kept. */
export interface SpooledStores {
  readonly accountingQueue: Store<object>;
  readonly accountingRecords: Store<object>;
}

/** `full`: the limit is reached; `refused`: the disk does not take what it is given. */
export type DiskState = 'ok' | 'nearly-full' | 'full' | 'refused';

/** Stores and the feed of their changes. */
export interface SpooledFeed {
  readonly stores: SpooledStores;
  readonly feed: Feed;
}

interface Held {
  readonly turn: number;
  readonly send: () => void;
}

export class AccountingDisk {
  readonly limitOctets: number;
  readonly #spool: Spool;
  readonly #log: Logger;
  readonly #export: ExportFile | undefined;
  readonly #follower: ChangeFeed = {
    changed: (change: Change) => {
      this.#spool.changed(change);
      this.#export?.changed(change);
    },
  };
  #kept: SpooledFeed | undefined;
  #held: Held[] = [];
  #exported: ((key: string) => void) | undefined;
  #nearlyFull = false;

  /** `file`: where messages are exported to; undefined: nowhere. */
  constructor(segments: Segments, limitOctets: number, log: Logger, file?: ExportFile) {
    this.#export = file;
    this.limitOctets = limitOctets;
    this.#log = log;
    const options = { limitOctets, expendable: 'accounting-queue' };
    this.#spool = new Spool(segments, options, {
      synced: (turn) => this.#release(turn),
      stateChanged: (fault, why) => {
        if (fault === undefined) log.warn('accounting-disk', { state: 'ok' });
        else {
          const means = 'messages are kept in memory and sent; a power cut loses them';
          log.error('accounting-disk', { state: fault, why, means });
          this.#release(Number.POSITIVE_INFINITY);
        }
      },
      damaged: (segment, why) => log.error('accounting-disk-damaged', { segment, why }),
    });
  }

  get state(): DiskState {
    const { fault } = this.#spool;
    if (fault !== undefined) return fault === 'disk-limit' ? 'full' : 'refused';
    return this.#nearlyFull ? 'nearly-full' : 'ok';
  }

  /** Octets on the disk. */
  get octets(): number {
    return this.#spool.octets;
  }

  /** Something waits for a sync. */
  get isBusy(): boolean {
    return this.#spool.synced < this.#spool.turn;
  }

  /** Records that the disk has not taken yet. */
  get unwritten(): number {
    return this.#spool.unwritten;
  }

  /** When the last run was last known to be alive; undefined: there was none. */
  get aliveAt(): number | undefined {
    return this.#spool.aliveAt === 0 ? undefined : this.#spool.aliveAt;
  }

  /** Puts what an earlier run left into stores that are empty, and keeps these from now on. */
  load(fed: SpooledFeed): void {
    this.#keep(fed);
    this.#spool.load(listed(fed.stores));
  }

  /** Keeps these from now on: what they hold counts, whatever is on the disk. Those that are kept: no change. */
  follow(fed: SpooledFeed): void {
    if (fed === this.#kept) return;
    this.#keep(fed);
    this.#spool.follow(listed(fed.stores));
  }

  /** For a process that has followed another one's records and serves from here on: nothing of its files is gone on with. */
  succeed(): void {
    this.#spool.succeed();
  }

  /** Waits for the disk, so that another process can go on from here; all that waited for it has left. */
  flush(now: number): void {
    this.#spool.flush(now);
    this.#export?.write(Number.POSITIVE_INFINITY);
    this.#export?.close();
  }

  /** No other process did. */
  goOn(): void {
    const exported = this.#exported;
    if (exported !== undefined && this.#kept !== undefined)
      this.#export?.begin(this.#kept.stores.accountingQueue, exported);
  }

  /** To be called before the effects of the turn leave. */
  endTurn(now: number): void {
    this.#spool.endTurn(now);
    this.#export?.seal(this.#spool.turn);
    if (this.#spool.fault !== undefined) this.#export?.write(Number.POSITIVE_INFINITY);
  }

  /** To be called every second or so. */
  alive(now: number): void {
    this.#spool.alive(now);
    const share = this.#spool.octets / this.limitOctets;
    if (this.#nearlyFull ? share > CLEAR_SHARE : share < LOUD_SHARE) return;
    this.#nearlyFull = !this.#nearlyFull;
    const { octets } = this.#spool;
    this.#log[this.#nearlyFull ? 'error' : 'warn']('accounting-disk', {
      state: this.state,
      octets,
      limit: this.limitOctets,
    });
  }

  /**
   * For a node that serves: sends what is safe at once, and accounting once it is. Messages go into the export
   * file from here on; `exported` hears of the key up to which they are safe there.
   */
  gate(sender: DatagramSender, exported: (key: string) => void = () => {}): DatagramSender {
    this.#held = [];
    this.#exported = exported;
    if (this.#kept !== undefined) this.#export?.begin(this.#kept.stores.accountingQueue, exported);
    return {
      reply: (from, to, bytes) => sender.reply?.(from, to, bytes),
      send: (server, port, socket, bytes) => {
        const { turn, synced, fault } = this.#spool;
        const send = () => sender.send(server, port, socket, bytes);
        if (port === 'acct' && synced < turn && fault === undefined) this.#held.push({ turn, send });
        else send();
      },
    };
  }

  /** Waits for the disk. */
  close(now: number): void {
    this.#spool.close(now);
    this.#export?.write(Number.POSITIVE_INFINITY);
    this.#export?.close();
  }

  #keep(fed: SpooledFeed): void {
    this.#kept?.feed.unfollow(this.#follower);
    this.#kept = fed;
    fed.feed.follow(this.#follower);
  }

  #release(turn: number): void {
    let ready = 0;
    while ((this.#held[ready]?.turn ?? Number.POSITIVE_INFINITY) <= turn && ready < this.#held.length)
      ready++;
    this.#export?.write(turn);
    for (const { send } of this.#held.splice(0, ready)) send();
  }
}

/** Messages first: what a record's end says comes before its end. */
function listed({ accountingQueue, accountingRecords }: SpooledStores): Store<object>[] {
  return [accountingQueue, accountingRecords];
}

/** Share of the limit from which on it is said, and below which it is not any more. */
const LOUD_SHARE = 0.8;
const CLEAR_SHARE = 0.7;
