/** The keys of the section `multicast`: IGMP and MLD towards subscribers and routers. */
import {
  addresses,
  channelRanges,
  choice,
  duration,
  flag,
  optionalAddress,
  optionalDuration,
  optionalListOf,
  optionalWhole,
  section,
  whole,
} from './key.ts';

export const multicastSection = section(
  'IGMP and MLD towards subscribers and routers (RFC 9776 §8, RFC 9777 §9)',
  {
    robustness: whole({ about: 'lost messages that are survived, plus one', min: 1, max: 7, fallback: 2 }),
    query_interval: duration({
      about: 'time between general queries',
      min: '1s',
      max: '31744s',
      fallback: '125s',
    }),
    query_response_interval: duration({
      about: 'time in which hosts answer one; shorter than query_interval',
      min: '100ms',
      max: '25500ms',
      fallback: '10s',
    }),
    startup_query_interval: optionalDuration({
      about: 'time between the first queries on a port; a quarter of query_interval by default',
      min: '100ms',
      max: '31744s',
    }),
    startup_query_count: optionalWhole({
      about: 'how many those are; robustness by default',
      min: 1,
      max: 20,
    }),
    membership_interval: optionalDuration({
      about:
        'how long a join holds that is not said again; robustness × query_interval + query_response_interval by default',
      min: '1s',
      max: '7d',
    }),
    other_querier_present_interval: optionalDuration({
      about:
        'how long another querier counts as there without being heard; by default its robustness × its interval + half of query_response_interval',
      min: '1s',
      max: '7d',
    }),
    older_version_present_interval: optionalDuration({
      about:
        'how long a host or a querier counts as one of an older version; as membership_interval by default',
      min: '1s',
      max: '7d',
    }),
    igmpv1: choice({
      about: 'whether IGMPv1 reports count: such hosts never say that they leave',
      of: ['accept', 'ignore'],
      fallback: 'accept',
    }),
    ssm_map: optionalListOf(
      'what a join without sources means in 232.0.0.0/8 and ff3x::/32; the longest prefix counts, and other such joins are refused',
      {
        groups: channelRanges({ about: 'which groups, by prefix' }),
        sources: addresses({ about: 'where they come from: the join is one for each of these' }),
      },
    ),
    last_member_query_interval: duration({
      about: 'time in which hosts answer after a leave',
      min: '100ms',
      max: '25500ms',
      fallback: '1s',
    }),
    last_member_query_count: optionalWhole({
      about: 'queries after a leave, with leave: normal; robustness by default',
      min: 1,
      max: 20,
    }),
    leave: choice({
      about:
        'what a leave ends at once: what the host received, or what its whole port receives of the group; normal: what the host received, when it did not answer',
      of: ['by-host', 'immediate', 'normal'],
      fallback: 'by-host',
    }),
    reports_per_host: whole({
      about: 'records of IGMP and MLD that are heard of a host in a second; 0: all',
      min: 0,
      max: 1_000_000,
      fallback: 200,
    }),
    reports_per_port: whole({
      about: 'the same of all hosts of a port; more frames than that the kernel keeps away for a moment',
      min: 0,
      max: 1_000_000,
      fallback: 1000,
    }),
    bind_sources: flag({
      about:
        'the source address of reports belongs to the host of the port that was first to use it, while it is in',
      fallback: true,
    }),
    deliver_to: choice({
      about:
        "the MAC address that channels go to: the group's; or that of the host, where one alone of a port was granted it",
      of: ['group', 'host'],
      fallback: 'group',
    }),
    unsolicited_report_interval: duration({
      about: 'time between repetitions of a report towards the routers',
      min: '100ms',
      max: '10s',
      fallback: '1s',
    }),
    querier: section('queries towards subscribers', {
      enabled: flag({ about: 'send them; without them, memberships run out', fallback: true }),
      election: flag({
        about: 'give way to a querier upstream: its queries are passed on, and its timers hold',
        fallback: true,
      }),
      address: optionalAddress({
        about: 'their source, and that of reports to the routers; 0.0.0.0 by default, which wins no election',
        family: 4,
      }),
      address6: optionalAddress({
        about: "the same for IPv6: link-local; what the bridge's MAC address makes by default",
        family: 6,
      }),
    }),
    proxy: flag({ about: 'report granted groups, and only these, to the uplinks', fallback: true }),
    router_ports: choice({
      about: 'which uplinks hear these reports: all, or those on which a query or a PIM Hello was heard',
      of: ['uplinks', 'learned'],
      fallback: 'uplinks',
    }),
    max_groups_per_host: whole({
      about: 'channels of one host at one time',
      min: 1,
      max: 4096,
      fallback: 64,
    }),
    max_groups_per_port: whole({
      about: 'channels of one port at one time; also a limit in the kernel',
      min: 1,
      max: 16384,
      fallback: 256,
    }),
    hash_max: whole({
      about:
        "least size of the kernel's multicast table, in groups and named sources; what does not fit is refused",
      min: 512,
      max: 1048576,
      fallback: 65536,
    }),
  },
);
