/**
 * Whether one more channel still fits: numbers and bandwidth of account, port, VLAN and uplinks, each refusal
 * with its counts. How things are counted is said in channel-use.ts.
 */
import type { SessionRecord } from '../../session/records.ts';
import { ipFamily } from '../../wire/address.ts';
import type { AccountLimits } from './channel-policy.ts';
import type { Channel, ChannelUse, UseBounds, UseOwner } from './channel-use.ts';

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

  /** The first limit that the channel would pass; undefined: it fits. `own`: of the login of the host that wants it. */
  refusal({ account }: SessionRecord, own: AccountLimits, channel: Channel): LimitRefusal | undefined {
    const options = this.#options;
    const person: UseOwner = `account/${account}`;
    const port: UseOwner = `port/${channel.port}`;
    const family = ipFamily(channel.group);
    const bounds = this.#boundsOf(own);
    const ofFamily = family === 4 ? bounds.groups4 : bounds.groups6;
    return (
      this.#groups('account-group-limit', person, bounds.groups, channel) ??
      this.#groups('account-group-limit', person, ofFamily, channel, family) ??
      this.#groups('port-group-limit', port, options.maxGroupsPerPort, channel) ??
      this.#groups('vlan-group-limit', `vlan/${channel.vlan}`, options.maxGroupsPerVlan, channel) ??
      this.#kbps('account-bandwidth', person, bounds.kbps, channel) ??
      this.#kbps('port-bandwidth', port, options.maxKbpsPerPort, channel) ??
      this.#kbps('uplink-bandwidth', 'uplinks', options.maxKbpsOfUplinks, channel)
    );
  }

  /** Keys of grants of the session's host that are beyond its limits, where these were lowered. */
  excess({ account }: SessionRecord, own: AccountLimits, isOfHost: (grant: string) => boolean): string[] {
    return this.#use.beyond(`account/${account}`, this.#boundsOf(own), isOfHost);
  }

  /** Keys of grants that are beyond the limits of their port, their VLAN or the uplinks, where these were lowered. */
  excessOfSwitch(): string[] {
    const { maxGroupsPerPort, maxGroupsPerVlan, maxKbpsPerPort, maxKbpsOfUplinks } = this.#options;
    const bounds = { groups4: undefined, groups6: undefined };
    return this.#use.owners().flatMap((owner) => {
      if (owner.startsWith('account/')) return [];
      const [groups, kbps] = owner.startsWith('port/')
        ? [maxGroupsPerPort, maxKbpsPerPort]
        : owner === 'uplinks'
          ? [undefined, maxKbpsOfUplinks]
          : [maxGroupsPerVlan, undefined];
      return this.#use.beyond(owner, { ...bounds, groups, kbps }, () => true);
    });
  }

  /** Keys of grants that must end so that the channel fits; undefined where it must not, or cannot. */
  victims(refusal: LimitRefusal, channel: Channel): string[] | undefined {
    if (!this.#options.preempt) return undefined;
    const { priority } = this.#use.weightOf(channel);
    return this.#use.victims(refusal.owner, refusal, priority);
  }

  #boundsOf({ maxGroups, maxGroups4, maxGroups6, maxKbps }: AccountLimits): UseBounds {
    return {
      groups: maxGroups ?? this.#options.maxGroupsPerAccount,
      groups4: maxGroups4,
      groups6: maxGroups6,
      kbps: maxKbps ?? this.#options.maxKbpsPerAccount,
    };
  }

  #groups(
    reason: LimitReason,
    owner: UseOwner,
    limit: number | undefined,
    channel: Channel,
    family?: 4 | 6,
  ): LimitRefusal | undefined {
    if (limit === undefined) return undefined;
    const used = this.#use.groups(owner, family);
    const more = this.#use.has(owner, channel) ? 0 : 1;
    if (used + more <= limit) return undefined;
    const detail = `${used} of ${limit}${family === undefined ? '' : ` IPv${family}`} groups`;
    return { reason, detail, owner, groups: used + more - limit, kbps: 0, family };
  }

  #kbps(
    reason: LimitReason,
    owner: UseOwner,
    limit: number | undefined,
    channel: Channel,
  ): LimitRefusal | undefined {
    if (limit === undefined) return undefined;
    const { kbps } = this.#use.weightOf(channel);
    const used = this.#use.kbps(owner);
    const more = this.#use.has(owner, channel) ? 0 : kbps;
    if (kbps === 0 || used + more <= limit) return undefined;
    const detail = `${used}${more === 0 ? '' : ` + ${more}`} of ${limit} kbit/s`;
    return { reason, detail, owner, groups: 0, kbps: used + more - limit, family: undefined };
  }
}
