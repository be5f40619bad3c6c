/** The sections about who may have which channels, and how many: `channels`, `profiles`, `previews`, `limits`. */
import {
  byName,
  channelRanges,
  choice,
  duration,
  flag,
  optionalDuration,
  optionalListOf,
  optionalWhole,
  section,
  whole,
} from './key.ts';

export const channelsSection = section(
  'what the switch itself knows of channels; the longest prefix counts',
  {
    always: channelRanges({ about: 'whoever is in may have them, nobody is asked' }),
    ask: channelRanges({ about: 'rights and RADIUS decide, also within a range of the two others' }),
    never: channelRanges({ about: 'nobody may have them' }),
    rates: optionalListOf('what channels weigh, for limits of bandwidth', {
      channels: channelRanges({ about: 'which ones' }),
      rate: whole({ about: 'kbit/s', min: 0, max: 100_000_000, fallback: 0 }),
      priority: whole({
        about: 'the higher one may end lower ones where limits.preempt says so',
        min: 0,
        max: 7,
        fallback: 0,
      }),
    }),
    optimistic: section('joins that are opened before RADIUS has answered, for a moment', {
      channels: channelRanges({ about: 'which ones; none: each join waits for its answer' }),
      wait: duration({
        about: 'how long one is open without an answer',
        min: '10ms',
        max: '2s',
        fallback: '300ms',
      }),
      count: whole({ about: 'how many of one account in a period', min: 1, max: 1000, fallback: 5 }),
      reset: duration({
        about: 'how long a period is, from its first one on',
        min: '1s',
        max: '24h',
        fallback: '1m',
      }),
      pause: duration({
        about: 'none for an account that was refused a channel so lately',
        min: '1s',
        max: '30d',
        fallback: '10m',
      }),
    }),
    default_rate: whole({
      about: 'kbit/s of a channel in none of these; 0: it weighs nothing',
      min: 0,
      max: 100_000_000,
      fallback: 0,
    }),
  },
);

export const profilesSection = byName('rights by a name that the Access-Accept of a login says', {
  watch: channelRanges({ about: 'may be received without asking' }),
  preview: channelRanges({ about: 'may be looked at, by the times under previews' }),
  forbid: channelRanges({ about: 'may not be received' }),
  send: channelRanges({ about: 'may be sent to; other multicast from subscribers is dropped' }),
  others: choice({
    about: 'what holds for all others: ask RADIUS, or no',
    of: ['ask', 'forbid'],
    fallback: 'ask',
  }),
  max_groups: optionalWhole({ about: 'channels of the account at one time', min: 0, max: 65536 }),
  max_bandwidth: optionalWhole({ about: 'kbit/s of the account at one time', min: 0, max: 100_000_000 }),
  preview_length: optionalDuration({ about: 'as previews.length', min: '1s', max: '24h' }),
  preview_interval: optionalDuration({
    about: 'as previews.interval',
    min: '1s',
    max: '24h',
    zero: 'at once',
  }),
  preview_count: optionalWhole({ about: 'as previews.count', min: 0, max: 10_000 }),
  preview_reset: optionalDuration({ about: 'as previews.reset', min: '1s', max: '30d' }),
});

export const previewsSection = section('looks at channels, where rights say preview', {
  length: duration({ about: 'how long one is', min: '1s', max: '24h', fallback: '5m' }),
  interval: duration({
    about: 'from the end of one to the next of the same group',
    min: '1s',
    max: '24h',
    zero: 'at once',
    fallback: '5m',
  }),
  count: whole({ about: 'how many of one group in a period', min: 0, max: 10_000, fallback: 10 }),
  reset: duration({
    about: 'how long a period is, from its first preview on',
    min: '1s',
    max: '30d',
    fallback: '24h',
  }),
});

export const limitsSection = section(
  'of channels at one time; multicast.max_groups_per_host and _per_port are others',
  {
    groups_per_account: optionalWhole({ about: 'of one account, each port by itself', min: 0, max: 65536 }),
    groups_per_vlan: optionalWhole({ about: 'of one VLAN, all ports together', min: 0, max: 1048576 }),
    bandwidth_per_account: optionalWhole({ about: 'kbit/s', min: 0, max: 100_000_000 }),
    bandwidth_per_port: optionalWhole({ about: 'kbit/s', min: 0, max: 100_000_000 }),
    bandwidth_of_uplinks: optionalWhole({
      about: 'kbit/s, all channels of the switch, each once',
      min: 0,
      max: 1_000_000_000,
    }),
    preempt: flag({
      about: 'where a channel does not fit, those of less priority under the same limit end for it',
      fallback: false,
    }),
  },
);

export const silenceKeys = {
  when_silent: choice({
    about: 'what holds while no server answers: no, what they last said yes to, or yes to all who are in',
    of: ['deny', 'cached', 'permit-known'],
    fallback: 'deny',
  }),
  silent_permit: duration({
    about: 'how long such a yes holds before servers are asked again',
    min: '35s',
    max: '24h',
    fallback: '1m',
  }),
  silent_stale: duration({
    about: 'with cached: how long past its end what a server said goes on',
    min: '1s',
    max: '30d',
    fallback: '1h',
  }),
};
