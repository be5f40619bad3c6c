/**
 * What is in use by the grants that there are, for limits. How it counts:
 * - (*,G) is one channel, each (S,G) is one, and so is each VLAN's.
 * - A port, a VLAN, the uplinks: each channel once, however many hosts and ports receive it. The uplinks'
 *   channels are those of all ports together.
 * - An account: each channel once for each port, however many of its hosts are there.
 * - What an account has is held against the limits of the login of whichever host is asked about: logins of one
 *   account may bring unequal ones.
 * - A channel's bandwidth is what the table of rates says, whether anything is sent or not.
 * Derived from the grants alone, never a record.
 */
import type { GrantRecord } from '../../session/records.ts';
import type { IpAddress } from '../../wire/address.ts';

/** What the table of channels says of one. */
export interface ChannelWeight {
  readonly kbps: number;
  /** Higher is more important. */
  readonly priority: number;
}

/** What may be in use at one time: numbers of channels, of both families and of each, and kbit/s. Undefined: any. */
export interface UseBounds {
  readonly groups: number | undefined;
  readonly groups4: number | undefined;
  readonly groups6: number | undefined;
  readonly kbps: number | undefined;
}

/** Whose use it is. */
export type UseOwner = `account/${string}` | `port/${string}` | `vlan/${number}` | 'uplinks';

interface Used extends ChannelWeight {
  /** Most channels of an account have one grant: it stands here without a set of its own. */
  grants: string | Set<string>;
}

interface Total {
  kbps: number;
  readonly channels: Map<string, Used>;
}

/** Where a channel is, or would be. */
export type Channel = Pick<GrantRecord, 'port' | 'vlan' | 'group' | 'source' | 'account'>;

export class ChannelUse {
  readonly #weigh: (group: IpAddress, source: IpAddress | undefined) => ChannelWeight;
  readonly #totals = new Map<UseOwner, Total>();

  constructor(weigh: (group: IpAddress, source: IpAddress | undefined) => ChannelWeight) {
    this.#weigh = weigh;
  }

  weightOf({ group, source }: Channel): ChannelWeight {
    return this.#weigh(group, source);
  }

  add(grant: GrantRecord): void {
    const weight = this.weightOf(grant);
    for (const owner of ownersOf(grant)) {
      let total = this.#totals.get(owner);
      if (total === undefined) {
        total = { kbps: 0, channels: new Map() };
        this.#totals.set(owner, total);
      }
      const key = keyIn(owner, grant);
      const used = total.channels.get(key);
      if (used === undefined) {
        const { kbps, priority } = weight;
        total.channels.set(key, { kbps, priority, grants: grant.key });
        total.kbps += kbps;
      } else if (typeof used.grants !== 'string') used.grants.add(grant.key);
      else if (used.grants !== grant.key) used.grants = new Set([used.grants, grant.key]);
    }
  }

  remove(grant: GrantRecord): void {
    for (const owner of ownersOf(grant)) {
      const total = this.#totals.get(owner);
      const key = keyIn(owner, grant);
      const used = total?.channels.get(key);
      if (total === undefined || used === undefined) continue;
      const { grants } = used;
      if (typeof grants === 'string' ? grants !== grant.key : !grants.delete(grant.key) || grants.size > 0)
        continue;
      total.channels.delete(key);
      total.kbps -= used.kbps;
      if (total.channels.size === 0) this.#totals.delete(owner);
    }
  }

  /** True where the owner has the channel already: it costs nothing more then. */
  has(owner: UseOwner, channel: Channel): boolean {
    return this.#totals.get(owner)?.channels.has(keyIn(owner, channel)) === true;
  }

  groups(owner: UseOwner, family?: 4 | 6): number {
    const channels = this.#totals.get(owner)?.channels;
    if (channels === undefined || family === undefined) return channels?.size ?? 0;
    let count = 0;
    for (const key of channels.keys()) if (isOf(key, family)) count++;
    return count;
  }

  kbps(owner: UseOwner): number {
    return this.#totals.get(owner)?.kbps ?? 0;
  }

  /** Everybody who has channels at this time. */
  owners(): UseOwner[] {
    return [...this.#totals.keys()];
  }

  /**
   * Grants of channels that the owner has beyond these bounds. Channels are taken from the most important to the
   * least, of equals the oldest first, and each fits or does not. Only grants that `mayEnd` are named; a channel that
   * goes on by another one still counts.
   */
  beyond(owner: UseOwner, bounds: UseBounds, mayEnd: (grant: string) => boolean): string[] {
    const total = this.#totals.get(owner);
    if (total === undefined || this.#fits(owner, total, bounds)) return [];
    const beyond: string[] = [];
    const left = {
      groups: bounds.groups ?? Infinity,
      groups4: bounds.groups4 ?? Infinity,
      groups6: bounds.groups6 ?? Infinity,
      kbps: bounds.kbps ?? Infinity,
    };
    for (const [key, { kbps, grants }] of [...total.channels].sort(
      ([, a], [, b]) => b.priority - a.priority,
    )) {
      const family = isOf(key, 6) ? 'groups6' : 'groups4';
      const fits = left.groups > 0 && left[family] > 0 && (kbps === 0 || kbps <= left.kbps);
      const all = typeof grants === 'string' ? [grants] : [...grants];
      const ending = fits ? [] : all.filter(mayEnd);
      beyond.push(...ending);
      if (ending.length === all.length) continue;
      left.groups--;
      left[family]--;
      left.kbps -= kbps;
    }
    return beyond;
  }

  /**
   * Grants whose end would free so many channels and so much bandwidth of the owner's, the least important
   * channels first, the newest of equals; undefined where those below `priority` are not enough.
   */
  victims(
    owner: UseOwner,
    { groups, kbps, family }: { groups: number; kbps: number; family: 4 | 6 | undefined },
    priority: number,
  ): string[] | undefined {
    const lower = [...(this.#totals.get(owner)?.channels ?? [])]
      .filter(([key, used]) => used.priority < priority && isOf(key, family))
      .map(([, used]) => used)
      .reverse()
      .sort((a, b) => a.priority - b.priority);
    const chosen: string[] = [];
    let [groupsLeft, kbpsLeft] = [groups, kbps];
    for (const used of lower) {
      if (groupsLeft <= 0 && kbpsLeft <= 0) break;
      // A channel that frees nothing of what is short is left alone.
      if (groupsLeft <= 0 && used.kbps === 0) continue;
      if (typeof used.grants === 'string') chosen.push(used.grants);
      else chosen.push(...used.grants);
      groupsLeft--;
      kbpsLeft -= used.kbps;
    }
    return groupsLeft <= 0 && kbpsLeft <= 0 ? chosen : undefined;
  }

  #fits(owner: UseOwner, { channels, kbps }: Total, bounds: UseBounds): boolean {
    const counts = [
      [channels.size, bounds.groups],
      [kbps, bounds.kbps],
      [bounds.groups4 === undefined ? 0 : this.groups(owner, 4), bounds.groups4],
      [bounds.groups6 === undefined ? 0 : this.groups(owner, 6), bounds.groups6],
    ] as const;
    return counts.every(([used, bound]) => bound === undefined || used <= bound);
  }
}

function ownersOf({ account, port, vlan }: Channel): readonly UseOwner[] {
  return [`account/${account}`, `port/${port}`, `vlan/${vlan}`, 'uplinks'];
}

/** No interface has a colon in its name: in a key it means IPv6. */
function isOf(key: string, family: 4 | 6 | undefined): boolean {
  return family === undefined || key.includes(':') === (family === 6);
}

function keyIn(owner: UseOwner, { port, vlan, group, source }: Channel): string {
  const channel = `${vlan}/${group}/${source ?? '*'}`;
  return owner.startsWith('account/') ? `${channel}/${port}` : channel;
}
