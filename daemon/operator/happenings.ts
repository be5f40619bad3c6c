/**
 * What happens, for those who look on: `castgate trace` and the page. A follower has what it was interested in
 * since it last asked, up to a limit; one that asks no more is forgotten.
 */
import type { Change } from '../../session/store.ts';
import type { TurnWatch } from '../core/turn-watch.ts';
import { presentable } from '../log/log.ts';

/** One thing that happened. */
export interface Happening {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly event: string;
  readonly [field: string]: unknown;
}

/** Whom a follower is interested in; undefined: all. */
export interface Interest {
  readonly port: string | undefined;
  readonly mac: string | undefined;
  readonly account: string | undefined;
}

export class Follower {
  readonly #interest: Interest;
  /** Accounts that the MAC address, or whatever was asked for, turned out to have. */
  readonly #accounts = new Set<string>();
  #found: Happening[] = [];
  #lost = 0;
  #wake: (() => void) | undefined;

  constructor(interest: Interest) {
    this.#interest = interest;
    if (interest.account !== undefined) this.#accounts.add(interest.account);
  }

  hear(at: number, event: string, fields: Readonly<Record<string, unknown>>): void {
    if (!this.#isMeant(fields)) return;
    const { account } = fields;
    if (typeof account === 'string' && this.#interest.port === undefined) this.#accounts.add(account);
    if (this.#found.length >= MAX_KEPT) {
      this.#found.shift();
      this.#lost++;
    }
    this.#found.push({ at, event, ...presentable(fields) });
    this.#wake?.();
  }

  /** What there is, at once or as soon as there is something; nothing after `patienceMs`. */
  async take(patienceMs: number): Promise<{ events: readonly Happening[]; lost: number }> {
    if (this.#found.length === 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, patienceMs);
        this.#wake = () => {
          clearTimeout(timer);
          // What follows from one frame comes together.
          setImmediate(resolve);
        };
      });
      this.#wake = undefined;
    }
    const taken = { events: this.#found, lost: this.#lost };
    this.#found = [];
    this.#lost = 0;
    return taken;
  }

  #isMeant(fields: Readonly<Record<string, unknown>>): boolean {
    const { port, mac, account } = this.#interest;
    if (port === undefined && mac === undefined && account === undefined) return true;
    const { host, about } = fields;
    const ofHost = typeof host === 'string' ? host.split('/') : [];
    const ofPort = fields['port'] ?? ofHost[0];
    const ofMac = fields['mac'] ?? ofHost[2];
    if (port !== undefined && ofPort !== port) return false;
    if (mac !== undefined && ofMac === mac) return true;
    if (mac === undefined && account === undefined) return true;
    if (typeof fields['account'] === 'string' && this.#accounts.has(fields['account']) && ofMac === undefined)
      return true;
    if (account !== undefined && fields['account'] === account) return true;
    if (typeof about !== 'string') return false;
    if (mac !== undefined && about.includes(mac)) return true;
    return about.startsWith('group/') && [...this.#accounts].some((one) => about.endsWith(`/${one}`));
  }
}

export class Happenings implements TurnWatch {
  readonly #followers = new Map<string, { follower: Follower; forget: NodeJS.Timeout }>();
  #next = 1;

  /** Follows from here on; gives the follower and the name to find it by again. */
  follow(interest: Interest): { readonly id: string; readonly follower: Follower } | undefined {
    if (this.#followers.size >= MAX_FOLLOWERS) return undefined;
    const id = String(this.#next++);
    const follower = new Follower(interest);
    this.#followers.set(id, { follower, forget: this.#forgetLater(id) });
    return { id, follower };
  }

  /** The follower of that name, who is not forgotten for a while yet. */
  find(id: string): Follower | undefined {
    const found = this.#followers.get(id);
    if (found === undefined) return undefined;
    clearTimeout(found.forget);
    this.#followers.set(id, { ...found, forget: this.#forgetLater(id) });
    return found.follower;
  }

  forget(id: string): void {
    clearTimeout(this.#followers.get(id)?.forget);
    this.#followers.delete(id);
  }

  happened(event: string, fields: object | undefined): void {
    if (this.#followers.size === 0) return;
    const at = Date.now();
    for (const { follower } of this.#followers.values()) follower.hear(at, event, { ...fields });
  }

  arrived(): void {}

  dealtWith(): void {}

  began(): void {}

  changed(_change: Change): void {}

  ended(): void {}

  #forgetLater(id: string): NodeJS.Timeout {
    return setTimeout(() => this.#followers.delete(id), FORGOTTEN_AFTER_MS).unref();
  }
}

const MAX_KEPT = 2000;
const MAX_FOLLOWERS = 16;
const FORGOTTEN_AFTER_MS = 60_000;
