/**
 * castgate's nftables table, loaded once at the start; afterwards only elements of its sets change. It is
 * the second lock behind the bridge's own (locked ports, multicast database) and holds where that one is
 * open for a moment: a port that was just plugged in, snooping switched off, a querier not yet believed in.
 * All that a subscriber port sends or receives is denied unless one of these rules lets it:
 * - in: IGMP, MLD and PIM never (castgate reads them before the bridge does and answers for the bridge);
 *   frames of open hosts, and of these no multicast beyond the link but to the channels that the host may
 *   send to (sender-elements.ts), nor what the host's filter denies (filter-chains.ts). Where a report may hide from these
 *   matches (in fragments, behind AH or other headers), nothing passes: nothing to the addresses of reports,
 *   no IPv6 multicast in fragments, none with a hop-by-hop header, which a bridge wants before it learns;
 *   claims of another node (EtherType 0x88B5) never, those come from uplinks;
 * - on an open port (`open_ports`) every host is an open host; on one in monitor mode (`monitored_ports`) each may send
 *   to any channel besides, which is counted where it may not;
 * - out: unicast to open hosts, if their filter permits it; broadcast and link-local multicast (neighbour discovery, RFC 4541 §2.1.2,
 *   §3) once a host is open; multicast of the channels that the port was given.
 * A channel that is for one host alone goes to its MAC address where that is wanted (`only4`, `only6`).
 * On a kernel whose multicast database cannot hold sources (mdb-way.ts) the table holds them: `include` has
 * the groups of which a port receives the listed sources only, `sources` these and those it must not get.
 * With a fence (fence.ts) none of these is asked, and nothing counted, before the packet has the fence's mark.
 * Queries are castgate's on these ports: those of an upstream router end here (taken in by the bridge they
 * would also make it ignore its database for their response time), and so do those the bridge itself makes.
 */

import { type GrantedShare, mergeShares } from '../../../igmp/port-filter.ts';
import { type IpAddress, ipBytes, ipFamily, type Mac, macBytes } from '../../../wire/address.ts';
import { concatBytes, toHex } from '../../../wire/bytes.ts';
import { CLAIM_ETHER_TYPE } from '../../rules.ts';
import type { SourceFilter } from '../../switch.ts';
import type { SourcesIn } from '../bridge/mdb-way.ts';
import type { SetElement } from '../netlink/nft.ts';
import { hostKeyOf, portKey } from '../port/port-key.ts';
import { FILTER_CHAIN, FILTER_MAPS, READABLE_CHAIN } from './filter-chains.ts';
import { SENDER_SETS } from './sender-elements.ts';

/** The table's name, in the family `bridge`. */
export const TABLE = 'castgate';

const CLAIM = `0x${CLAIM_ETHER_TYPE.toString(16)}`;

/** The bit of a packet's mark by which the fence lets it pass (fence.ts). */
export const FENCE_BIT = 0x0800_0000;

/** Which text of the table is wanted. */
export interface RulesetKind {
  readonly sourcesIn: SourcesIn;
  /** Nothing passes a subscriber port without the fence's mark. */
  readonly fence: boolean;
}

/**
 * Names of the counters of what was refused; each is also a metric's label. `monitored_senders` is what would have
 * been, and passed on a port in monitor mode.
 */
export const refusalCounters = [
  'membership_reports',
  'fragments',
  'pim',
  'claims',
  'strangers',
  'senders',
  'monitored_senders',
  'filtered',
  'unknown_unicast',
  'unregistered',
  'other_sources',
  'vacant_ports',
  'upstream_queries',
  'bridge_queries',
] as const;

export type RefusalCounter = (typeof refusalCounters)[number];

/** Names of the table's sets. */
export function setNames(sourcesIn: SourcesIn): readonly string[] {
  return sourcesIn === 'table' ? [...SETS, ...SOURCE_SETS] : SETS;
}

const SETS = [
  'subscribers',
  'uplinks',
  'occupied',
  'open_ports',
  'monitored_ports',
  'hosts_in',
  'hosts_out',
  'channels4',
  'channels6',
  'only4',
  'only6',
  ...SENDER_SETS,
  ...FILTER_MAPS,
] as const;

const SOURCE_SETS = ['include4', 'include6', 'included4', 'included6', 'excluded4', 'excluded6'] as const;

/**
 * The table as `nft -f -` reads it; replaces one of an earlier run. It denies everything to the subscriber
 * ports that are named from the moment on in which it is there.
 */
export function ruleset(kind: RulesetKind, subscribers: readonly string[]): string {
  const elements = subscriberElements(subscribers);
  return `add table bridge ${TABLE}\ndelete table bridge ${TABLE}\n${table(kind)}${elements}`;
}

function subscriberElements(subscribers: readonly string[]): string {
  const names = subscribers.map((name) => JSON.stringify(name)).join(', ');
  return names === '' ? '' : `add element bridge ${TABLE} subscribers { ${names} }\n`;
}

/** What is in a table that another castgate made. */
export interface TableContent {
  readonly chains: readonly string[];
  readonly sets: readonly string[];
}

/**
 * Makes the table that another version of castgate loaded into this one's, in one transaction, as `nft -f -` reads it: no
 * packet meets a table that is half of each. Sets that both have keep their elements with their counters, and chains of
 * filters stay; the kernel refuses it where a set of one name holds something else in both.
 */
export function renewal(
  kind: RulesetKind,
  subscribers: readonly string[],
  { chains, sets }: TableContent,
): string {
  const own = chains.filter((name) => !name.startsWith(FILTER_CHAIN));
  const wanted = new Set(setNames(kind.sourcesIn));
  const lines = [
    ...own.map((name) => `flush chain bridge ${TABLE} ${name}`),
    // Chains of filters lead to this one.
    ...own.filter((name) => name !== READABLE_CHAIN).map((name) => `delete chain bridge ${TABLE} ${name}`),
    ...sets.filter((name) => !wanted.has(name)).map((name) => `delete set bridge ${TABLE} ${name}`),
  ];
  return `${lines.join('\n')}\n${table(kind)}${subscriberElements(subscribers)}`;
}

/** Name of an empty chain that tells which text a table was made of: another castgate's may differ. */
export function versionChain(kind: RulesetKind): string {
  let hash = 0x811c9dc5;
  for (const octet of new TextEncoder().encode(rules(kind))) hash = Math.imul(hash ^ octet, 0x01000193) >>> 0;
  return `made_of_${hash.toString(16).padStart(8, '0')}`;
}

function table(kind: RulesetKind): string {
  return `table bridge ${TABLE} {\n  chain ${versionChain(kind)} { }\n${rules(kind)}}\n`;
}

function rules({ sourcesIn, fence: isFenced }: RulesetKind): string {
  const fence = isFenced ? FENCE : NO_FENCE;
  const sources = sourcesIn === 'table' ? { sets: SOURCE_SET_TEXT, rules: SOURCE_RULES } : NO_SOURCES;
  return `${refusalCounters.map((name) => `  counter ${name} { }`).join('\n')}
  set subscribers { type ifname; }
  set uplinks { type ifname; }
  set occupied { type ifname; }
  set open_ports { type ifname; }
  set monitored_ports { type ifname; }
  set hosts_in { type ifname . ether_addr; counter; }
  set hosts_out { type ifname . ether_addr; counter; }
  set channels4 { type ifname . ipv4_addr; counter; }
  set channels6 { type ifname . ipv6_addr; counter; }
  map only4 { type ifname . ipv4_addr : ether_addr; }
  map only6 { type ifname . ipv6_addr : ether_addr; }
  set senders4 { type ifname . ether_addr . ipv4_addr; flags interval; }
  set senders6 { type ifname . ether_addr . ipv6_addr; flags interval; }
  set sources_of4 { type ifname . ether_addr . ipv4_addr . ipv4_addr; flags interval; }
  set sources_of6 { type ifname . ether_addr . ipv6_addr . ipv6_addr; flags interval; }
  map filters_in { type ifname . ether_addr : verdict; }
  map filters_out { type ifname . ether_addr : verdict; }
${sources.sets}${fence.chains}
  chain ${READABLE_CHAIN} {
    meta protocol != { ip, ip6 } return
    ip frag-off & 0x1fff == 1 counter name filtered drop
    ip frag-off & 0x1fff != 0 return
    frag frag-off != 0 return
    meta l4proto != { tcp, udp, sctp, icmp, icmpv6 } return
    meta l4proto tcp @th,104,8 0-254 return
    meta l4proto tcp @th,104,8 255 return
    meta l4proto { udp, sctp, icmp, icmpv6 } @th,24,8 0-254 return
    meta l4proto { udp, sctp, icmp, icmpv6 } @th,24,8 255 return
    counter name filtered drop
  }
  chain from_host {
    iifname . ether saddr vmap @filters_in
    ether daddr & 01:00:00:00:00:00 == 00:00:00:00:00:00 accept
    ip daddr 224.0.0.0/24 accept
    iifname . ether saddr . ip daddr @senders4 accept
    iifname . ether saddr . ip6 daddr @senders6 accept
    iifname . ether saddr . ip daddr . ip saddr @sources_of4 accept
    iifname . ether saddr . ip6 daddr . ip6 saddr @sources_of6 accept
    iifname @monitored_ports goto monitored_sender
    ip daddr 224.0.0.0/4 counter name senders drop
    ip6 daddr ff00::/8 ip6 daddr & ff0f:: != ff02:: counter name senders drop
    ether daddr != ff:ff:ff:ff:ff:ff meta protocol { 8021q, 8021ad } counter name senders drop
  }
  chain monitored_sender {
    ip daddr 224.0.0.0/4 counter name monitored_senders accept
    ip6 daddr ff00::/8 ip6 daddr & ff0f:: != ff02:: counter name monitored_senders accept
    accept
  }
  chain from_subscriber {
${fence.check}    ip protocol igmp counter name membership_reports drop
    ip6 nexthdr hopopt @nh,320,8 58 counter name membership_reports drop
    icmpv6 type { 130, 131, 132, 143 } counter name membership_reports drop
    ip daddr 224.0.0.22 counter name membership_reports drop
    ip6 daddr ff02::16 counter name membership_reports drop
    ether daddr { 01:00:5e:00:00:16, 33:33:00:00:00:16 } counter name membership_reports drop
    ether daddr & 01:00:00:00:00:00 != 00:00:00:00:00:00 ip6 nexthdr hopopt counter name membership_reports drop
    ip6 daddr ff00::/8 exthdr frag exists counter name fragments drop
    meta l4proto pim counter name pim drop
    ether type ${CLAIM} counter name claims drop
    iifname . ether saddr @hosts_in goto from_host
    iifname @open_ports goto from_host
    counter name strangers drop
  }
  chain from_uplink {
    igmp type membership-query counter name upstream_queries drop
    icmpv6 type mld-listener-query counter name upstream_queries drop
  }
  chain before_bridge {
    type filter hook prerouting priority -200; policy accept;
    iifname @subscribers goto from_subscriber
    iifname @uplinks goto from_uplink
  }

  chain from_bridge {
    type filter hook output priority -200; policy accept;
${fence.checkOutput}    igmp type membership-query oifname @subscribers counter name bridge_queries drop
    igmp type membership-query oifname @uplinks counter name bridge_queries drop
    icmpv6 type mld-listener-query oifname @subscribers counter name bridge_queries drop
    icmpv6 type mld-listener-query oifname @uplinks counter name bridge_queries drop
  }

  chain to_host {
    oifname . ether daddr vmap @filters_out
    oifname . ether daddr @hosts_out accept
    oifname @open_ports accept
    counter name unknown_unicast drop
  }
  chain to_channel4 {
    ether daddr set oifname . ip daddr map @only4
  }
  chain to_channel6 {
    ether daddr set oifname . ip6 daddr map @only6
  }
  chain to_subscriber {
${fence.check}    ether daddr & 01:00:00:00:00:00 == 00:00:00:00:00:00 goto to_host
${sources.rules}    oifname . ip daddr @channels4 goto to_channel4
    oifname . ip6 daddr @channels6 goto to_channel6
    oifname != @occupied counter name vacant_ports drop
    ether daddr ff:ff:ff:ff:ff:ff accept
    ip daddr 224.0.0.0/24 accept
    ip6 daddr & ff0f:: == ff02:: accept
    counter name unregistered drop
  }
  chain after_bridge {
    type filter hook postrouting priority 300; policy accept;
    oifname @subscribers goto to_subscriber
  }
`;
}

const NO_FENCE = { chains: '', check: '', checkOutput: '' };

const FENCE_CLEAR = `meta mark set meta mark & ${hex(~FENCE_BIT)}`;

/** A bit that a packet brought along counts for nothing; that of the fence is gone again before anybody else looks. */
const FENCE = {
  chains: `
  chain unmark_before_bridge {
    type filter hook prerouting priority -202; policy accept;
    iifname @subscribers ${FENCE_CLEAR}
  }
  chain unmark_from_bridge {
    type filter hook output priority -202; policy accept;
    oifname @subscribers ${FENCE_CLEAR}
  }
  chain unmark_after_bridge {
    type filter hook postrouting priority 298; policy accept;
    oifname @subscribers ${FENCE_CLEAR}
  }
  chain fence {
    meta mark & ${hex(FENCE_BIT)} == 0 counter drop
    ${FENCE_CLEAR}
  }
`,
  check: '    jump fence\n',
  checkOutput: '    oifname @subscribers jump fence\n',
};

function hex(bits: number): string {
  return `0x${(bits >>> 0).toString(16).padStart(8, '0')}`;
}

const NO_SOURCES = { sets: '', rules: '' };

const SOURCE_SET_TEXT = `  set include4 { type ifname . ipv4_addr; }
  set include6 { type ifname . ipv6_addr; }
  set included4 { type ifname . ipv4_addr . ipv4_addr; }
  set included6 { type ifname . ipv6_addr . ipv6_addr; }
  set excluded4 { type ifname . ipv4_addr . ipv4_addr; }
  set excluded6 { type ifname . ipv6_addr . ipv6_addr; }
`;

const SOURCE_RULES = [4, 6]
  .map((version) => {
    const ip = version === 4 ? 'ip' : 'ip6';
    const drop = 'counter name other_sources drop';
    const named = `oifname . ${ip} daddr . ${ip} saddr`;
    return `    oifname . ${ip} daddr @include${version} ${named} != @included${version} ${drop}
    ${named} @excluded${version} ${drop}
`;
  })
  .join('');

/** A port's element in one of the sets of ports. */
export function portElement(
  set: 'subscribers' | 'uplinks' | 'occupied' | 'open_ports' | 'monitored_ports',
  port: string,
): SetElement {
  return { set, key: portKey(port) };
}

/** A host's elements in `hosts_in` and `hosts_out`, in this order. */
export function hostElements(port: string, mac: Mac): [SetElement, SetElement] {
  const key = hostKeyOf(port, mac);
  return [
    { set: 'hosts_in', key },
    { set: 'hosts_out', key },
  ];
}

/** The element of a channel on a port. */
export function channelElement(port: string, group: IpAddress): SetElement {
  const address = ipBytes(group) ?? new Uint8Array(4);
  return { set: ipFamily(group) === 4 ? 'channels4' : 'channels6', key: concatBytes(portKey(port), address) };
}

/**
 * All elements for what a port receives of a group: one filter for each VLAN that it is forwarded in. The
 * table has no VLANs, so it lets out what any of them wants (RFC 9776 §3.2). No filter: no elements.
 */
export function* channelElements(
  port: string,
  group: IpAddress,
  filters: readonly SourceFilter[],
  sourcesIn: SourcesIn,
): Generator<SetElement> {
  if (filters.length === 0) return;
  const channel = channelElement(port, group);
  yield channel;
  const to = filters.every((filter) => filter.to === filters[0]?.to) ? filters[0]?.to : undefined;
  if (to !== undefined) {
    yield { set: `only${ipFamily(group)}`, key: channel.key, data: macBytes(to) ?? new Uint8Array(6) };
  }
  if (sourcesIn === 'database') return;
  const merged = mergeShares(
    filters.flatMap(({ mode, sources }): GrantedShare[] =>
      mode === 'exclude'
        ? [{ source: undefined, excluded: sources }]
        : sources.map((source) => ({ source, excluded: [] })),
    ),
  );
  const family = ipFamily(group);
  if (merged?.mode === 'include') yield { set: `include${family}`, key: channel.key };
  for (const source of merged?.sources ?? []) {
    const key = concatBytes(channel.key, ipBytes(source) ?? new Uint8Array(4));
    yield { set: `${merged?.mode}d${family}`, key };
  }
}

/** Tells elements apart. */
export function elementName({ set, key, end, data, chain }: SetElement): string {
  const name = chain === undefined ? `${set}/${toHex(key)}` : `${set}/${toHex(key)}>${chain}`;
  if (end === undefined && data === undefined) return name;
  return `${name}-${end === undefined ? '' : toHex(end)}=${data === undefined ? '' : toHex(data)}`;
}
