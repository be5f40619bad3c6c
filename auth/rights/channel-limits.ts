/**
 * Whether one more channel still fits: numbers and bandwidth of account, port, VLAN and uplinks, each refusal
 * with its counts. How things are counted is said in channel-use.ts.
 */
import type { SessionRecord } from '../../session/records.ts';
import { ipFamily } from '../../wire/address.ts';
import type { AccountLimits } from './channel-policy.ts';
import type { Channel, ChannelUse, UseOwner } from './channel-use.ts';

/** Undefined: no limit. Bandwidth in kbit/s. */
export interface LimitOptions {
  readonly maxGroupsPerPort: number;
  readonly maxGroupsPerVlan: number | undefined;
  readonly maxGroupsPerAccount: number | undefined;
  readonly maxKbpsPerAccount: number | undefined;
  readonly maxKbpsPerPort: number | undefined;
  readonly maxKbpsOfUplinks: number | undefined;
  /** Channels of less priority end for one of more. */
  readonly preempt: boolean;
}

export type LimitReason =
  | 'account-group-limit'
  | 'port-group-limit'
  | 'vlan-group-limit'
  | 'account-bandwidth'
  | 'port-bandwidth'
  | 'uplink-bandwidth';

/** A limit that a channel does not fit into. */
export interface LimitRefusal {
  readonly reason: LimitReason;
  /** `8 of 8 groups`, `16000 + 8000 of 20000 kbit/s`. */
  readonly detail: string;
  readonly owner: UseOwner;
  /** What is missing. */
  readonly groups: number;
  readonly kbps: number;
  /** Only channels of this family count; undefined: all do. */
  readonly family: 4 | 6 | undefined;
}

export class ChannelLimits {
  readonly #options: LimitOptions;
  readonly #use: ChannelUse;

  constructor(options: LimitOptions, use: ChannelUse) {
    this.#options = options;
    this.#use = use;
  }

  /** The first limit that the channel would pass; undefined: it fits. */
  refusal({ account }: SessionRecord, own: AccountLimits, channel: Channel): LimitRefusal | undefined {
    const options = this.#options;
    const person: UseOwner = `account/${account}`;
    const port: UseOwner = `port/${channel.port}`;
    const family = ipFamily(channel.group);
    const ofFamily = family === 4 ? own.maxGroups4 : own.maxGroups6;
    return (
      this.#groups('account-group-limit', person, own.maxGroups ?? options.maxGroupsPerAccount, channel) ??
      this.#groups('account-group-limit', person, ofFamily, channel, family) ??
      this.#groups('port-group-limit', port, options.maxGroupsPerPort, channel) ??
      this.#groups('vlan-group-limit', `vlan/${channel.vlan}`, options.maxGroupsPerVlan, channel) ??
      this.#kbps('account-bandwidth', person, own.maxKbps ?? options.maxKbpsPerAccount, channel) ??
      this.#kbps('port-bandwidth', port, options.maxKbpsPerPort, channel) ??
      this.#kbps('uplink-bandwidth', 'uplinks', options.maxKbpsOfUplinks, channel)
    );
  }

  /** Keys of grants that must end where the account's own limits were lowered: the least important, then the newest. */
  excess({ account }: SessionRecord, own: AccountLimits): string[] {
    const owner: UseOwner = `account/${account}`;
    const limits = [
      { limit: own.maxGroups, family: undefined },
      { limit: own.maxGroups4, family: 4 },
      { limit: own.maxGroups6, family: 6 },
    ] as const;
    return limits.flatMap(({ limit, family }) => {
      const groups = limit === undefined ? 0 : this.#use.groups(owner, family) - limit;
      const all = Number.POSITIVE_INFINITY;
      return groups <= 0 ? [] : (this.#use.victims(owner, { groups, kbps: 0, family }, all) ?? []);
    });
  }

  /** Keys of grants that must end so that the channel fits; undefined where it must not, or cannot. */
  victims(refusal: LimitRefusal, channel: Channel): string[] | undefined {
    if (!this.#options.preempt) return undefined;
    const { priority } = this.#use.weightOf(channel);
    return this.#use.victims(refusal.owner, refusal, priority);
  }

  #groups(
    reason: LimitReason,
    owner: UseOwner,
    limit: number | undefined,
    channel: Channel,
    family?: 4 | 6,
  ): LimitRefusal | undefined {
    if (limit === undefined || this.#use.has(owner, channel)) return undefined;
    const used = this.#use.groups(owner, family);
    if (used < limit) return undefined;
    const detail = `${used} of ${limit}${family === undefined ? '' : ` IPv${family}`} groups`;
    return { reason, detail, owner, groups: used + 1 - limit, kbps: 0, family };
  }

  #kbps(
    reason: LimitReason,
    owner: UseOwner,
    limit: number | undefined,
    channel: Channel,
  ): LimitRefusal | undefined {
    if (limit === undefined || this.#use.has(owner, channel)) return undefined;
    const { kbps } = this.#use.weightOf(channel);
    const used = this.#use.kbps(owner);
    if (kbps === 0 || used + kbps <= limit) return undefined;
    const detail = `${used} + ${kbps} of ${limit} kbit/s`;
    return { reason, detail, owner, groups: 0, kbps: used + kbps - limit, family: undefined };
  }
}
