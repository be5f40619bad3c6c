/**
 * The accounting server's view over a whole run: each Acct-Session-Id begins once, ends at most once, and
 * nothing is told twice. A record that arrives again unchanged is a retransmission, which a server has to
 * recognize (RFC 2866 §5.2: only Acct-Delay-Time differs); one that says something else is a doubled record.
 */
import type { DetailRecord } from '../radius/detail-file.ts';

/** A session or channel that the server takes for open or closed. */
export interface Account {
  readonly id: string;
  readonly user: string;
  /** The channel's group; undefined for the session itself. */
  readonly group: string | undefined;
  readonly open: boolean;
}

interface Entry {
  readonly id: string;
  readonly user: string;
  readonly group: string | undefined;
  started: boolean;
  stopped: boolean;
  readonly told: Map<string, string>;
}

export class AccountBooks {
  readonly #entries = new Map<string, Entry>();
  #taken = 0;
  #retransmissions = 0;
  #accountingOn = 0;
  #faults: string[] = [];

  /** Takes up what has been recorded since the last call; `records` is the file from its beginning. */
  take(records: readonly DetailRecord[]): void {
    for (const record of records.slice(this.#taken)) this.#book(record);
    this.#taken = records.length;
  }

  /** Everything that was ever opened. */
  accounts(): readonly Account[] {
    return [...this.#entries.values()].map(({ id, user, group, started, stopped }) => ({
      ...{ id, user, group },
      open: started && !stopped,
    }));
  }

  /** Records that arrived again unchanged. */
  get retransmissions(): number {
    return this.#retransmissions;
  }

  /** Accounting-On and -Off. */
  get accountingOn(): number {
    return this.#accountingOn;
  }

  /** What was lost or doubled since the last call, in words. */
  faults(): readonly string[] {
    const faults = this.#faults;
    this.#faults = [];
    return faults;
  }

  #book(record: DetailRecord): void {
    const status = record.text('Acct-Status-Type') ?? '';
    const id = record.text('Acct-Session-Id') ?? '';
    if (status === 'Accounting-On' || status === 'Accounting-Off') {
      this.#accountingOn++;
      return;
    }
    const user = record.text('User-Name') ?? '';
    const group =
      record.text('H3C-IPv4-Multicast-Receive-Group') ?? record.text('Huawei-Multicast-Receive-Group');
    const entry = this.#entries.get(id) ?? this.#open(id, user, group);
    const name = `${status} of ${user}${group === undefined ? '' : ` ${group}`} (${id})`;
    if (entry.user !== user || entry.group !== group)
      this.#faults.push(`${name}: the id is that of ${entry.user} ${entry.group ?? ''}`);
    const words = wordsOf(record);
    const key = status === 'Interim-Update' ? `${status} ${record.text('Acct-Session-Time')}` : status;
    const before = entry.told.get(key);
    if (before !== undefined) {
      if (before === words) this.#retransmissions++;
      else this.#faults.push(`doubled: ${name} once more, and different: ${difference(before, words)}`);
      return;
    }
    entry.told.set(key, words);
    if (status !== 'Start' && !entry.started) this.#faults.push(`lost: ${name} without a Start before it`);
    if (status !== 'Stop' && entry.stopped) this.#faults.push(`doubled: ${name} after its Stop`);
    if (status === 'Start') entry.started = true;
    if (status === 'Stop') entry.stopped = true;
  }

  #open(id: string, user: string, group: string | undefined): Entry {
    const entry = { id, user, group, started: false, stopped: false, told: new Map<string, string>() };
    this.#entries.set(id, entry);
    return entry;
  }
}

/** All that a record says, but when it was sent. */
function wordsOf(record: DetailRecord): string {
  return record.attributes
    .filter(([name]) => !PASSING.has(name))
    .map(([name, value]) => `${name}=${value}`)
    .join('\n');
}

function difference(a: string, b: string): string {
  const before = new Set(a.split('\n'));
  return b
    .split('\n')
    .filter((word) => !before.has(word))
    .slice(0, 4)
    .join(', ');
}

/** What differs between two transmissions, or is FreeRADIUS's own. */
const PASSING = new Set(['Acct-Delay-Time', 'Event-Timestamp', 'Timestamp', 'Message-Authenticator']);
