/** The section `multicast` as the daemon sees it. */
import type { SsmMap } from '../auth/rights/ssm-map.ts';
import type { IpAddress } from '../wire/address.ts';
import type { FileConfig } from './schema/schema.ts';
import { toSsmMap } from './ssm-map.ts';

export interface MulticastConfig {
  readonly robustness: number;
  readonly queryIntervalMs: number;
  readonly queryResponseIntervalMs: number;
  readonly startupQueryIntervalMs: number;
  readonly startupQueryCount: number;
  /** Undefined: as RFC 9776 §8.4 computes it. */
  readonly membershipIntervalMs: number | undefined;
  /** Undefined: as RFC 9776 §8.5 computes it. */
  readonly otherQuerierPresentMs: number | undefined;
  /** Undefined: the membership interval. */
  readonly olderPresentMs: number | undefined;
  readonly igmpv1: 'accept' | 'ignore';
  /** What any-source wishes for source-specific groups mean. */
  readonly ssmMap: SsmMap;
  readonly lastMemberQueryIntervalMs: number;
  readonly lastMemberQueryCount: number;
  readonly leave: 'by-host' | 'immediate' | 'normal';
  /** Records in a second; 0: no limit. */
  readonly reportsPerHost: number;
  readonly reportsPerPort: number;
  /** No two hosts of a port report from one IP address. */
  readonly bindSources: boolean;
  readonly deliverTo: 'group' | 'host';
  readonly unsolicitedReportIntervalMs: number;
  /** `address` undefined: 0.0.0.0; `address6` undefined: the bridge's link-local address. */
  readonly querier: {
    readonly enabled: boolean;
    readonly election: boolean;
    readonly address: IpAddress | undefined;
    readonly address6: IpAddress | undefined;
  };
  readonly proxy: boolean;
  readonly routerPorts: 'uplinks' | 'learned';
  readonly maxGroupsPerHost: number;
  readonly maxGroupsPerPort: number;
  readonly hashMax: number;
}

export function toMulticastConfig(m: FileConfig['multicast']): MulticastConfig {
  const { enabled, election, address, address6 } = m.querier;
  return {
    robustness: m.robustness,
    queryIntervalMs: m.query_interval,
    queryResponseIntervalMs: m.query_response_interval,
    startupQueryIntervalMs: m.startup_query_interval ?? m.query_interval / 4,
    startupQueryCount: m.startup_query_count ?? m.robustness,
    membershipIntervalMs: m.membership_interval,
    otherQuerierPresentMs: m.other_querier_present_interval,
    olderPresentMs: m.older_version_present_interval,
    igmpv1: m.igmpv1,
    ssmMap: toSsmMap(m.ssm_map),
    lastMemberQueryIntervalMs: m.last_member_query_interval,
    lastMemberQueryCount: m.last_member_query_count ?? m.robustness,
    leave: m.leave,
    reportsPerHost: m.reports_per_host,
    reportsPerPort: m.reports_per_port,
    bindSources: m.bind_sources,
    deliverTo: m.deliver_to,
    unsolicitedReportIntervalMs: m.unsolicited_report_interval,
    querier: { enabled, election, address, address6 },
    proxy: m.proxy,
    routerPorts: m.router_ports,
    maxGroupsPerHost: m.max_groups_per_host,
    maxGroupsPerPort: m.max_groups_per_port,
    hashMax: m.hash_max,
  };
}
