/** Rights, limits and weights of channels as the daemon sees them. */
import type { LimitOptions } from '../auth/rights/channel-limits.ts';
import type { PolicyOptions, Profile } from '../auth/rights/channel-policy.ts';
import { RangeTable } from '../auth/rights/channel-range.ts';
import type { ChannelWeight } from '../auth/rights/channel-use.ts';
import type { OptimismOptions } from '../auth/rights/optimism.ts';
import type { ChannelRange, ReceiveRight } from '../session/records.ts';
import type { IpAddress } from '../wire/address.ts';
import type { FileConfig } from './schema/schema.ts';

export interface ChannelsConfig {
  readonly policy: PolicyOptions;
  readonly limits: LimitOptions;
  readonly optimism: OptimismOptions;
  /** What the table of channels says of one. */
  readonly weigh: (group: IpAddress, source: IpAddress | undefined) => ChannelWeight;
}

export function toChannelsConfig(file: FileConfig): ChannelsConfig {
  const { channels, profiles, previews, limits } = file;
  const lists = (['always', 'ask', 'never'] as const).flatMap((list) =>
    channels[list].map((range) => ({ ...range, list })),
  );
  return {
    policy: {
      lists,
      profiles: new Map(Object.entries(profiles).map(([name, profile]) => [name, toProfile(profile)])),
      preview: {
        lengthMs: previews.length,
        intervalMs: previews.interval,
        count: previews.count,
        resetMs: previews.reset,
      },
    },
    limits: {
      maxGroupsPerPort: file.multicast.max_groups_per_port,
      maxGroupsPerVlan: limits.groups_per_vlan,
      maxGroupsPerAccount: limits.groups_per_account,
      maxKbpsPerAccount: limits.bandwidth_per_account,
      maxKbpsPerPort: limits.bandwidth_per_port,
      maxKbpsOfUplinks: limits.bandwidth_of_uplinks,
      preempt: limits.preempt,
    },
    optimism: {
      channels: channels.optimistic.channels,
      waitMs: channels.optimistic.wait,
      count: channels.optimistic.count,
      resetMs: channels.optimistic.reset,
      pauseMs: channels.optimistic.pause,
    },
    weigh: weigher(channels.rates, channels.default_rate),
  };
}

function toProfile(p: FileConfig['profiles'][string]): Profile {
  const receive = (['forbid', 'watch', 'preview'] as const).flatMap((access) =>
    p[access].map((range): ReceiveRight => ({ ...range, access })),
  );
  return {
    receive,
    send: p.send,
    others: p.others,
    maxGroups: p.max_groups,
    maxKbps: p.max_bandwidth,
    preview: {
      ...(p.preview_length === undefined ? {} : { lengthMs: p.preview_length }),
      ...(p.preview_interval === undefined ? {} : { intervalMs: p.preview_interval }),
      ...(p.preview_count === undefined ? {} : { count: p.preview_count }),
      ...(p.preview_reset === undefined ? {} : { resetMs: p.preview_reset }),
    },
  };
}

function weigher(rates: FileConfig['channels']['rates'], defaultRate: number): ChannelsConfig['weigh'] {
  const table = new RangeTable(
    rates.flatMap(({ channels, rate, priority }) =>
      channels.map((range): ChannelRange & ChannelWeight => ({ ...range, kbps: rate, priority })),
    ),
  );
  const other: ChannelWeight = { kbps: defaultRate, priority: 0 };
  return (group, source) => table.find(group, source) ?? other;
}
